"""Work that waits for a pool which may not grow just now: held back, and not hopeless.

A pool is barred while its breaker is open, while there is no room for its nodes, or
while a roll lets it have none before its canary is good. The scaling core is not shown
such a pool, so that it is in no other's way. What only barred pools could run is seen
to here: it keeps the nodes that are there, takes their drains back, and is told with
what it waits for. Pure.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from farmctl.elastic.breaker import Allowed
from farmctl.elastic.ladder import could_run
from farmctl.elastic.outlook import Outlook, calm, look
from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Pool, Terms
from farmctl.elastic.undrains import taken_back
from farmctl.model.sample import Decision, Drain, End, Keep, Sample, Verdict, Waiting
from farmctl.model.standing import Barred

Tied = dict[tuple[str, ...], list[Waiting]]

_NOBODY: Mapping[str, str] = {}
_NAMED = 3
_AGAIN = "; one is tried again in"


def bars(
    allowed: Mapping[str, Allowed], held: Mapping[str, str] = _NOBODY
) -> dict[str, str]:
    """Return why nothing may be started of a pool now, by pool.

    Args:
        allowed: what breakers, room and lease allow.
        held: pools that get no node before one that they have has proven itself.
    """
    shut = {
        # Without how long it still holds: that passes.
        pool: each.because.partition(_AGAIN)[0]
        for pool, each in allowed.items()
        if each.count == 0
    }
    return {**held, **shut}


def tied(
    waiting: Sequence[Waiting], pools: Sequence[Pool], shut: Mapping[str, str]
) -> Tied:
    """Return the work that only barred pools could run, by these pools."""
    found: Tied = {}
    for work in waiting if shut else ():
        able = tuple(pool.name for pool in pools if could_run(pool, work))
        if able and all(pool in shut for pool in able):
            found.setdefault(able, []).append(work)
    return found


def waits(
    waiting: Sequence[Waiting], pools: Sequence[Pool], shut: Mapping[str, str]
) -> tuple[Barred, ...]:
    """Return who waits for which barred pools, those with most work first."""
    found: list[Barred] = []
    for able, works in tied(waiting, pools, shut).items():
        slots = Counter[str]()
        for work in works:
            slots[work.owner] += work.slots * work.count
        why = "; ".join(dict.fromkeys(shut[pool] for pool in able))
        found += [
            Barred(owner=owner, slots=many, pools=able, why=why)
            for owner, many in slots.items()
        ]
    return tuple(sorted(found, key=lambda each: (-each.slots, each.owner, each.pools)))


def told(
    verdict: Verdict,
    sample: Sample,
    core: Scaler,
    terms: Terms,
    shut: Mapping[str, str],
) -> Verdict:
    """Return a verdict that knows of the work which only barred pools could run.

    Args:
        verdict: the core's, on the pools that are not barred.
        sample: what it was made from.
        core: the scaling core, with the terms of this moment.
        terms: the farm's, with all of its pools.
        shut: the barred ones, with the reason. Where all are, the core was offered
            them all the same, and has seen to it.
    """
    pools = terms.pools
    groups = tied(sample.waiting, pools, shut)
    if not groups or all(pool.name in shut for pool in pools):
        return verdict
    back: dict[str, Decision] = {}
    for able, works in groups.items():
        mine = replace(terms, pools=tuple(p for p in pools if p.name in able))
        nodes = tuple(node for node in sample.nodes if node.pool in able)
        out = _look(replace(sample, nodes=nodes, waiting=tuple(works)), mine, core)
        back |= {each.node: each for each in taken_back(out, _room(mine.pools))}
    needed = frozenset(pool for able in groups for pool in able)
    stay = {
        node.name
        for node in sample.nodes
        if node.pool in needed and not node.stale and not node.unwanted
    }
    kept: list[Decision] = [
        each for each in verdict.decisions if not _against(each, stay, frozenset(back))
    ]
    if not back and not kept:
        held = {id(work) for works in groups.values() for work in works}
        rest = tuple(work for work in sample.waiting if id(work) not in held)
        others = _look(replace(sample, waiting=rest), core.terms, core)
        said = [calm(others, verdict.limits)]
        said += [str(each) for each in waits(sample.waiting, pools, shut)[:_NAMED]]
        kept = [Keep(because="; ".join(said))]
    return replace(verdict, decisions=(*back.values(), *kept))


def _against(decision: Decision, stay: Collection[str], back: Collection[str]) -> bool:
    """Tell whether a decision overlooks that work waits for a barred pool's nodes."""
    match decision:
        case Keep():
            return True
        case Drain():
            return decision.node in stay
        case End():
            return decision.node in back
        case _:
            return False


def _look(sample: Sample, terms: Terms, core: Scaler) -> Outlook:
    return look(sample, terms, core.learned.times(), core.runtimes)


def _room(pools: Sequence[Pool]) -> Callable[[Outlook, str], int]:
    most = {pool.name: pool.most + pool.surge for pool in pools}
    return lambda out, pool: most.get(pool, 0) - out.live_by_pool.get(pool, 0)
