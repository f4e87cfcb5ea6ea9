"""Made-up workloads, for checking that no rule is fitted to a recorded one.

Every kind is drawn from a seed: the same seed gives the same jobs, on any machine. The
shapes are those that logs of small grid sites and of interactive machines have (users
who come in bursts, run times over four decades, working hours and weekends), and some
that no forecast was made for. `KINDS` has them all, by the name that a user gives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp, log, pi, sin
from random import Random

from farmctl.simulate.trace import DAY, Job, Trace, by_submission

HOUR = 3600
WEEKDAYS = 5
SEED = 1
"""What is drawn when a kind is named without a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A made-up kind of work: how it is drawn, and slots of a node that suit it."""

    make: Callable[[int], Trace]
    slots: int = 4

    @property
    def says(self) -> str:
        """What the work is, one line."""
        return (self.make.__doc__ or "").partition("\n")[0].removeprefix("Return ")


def small_batch(seed: int, *, days: int = 14, users: int = 8) -> Trace:
    """Return single-core grid jobs of a small site: bursts of like jobs by each user.

    Run times have a median of ten minutes and last up to two days; those of one user
    are alike.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    for user in range(users):
        typical = exp(draw.gauss(log(600), 1.6))
        at = draw.expovariate(1 / (6 * HOUR))
        while at < days * DAY:
            for _ in range(1 + int(draw.expovariate(1 / 12))):
                run = min(2 * DAY, max(20.0, typical * exp(draw.gauss(0, 0.4))))
                submit = at + draw.expovariate(1 / 120)
                jobs.append(_job(len(jobs), submit, run, 1, user))
            at += draw.expovariate(1 / (8 * HOUR)) + draw.expovariate(1 / 600)
    return Trace(name=f"small batch site ({seed})", jobs=by_submission(jobs))


def sessions(seed: int, *, days: int = 28, users: int = 12) -> Trace:
    """Return interactive work: sessions of queries in working hours.

    A query fills 4 to 64 slots for seconds to minutes; a session has a dozen of them.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    for user in range(users):
        width = draw.choice((4, 8, 16, 32, 64))
        for day in range(days):
            working = day % 7 < WEEKDAYS
            if draw.random() > (0.5 if working else 0.07):
                continue
            at = day * DAY + draw.gauss(11.5, 2.5) * HOUR
            for _ in range(1 + int(draw.expovariate(1 / 12))):
                wide = width if draw.random() < 0.8 else max(2, width // 2)  # noqa: PLR2004
                run = min(HOUR, max(5.0, exp(draw.gauss(log(90), 1.1))))
                jobs.append(_job(len(jobs), at, run, wide, user))
                at += run + exp(draw.gauss(log(120), 1.2))
    return Trace(name=f"sessions ({seed})", jobs=by_submission(jobs))


def ramps(seed: int, *, days: int = 7) -> Trace:
    """Return campaigns that grow over hours, stay for some, and shrink over hours.

    A campaign fills 16, 48 or 120 slots at its height, with jobs of some 25 minutes.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    at, campaign = draw.random() * DAY / 2, 0
    while at < days * DAY:
        up = exp(draw.gauss(log(3 * HOUR), 0.6))
        flat = exp(draw.gauss(log(6 * HOUR), 0.6))
        peak = draw.choice((16, 48, 120))
        run = exp(draw.gauss(log(1500), 0.5))
        total = 2 * up + flat
        rate = _campaign(up, total, peak / run)
        for when in _poisson(draw, rate, until=total, most=peak / run):
            length = run * exp(draw.gauss(0, 0.3))
            jobs.append(_job(len(jobs), at + when, length, 1, campaign % 5))
        campaign += 1
        at += total + draw.expovariate(1 / (8 * HOUR))
    return Trace(name=f"ramps ({seed})", jobs=by_submission(jobs))


def steady(seed: int, *, days: int = 7) -> Trace:
    """Return independent jobs at a constant rate: 20 slots' worth, exponential."""
    draw = _drawn(seed)
    rate = 20 / 1200
    jobs = [
        _job(number, when, draw.expovariate(1 / 1200), 1, draw.randrange(6))
        for number, when in enumerate(
            _poisson(draw, lambda _: rate, until=days * DAY, most=rate)
        )
    ]
    return Trace(name=f"steady ({seed})", jobs=by_submission(jobs))


def day_and_night(seed: int, *, days: int = 7) -> Trace:
    """Return jobs of minutes by twenty users, forty times as many by day as by night.

    The rate is a sine over the day, weekends included.
    """
    draw = _drawn(seed)
    mean = 20 / 900

    def rate(at: float) -> float:
        return (1 + 0.95 * sin(2 * pi * (at / DAY - 0.3))) * mean

    jobs = [
        _job(number, when, exp(draw.gauss(log(600), 0.8)), 1, draw.randrange(20))
        for number, when in enumerate(
            _poisson(draw, rate, until=days * DAY, most=2 * mean)
        )
    ]
    return Trace(name=f"day and night ({seed})", jobs=by_submission(jobs))


def heavy_tails(seed: int, *, days: int = 14) -> Trace:
    """Return bursts and run times over four decades, both Pareto distributed.

    Run times last from a minute to three days (exponent 0.7), bursts have 1 to 100 jobs
    (exponent 1.1).
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    for user in range(10):
        at = draw.expovariate(1 / (4 * HOUR))
        while at < days * DAY:
            for _ in range(min(100, int(draw.paretovariate(1.1)))):
                run = min(3 * DAY, 60 * draw.paretovariate(0.7))
                jobs.append(_job(len(jobs), at + draw.random() * 30, run, 1, user))
            at += draw.expovariate(1 / (3 * HOUR))
    return Trace(name=f"heavy tails ({seed})", jobs=by_submission(jobs))


def multi_slot(seed: int, *, days: int = 14) -> Trace:
    """Return whole jobs of 1, 2, 4 and 8 slots; each must be on one node.

    Every user has a width of his own, which four fifths of his jobs have.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    for user in range(8):
        usual = draw.choice((1, 1, 2, 4, 8))
        typical = exp(draw.gauss(log(2400), 1.2))
        at = draw.expovariate(1 / (6 * HOUR))
        while at < days * DAY:
            for _ in range(1 + int(draw.expovariate(1 / 6))):
                width = usual if draw.random() < 0.8 else draw.choice((1, 2, 4, 8))  # noqa: PLR2004
                submit = at + draw.expovariate(1 / 300)
                run = min(2 * DAY, max(20.0, typical * exp(draw.gauss(0, 0.5))))
                jobs.append(_job(len(jobs), submit, run, width, user))
            at += draw.expovariate(1 / (7 * HOUR))
    return Trace(name=f"multi-slot ({seed})", jobs=by_submission(jobs), whole=True)


def chains(seed: int, *, days: int = 14) -> Trace:
    """Return chains of jobs: the next step is sent when the last would have ended.

    A step has 1, 4 or 10 jobs, a chain some nine steps; six users.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    for user in range(6):
        at = draw.expovariate(1 / (12 * HOUR))
        while at < days * DAY:
            count = draw.choice((1, 4, 10))
            typical = exp(draw.gauss(log(700), 0.8))
            for _ in range(1 + int(draw.expovariate(1 / 8))):
                longest = 0.0
                for _ in range(count):
                    run = typical * exp(draw.gauss(0, 0.3))
                    longest = max(longest, run)
                    jobs.append(_job(len(jobs), at, run, 1, user))
                at += longest + draw.expovariate(1 / 200)
            at += draw.expovariate(1 / (10 * HOUR))
    return Trace(name=f"chains ({seed})", jobs=by_submission(jobs))


def by_the_clock(seed: int, *, days: int = 14) -> Trace:
    """Return bursts each ten minutes, hour, six hours and day, as cron sends them.

    They have 2, 12, 40 and 100 jobs of two minutes, ten, thirty, and an hour.
    """
    draw = _drawn(seed)
    jobs: list[Job] = []
    timetable = (
        (600, 2, 120),
        (HOUR, 12, 600),
        (6 * HOUR, 40, 1800),
        (DAY, 100, 3600),
    )
    for user, (period, count, typical) in enumerate(timetable):
        at = draw.random() * period
        while at < days * DAY:
            for _ in range(count):
                submit = at + draw.random() * 5
                run = typical * exp(draw.gauss(0, 0.1))
                jobs.append(_job(len(jobs), submit, run, 1, user))
            at += period
    return Trace(name=f"by the clock ({seed})", jobs=by_submission(jobs))


def quiet(seed: int, *, days: int = 60) -> Trace:
    """Return some forty bursts of ten jobs in two months, by four users."""
    draw = _drawn(seed)
    jobs: list[Job] = []
    at = draw.expovariate(1 / DAY)
    while at < days * DAY:
        user = draw.randrange(4)
        count = 1 + int(draw.expovariate(1 / 10))
        typical = exp(draw.gauss(log(900), 1))
        for _ in range(count):
            submit = at + draw.expovariate(1 / 60)
            run = typical * exp(draw.gauss(0, 0.2))
            jobs.append(_job(len(jobs), submit, run, 1, user))
        at += draw.expovariate(1 / (1.5 * DAY))
    return Trace(name=f"quiet ({seed})", jobs=by_submission(jobs))


KINDS: dict[str, Kind] = {
    "ramps": Kind(make=ramps),
    "steady": Kind(make=steady),
    "daynight": Kind(make=day_and_night),
    "heavy": Kind(make=heavy_tails),
    "wide": Kind(make=multi_slot, slots=8),
    "batch": Kind(make=small_batch),
    "sessions": Kind(make=sessions, slots=8),
    "chains": Kind(make=chains),
    "cron": Kind(make=by_the_clock),
    "quiet": Kind(make=quiet),
}
"""Every kind, by the name that `farmctl simulate --synthetic` takes."""


def _drawn(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a workload, not a secret


def _poisson(
    draw: Random, rate: Callable[[float], float], *, until: float, most: float
) -> Iterator[float]:
    """Yield the times of a Poisson process whose rate is never above `most`."""
    at = 0.0
    while True:
        at += draw.expovariate(most)
        if at >= until:
            return
        if draw.random() < rate(at) / most:
            yield at


def _campaign(up: float, total: float, most: float) -> Callable[[float], float]:
    """Return a rate that rises for `up` seconds and falls as long before the end."""

    def rate(at: float) -> float:
        return max(0.0, min(1.0, at / up, (total - at) / up)) * most

    return rate


def _job(number: int, submit: float, run: float, cores: int, user: int) -> Job:
    return Job(
        name=str(number),
        submit=round(max(0.0, submit)),
        run=float(max(1, round(run))),
        cores=cores,
        user=f"u{user}",
    )
