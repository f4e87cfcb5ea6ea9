"""Workloads as values: jobs, windows of them, and shuffled ones.

Files are read in `reading`; made-up workloads come from `synthetic`; the replay itself
is `engine`. Nothing here does I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from random import Random

DAY = 86_400
WEEK = 7 * DAY
SHIFT = 120.0
STRETCH = 0.03
"""How far `shifted` moves a submission, seconds, and a run time, a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a trace: when it came, how long it ran, how wide it was.

    `submit` and `run` are seconds, `submit` from the trace's first midnight; `cores`
    are the slots that it fills; `user` is who sent it, or empty.
    """

    name: str
    submit: float
    run: float
    cores: int = 1
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A named workload, sorted by submission.

    `whole`: a job's cores must be on one node. Otherwise each core is a task of its
    own, which starts when a slot is free, as the queries of PROOF and Dask are.
    """

    name: str
    jobs: tuple[Job, ...]
    whole: bool = False

    @property
    def core_seconds(self) -> float:
        """Work in it, core-seconds."""
        return sum(job.run * job.cores for job in self.jobs)

    @property
    def tasks(self) -> int:
        """Waits that are counted: one for each core, or for each job when whole."""
        return len(self.jobs) if self.whole else sum(job.cores for job in self.jobs)

    @property
    def span(self) -> float:
        """Seconds from the trace's start to its last submission."""
        return self.jobs[-1].submit if self.jobs else 0.0

    def window(self, first_day: float, days: float | None = None) -> "Trace":
        """Return the jobs submitted in these days, counted from their first midnight.

        Without `days` all that came from the first on. Whole weeks are kept in step
        with the calendar: a window that starts on day 28 starts on the same day of the
        week as the trace.
        """
        last = inf if days is None else first_day + days
        start, end = first_day * DAY, last * DAY
        jobs = tuple(
            replace(job, submit=job.submit - start)
            for job in self.jobs
            if start <= job.submit < end
        )
        until = "" if days is None else f"{last:g}"
        label = f"{self.name} days {first_day:g}-{until}"
        return Trace(name=label, jobs=jobs, whole=self.whole)

    def shifted(self, seed: int) -> "Trace":
        """Return the same work drawn anew: what that changes in a replay is luck.

        Each submission moves by up to two minutes, each run time by up to 3 per cent.
        """
        draw = Random(seed)  # noqa: S311 - a replay, not a secret
        return Trace(
            name=f"{self.name} shifted ({seed})",
            jobs=by_submission(
                replace(
                    job,
                    submit=max(0.0, job.submit + draw.uniform(-SHIFT, SHIFT)),
                    run=job.run * draw.uniform(1 - STRETCH, 1 + STRETCH),
                )
                for job in self.jobs
            ),
            whole=self.whole,
        )

    def shuffled(self, seed: int) -> "Trace":
        """Return the same weeks in another order; the last, shorter one stays last."""
        weeks = int(self.span // WEEK)
        order = list(range(weeks))
        Random(seed).shuffle(order)  # noqa: S311 - a replay, not a secret
        place = {week: new for new, week in enumerate(order)}
        return Trace(
            name=f"{self.name} weeks shuffled ({seed})",
            jobs=by_submission(
                replace(
                    job,
                    submit=job.submit
                    + (place.get(int(job.submit // WEEK), int(job.submit // WEEK)))
                    * WEEK
                    - int(job.submit // WEEK) * WEEK,
                )
                for job in self.jobs
            ),
            whole=self.whole,
        )


def by_submission(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Return `jobs` in the order in which they came, equal times as they stood."""
    return tuple(sorted(jobs, key=lambda job: job.submit))


def merge(name: str, traces: Iterable[Trace]) -> Trace:
    """Return one workload out of several that came to one farm at the same time."""
    parts = list(traces)
    return Trace(
        name=name,
        jobs=by_submission(job for part in parts for job in part.jobs),
        whole=any(part.whole for part in parts),
    )
