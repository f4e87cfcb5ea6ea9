"""ssh as a process: run to its end, or ended with all that it has started."""

import contextlib
import os
import select
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

from farmctl.errors import NotPossibleError
from farmctl.model.guests import Ran

MOST = 128 * 1024 * 1024
"""Bytes that a command may write: four times what Slurm says of 10,000 jobs. A guest
that writes without end must not fill the memory of whoever asked it."""

_CHUNK = 1 << 16


class TooMuchError(Exception):
    """A command wrote more than `MOST` bytes."""


def client() -> str:
    """Return the path of ssh.

    Raises:
        NotPossibleError: there is none.
    """
    found = shutil.which("ssh")
    if found is None:
        raise NotPossibleError(
            "Nothing can log in to nodes: OpenSSH's client is not installed here.",
            hint="Install it: `apt install openssh-client`, or "
            "`dnf install openssh-clients`.",
        )
    return found


def finish(command: Sequence[str], *, stdin: str, timeout: float) -> Ran:
    """Run a program to its end; when the time is up, it and its children are ended.

    It has no terminal, and a Ctrl-C in ours does not reach it.

    Raises:
        subprocess.TimeoutExpired: the time was up.
        TooMuchError: it wrote more than anybody wants to read; it was ended.
    """
    ends = time.monotonic() + timeout
    with subprocess.Popen(  # noqa: S603 - the path of ssh, and no shell
        command,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = _talk(process, stdin.encode(), ends)
            process.wait(max(0.0, ends - time.monotonic()))
        except BaseException:
            _end(process)
            raise
        return Ran(
            status=process.returncode,
            out=out.decode("utf-8", "replace"),
            err=err.decode("utf-8", "replace"),
        )


def _talk(
    process: "subprocess.Popen[bytes]", words: bytes, ends: float
) -> tuple[bytes, bytes]:
    """Write what it is to read, and return all that it writes, until it lets go."""
    said, complained = bytearray(), bytearray()
    left = memoryview(words)
    with selectors.DefaultSelector() as pipes:
        for pipe, text in ((process.stdout, said), (process.stderr, complained)):
            if pipe is not None:
                pipes.register(pipe, selectors.EVENT_READ, text)
        if process.stdin is not None:
            pipes.register(process.stdin, selectors.EVENT_WRITE, None)
        while pipes.get_map():
            remaining = ends - time.monotonic()
            if remaining <= 0:
                raise subprocess.TimeoutExpired(process.args, 0.0)
            for key, _ in pipes.select(remaining):
                if key.data is None:
                    try:
                        # So much never blocks where something can be written.
                        left = left[os.write(key.fd, left[: select.PIPE_BUF]) :]
                    except BrokenPipeError:
                        left = left[:0]
                    over = not left
                else:
                    chunk = os.read(key.fd, _CHUNK)
                    key.data.extend(chunk)
                    over = not chunk
                    if len(said) + len(complained) > MOST:
                        raise TooMuchError
                if over:
                    pipes.unregister(key.fileobj)
                    if key.data is None and process.stdin is not None:
                        process.stdin.close()
    return bytes(said), bytes(complained)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children, and let go of the pipes that they held open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()
