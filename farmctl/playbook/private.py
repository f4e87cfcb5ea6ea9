"""A private folder for one run of Ansible: what it is told and what it writes.

Mode 0700, and gone with the run. One whose process was killed is found by the next run
and removed: a lock in it says that its process lives.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "farmctl-playbook-"


@contextmanager
def folder(parent: Path | None = None) -> Iterator[Path]:
    """Give a folder that nobody else can look into, until the end.

    Args:
        parent: where it is made; without it where temporary files belong.
    """
    above = Path(tempfile.gettempdir()) if parent is None else parent
    _sweep(above)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
    lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def write(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
    return path


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        try:
            if path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path / "lock", os.O_RDWR)
        except OSError:
            continue  # another user's, or about to be made or gone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # its process lives
        finally:
            os.close(lock)
