"""What the kernel does not let a node do to the machine, whatever it tries.

An init that powers off remounts read-only what it cannot unmount: OpenWrt's by
`umount -a -r`, Debian's by a script. A node sees some of the machine's own file
systems (its console is one of the machine's terminals, /context and /media are
directories of its disk), and a remount that does not say `bind` changes the file
system itself, for everybody. So that is refused.

The clock is the machine's too. Setting it is refused by what a node may do at all;
steering it is answered as done, and nothing is: busybox' ntpd, which is OpenWrt's,
would end otherwise, and with it the time that a router serves.

It is no wall against root who means harm.
"""

import ctypes
import os
import struct

from farmctl.embedded.netns import kernel

_SET_SECCOMP = 22
_FILTER = 2

_LOAD = 0x20
_AND = 0x54
_EQUAL = 0x15
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EPERM = 1
_ENOSYS = 38
_NUMBER, _ARCHITECTURE, _MOUNT_FLAGS = 0, 4, 16 + 3 * 8
"""Places in `struct seccomp_data` (linux/seccomp.h); low halves first."""

_FSPICK = 433
"""The newer way to remount; who gets ENOSYS goes the older way."""
_CALLS = {
    "x86_64": (0xC000003E, 165, 159, 305),
    "aarch64": (0xC00000B7, 40, 171, 266),
    "riscv64": (0xC00000F3, 40, 171, 266),
    "ppc64le": (0xC0000015, 21, 124, 347),
}
"""By machine: its number (linux/audit.h), those of mount, adjtimex, clock_adjtime."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def keep_off_the_machine() -> None:
    """Keep this process, and all that come from it, from what the module names.

    Raises:
        OSError: the kernel has no such filters.
    """
    machine = os.uname().machine
    if machine not in _CALLS:
        raise OSError(_ENOSYS, f"the system calls of {machine} are not known")
    code = _program(*_CALLS[machine])
    program = _Program(length=len(code) // 8, code=code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"PR_SET_SECCOMP: {os.strerror(number)}")


def _program(architecture: int, mount: int, *clock: int) -> bytes:
    first, second = clock
    return b"".join(
        struct.pack("=HBBI", *each)
        for each in (
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUAL, 0, 8, architecture),
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 8, 0, _FSPICK),
            (_EQUAL, 8, 0, first),
            (_EQUAL, 7, 0, second),
            (_EQUAL, 0, 3, mount),
            (_LOAD, 0, 0, _MOUNT_FLAGS),
            (_AND, 0, 0, kernel.REMOUNT | kernel.BIND),
            (_EQUAL, 1, 0, kernel.REMOUNT),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
            (_RETURN, 0, 0, _ERRNO | _ENOSYS),
            (_RETURN, 0, 0, _ERRNO),
        )
    )
