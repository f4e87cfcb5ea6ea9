"""ssh as a process: run to its end, or ended with all that it has started."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence

from farmctl.errors import NotPossibleError
from farmctl.model.guests import Ran


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
    """
    with subprocess.Popen(  # noqa: S603 - the path of ssh, and no shell
        command,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(
                stdin.encode() if stdin else None, timeout=timeout
            )
        except BaseException:
            _end(process)
            raise
        return Ran(
            status=process.returncode,
            out=out.decode("utf-8", "replace"),
            err=err.decode("utf-8", "replace"),
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children, and let go of the pipes that they held open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()
