"""The init of a tree that has none: starts /etc/rc.local, reaps, ends when told.

Runs as PID 1 of the node, in the process that made it: nothing may be imported here,
for the node's root has no Python of ours. SIGTERM or SIGPWR powers off, SIGINT
reboots: what a virtual power button and Ctrl-Alt-Del do.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Mapping
from typing import NoReturn

_POWER_OFF = 0x4321FEDC
_RESTART = 0x01234567
_GRACE_SECONDS = 3.0
_ENDINGS: dict[int, int] = {
    signal.SIGTERM: _POWER_OFF,
    signal.SIGPWR: _POWER_OFF,
    signal.SIGUSR1: _POWER_OFF,
    signal.SIGUSR2: _POWER_OFF,
    signal.SIGINT: _RESTART,
}
_LIBC = ctypes.CDLL(None, use_errno=True)


def run(environment: Mapping[str, str]) -> NoReturn:
    """Be PID 1 until told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_ENDINGS, signal.SIGCHLD])
    if os.access("/etc/rc.local", os.X_OK):
        _start("/etc/rc.local", environment)
    while True:
        number = signal.sigwait([*_ENDINGS, signal.SIGCHLD])
        if number == signal.SIGCHLD:
            _reap()
            continue
        _end_all()
        _LIBC.reboot(ctypes.c_int(_ENDINGS[number]))
        os._exit(0)


def _start(program: str, environment: Mapping[str, str]) -> None:
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        with contextlib.suppress(OSError):
            os.setsid()
            os.execve(program, [program, "start"], environment)  # noqa: S606
        os._exit(127)


def _reap() -> bool:
    """Collect what has ended; say whether anybody is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_all() -> None:
    """Ask everybody to end, wait a little, and end them."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while _reap() and time.monotonic() < deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
