"""Unpack a root file system tarball into a tree."""
from pathlib import Path
from collections.abc import Callable

def unpacked(path: Path, *, cache: Path, say: Callable[[str], None]) -> Path:
    raise NotImplementedError
