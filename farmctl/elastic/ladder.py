"""Which shape to start when a farm has pools of several: base load in big nodes.

A part-filled node that one long job holds is what batch farms lose most by. What the
farm has needed for nine tenths of a week goes into the largest nodes, the rest into the
smallest that the work fits. A week, because nights and weekends come back: a large node
saves nothing per slot, so it must be full through them to be worth its size.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from farmctl.elastic.terms import Pool
from farmctl.model.sample import Waiting

HOUR = 3600.0
WEEK_HOURS = 168


class BaseLoad:
    """The demand that was there for nine tenths of the last week."""

    def __init__(self) -> None:
        """Begin without base load: nothing is proved yet."""
        self.lows: deque[int] = deque(maxlen=WEEK_HOURS)
        self.hour: int | None = None
        self.low = 0

    def see(self, now: float, demand: int) -> None:
        """Note the demand in slots."""
        hour = int(now // HOUR)
        if self.hour is None:
            self.hour, self.low = hour, demand
        while hour > self.hour:
            self.lows.append(self.low)
            self.hour += 1
            self.low = demand if hour == self.hour else min(self.low, demand)
            if hour - self.hour > WEEK_HOURS:
                self.hour = hour
        self.low = min(self.low, demand)

    @property
    def slots(self) -> int:
        """Slots of base load; 0 until a whole week has been seen."""
        if len(self.lows) < WEEK_HOURS:
            return 0
        return sorted(self.lows)[WEEK_HOURS // 10]


def shape(
    pools: Sequence[Pool],
    existing: Mapping[str, int],
    *,
    base: int,
    width: int,
    memory_mib: int,
) -> Pool | None:
    """Return the pool to start from next, or None when no pool fits the work.

    Args:
        pools: The farm's pools.
        existing: Slots that each pool has now, boots included.
        base: Slots of base load.
        width: Slots that one piece of the waiting work needs on one node.
        memory_mib: Memory that one piece needs, 0 when unknown.
    """
    fitting = [pool for pool in pools if fits(pool, width, memory_mib)]
    fitting.sort(key=lambda pool: pool.slots)
    for pool in fitting[:0:-1]:
        larger = sum(
            slots
            for name, slots in existing.items()
            if any(other.name == name and other.slots >= pool.slots for other in pools)
        )
        if larger + pool.slots <= base:
            return pool
    return fitting[0] if fitting else None


def fits(pool: Pool, width: int, memory_mib: int) -> bool:
    """Tell whether one piece of work fits a node of the pool."""
    if width > pool.slots:
        return False
    return not (pool.memory_mib and memory_mib > pool.memory_mib)


def could_run(pool: Pool, work: Waiting) -> bool:
    """Tell whether a node of the pool could run one piece of this work."""
    if work.pools is not None and pool.name not in work.pools:
        return False
    return fits(pool, work.slots, work.memory_mib)
