"""The cache of trees: one folder each, whole or not there.

A tree is built beside its place and renamed into it. A lock per tree keeps two
processes from building the same one; every command of a build holds it as well, so
that what a killed build left is removed only when the last of them is dead.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from farmctl.errors import NotPossibleError

_BUILDING = ".building-"


def usual_cache() -> Path:
    """Return `$XDG_CACHE_HOME/farmctl/trees`, by default below `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "farmctl" / "trees"


def place(cache: Path, key: str) -> Path:
    """Return where a finished tree stands."""
    return cache / key


def log_file(cache: Path, key: str) -> Path:
    """Return where the log of its build stands."""
    return cache / f"{key}.log"


def found(cache: Path, key: str) -> Path | None:
    """Return a finished tree, None if there is none."""
    path = place(cache, key)
    return path if path.is_dir() else None


@contextlib.contextmanager
def locked(cache: Path, key: str, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock of one tree; yield its descriptor. Waits for another holder."""
    while True:
        descriptor = _open(cache, key)
        try:
            if not _take(descriptor):
                say(f"Waiting for another process that builds {key}")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(descriptor, _lock_file(cache, key)):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _open(cache: Path, key: str) -> int:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return os.open(
            _lock_file(cache, key), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
    except OSError as error:
        raise NotPossibleError(
            f"Image trees cannot be kept in {cache}: {error.strerror}.",
            hint="Put them elsewhere with XDG_CACHE_HOME.",
        ) from error


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one that stands there: people remove some."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def building(cache: Path, key: str) -> Iterator[Path]:
    """Yield a folder to build in; at the end it becomes the tree, whole.

    The caller holds the lock. If it raises, nothing stays.
    """
    _remove_rubbish(cache, key)
    folder = cache / f"{_BUILDING}{key}-{os.getpid()}"
    folder.mkdir(mode=0o755)
    tree = folder / "tree"
    tree.mkdir(mode=0o755)
    try:
        yield folder
        tree.rename(place(cache, key))
    finally:
        _remove(folder)


def _lock_file(cache: Path, key: str) -> Path:
    return cache / f".{key}.lock"


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_rubbish(cache: Path, key: str) -> None:
    for rubbish in cache.glob(f"{_BUILDING}{key}-*"):
        _remove(rubbish)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
