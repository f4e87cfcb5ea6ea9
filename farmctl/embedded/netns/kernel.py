"""The kernel's calls that Python 3.11 does not have: namespaces, mounts, prctl.

Plain functions over libc; each raises `OSError` with what it was about. No policy:
which namespaces and mounts a node has is `spawning`'s business.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

NEWNS = 0x00020000
NEWUTS = 0x04000000
NEWIPC = 0x08000000
NEWPID = 0x20000000
NEWNET = 0x40000000

RDONLY = 1
NOSUID = 2
NODEV = 4
NOEXEC = 8
REMOUNT = 32
BIND = 4096
REC = 16384
PRIVATE = 1 << 18
_DETACH = 2

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_CAPBSET_DROP = 24
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203}
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271}
_JOIN_SESSION_KEYRING = 1
_NO_LOGIN = "4294967295"

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_LINUX_IMMUTABLE": 9,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_TIME": 25,
    "CAP_MKNOD": 27,
    "CAP_AUDIT_CONTROL": 30,
    "CAP_MAC_OVERRIDE": 32,
    "CAP_MAC_ADMIN": 33,
    "CAP_SYSLOG": 34,
    "CAP_WAKE_ALARM": 35,
    "CAP_BLOCK_SUSPEND": 36,
    "CAP_AUDIT_READ": 37,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
    "CAP_CHECKPOINT_RESTORE": 40,
}
"""Capabilities that act on the whole machine, by number (linux/capability.h).

CAP_DAC_READ_SEARCH opens any file of the file system that /context is on by its handle.
"""

_LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones."""
    _check(_LIBC.unshare(flags), "unshare")


def mount(
    source: str, target: str, kind: str = "", *, flags: int = 0, data: str = ""
) -> None:
    """Attach a file system, or a part of one, at a place."""
    result = _LIBC.mount(
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, *, flags: int = 0) -> None:
    """Show a file or directory, with all that is mounted in it, at a second place.

    The flags are those of the second place alone: a mount takes none with BIND.
    """
    mount(source, target, flags=BIND | REC)
    if flags:
        mount("", target, flags=BIND | REMOUNT | flags)


def make_private() -> None:
    """Keep mounts of this mount namespace to itself, and others' out of it."""
    mount("", "/", flags=REC | PRIVATE)


def umount(target: str) -> None:
    """Take away what is mounted at a place; whoever uses it keeps it."""
    _check(_LIBC.umount2(target.encode(), _DETACH), f"umount {target}")


def pivot_root(new: str) -> None:
    """Make `new`, a mount point, the root; the old one is gone.

    The calling process stands in the new root afterwards.
    """
    os.chdir(new)
    number = _PIVOT_ROOT.get(os.uname().machine, 0)
    if not number:
        raise OSError(38, f"pivot_root on {os.uname().machine} is not known")
    _check(_LIBC.syscall(number, b".", b"."), f"pivot_root to {new}")
    umount(".")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent's thread ends."""
    _prctl(_SET_PDEATHSIG, signal_number, "PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def drop_capabilities() -> None:
    """Give up for good what acts on the whole machine."""
    for name, number in _capabilities().items():
        _prctl(_CAPBSET_DROP, number, name)


def forget_login() -> None:
    """Be nobody's session: no keys of whoever started us, and not their login.

    Without CAP_AUDIT_CONTROL, a login that is set can never be set again: pam_loginuid
    would then let nobody into the node.
    """
    number = _KEYCTL.get(os.uname().machine, 0)
    if number and _LIBC.syscall(number, _JOIN_SESSION_KEYRING, None) == -1:
        failed = ctypes.get_errno()
        # A kernel without keys, or a container that is let to none, has none to show.
        if failed not in (errno.ENOSYS, errno.EPERM):
            raise OSError(failed, f"keyctl: {os.strerror(failed)}")
    with contextlib.suppress(OSError):
        Path("/proc/self/loginuid").write_text(_NO_LOGIN)


def without_rights() -> list[str]:
    """Return the words before a command that shall lack the same capabilities."""
    names = (name.removeprefix("CAP_").lower() for name in _capabilities())
    return ["setpriv", f"--bounding-set={','.join(f'-{name}' for name in names)}", "--"]


def inside(pid: int) -> list[str]:
    """Return the words before a command that shall run inside a node, by its init.

    With no more rights than the node's own processes have. `nsenter` alone would stop
    when a node that shuts down stops all of its processes, and then never bury the
    command, without which the node's init cannot end: a shell waits for it instead.
    """
    target = f"--target={pid}"
    spaces = ("mount", "uts", "ipc", "net", "root", "wd")
    return [
        *without_rights(),
        *("nsenter", target, "--pid", "--no-fork", "--"),
        *("sh", "-c", '"$@"; exit $?', "inside"),
        *("nsenter", target, *(f"--{space}" for space in spaces), "--no-fork", "--"),
    ]


def set_hostname(name: str) -> None:
    """Name the host of this UTS namespace."""
    encoded = name.encode()
    _check(_LIBC.sethostname(encoded, len(encoded)), "sethostname")


def loopback_up() -> None:
    """Set the loopback interface of this network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def started_at(pid: int) -> int | None:
    """Return when a process started, in ticks since boot; None: there is none.

    Tells a process from a later one of the same number.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything; what follows it may not.
    return int(text.rpartition(")")[2].split()[19])


def _capabilities() -> dict[str, int]:
    """Return those of CAPABILITIES that this kernel knows."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return {name: number for name, number in CAPABILITIES.items() if number <= last}


def _prctl(option: int, value: int, what: str) -> None:
    arguments = (ctypes.c_ulong(value), *(ctypes.c_ulong(0) for _ in range(3)))
    _check(_LIBC.prctl(option, *arguments), what)


def _check(result: int, what: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
