"""Who this process is, and whether another one is still there.

A lock outlives the process that took it. What is written beside it must let another
process tell, without asking anybody, that its holder is gone: the machine, the boot of
its kernel and the pid namespace, the pid and when the process started. Where the
kernel shows none of this (no /proc), nothing is claimed and the lock's reader falls
back to watching the holder's beat.
"""

import os
import secrets
import socket
from enum import Enum
from pathlib import Path

from farmctl.model.view import Holder

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_START_TIME = 19
"""Field 22 of /proc/PID/stat, counted after the command's closing parenthesis."""


class Life(Enum):
    """What can be said of a holder from here, without watching it."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


def myself(command: str) -> Holder:
    """Return this process as the holder of a lock, with a nonce of its own."""
    return Holder(
        host=socket.gethostname(),
        boot=_boot(),
        pid=os.getpid(),
        started=_started(os.getpid()),
        nonce=secrets.token_hex(8),
        beat=0,
        command=command[:200],
    )


def life(holder: Holder) -> Life:
    """Say whether the holder's process lives, as far as this machine can know.

    The same host name and boot id may be seen from two pid namespaces (containers);
    only within one of them does a pid mean anything.
    """
    boot = _boot()
    if not boot or holder.host != socket.gethostname() or holder.boot != boot:
        return Life.UNKNOWN
    started = _started(holder.pid)
    if started and started == holder.started:
        return Life.ALIVE
    return Life.DEAD


def is_this_process(holder: Holder) -> bool:
    """Say whether the holder is this very process."""
    return holder.pid == os.getpid() and life(holder) is Life.ALIVE


def _boot() -> str:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{boot} {_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since the boot; "" if it is gone.

    A zombie is gone: it changes nothing any more.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    if len(fields) <= _START_TIME or fields[0] in "ZX":
        return ""
    return fields[_START_TIME]
