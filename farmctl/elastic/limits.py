"""What bounds a wish for nodes: the pool's limit, the quota, the ramp, unproven nodes.

Each limit is a small function from a wish to a wish; the smallest wins, and says so.
"""

from dataclasses import dataclass

from farmctl.elastic.learned import capacity
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import NodeState, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """So many nodes of a pool, and what cut the wish down, if anything did."""

    count: int
    because: str = ""


def bounded(wish: int, pool: Pool, terms: Terms, sample: Sample) -> Wish:
    """Return how many of `wish` nodes of `pool` may be started now."""
    held = Wish(count=max(0, wish))
    for limit in (_most, _quota, _unproven, _ramp):
        allowed = limit(pool, terms, sample)
        if allowed is not None and allowed.count < held.count:
            held = Wish(count=max(0, allowed.count), because=allowed.because)
    return held


def _most(pool: Pool, _terms: Terms, sample: Sample) -> Wish:
    there = sum(
        node.pool == pool.name and node.state is not NodeState.ENDING
        for node in sample.nodes
    )
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
