"""Nodes that outlived their keeper: found by the word that it left of them, and ended.

The kernel ends a node with its keeper, unless something in the node has cleared the
signal that it is told by (any init may; so does a program with rights of its own). Two
nodes on one disk would be the end of it, so nothing is begun while one is there.
"""

import contextlib
import os
import select
import signal
from pathlib import Path

from farmctl.embedded.netns import looking

_SECONDS = 5.0


def end(directory: Path) -> int:
    """End the nodes of a cloud whose keeper is gone; return how many there were."""
    found = 0
    for each in looking.nodes(directory):
        if each.place == looking.FABRIC:
            continue
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(each.pid)
            try:
                found += _end(directory, each, handle)
            finally:
                os.close(handle)
    return found


def _end(directory: Path, seen: looking.Seen, handle: int) -> bool:
    # Looked at again now that the number cannot become another process' any more.
    if seen not in looking.nodes(directory):
        return False
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    # Readable once the process has ended; as init of its namespace it takes all along.
    gone = select.poll()
    gone.register(handle, select.POLLIN)
    gone.poll(_SECONDS * 1000)
    return True
