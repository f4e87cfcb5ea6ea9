"""Made-up workloads, for checking that no rule is fitted to a recorded one.

Both kinds are drawn from a seed. The shapes are those that logs of small grid sites and
of interactive machines have: users who come in bursts, run times over four decades,
working hours and weekends.
"""

from math import exp, log
from random import Random

from farmctl.simulate.trace import DAY, Job, Trace, by_submission

HOUR = 3600
WEEKDAYS = 5


def small_batch(seed: int, *, days: int = 14, users: int = 8) -> Trace:
    """Return single-core grid jobs of a small site: bursts of like jobs by each user.

    Run times have a median of ten minutes and last up to two days; those of one user
    are alike.
    """
    draw = Random(seed)  # noqa: S311 - a workload, not a secret
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
    draw = Random(seed)  # noqa: S311 - a workload, not a secret
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
                jobs.append(_job(len(jobs), max(0.0, at), run, wide, user))
                at += run + exp(draw.gauss(log(120), 1.2))
    return Trace(name=f"sessions ({seed})", jobs=by_submission(jobs))


def _job(number: int, submit: float, run: float, cores: int, user: int) -> Job:
    return Job(
        name=str(number),
        submit=round(submit),
        run=float(round(run)),
        cores=cores,
        user=f"u{user}",
    )
