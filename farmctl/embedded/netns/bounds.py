"""What a node may take of the machine: memory and processes, if cgroups are there.

Each node is a cgroup below one of the cloud's own, in either version of the kernel's
interface. Where none can be made nothing bounds a node, and `needs` says so once. What
a keeper that was killed has left are empty folders, which the next one of that cloud
removes. Asked for before the keeper covers /sys: the hierarchies are held open.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LOG = logging.getLogger(__name__)

LEAST_MIB = 512
"""MiB that every node may take, whatever its MEMORY: its kernel is not its own, and
the page cache of its files and its tmpfs count as well."""

MOST_PROCESSES = 4096
"""Processes and threads of one node."""

_MIB = 1024 * 1024
_PREFIX = "farmctl-"
_CONTROLLERS = ("memory", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """A cgroup file system with some of the controllers, held open by its folder."""

    folder: Path
    controllers: tuple[str, ...]
    unified: bool

    def limits(self, memory_mib: int) -> Mapping[str, str]:
        """Return what is written into the files of a node's cgroup."""
        amount = str(max(memory_mib, LEAST_MIB) * _MIB)
        memory = "memory.max" if self.unified else "memory.limit_in_bytes"
        all_of_them = {"memory": (memory, amount), "pids": ("pids.max", None)}
        return {
            name: value or str(MOST_PROCESSES)
            for each in self.controllers
            for name, value in (all_of_them[each],)
        }


class Bounds:
    """The cgroups of one cloud's nodes; to be closed."""

    def __init__(self, hierarchies: tuple[Hierarchy, ...], name: str) -> None:
        """Make the cloud's own cgroup in each hierarchy; one that refuses is left out.

        Args:
            hierarchies: where.
            name: what the cgroup is called.
        """
        self._name = name
        self._held: list[tuple[int, int]] = []
        self._bases: list[tuple[Hierarchy, Path]] = []
        for each in hierarchies:
            base = each.folder / name
            try:
                base.mkdir(exist_ok=True)
                _sweep(base)
                if each.unified:
                    _enable(each.folder, each.controllers)
                    _enable(base, each.controllers)
                    given = (base / "cgroup.subtree_control").read_text().split()
                    if not {*each.controllers} <= {*given}:
                        base.rmdir()
                        continue
                above, held = _held(each.folder), _held(base)
            except OSError as error:
                _LOG.info("%s bounds no node: %s", each.folder, error)
                continue
            self._held.append((above, held))
            self._bases.append((each, Path(f"/proc/self/fd/{held}")))

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Return those of the cloud whose directory this is."""
        known = hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:12]
        mounts = Path("/proc/self/mounts").read_text()
        groups = Path("/proc/self/cgroup").read_text()
        return cls(tuple(hierarchies(mounts, groups)), f"{_PREFIX}{known}")

    @property
    def bounded(self) -> tuple[str, ...]:
        """What is bounded: memory, pids, both or nothing."""
        found = {each for held, _ in self._bases for each in held.controllers}
        return tuple(sorted(found))

    def take(self, vm: int, pid: int, memory_mib: int) -> None:
        """Put a node's first process under its bounds, and all that comes of it.

        A node that cannot be bounded runs all the same.
        """
        for each, base in self._bases:
            group = base / str(vm)
            try:
                group.mkdir(exist_ok=True)
                for name, value in each.limits(memory_mib).items():
                    (group / name).write_text(value)
                (group / "cgroup.procs").write_text(str(pid))
            except OSError as error:
                _LOG.warning("VM %s is not bounded: %s", vm, error)

    def close(self) -> None:
        """Remove the cgroups; those in which something still ends stay behind."""
        for above, held in self._held:
            _sweep(Path(f"/proc/self/fd/{held}"))
            os.close(held)
            with contextlib.suppress(OSError):
                os.rmdir(self._name, dir_fd=above)
            os.close(above)
        self._bases, self._held = [], []


def hierarchies(mounts: str, groups: str) -> Iterator[Hierarchy]:
    """Yield where memory and processes can be bounded.

    Args:
        mounts: the text of /proc/self/mounts.
        groups: the text of /proc/self/cgroup.
    """
    own: dict[str, str] = {}
    for line in groups.splitlines():
        _, names, path = line.split(":", 2)
        own |= dict.fromkeys(names.split(","), path)
    missing = list(_CONTROLLERS)
    for line in mounts.splitlines():
        _, where, kind, options, *_ = line.split()
        folder = Path(where)
        if kind == "cgroup2":
            with contextlib.suppress(OSError):
                there = (folder / "cgroup.controllers").read_text().split()
                both = tuple(each for each in missing if each in there)
                if both:
                    yield Hierarchy(folder=folder, controllers=both, unified=True)
                    missing = [each for each in missing if each not in both]
        elif kind == "cgroup":
            found = tuple(each for each in missing if each in options.split(","))
            if found:
                below = folder / own.get(found[0], "/").lstrip("/")
                place = below if below.is_dir() else folder
                yield Hierarchy(folder=place, controllers=found, unified=False)
                missing = [each for each in missing if each not in found]


def _held(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _enable(folder: Path, controllers: tuple[str, ...]) -> None:
    for each in controllers:
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{each}")


def _sweep(base: Path) -> None:
    """Remove the cgroups of nodes that are gone."""
    for group in base.iterdir():
        if group.is_dir():
            with contextlib.suppress(OSError):
                group.rmdir()
