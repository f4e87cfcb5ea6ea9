"""The cache of trees: one folder each, whole or not there.

A tree is built beside its place and renamed into it. A lock per tree keeps two
processes from building the same one; every command of a build holds it as well, so
that what a killed build left is removed only when the last of them is dead.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from farmctl.errors import NotPossibleError

_BUILDING = ".building-"
_WAITING = 0.2
_DAY = 86_400.0
_OCTAL = re.compile(r"\\([0-7]{3})")
_BETWEEN = re.compile(r"(?<!\\134):")
_ESCAPED = re.compile(r"\\(.)")


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
    """Return a finished tree and note that it was used, None if there is none."""
    path = place(cache, key)
    if not path.is_dir():
        return None
    with contextlib.suppress(OSError):
        os.utime(_lock_file(cache, key))
    return path


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
                os.utime(descriptor)
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
    """Whether the locked file is the one that stands there: `prune` removes some."""
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


def prune(
    cache: Path,
    *,
    keep: Collection[str] = (),
    days: float = 30.0,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Remove trees that nobody used for `days`, and what killed builds left.

    A tree that is in `keep`, being built, or the ground of a mount of any process
    stays.

    Args:
        cache: The folder of all trees.
        keep: Names of trees, as they stand in the cache.
        days: 0 removes all that is not in use.
        say: Told of each that is removed.

    Returns:
        The names of those that were removed.
    """
    gone = []
    used = _mounted()
    before = time.time() - days * _DAY
    for lock in sorted(cache.glob(".*.lock")):
        key = lock.name[1 : -len(".lock")]
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            if not _take(descriptor):
                continue
            _remove_rubbish(cache, key)
            path = place(cache, key)
            if key in keep or lock.stat().st_mtime > before or str(path) in used:
                continue
            if path.is_dir():
                say(f"Removing {key}")
                # Out of its place at one stroke, so that half a tree is never found.
                rubbish = cache / f"{_BUILDING}{key}-pruned"
                path.rename(rubbish)
                _remove(rubbish)
                gone.append(key)
            log_file(cache, key).unlink(missing_ok=True)
            lock.unlink()
        finally:
            os.close(descriptor)
    return tuple(gone)


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


def lower_layers(text: str) -> list[str]:
    """Return the paths in a `lowerdir` of mountinfo.

    The kernel writes blanks and backslashes as octal numbers there, and overlayfs puts
    a backslash before what stands for more than itself.
    """
    plain = (
        _OCTAL.sub(lambda found: chr(int(found[1], 8)), each)
        for each in _BETWEEN.split(text)
    )
    return [_ESCAPED.sub(r"\1", each) for each in plain]


def _mounted() -> set[str]:
    """Folders that are a mount's source or lower layer in any process's view."""
    seen: set[str] = set()
    for file in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            text = file.read_text(errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            for option in line.rpartition(" ")[2].split(","):
                name, _, value = option.partition("=")
                if name == "lowerdir":
                    seen.update(lower_layers(value))
    return seen
