"""Reads workloads: CSV, the Standard Workload Format, and what `sacct` prints.

A CSV file lists jobs, or the sessions of interactive users: each of those is replayed
as work for the most cores that it ever used, for as long as it lasted.

Every line that cannot be read becomes a mistake with file, line and column; all of them
are reported at once, up to a limit. Files may be gzipped.
"""

import csv
import gzip
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from farmctl.errors import InputError, Mistake
from farmctl.simulate.trace import DAY, Job, Trace, by_submission

MOST_MISTAKES = 20
"""A file of the wrong kind has as many mistakes as lines; the first few say it all."""

JOB_NEEDED = ("submit", "run", "cores")
SESSION_NEEDED = ("start", "end", "peak_cores")
SWF_FIELDS = 18
SACCT_NAMES = {
    "job": ("JobIDRaw", "JobID"),
    "submit": ("Submit",),
    "run": ("ElapsedRaw", "Elapsed"),
    "cores": ("AllocCPUS", "NCPUS", "ReqCPUS"),
    "user": ("User",),
}

_ELAPSED = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")


def read(path: Path, *, whole: bool = False) -> Trace:
    """Return the workload in `path`; its kind is recognised by its content.

    Args:
        path: A CSV file with the columns submit, run, cores and perhaps job and user,
            or with start, end, peak_cores and perhaps user; SWF; or `sacct
            --parsable2` with a header. Gzipped if it ends in .gz.
        whole: Whether a job's cores must be on one node.

    Raises:
        InputError: If it cannot be read, is empty, or has crooked lines; each is named
            with line and column.
    """
    lines = _lines(path)
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    first = next((line for line in lines if line.strip()), "")
    if first.startswith(";") or _looks_swf(lines):
        jobs = _Reader(path).swf(lines)
    elif "|" in first:
        jobs = _Reader(path).sacct(lines)
    else:
        jobs = _Reader(path).csv(lines)
    return Trace(name=name, jobs=jobs, whole=whole)


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8-sig").splitlines()
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            [Mistake(file=str(path), message=f"cannot be read: {reason}.")]
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            [
                Mistake(
                    file=str(path),
                    message="is no text.",
                    hint="Give a CSV, SWF or sacct file, gzipped or not.",
                )
            ]
        ) from error


def _looks_swf(lines: Sequence[str]) -> bool:
    for line in lines:
        if line.strip() and not line.startswith((";", "#")):
            return len(line.split()) == SWF_FIELDS and "," not in line
    return False


class _Reader:
    """Collects jobs and mistakes of one file."""

    def __init__(self, path: Path) -> None:
        self._file = str(path)
        self._mistakes: list[Mistake] = []

    def csv(self, lines: Sequence[str]) -> tuple[Job, ...]:
        """Read comma-separated values with a header; `#` begins a comment."""
        rows = self._rows(lines, ",")
        header_line, header = self._header(rows)
        names = [name.strip() for name, _ in header]
        needed = max(
            (JOB_NEEDED, SESSION_NEEDED),
            key=lambda columns: sum(name in names for name in columns),
        )
        missing = [name for name in needed if name not in names]
        if missing:
            self._fail_header(header_line, missing, names)
        place = {name: at for at, name in enumerate(names)}
        first, second, third = needed
        jobs: list[Job] = []
        for number, row in rows:
            if not self._width(number, row, len(names)):
                continue
            submit = self._number(number, row[place[first]], first)
            run = self._number(number, row[place[second]], second)
            cores = self._count(number, row[place[third]], third)
            if submit is None or run is None or cores is None:
                continue
            if needed is SESSION_NEEDED:
                run -= submit
                if run < 0:
                    text, column = row[place[second]]
                    self._wrong(number, column, second, f"{text} is before its start.")
                    continue
            jobs.append(
                Job(
                    name=row[place["job"]][0] if "job" in place else str(number),
                    submit=submit,
                    run=run,
                    cores=cores,
                    user=row[place["user"]][0] if "user" in place else "",
                )
            )
        return self._done(jobs)

    def swf(self, lines: Sequence[str]) -> tuple[Job, ...]:
        """Read the Standard Workload Format of the Parallel Workloads Archive.

        Jobs that never ran (run time or processors unknown or zero) are left out.
        """
        jobs: list[Job] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith((";", "#")):
                continue
            row = [
                (word.group(), word.start() + 1) for word in re.finditer(r"\S+", line)
            ]
            if not self._width(number, row, SWF_FIELDS):
                continue
            submit = self._number(number, row[1], "submit time", least=-math.inf)
            run = self._number(number, row[3], "run time", least=-1)
            used = self._number(number, row[4], "allocated processors", least=-1)
            asked = self._number(number, row[7], "requested processors", least=-1)
            if submit is None or run is None or used is None or asked is None:
                continue
            cores = int(used if used > 0 else asked)
            if run > 0 and cores > 0:
                jobs.append(
                    Job(
                        name=row[0][0],
                        submit=submit,
                        run=run,
                        cores=cores,
                        user=row[11][0],
                    )
                )
        return self._done(jobs)

    def sacct(self, lines: Sequence[str]) -> tuple[Job, ...]:
        """Read `sacct --parsable2` with a header.

        Needs JobID, Submit, Elapsed (or ElapsedRaw) and AllocCPUS (or NCPUS); User is
        welcome. Steps (12.batch) and jobs that never ran are left out. Times are taken
        as they are written, from the first day's midnight.
        """
        rows = self._rows(lines, "|")
        header_line, header = self._header(rows)
        names = [name.strip() for name, _ in header]
        place = {
            wanted: names.index(found[0])
            for wanted, choices in SACCT_NAMES.items()
            if (found := [name for name in choices if name in names])
        }
        missing = [
            SACCT_NAMES[wanted][0]
            for wanted in SACCT_NAMES
            if wanted != "user" and wanted not in place
        ]
        if missing:
            self._fail_header(header_line, missing, names)
        jobs: list[Job] = []
        for number, row in rows:
            if not self._width(number, row, len(names)) or "." in row[place["job"]][0]:
                continue
            submit = self._moment(number, row[place["submit"]])
            run = self._elapsed(number, row[place["run"]])
            cores = self._count(number, row[place["cores"]], "AllocCPUS", least=0)
            if submit is None or run is None or cores is None or not run or not cores:
                continue
            user = row[place["user"]][0] if "user" in place else ""
            name = row[place["job"]][0]
            jobs.append(Job(name=name, submit=submit, run=run, cores=cores, user=user))
        if jobs:
            midnight = min(job.submit for job in jobs) // DAY * DAY
            jobs = [
                Job(
                    name=job.name,
                    submit=job.submit - midnight,
                    run=job.run,
                    cores=job.cores,
                    user=job.user,
                )
                for job in jobs
            ]
        return self._done(jobs)

    # Rows and fields; a field goes with its column, counted from 1.

    def _rows(
        self, lines: Sequence[str], delimiter: str
    ) -> Iterator[tuple[int, list[tuple[str, int]]]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = next(csv.reader([line], delimiter=delimiter))
            row: list[tuple[str, int]] = []
            column = 1
            for text in fields:
                row.append((text.strip(), column))
                column += len(text) + 1
            yield number, row

    def _header(
        self, rows: Iterator[tuple[int, list[tuple[str, int]]]]
    ) -> tuple[int, list[tuple[str, int]]]:
        for number, row in rows:
            return number, row
        raise InputError([Mistake(file=self._file, message="holds no jobs.")])

    def _fail_header(self, line: int, missing: list[str], names: list[str]) -> None:
        raise InputError(
            [
                Mistake(
                    file=self._file,
                    line=line,
                    column=1,
                    path=name,
                    message=f"this column is missing; there are {', '.join(names)}.",
                    hint="The first line that is no comment names the columns.",
                )
                for name in missing
            ]
        )

    def _width(self, line: int, row: list[tuple[str, int]], wanted: int) -> bool:
        if len(row) == wanted:
            return True
        at = row[min(len(row), wanted + 1) - 1][1]
        self._wrong(line, at, "", f"{len(row)} fields, and there are {wanted} columns.")
        return False

    def _number(
        self, line: int, field: tuple[str, int], path: str, *, least: float = 0.0
    ) -> float | None:
        text, column = field
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self._wrong(line, column, path, f"{text!r} is no number of seconds.")
            return None
        if value < least:
            self._wrong(line, column, path, f"{text} is below {least:g}.")
            return None
        return value

    def _count(
        self, line: int, field: tuple[str, int], path: str, *, least: int = 1
    ) -> int | None:
        text, column = field
        if not text.isascii() or not text.isdigit() or int(text) < least:
            self._wrong(line, column, path, f"{text!r} is no number of cores.")
            return None
        return int(text)

    def _moment(self, line: int, field: tuple[str, int]) -> float | None:
        text, column = field
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._wrong(line, column, "Submit", f"{text!r} is no time.")
            return None
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()

    def _elapsed(self, line: int, field: tuple[str, int]) -> float | None:
        text, column = field
        if text.isascii() and text.isdigit():
            return float(text)
        match = _ELAPSED.fullmatch(text)
        if match is None:
            self._wrong(line, column, "Elapsed", f"{text!r} is no run time.")
            return None
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return float(days * DAY + hours * 3600 + minutes * 60 + seconds)

    def _wrong(self, line: int, column: int, path: str, message: str) -> None:
        self._mistakes.append(
            Mistake(
                file=self._file, line=line, column=column, path=path, message=message
            )
        )
        if len(self._mistakes) >= MOST_MISTAKES:
            raise InputError(self._mistakes)

    def _done(self, jobs: list[Job]) -> tuple[Job, ...]:
        if self._mistakes:
            raise InputError(self._mistakes)
        if not jobs:
            raise InputError([Mistake(file=self._file, message="holds no jobs.")])
        return by_submission(jobs)
