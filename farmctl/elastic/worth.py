"""What one more empty node is worth: bursts that it would catch against its cost.

Pure arithmetic on a forecast. A node that is there when a burst finds no other room
saves a boot and a stop and the waiting of those whom it takes; until then it costs its
slots. It is kept as long as there is a span of time over which it pays.

Bursts that find room take it: what is free later is what is free now and becomes so,
less what they bring and what of it still runs by then. Both are sums of many chances,
and vary as such: a farm of many small jobs is short of room at times although on
average it is not.

Where waiting for a boot costs less than the boot, a burst that finds no room may as
well wait for slots that free up; a node that is kept saves less, and must pay twice.
Where it costs more, what follows the burst is made to wait as well and counts.
"""

from collections.abc import Sequence
from math import exp, sqrt
from operator import mul

from farmctl.elastic.arrivals import Arrivals, Step
from farmctl.elastic.terms import TWICE

POINTS = ((-sqrt(3.0), 1 / 6), (0.0, 2 / 3), (sqrt(3.0), 1 / 6))
"""A normal deviate as three points and their weights (Gauss and Hermite)."""


def spans(first: float, reach: float) -> list[float]:
    """Return the lengths of a forecast's steps, each as long as all before it."""
    steps = [first]
    total = first
    while total < reach:
        steps.append(total)
        total += total
    return steps


def middles(steps: Sequence[Step]) -> list[float]:
    """Return the middle of each step, seconds from now."""
    found: list[float] = []
    at = 0.0
    for step in steps:
        found.append(at + step.seconds / 2)
        at += step.seconds
    return found


def worth(
    arrivals: Arrivals,
    steps: Sequence[Step],
    free: Sequence[int],
    stay: Sequence[Sequence[float]],
    *,
    rank: int,
    slots: int,
    lost: float,
    price: float,
    boot: float,
    ready_in: float,
) -> tuple[float, float]:
    """Return what having the node is worth, core-seconds, and until when it pays.

    Args:
        arrivals: For how bursts vary in size.
        steps: The forecast, from now on.
        free: Free slots at each step, this node and its equals left out.
        stay: How long the work of each step is there in later ones (`Runtimes.stay`).
        rank: Free slots of the equals that would be filled before it.
        slots: Its width.
        lost: Slot-seconds that its boot and stop cost per slot.
        price: What a second of a waiting task is worth, in slot-seconds.
        boot: Seconds for which a task waits that finds no room.
        ready_in: Seconds until the node is there; 0 for one that is. A burst before
            that still waits, but less long than for a boot of its own.
    """
    alive, value, best, pays, at = 1.0, 0.0, 0.0, 0.0, 0.0
    patient = price * boot <= lost
    cascade = 1.0 if patient else arrivals.cascade(boot)
    if patient and ready_in == 0:
        lost, price = lost / TWICE, price / TWICE
    known: dict[int, tuple[float, float, float]] = {}
    fits: list[float] = []
    spreads: list[float] = []
    for step, there, still in zip(steps, free, stay, strict=True):
        mean = there + rank - sum(map(mul, fits, still))
        freed = max(0, there - free[0])
        sigma = sqrt(sum(map(mul, spreads, still)) + freed)
        hits = caught = fit = spread = 0.0
        for away, weight in POINTS:
            room = max(0, round(mean + away * sigma))
            if room not in known:
                known[room] = (*arrivals.larger(room, slots), arrivals.smaller(room))
            chance, tasks, smaller = known[room]
            hits += weight * chance * step.any_size
            caught += weight * tasks * step.any_size
            fit += weight * smaller * step.any_size
            spread += weight * smaller * smaller * step.any_size
            for size, rate in step.rates:
                if size > room:
                    hits += weight * rate
                    caught += weight * rate * min(size - room, slots)
                else:
                    fit += weight * rate * size
                    spread += weight * rate * size * size
        fits.append(fit)
        spreads.append(spread)
        gone = hits * step.seconds
        if gone > 1e-9:  # noqa: PLR2004 - below it the division loses its digits
            left = exp(-gone)
            span = (1 - left) / hits
        else:
            left, span = 1.0, step.seconds
        spared = price * (
            cascade * boot if at >= ready_in else min(boot, at + step.seconds / 2)
        )
        held = slots if at >= ready_in else 0
        value += alive * span * (hits * lost * slots + spared * caught - held)
        alive *= left
        at += step.seconds
        if value > best:
            best, pays = value, at
    return best, pays
