"""How many more nodes would pay: for the queue, and for work that is expected soon.

Pure; `scaler` asks it and turns the answer into starts and wakes. The worth of one more
node falls with their number, so that the last one that pays is found by bisection.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from statistics import fmean

from farmctl.elastic.arrivals import Arrivals, Step
from farmctl.elastic.outlook import Outlook, free_at
from farmctl.elastic.queueing import Slots, beside, coarse, waiting
from farmctl.elastic.terms import PROOF, TWICE, Times
from farmctl.elastic.worth import middles, worth

ENTRIES = 200
"""Groups of slots in a list schedule; more change no decision and cost time."""

ALL = 500
"""Groups of slots in the list schedules of all futures."""

NEXT = 16.0
"""Waiting in a schedule of what waits now counts so many times: others come next."""

Foresight = tuple[Sequence[Step], Sequence[Sequence[float]]]
"""The steps of a forecast, and for how long the work of each stays (`Runtimes`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """So many nodes more, `for_queue` of them for work that waits already."""

    count: int = 0
    for_queue: int = 0
    because: str = ""


def wanted(
    out: Outlook,
    arrivals: Arrivals,
    foresee: Callable[[], Foresight],
    *,
    slots: int,
    price: float,
    times: Times,
    ready_in: float,
    foretells: int,
    trust: float,
    futures: Callable[[], Sequence[Sequence[Slots]]],
    share: float,
) -> Growth:
    """Return how many nodes more would pay.

    Where waiting for a boot costs more than the boot itself, waiting work gets its
    nodes at once. Where it is cheaper, the queue is scheduled in one's head first, in
    some futures: work that finds a slot soon enough anyway starts nothing. Such a
    schedule knows nothing of work that comes next and finds slots taken, so that the
    waiting which a node would save counts sixteen times: to wait, slots must be free
    about as soon as a boot. What a node costs there is its boot and half of what
    it will have free beside work (the other half would be found on other nodes
    otherwise); for the latter, work is patient until it has waited as much as that
    costs. Work of several slots is so for the whole, since the schedule takes it for
    so many pieces of one.

    Args:
        out: The sample, sorted.
        arrivals: What was learned of bursts.
        foresee: Gives the forecast, which is only made when it is asked for.
        slots: Width of a new node.
        price: Of waiting.
        times: Measured times.
        ready_in: Seconds until a new node takes work.
        foretells: How many nodes may be started for work that is only expected.
        trust: What the worth of such a node counts (`Foretold`).
        futures: Gives when the slots of working nodes are free, in some futures alike
            likely (`outlook.futures`); it is only asked where waiting is cheaper.
        share: Slots free beside work, for each that was guessed (`Beside`).
    """
    need = max(0, -(-(out.queued - out.coming) // slots))
    if not need and not foretells:
        return Growth()
    lost = ready_in + times.stop
    patient = price * ready_in <= lost
    if not patient and not foretells:
        return Growth(
            count=need, for_queue=need, because=_reason(out, need, need, price)
        )
    most = need
    if foretells:
        most += min(foretells, -(-max(arrivals.sizes, default=0) // slots))
    several = futures() if patient else [out.freeing]
    groups = min(ENTRIES, ALL // len(several))
    schedules: list[list[Slots]] = []
    for freeing in several:
        later = [entry for entry in freeing if entry[0] > 0] + out.boots
        schedules.append([(0.0, out.room), *coarse(later, groups)])
    trusted = arrivals.bursts >= PROOF
    steps, stay = foresee() if trusted else ((), ())
    ends = [max(middle, ready_in) for middle in middles(steps)]

    @cache
    def ahead(count: int) -> tuple[float, list[Slots]]:
        """Return what `waiting` does when `count` are started, the mean of futures.

        When slots are free afterwards is that of the first.
        """
        more = (ready_in, count * slots)
        found = [waiting([*each, more], out.tasks) for each in schedules]
        return fmean(waited for waited, _ in found), found[0][1]

    def gain(count: int) -> float:
        """Return what the next node is worth when `count` are started."""
        if count < need and not patient:
            return inf
        waited, after = ahead(count)
        if count < need and waited == inf:
            return inf
        saved, due = 0.0, lost * slots
        if count < need:
            saved = NEXT * price * (waited - ahead(count + 1)[0])
            borne = price * min(slots, out.queued) * out.waited / out.queued
            first = min(slots, out.queued - out.coming - count * slots)
            free = share * beside(out.tasks, first, slots, out.width) / TWICE
            if count * slots < out.wide:
                wide = price * slots * out.wide_waited / out.wide
                if wide >= due + free:
                    return inf  # Slots that free up one by one are none for it.
            due += max(0.0, free - borne)
        caught = 0.0
        if trusted:
            caught, _ = worth(
                arrivals,
                steps,
                free_at(after, ends),
                stay,
                rank=0,
                slots=slots,
                lost=lost,
                price=price,
                boot=ready_in,
                ready_in=ready_in,
            )
        return saved + caught * (1 if count < need else trust) - due

    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if gain(middle) > 0:
            low = middle + 1
        else:
            high = middle
    if not low:
        return Growth()
    return Growth(
        count=low, for_queue=min(low, need), because=_reason(out, low, need, price)
    )


def _reason(out: Outlook, count: int, need: int, price: float) -> str:
    if not out.queued:
        return f"work for {count} nodes is expected within their boot and hold time"
    because = (
        f"{out.queued} slots of work wait, {out.coming} slots are on their way; "
        f"{min(count, need)} of {need} nodes pay at {price:g} core-h per hour waited"
    )
    if count > need:
        because += f", {count - need} more for work expected soon"
    return because
