"""On which terms a farm scales: what its file allows, and what its owner's quota does.

Pure. Everything else that could limit a farm is derived: of an image that nobody has
seen come up few nodes are on their way at once, which is the breaker's business, and
how many nodes find room is held against the hypervisors when they are asked for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from farmctl.elastic.learned import capacity
from farmctl.elastic.terms import PRICE, Pool, Terms
from farmctl.model.nodes import VmState
from farmctl.model.sample import Sample
from farmctl.model.view import FarmView, Quota
from farmctl.spec import Farm
from farmctl.spec.farm import Pool as Declared


def terms(farm: Farm, *, boot: float, stop: float) -> Terms:
    """Return the terms on which a farm scales.

    Args:
        farm: its file says what pools there are, what waiting costs, and its budget.
        boot: seconds that a boot is taken to last until one has shown it.
        stop: likewise for an end.
    """
    return Terms(
        pools=tuple(
            Pool(
                name=name,
                slots=pool.cpus,
                least=pool.count.min,
                most=pool.count.max,
                memory_mib=pool.memory,
            )
            for name, pool in farm.pools.items()
        ),
        price=PRICE[farm.kind] if farm.price is None else farm.price,
        boot=boot,
        stop=stop,
        budget=farm.budget,
    )


def offered(
    terms: Terms,
    *,
    quota: int | None,
    barred: Iterable[str],
    held: Iterable[str] = (),
) -> Terms:
    """Return the terms of this moment: under the quota, without what is barred.

    A pool of which nothing may be started now must not be in the way of the others,
    neither by its least nor as the shape that would be best: what could run in others
    as well grows those. Where all are barred they are offered all the same: what is
    asked for then is not done, and said to be so.

    Args:
        terms: the farm's.
        quota: slots that the farm may have now, None for no limit.
        barred: pools of which nothing may be started now.
        held: those of them that get no node before one that they have has proven
            itself; nothing is asked for by their least.
    """
    waits = frozenset(held)
    shut = waits.union(barred)
    pools = tuple(
        replace(pool, least=0) if pool.name in waits else pool for pool in terms.pools
    )
    open_ = tuple(pool for pool in pools if pool.name not in shut)
    return replace(terms, quota=quota, pools=open_ or pools)


def quota(farm: Farm, sample: Sample, quotas: Sequence[Quota]) -> int | None:
    """Return how many slots a farm may have, by what its owner's quotas leave.

    That is what it has now and what the pool that fits in best could still get; pools
    of another shape are held to it again when their nodes are asked for. None where
    nothing limits it.
    """
    left = [_left(pool, quotas) for pool in farm.pools.values()]
    nodes = [
        count * pool.cpus
        for count, pool in zip(left, farm.pools.values(), strict=True)
        if count is not None
    ]
    if len(nodes) < len(left) or not nodes:
        return None
    return capacity(sample.nodes) + max(nodes)


def beyond_quota(farm: Farm, mine: FarmView, quotas: Sequence[Quota]) -> list[str]:
    """Say which pools can never have their least, by their owner's quota."""
    there = Counter(
        vm.tag.pool
        for vm in mine.vms
        if vm.tag is not None and vm.state not in {VmState.ENDING, VmState.GONE}
    )
    found: list[str] = []
    for name, pool in farm.pools.items():
        for each in quotas:
            left = _left(pool, [each])
            if left is None or there[name] + left >= pool.count.min:
                continue
            found.append(
                f"pools.{name}.count.min is {pool.count.min}, and the quota of "
                f"{each.whose} leaves room for {there[name] + left} such nodes. Lower "
                "min, or ask for a larger quota."
            )
    return found


def _left(pool: Declared, quotas: Sequence[Quota]) -> int | None:
    """Return how many nodes of a pool the quotas still allow, None for no limit."""
    found: list[float] = []
    for each in quotas:
        if each.vms is not None:
            found.append(each.vms)
        if each.cpus is not None:
            found.append(each.cpus // pool.cpus)
        if each.memory_mib is not None:
            found.append(each.memory_mib // pool.memory)
    return max(0, int(min(found))) if found else None
