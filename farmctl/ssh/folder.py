"""A private folder for sockets and files of one run; found and swept if we are killed.

Paths of sockets have 107 bytes at most, so the folder's own is short. A lock in it says
that its process lives; the next run removes folders whose process was killed.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

PREFIX = "farmctl-ssh-"

_PLAIN = re.compile(r"/[A-Za-z0-9._/-]+")
_LONGEST = 70
"""Bytes of the folder's path: leaves ssh room for a socket's name and its suffix."""


class Folder:
    """A folder of mode 0700 that is there until `close`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        parent = _parent(environment)
        _sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, name: str, text: str) -> None:
        """Write a file whole: whoever reads it meanwhile has the old one."""
        new = self.path / f".{name}.new"
        new.touch(mode=0o600)
        new.write_text(text, "utf-8")
        new.replace(self.path / name)

    def close(self) -> None:
        """Remove the folder; again is nothing."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _parent(environment: Mapping[str, str]) -> Path:
    """Return where sockets may be: the session's own folder, else the usual one."""
    for name in (environment.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        if len(name) <= _LONGEST - len(PREFIX) - 8 and _PLAIN.fullmatch(name):
            path = Path(name)
            if path.is_dir() and os.access(path, os.W_OK | os.X_OK):
                return path
    return Path("/tmp")  # noqa: S108 - mkdtemp makes a private folder in it


def _sweep(parent: Path) -> None:
    """Remove our folders whose process is gone; those of others are none of ours."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            lock = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # being made, or being removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue  # its process lives
        finally:
            os.close(lock)
