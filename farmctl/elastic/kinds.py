"""Kinds of work: a queue, a feature or its size ties work to some of a farm's pools.

What is tied to one pool is neither helped by a node of another nor served by one that
is on its way there. So each kind is looked at with its own pools, the narrowest first,
and together with the work that is tied to fewer of the same pools: what those begin for
themselves is then on its way, and only the rest is asked for once more. Where all work
could run in all pools there is one kind, and nothing of this happens.

Pools that have their most, and for which more work waits that could run nowhere else,
are left to that work: what could run in others too is decided with those alone.

Pure; `scaler` asks for the kinds and decides for each.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from farmctl.elastic.ladder import could_run
from farmctl.elastic.terms import Pool
from farmctl.model.sample import (
    Decision,
    Drainer,
    NodeSample,
    NodeState,
    Sample,
    Start,
    Undrain,
    Waiting,
    Wake,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Work that the same pools could run.

    `pools`: those. `work`: all that waits and is tied to these or fewer of them.
    `width`, `memory_mib`: what the largest piece tied to exactly these needs. `whole`:
    these are all of the farm's pools, and no work is tied to fewer.
    """

    pools: tuple[Pool, ...]
    work: tuple[Waiting, ...]
    width: int
    memory_mib: int
    whole: bool = False


def kinds(waiting: Sequence[Waiting], pools: Sequence[Pool]) -> list[Kind]:
    """Return the kinds of the waiting work, those with the fewest pools first.

    Work that no pool could run is of no kind. Where nothing is tied there is one kind,
    of all pools, even if nothing waits: for what is expected.
    """
    found: dict[tuple[Pool, ...], list[Waiting]] = {}
    for work in waiting:
        found.setdefault(_able(work, pools), []).append(work)
    whole = tuple(pools)
    if not found.keys() - {whole, ()}:
        return [_kind(whole, found.get(whole, []), tuple(waiting), whole=True)]
    keys = [able for able in found if able]
    keys.sort(key=lambda able: (len(able), [pools.index(pool) for pool in able]))
    return [
        _kind(
            able,
            found[able],
            tuple(
                work
                for other, each in found.items()
                if other and set(other) <= set(able)
                for work in each
            ),
            whole=False,
        )
        for able in keys
    ]


def beyond(kind: Kind, spent: Collection[str]) -> Kind | None:
    """Return a kind without the pools of which all is spoken for; None: all are.

    Args:
        kind: work, and the pools that could run it.
        spent: names of pools that may not grow, and for which more work waits that
            could run nowhere else than they will take.
    """
    if not spent or kind.whole:
        return kind
    left = tuple(pool for pool in kind.pools if pool.name not in spent)
    if not left:
        return None
    work = tuple(each for each in kind.work if _able(each, left))
    return replace(kind, pools=left, work=work)


def lacks(sample: Sample, kind: Kind) -> bool:
    """Tell whether more of a kind waits than what boots in its pools will take."""
    names = {pool.name for pool in kind.pools}
    coming = sum(
        node.slots
        for node in sample.nodes
        if node.state is NodeState.BOOTING and node.pool in names
    )
    return sum(each.slots * each.count for each in kind.work) > coming


def of(sample: Sample, kind: Kind) -> Sample:
    """Return what a sample shows of one kind: its pools' nodes, and its work."""
    if kind.whole:
        return sample
    names = frozenset(pool.name for pool in kind.pools)
    nodes = tuple(node for node in sample.nodes if node.pool in names)
    return replace(sample, nodes=nodes, waiting=kind.work)


def after(
    sample: Sample, decisions: Sequence[Decision], pools: Sequence[Pool]
) -> Sample:
    """Return a sample as if these decisions had been carried out.

    Args:
        sample: before.
        decisions: starts, wakes and drains taken back; others change nothing.
        pools: the farm's.
    """
    slots = {pool.name: pool.slots for pool in pools}
    changed: dict[str, NodeSample] = {node.name: node for node in sample.nodes}
    for decision in decisions:
        match decision:
            case Start():
                for _ in range(decision.count):
                    name = f"to come: {len(changed)}"
                    changed[name] = NodeSample(
                        name=name,
                        pool=decision.pool,
                        slots=slots[decision.pool],
                        state=NodeState.BOOTING,
                        since=sample.taken,
                    )
            case Wake():
                node = changed[decision.node]
                changed[node.name] = replace(
                    node, state=NodeState.BOOTING, since=sample.taken
                )
            case Undrain():
                node = changed[decision.node]
                changed[node.name] = replace(
                    node, state=NodeState.READY, drained_by=Drainer.NOBODY
                )
            case _:
                pass
    return replace(sample, nodes=tuple(changed.values()))


def _able(work: Waiting, pools: Sequence[Pool]) -> tuple[Pool, ...]:
    return tuple(pool for pool in pools if could_run(pool, work))


def _kind(
    able: tuple[Pool, ...],
    own: Sequence[Waiting],
    work: tuple[Waiting, ...],
    *,
    whole: bool,
) -> Kind:
    return Kind(
        pools=able,
        work=work,
        width=max((each.slots for each in own), default=1),
        memory_mib=max((each.memory_mib for each in own), default=0),
        whole=whole,
    )
