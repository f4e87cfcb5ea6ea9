"""Farm files that the daemon was given: read when they change, the last good one kept.

A file that is wrong changes nothing: its mistakes are told once, and the farm goes on
as it was declared last. One that vanishes ends no farm.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from farmctl.errors import FarmctlError
from farmctl.spec import Farm

Reader = Callable[[Path], Farm]
"""Reads a farm file and holds it against its site, or raises every mistake."""


class Files:
    """The files, each with what was read from it last."""

    def __init__(self, paths: Iterable[Path], read: Reader) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._digests: dict[Path, str] = {}
        self._farms: dict[Path, Farm] = {}
        self._pending: dict[str, Farm] = {}

    def look(self) -> list[tuple[Path, str]]:
        """Read what has changed; return what is wrong with which file, once each."""
        wrong: list[tuple[Path, str]] = []
        for path in self._paths:
            digest = _digest(path)
            if digest == self._digests.get(path):
                continue
            self._digests[path] = digest
            try:
                farm = self._read(path)
            except (FarmctlError, OSError) as error:
                wrong.append((path, str(error)))
                continue
            other = next(
                (
                    each
                    for each, known in self._farms.items()
                    if known.name == farm.name and each != path
                ),
                None,
            )
            if other is not None:
                wrong.append((path, f"{other} declares the farm {farm.name} already."))
                continue
            self._farms[path] = farm
            self._pending[farm.name] = farm
        return wrong

    @property
    def names(self) -> frozenset[str]:
        """The farms that the files declare."""
        return frozenset(farm.name for farm in self._farms.values())

    def pending(self, farm: str) -> Farm | None:
        """Return a farm as its file says, if that has not been carried out yet."""
        return self._pending.get(farm)

    def done(self, farm: Farm) -> None:
        """Take note that a declaration is in the farm's document now."""
        if self._pending.get(farm.name) is farm:
            del self._pending[farm.name]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
