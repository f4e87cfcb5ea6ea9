"""The journal's files: one per farm, appended to by any number of processes.

A record is one `write` under an exclusive lock of the file, so that lines never mix. A
line that a crash tore is closed off by the next append and skipped by readers. A
journal that cannot be written (disk full, no right) is said once and then left: a farm
is worth more than its chronicle.

A file that has grown to `LARGEST` is put aside under a number, and the next one begins
with a record that says so and carries the chain on; the oldest are deleted. So a farm's
journal has a bound, and what was rotated away is told apart from what was taken out.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from farmctl.journal.records import GENESIS, Record, Unreadable, parse, plain

SUFFIX = ".jsonl"

LARGEST = 4 * 1024 * 1024
"""Bytes at which a farm's file is put aside; a daemon's busy farm takes weeks to it."""

KEPT = 3
"""Files put aside that are kept for each farm, beside the one that is written to."""

GOES_ON = "journal goes on"
"""The event with which a file begins that carries on an older one."""

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
    """What became of a journal: `faults` names each place that does not hold.

    `rotated`: the journal began earlier, with what was deleted as too old.
    """

    records: int
    faults: tuple[str, ...] = ()
    rotated: bool = False

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
        largest: int = LARGEST,
    ) -> None:
        """Keep journals below `path`, which is made when first written to.

        Args:
            path: the folder.
            now: the clock, in seconds since the epoch.
            warn: is told, once, of what cannot be written or read.
            largest: bytes at which a file is put aside.
        """
        self.path = path
        self._largest = largest
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

    def files(self, farm: str) -> tuple[Path, ...]:
        """Return the files that there are of a farm, the oldest first."""
        own = self.file(farm)
        older = [_aside(own, number) for number in range(KEPT, 0, -1)]
        return tuple(each for each in (*older, own) if each.is_file())

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
        rotated = False
        for place, line in self._lines(farm):
            try:
                found = parse(line)
            except Unreadable as error:
                faults.append(f"{place}: {error}")
                continue
            count += 1
            if not found.holds:
                faults.append(f"{place}: was changed after it was written")
            if found.previous != previous:
                if count == 1 and found.event == GOES_ON:
                    rotated = True
                else:
                    faults.append(f"{place}: what stood before it was taken out")
            previous = found.hash
        return Verdict(records=count, faults=tuple(faults), rotated=rotated)

    def _lines(self, farm: str) -> Iterator[tuple[str, bytes]]:
        """Give the lines of all files of a farm, each with its place."""
        with ExitStack() as opened:
            try:
                streams = self._streams(farm, opened)
            except OSError as error:
                self._say_once(f"The journal cannot be read: {error}.")
                return
            own = self.file(farm).name
            for name, stream in streams:
                where = "" if name == own else f"{name}, "
                try:
                    for number, line in enumerate(stream, start=1):
                        if line.strip():
                            yield f"{where}line {number}", line
                except OSError as error:
                    self._say_once(f"The journal cannot be read: {error}.")

    def _streams(
        self, farm: str, opened: ExitStack
    ) -> list[tuple[str, BufferedReader]]:
        """Open all files of a farm, the oldest first, as they are at one moment."""
        own = self.file(farm)
        while True:
            with ExitStack() as now:
                try:
                    newest = now.enter_context(own.open("rb"))
                except FileNotFoundError:
                    return []
                found = [(own.name, newest)]
                for number in range(1, KEPT + 1):
                    path = _aside(own, number)
                    with suppress(FileNotFoundError):
                        stream = now.enter_context(path.open("rb"))
                        if not _same(stream.fileno(), newest.fileno()):
                            found.append((path.name, stream))
                if _has_name(newest.fileno(), own):
                    opened.enter_context(now.pop_all())
                    return found[::-1]

    def _append(
        self, farm: str, event: str, because: str, values: dict[str, object]
    ) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = self._opened(farm)
        try:
            previous, torn = _last(descriptor)
            if os.fstat(descriptor).st_size >= self._largest:
                full, descriptor = descriptor, self._rotate(farm, previous)
                os.close(full)
                previous, torn = _last(descriptor)
            made = Record(
                time=round(self._now(), 3),
                farm=farm,
                event=event,
                because=because,
                values=values,
                previous=previous,
            ).sealed()
            _write(descriptor, (b"\n" if torn else b"") + made.line())
        finally:
            os.close(descriptor)

    def _opened(self, farm: str) -> int:
        """Open a farm's file and lock it: the one that has the name then."""
        path = self.file(farm)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _has_name(descriptor, path):
                    return descriptor
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was put aside while we waited for it

    def _rotate(self, farm: str, previous: str) -> int:
        """Put a farm's file aside; return the next one, locked, with its first record.

        The caller holds the lock of the full one. Nobody sees a moment without a file:
        the full one gets its number beside its name, then the next takes the name.
        """
        own = self.file(farm)
        if not (_aside(own, 1).is_file() and _aside(own, 1).samefile(own)):
            for number in range(KEPT - 1, 0, -1):
                with suppress(FileNotFoundError):
                    _aside(own, number).replace(_aside(own, number + 1))
            os.link(own, _aside(own, 1))
        goes_on = Record(
            time=round(self._now(), 3),
            farm=farm,
            event=GOES_ON,
            because="the file before it is full",
            previous=previous,
        ).sealed()
        fresh = own.with_name(f"{own.name}.new")
        fresh.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(fresh, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write(descriptor, goes_on.line())
            fresh.replace(own)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _say_once(self, message: str) -> None:
        with self._lock:
            if self._warned:
                return
            self._warned = True
        self._warn(message)


def _aside(path: Path, number: int) -> Path:
    """Return the name of a file that was put aside, the larger the older."""
    return path.with_name(f"{path.name}.{number}")


def _same(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _write(descriptor: int, line: bytes) -> None:
    written = os.write(descriptor, line)
    if written < len(line):
        # The disk is full: take the half line back, so that nothing is torn.
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(28, "No space left on device")


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
