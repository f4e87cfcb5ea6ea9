"""The keeper's process: `python -m farmctl.embedded.netns DIRECTORY PORT`.

Started by the server (`link`), which has handed it one end of a socket. Leaves the
machine's mount and network namespace before anything else, for every mount and every
interface that it makes must go when it goes.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from farmctl.embedded.netns import kernel, survivors
from farmctl.embedded.netns.bounds import Bounds
from farmctl.embedded.netns.fabric import Fabric
from farmctl.embedded.netns.keeper import Keeper, announce
from farmctl.embedded.settings import Settings
from farmctl.errors import FarmctlError

_PATIENCE_SECONDS = 10.0
_LOG = logging.getLogger("farmctl.embedded.netns")


def main(directory: Path, service: int) -> int:
    """Keep nodes until the server is gone; return the exit status.

    Args:
        directory: the cloud's.
        service: the one TCP port of the machine that nodes may reach.
    """
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    # From the terminal that started the server: it is the server that ends us.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wire = socket.socket(fileno=int(os.environ.pop("FARMCTL_KEEPER_FD")))
    settings = Settings.from_json((directory / "settings.json").read_text())
    try:
        with _alone(directory), contextlib.ExitStack() as ends:
            survivors.end(directory)
            bounds = ends.enter_context(contextlib.closing(Bounds.of(directory)))
            kernel.adopt_orphans()
            kernel.unshare(kernel.NEWNS | kernel.NEWNET)
            kernel.make_private()
            kernel.mount("sysfs", "/sys", "sysfs", flags=kernel.RDONLY)
            kernel.loopback_up()
            fabric = Fabric(
                public=settings.public_network, say=_LOG.info, services=(service,)
            )
            fabric.open()
            keeper = Keeper(directory, fabric, bounds, public=settings.public_network)
            announce(directory)
            asyncio.run(keeper.serve(wire))
    except (FarmctlError, OSError) as error:
        _LOG.critical("%s", error)
        told = {"event": "failed", "error": str(error)}
        with contextlib.suppress(OSError):
            wire.sendall(json.dumps(told).encode() + b"\n")
        return 1
    return 0


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory; the keeper of a killed server may still be ending."""
    (directory / "nodes").mkdir(exist_ok=True, mode=0o700)
    with (directory / "nodes" / "keeper.lock").open("w") as lock:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(
                        11, f"another keeper has {directory} and does not end"
                    ) from None
                # flock has no time-out, and there is nothing else to wait for.
                time.sleep(0.02)
        yield


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
