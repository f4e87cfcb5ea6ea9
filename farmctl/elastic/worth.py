"""What one more empty node is worth: bursts that it would catch against its cost.

Pure arithmetic on a forecast. A node that is there when a burst finds no other room
saves a boot and a stop and the waiting of those whom it takes; until then it costs its
slots. It is kept as long as there is a span of time over which it pays.

Bursts that find room take it: what is free later is what is free now and becomes so,
less what they bring and what of it still runs by then.

Where waiting for a boot costs less than the boot, a burst that finds no room may as
well wait for slots that free up; a node that is kept saves less, and must pay twice.
Where it costs more, what follows the burst is made to wait as well and counts.
"""

from collections.abc import Sequence
from math import exp
from operator import mul

from farmctl.elastic.arrivals import Arrivals, Step
from farmctl.elastic.terms import TWICE


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
    last_room, larger, smaller = -1, (0.0, 0.0), 0.0
    fits: list[float] = []
    for step, there, still in zip(steps, free, stay, strict=True):
        room = max(0, there + rank - round(sum(map(mul, fits, still))))
        if room != last_room:
            larger, smaller = arrivals.larger(room, slots), arrivals.smaller(room)
            last_room = room
        chance, tasks = larger
        hits = chance * step.any_size
        caught = tasks * step.any_size
        fit = smaller * step.any_size
        for size, rate in step.rates:
            if size > room:
                hits += rate
                caught += rate * min(size - room, slots)
            else:
                fit += rate * size
        fits.append(fit)
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
