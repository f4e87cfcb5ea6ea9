"""Processor time of all that a benchmark starts, by a control group of its own.

Wall time tells how busy the machine is with others; processor time does not. Who is in
the group reads it from within: `now` needs no argument, in whichever process. As root
only, and where the kernel has such groups; elsewhere `now` gives zero.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NANO = 1e9
_MICRO = 1e6


@contextlib.contextmanager
def group() -> Iterator[None]:
    """Put this process, and all that it will start, into a group of its own."""
    base = _ROOT / "cpuacct" if (_ROOT / "cpuacct").is_dir() else _ROOT
    place = base / f"farmctl-bench-{os.getpid()}"
    before = _where()
    for old in base.glob("farmctl-bench-*"):  # of one that was killed
        with contextlib.suppress(OSError):
            old.rmdir()
    try:
        place.mkdir()
        (place / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        (before or base).joinpath("cgroup.procs").write_text(str(os.getpid()))
        for _ in range(50):  # what was started is ending
            with contextlib.suppress(OSError):
                place.rmdir()
                break
            time.sleep(0.1)


def now() -> float:
    """Return the seconds that this process's group has used so far."""
    file = usage()
    if file is None:
        return 0.0
    text = file.read_text()
    if file.name == "cpuacct.usage":
        return int(text) / _NANO
    words = dict(line.split() for line in text.splitlines())
    return int(words["usage_usec"]) / _MICRO


def usage() -> Path | None:
    """Return the file that tells it; None where a benchmark has no own group."""
    place = _where()
    if place is None or not place.name.startswith("farmctl-bench-"):
        return None
    for name in ("cpuacct.usage", "cpu.stat"):
        if (place / name).is_file():
            return place / name
    return None


def _where() -> Path | None:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        if "cpuacct" in kinds.split(","):
            return _ROOT / "cpuacct" / path.lstrip("/")
        if not kinds and not (_ROOT / "cpuacct").is_dir():
            return _ROOT / path.lstrip("/")
    return None
