"""Unpack a root file system tarball into a tree.

What it holds is a stranger's: GNU tar itself keeps members inside the folder, and the
rest of the machine is read-only to it. A tarball that holds no root file system of
this machine's kind is refused before anybody boots it.
"""

import errno
import hashlib
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from farmctl.embedded.trees import contained, store
from farmctl.embedded.trees.contained import Runner, StepFailedError
from farmctl.errors import NotPossibleError

_UNPACK = """
tar --extract --file "$2" --directory "$1/tree" --numeric-owner --same-owner \
    --same-permissions --xattrs --xattrs-include='*' --delay-directory-restore \
    --warning=no-timestamp --warning=no-unknown-keyword
sync -f "$1/tree"
"""

_SHELLS = ("/sbin/init", "/bin/sh", "/bin/busybox")
_SUFFIXES = re.compile(r"(\.rootfs)?\.(tar(\.\w+)?|tgz|txz|tzst)$", re.IGNORECASE)
_ODD = re.compile(r"[^a-z0-9.-]+")
_BLOCK = 1 << 20
_CHECKSUM = 12
_LONGEST_NAME = 48
_MOST_LINKS = 40
_USTAR = (257, b"ustar")
_MACHINES = {3: "i686", 8: "mips", 20: "ppc", 40: "armv7l", 62: "x86_64"} | {
    21: "ppc64le",
    22: "s390x",
    183: "aarch64",
    243: "riscv64",
}
"""ELF's numbers of machines, under the names that the kernel gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packing:
    name: str
    magic: bytes
    program: str
    package: str
    times: int
    """How much larger it gets, roughly, at most."""


_PACKINGS = (
    _Packing(name="gzip", magic=b"\x1f\x8b", program="gzip", package="gzip", times=5),
    _Packing(
        name="xz", magic=b"\xfd7zXZ\x00", program="xz", package="xz-utils", times=8
    ),
    _Packing(name="zstd", magic=b"(\xb5/\xfd", program="zstd", package="zstd", times=6),
    _Packing(name="bzip2", magic=b"BZh", program="bzip2", package="bzip2", times=6),
)
_DISKS = {b"QFI\xfb": "a qcow2 disk image", b"KDMV": "a VMDK disk image"}


def unpacked(path: Path, *, cache: Path, say: Callable[[str], None]) -> Path:
    """Return the folder of a tarball's files, unpacked if that was not done yet.

    Raises:
        NotPossibleError: it is no root file system of this machine's architecture, is
            damaged, or cannot be unpacked here.
    """
    packing, checksum, size = _examine(path)
    key = f"{_name(path)}-{checksum}"
    if (found := store.found(cache, key)) is not None:
        return found
    contained.need_root(f"An image tree from {path.name}")
    programs = {"tar": "tar", "unshare": "util-linux", "setpriv": "util-linux"}
    if packing is not None:
        programs[packing.program] = packing.package
    contained.need_programs(programs)
    with store.locked(cache, key, say) as lock:
        if (found := store.found(cache, key)) is not None:
            return found
        times = 1 if packing is None else packing.times
        contained.need_space(
            cache, 50 + times * size // 1_000_000, f"Unpacking {path.name}"
        )
        say(f"Unpacking {path.name}, {size / 1e6:.0f} MB")
        log = store.log_file(cache, key)
        log.write_text("")
        with store.building(cache, key) as folder:
            runner = Runner(log=log, folder=folder, lock=lock)
            try:
                runner.run(_UNPACK, folder, path.resolve())
            except StepFailedError as error:
                raise contained.refusal(
                    f"The image tree from {path.name}",
                    error.lines,
                    log,
                    failed="unpacking",
                    hint="The file is damaged, or no root file system: fetch it again, "
                    "or pack it with `tar -C FOLDER -czf FILE .` as root.",
                ) from error
            _check(folder / "tree", path)
    return store.place(cache, key)


def _examine(path: Path) -> tuple[_Packing | None, str, int]:
    """How the file is packed, the checksum of its content, its bytes."""
    found = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            head = file.read(_BLOCK)
            block = head
            while block:
                found.update(block)
                size += len(block)
                block = file.read(_BLOCK)
    except OSError as error:
        reason = {
            errno.ENOENT: "there is no such file",
            errno.EISDIR: "it is a folder",
        }.get(error.errno or 0, os.strerror(error.errno or 0))
        raise NotPossibleError(
            f"The image {str(path)!a} cannot be read: {reason}.",
            hint="Give a root file system tarball, or a recipe such as tree:debian-12.",
        ) from error
    for magic, what in _DISKS.items():
        if head.startswith(magic):
            raise NotPossibleError(
                f"{path.name} is {what}; nodes of the netns driver boot a root file "
                "system.",
                hint="Give the rootfs.tar.gz of the same system, or a recipe such as "
                "tree:debian-12.",
            )
    checksum = found.hexdigest()[:_CHECKSUM]
    for packing in _PACKINGS:
        if head.startswith(packing.magic):
            return packing, checksum, size
    start, magic = _USTAR
    if head[start : start + len(magic)] != magic:
        raise NotPossibleError(
            f"{path.name} is no tarball.",
            hint="Give a .tar, .tar.gz, .tar.xz or .tar.zst of a root file system.",
        )
    return None, checksum, size


def _name(path: Path) -> str:
    plain = _ODD.sub("-", _SUFFIXES.sub("", path.name).lower()).strip("-.")
    return plain[:_LONGEST_NAME].strip("-.") or "tarball"


def _check(tree: Path, path: Path) -> None:
    """Refuse what no node can boot."""
    program = next((found for name in _SHELLS if (found := inside(tree, name))), None)
    if program is None:
        tops = sorted(entry.name for entry in tree.iterdir())
        hint = "Pack the root folder of a system: tar -C FOLDER -czf FILE ."
        if len(tops) == 1 and any(inside(tree / tops[0], name) for name in _SHELLS):
            hint = f"Its files are in {tops[0]!a}: pack them from inside that folder."
        raise NotPossibleError(
            f"{path.name} holds no root file system: neither /sbin/init nor /bin/sh.",
            hint=hint,
        )
    machine = machine_of(program)
    if machine and machine != platform.machine():
        raise NotPossibleError(
            f"{path.name} is made for {machine}; this machine is {platform.machine()}.",
            hint="Give the tarball for this machine's architecture.",
        )


def inside(tree: Path, name: str) -> Path | None:
    """Return the file that `name` is inside a tree, through links; None if none.

    Links are followed as they would be with the tree as root.
    """
    rest = list(PurePosixPath(name).parts[1:])
    at = tree
    links = 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            at = at if at == tree else at.parent
            continue
        at /= part
        if at.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                return None
            target = PurePosixPath(at.readlink())
            at = tree if target.is_absolute() else at.parent
            rest = [*(part for part in target.parts if part != "/"), *rest]
    return at if at.is_file() else None


def machine_of(program: Path) -> str:
    """Return the architecture that an ELF program is for, empty if it is none."""
    with program.open("rb") as file:
        head = file.read(20)
    if not head.startswith(b"\x7fELF") or len(head) < 20:  # noqa: PLR2004 - up to e_machine
        return ""
    order: Literal["little", "big"] = "little" if head[5] == 1 else "big"
    number = int.from_bytes(head[18:20], order)
    return _MACHINES.get(number, "")
