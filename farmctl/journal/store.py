"""The journal's files: one per farm, appended to by any number of processes.

A record is one `write` under an exclusive lock of the file, so that lines never mix. A
line that a crash tore is closed off by the next append and skipped by readers. A
journal that cannot be written (disk full, no right) is said once and then left: a farm
is worth more than its chronicle.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from farmctl.journal.records import GENESIS, Record, Unreadable, parse, plain

SUFFIX = ".jsonl"

_TAIL = 64 * 1024
_log = logging.getLogger(__name__)


def folder(environment: dict[str, str] | os._Environ[str]) -> Path:
    """Return where journals are kept: below $XDG_STATE_HOME or ~/.local/state."""
    state = environment.get("XDG_STATE_HOME", "")
    home = Path(environment.get("HOME", "/"))
    base = Path(state) if state.startswith("/") else home / ".local" / "state"
    return base / "farmctl" / "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a journal: `faults` names each place that does not hold."""

    records: int
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was changed, taken out or torn."""
        return not self.faults


class Journal:
    """The journals below one folder. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float],
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        """Keep journals below `path`, which is made when first written to."""
        self.path = path
        self._now = now
        self._warn = warn
        self._warned = False
        self._lock = threading.Lock()

    def file(self, farm: str) -> Path:
        """Return the file of a farm; a name that is none stays inside the folder."""
        safe = "".join(
            each if each.isascii() and (each.isalnum() or each in "-_") else "_"
            for each in farm
        )
        return self.path / f"{safe[:128] or '_'}{SUFFIX}"

    def farms(self) -> tuple[str, ...]:
        """Return the farms that have a journal, sorted."""
        try:
            found = [each.stem for each in self.path.glob(f"*{SUFFIX}")]
        except OSError:
            return ()
        return tuple(sorted(found))

    def record(self, farm: str, event: str, because: str, **values: object) -> None:
        """Append one event with its reason; never fails.

        Values under names that speak of secrets are not written down, long texts and
        lists are cut.
        """
        kept = plain(values)
        assert isinstance(kept, dict)
        try:
            with self._lock:
                self._append(farm, event, str(plain(because)), kept)
        except (OSError, ValueError) as error:
            self._say_once(f"The journal cannot be written: {error}. Going on without.")

    def read(
        self,
        farm: str,
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Record]:
        """Read a farm's records, the oldest first; unreadable lines are left out.

        Args:
            farm: its name; one without a journal has no records.
            since: seconds since the epoch; nothing before.
            until: seconds since the epoch; nothing after.
        """
        for _number, line in self._lines(farm):
            try:
                found = parse(line)
            except Unreadable:
                continue
            if since is not None and found.time < since:
                continue
            if until is not None and found.time > until:
                continue
            yield found

    def at(self, farm: str, time: float, *, event: str | None = None) -> Record | None:
        """Return the last record (of that event) at `time` or before."""
        last = None
        for found in self.read(farm, until=time):
            if event is None or found.event == event:
                last = found
        return last

    def verify(self, farm: str) -> Verdict:
        """Check each record's hash and that each follows the one before it."""
        faults: list[str] = []
        previous = GENESIS
        count = 0
        for number, line in self._lines(farm):
            try:
                found = parse(line)
            except Unreadable as error:
                faults.append(f"line {number}: {error}")
                continue
            count += 1
            if not found.holds:
                faults.append(f"line {number}: was changed after it was written")
            if found.previous != previous:
                faults.append(f"line {number}: what stood before it was taken out")
            previous = found.hash
        return Verdict(records=count, faults=tuple(faults))

    def _lines(self, farm: str) -> Iterator[tuple[int, bytes]]:
        try:
            with self.file(farm).open("rb") as stream:
                for number, line in enumerate(stream, start=1):
                    if line.strip():
                        yield number, line
        except FileNotFoundError:
            return
        except OSError as error:
            self._say_once(f"The journal cannot be read: {error}.")

    def _append(
        self, farm: str, event: str, because: str, values: dict[str, object]
    ) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.file(farm), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            previous, torn = _last(descriptor)
            made = Record(
                time=round(self._now(), 3),
                farm=farm,
                event=event,
                because=because,
                values=values,
                previous=previous,
            ).sealed()
            line = (b"\n" if torn else b"") + made.line()
            written = os.write(descriptor, line)
            if written < len(line):
                # The disk is full: take the half line back, so that nothing is torn.
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
                raise OSError(28, "No space left on device")
        finally:
            os.close(descriptor)

    def _say_once(self, message: str) -> None:
        with self._lock:
            if self._warned:
                return
            self._warned = True
        self._warn(message)


def _last(descriptor: int) -> tuple[str, bool]:
    """Return the hash of the last record, and whether a torn line stands behind it."""
    size = os.fstat(descriptor).st_size
    span = _TAIL
    while True:
        begin = max(0, size - span)
        tail = os.pread(descriptor, size - begin, begin)
        lines = tail.split(b"\n")
        torn = bool(lines[-1])
        for line in reversed(lines[:-1] if begin == 0 else lines[1:-1]):
            try:
                return parse(line).hash, torn
            except Unreadable:
                continue
        if begin == 0:
            return GENESIS, torn
        span *= 8
