"""Other programs and descriptors, awaited without a thread.

asyncio's own subprocesses wait in threads on Python 3.11, and the keeper must have
none: it forks nodes.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
from pathlib import Path

_WORDS = 2000


class FailedError(Exception):
    """A program failed; the message is what it said."""


async def readable(descriptor: int) -> None:
    """Wait until a descriptor can be read, or its other end is gone."""
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[None] = loop.create_future()

    def see() -> None:
        if not seen.done():
            seen.set_result(None)

    loop.add_reader(descriptor, see)
    try:
        await seen
    finally:
        loop.remove_reader(descriptor)


async def run(*command: str) -> str:
    """Run a program to its end and return what it wrote to its standard output.

    It is killed when the waiting is cancelled.

    Args:
        command: the program and its arguments.

    Raises:
        FailedError: it failed; with the last that it said.
        OSError: it cannot be started.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # no thread; our own words
            command,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=said,
        )
        ended = os.pidfd_open(process.pid)
        try:
            await readable(ended)
        except asyncio.CancelledError:
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            raise
        finally:
            os.close(ended)
            process.wait()
        if process.returncode:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()[-_WORDS:]
            name = Path(command[0]).name
            raise FailedError(words or f"{name}: exit status {process.returncode}")
        told.seek(0)
        return told.read().decode(errors="replace")
