"""What bounds a wish for nodes: the most, quota, budget, unproven nodes and ramp.

Each limit is a small function from a wish to a wish; the smallest wins, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from farmctl.elastic.learned import capacity
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import NodeState, Sample

HOUR = 3600.0
DAY = 86_400.0


class Spending:
    """Core-hours that the farm's nodes have cost since midnight. Holds no clock."""

    def __init__(self) -> None:
        """Begin with nothing spent."""
        self.day = -1
        self.hours = 0.0
        self._last: tuple[float, int] | None = None

    def see(self, sample: Sample) -> None:
        """Count what the nodes of the last sample cost until this one."""
        now = sample.taken
        day = int(now // DAY)
        if day != self.day:
            self.day, self.hours = day, 0.0
        if self._last is not None:
            since = max(self._last[0], day * DAY)
            self.hours += max(0.0, now - since) * self._last[1] / HOUR
        self._last = (now, capacity(sample.nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """So many nodes of a pool, and what cut the wish down, if anything did."""

    count: int
    because: str = ""


def bounded(
    wish: int, pool: Pool, terms: Terms, sample: Sample, spent: float = 0.0
) -> Wish:
    """Return how many of `wish` nodes of `pool` may be started now.

    `spent`: core-hours that the farm has cost since midnight.
    """
    held = Wish(count=max(0, wish))
    if terms.budget is not None:
        left = max(0.0, terms.budget - spent)
        within = int(left // pool.slots)
        if within < held.count:
            held = Wish(
                count=within,
                because=f"{left:.0f} of {terms.budget:g} core-h of today are left",
            )
    for limit in (_most, _quota, _unproven, _ramp):
        allowed = limit(pool, terms, sample)
        if allowed is not None and allowed.count < held.count:
            held = Wish(count=max(0, allowed.count), because=allowed.because)
    return held


def roomy(pools: Sequence[Pool], sample: Sample) -> Sequence[Pool]:
    """Return the pools that may still grow; all of them if none may."""
    return [pool for pool in pools if _there(pool, sample) < pool.most] or pools


def full(pools: Sequence[Pool], sample: Sample) -> bool:
    """Tell whether none of the pools may have one node more."""
    return all(_there(pool, sample) >= pool.most for pool in pools)


def _there(pool: Pool, sample: Sample) -> int:
    """Return how many nodes a pool has, without those that count as nothing."""
    out = {NodeState.ENDING, NodeState.ASIDE}
    return sum(
        node.pool == pool.name and node.state not in out for node in sample.nodes
    )


def _most(pool: Pool, _terms: Terms, sample: Sample) -> Wish:
    there = _there(pool, sample)
    return Wish(
        count=pool.most - there,
        because=f"{pool.name} has {there} of at most {pool.most} nodes",
    )


def _quota(pool: Pool, terms: Terms, sample: Sample) -> Wish | None:
    if terms.quota is None:
        return None
    used = capacity(sample.nodes)
    return Wish(
        count=(terms.quota - used) // pool.slots,
        because=f"{used} of {terms.quota} slots of the quota are used",
    )


def _unproven(_pool: Pool, terms: Terms, sample: Sample) -> Wish | None:
    if terms.unproven is None:
        return None
    booting = sum(node.state is NodeState.BOOTING for node in sample.nodes)
    return Wish(
        count=terms.unproven - booting,
        because=f"{booting} of at most {terms.unproven} nodes are booting",
    )


def _ramp(_pool: Pool, terms: Terms, _sample: Sample) -> Wish | None:
    if terms.ramp is None:
        return None
    return Wish(count=terms.ramp, because=f"at most {terms.ramp} nodes a round")
