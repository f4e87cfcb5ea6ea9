"""What no rule can beat, and what a clairvoyant one reaches, when nobody may wait.

The lower bound lets work move between nodes for nothing; the upper one is a schedule
that could be carried out. Sources: level decomposition, Lu and Chen, arXiv 1112.0442;
first fit by decreasing length.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from farmctl.simulate.trace import Trace

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Core-hours of waste: none can have less than `lower`, `upper` can be had."""

    lower: float
    upper: float | None


def zero_wait(trace: Trace, *, slots: int, turn: float) -> float:
    """Return the least waste, core-hours, at which every task starts when it comes.

    Exact for nodes of one slot; for wider ones it assumes that work moves for nothing.

    Args:
        trace: The workload.
        slots: Slots of a node.
        turn: Seconds that a node costs for its boot and its stop.
    """
    change: Counter[float] = Counter()
    for job in trace.jobs:
        change[job.submit] += job.cores
        change[job.submit + job.run] -= job.cores
    running = level = first = 0
    last, area, gaps = 0.0, 0.0, 0.0
    since: dict[int, float] = {}
    for at in sorted(change):
        area += level * (at - last)
        last = at
        running += change[at]
        wanted = -(-running // slots)
        while wanted < level:
            since[level] = at
            level -= 1
        while wanted > level:
            level += 1
            if level in since:
                gaps += min(at - since[level], turn)
            else:
                first += 1
    wasted = slots * (area + gaps + first * turn) - trace.core_seconds
    return wasted / HOUR


def first_fit(trace: Trace, *, slots: int, turn: float) -> float:
    """Return the waste, core-hours, of packing the longest work first, without waits.

    Each slot of a node holds work one after the other; between two pieces a node that
    is empty is kept for at most `turn` seconds. Takes time in the square of the number
    of nodes; meant for single-core jobs.
    """
    tasks = sorted(
        (
            (job.submit, job.submit + job.run)
            for job in trace.jobs
            for _ in range(job.cores)
        ),
        key=lambda task: (task[0] - task[1], task[0]),
    )
    lanes: list[list[tuple[float, float]]] = []
    for begin, end in tasks:
        for lane in lanes:
            at = bisect_right(lane, (begin, end))
            before = at == 0 or lane[at - 1][1] <= begin
            after = at == len(lane) or lane[at][0] >= end
            if before and after:
                lane.insert(at, (begin, end))
                break
        else:
            lanes.append([(begin, end)])
    total = 0.0
    for at in range(0, len(lanes), slots):
        spans = sorted(span for lane in lanes[at : at + slots] for span in lane)
        begin, end = spans[0]
        total += turn
        for following in spans[1:]:
            if following[0] - end > turn:
                total += end - begin + turn
                begin, end = following
            else:
                end = max(end, following[1])
        total += end - begin
    return (slots * total - trace.core_seconds) / HOUR


def bounds(
    trace: Trace, *, slots: int, turn: float, most_tasks: int = 20_000
) -> Bounds:
    """Return both bounds; the upper one is left out above `most_tasks` tasks."""
    upper = None
    if sum(job.cores for job in trace.jobs) <= most_tasks:
        upper = first_fit(trace, slots=slots, turn=turn)
    return Bounds(lower=zero_wait(trace, slots=slots, turn=turn), upper=upper)
