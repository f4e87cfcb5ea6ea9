"""What is next in a rolling update: one first, then the others as their jobs end.

A pool rolls when its nodes are to be of another make. One node of the new make, the
canary, is started and has to prove itself: it comes up, joins, and then ends a job, or
stays there for a while without trouble. Until it has, nothing more is made of the new
make and no old node is touched. Then new nodes come `surge` at a time, beyond the
pool's size, and each one that has proven itself lets one old node be drained: first
those whose work ends soonest. So the pool never has fewer nodes that work than before.
A draining node is never ended for being slow. Where new nodes fail, the make is given
up, and the nodes go back to what they were made of before.

Pure. `Proofs` is what only time shows; all else is in the document's roll and in the
sample, so that whoever was killed goes on from there. What each stage rests on is
`turns`'. Which witnesses end a drained node is `evidence`'s, and how large the pool is
to be the scaler's.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from farmctl.elastic.breaker import TRIPS_AT
from farmctl.elastic.proofs import MARK, rolled
from farmctl.elastic.turns import (
    Next,
    Turn,
    another,
    counted,
    is_ready,
    sides,
    still,
    told,
    vacated,
)
from farmctl.model.rolling import News, Roll
from farmctl.model.sample import (
    Decision,
    Drain,
    Drainer,
    Keep,
    NodeSample,
    NodeState,
    Start,
    Undrain,
)

CANARIES = 2
"""Canaries that may fail: the first may be its hypervisor's fault, two are not."""


def decide(turn: Turn) -> Next:
    """Return what is next in a pool's roll, each part with its reason."""
    new, old = sides(turn)
    proven = {
        vm_id: why
        for vm_id, node in new.items()
        if (why := turn.proofs.good(vm_id, node, turn.pace, now=turn.now))
    }
    if turn.roll.back:
        return _back(turn, new, old)
    roll, row = counted(turn, proven)
    roll = vacated(turn, roll)
    if turn.refused:
        return _stranded(turn, roll, new, old)
    limit = TRIPS_AT if roll.proven else CANARIES
    if len(row) >= limit:
        return _failed(turn, roll, row)
    if not roll.proven and proven:
        roll = replace(roll, proven=turn.now)
    if not roll.proven:
        return _canary(turn, roll, new, old)
    if not old:
        said = f"all {len(new)} nodes are of the new make"
        return Next(
            decisions=(Keep(because=said),),
            because=said,
            news=News(roll=roll, at=turn.now, over=True),
        )
    return _surge(turn, roll, new, old, frozenset(proven), careful=bool(row))


# The stages.


def _canary(
    turn: Turn,
    roll: Roll,
    new: Mapping[int, NodeSample],
    old: Mapping[int, NodeSample],
) -> Next:
    if new:
        names = ", ".join(sorted(node.name for node in new.values()))
        return still(turn, roll, new, f"{names} has to prove itself first")
    tried = f"; {len(roll.failed)} failed before" if roll.failed else ""
    works = any(not node.empty for node in old.values())
    if not turn.waiting and not works and len(old) > turn.pace.least:
        said = "nothing works or waits here: the next node that is needed is the canary"
        return still(turn, roll, new, said, more=1)
    if not old and not turn.waiting and not turn.pace.least:
        return still(turn, roll, new, "the next node is the canary", more=1)
    said = f"{MARK}: one node of the new make, to prove itself{tried}"
    return another(turn, roll, new, old, count=1, because=said, more=1)


def _surge(
    turn: Turn,
    roll: Roll,
    new: Mapping[int, NodeSample],
    old: Mapping[int, NodeSample],
    proven: frozenset[int],
    *,
    careful: bool,
) -> Next:
    unproven = frozenset(node.name for key, node in new.items() if key not in proven)
    surging = turn.surging
    if surging is None:
        surging = frozenset(sorted(unproven)[: turn.pace.surge])
    surging &= frozenset(node.name for node in new.values())
    good = {node.name for key, node in new.items() if key in proven}
    paying = sorted(surging & good)
    drains = _drains(turn, new, old, proven, credit=len(paying))
    surging -= frozenset(paying[: len(drains)] if old else paying)
    gone = {each.node for each in drains}
    ready = [n for n in old.values() if is_ready(n) or n.state is NodeState.BOOTING]
    remain = [node for node in ready if node.name not in gone]
    leaving = sum(node.state is NodeState.DRAINING for node in old.values()) + len(gone)
    count = min(turn.pace.surge - len(surging) - leaving, len(remain) - len(surging))
    if careful:
        count = min(count, 1 - len(unproven))
    spare = (
        not turn.waiting
        and len(remain) + len(good) > turn.pace.least
        and any(node.empty for key, node in new.items() if key in proven)
    )
    said = f"{MARK}: {len(remain)} nodes of the old make are left, "
    more = max(0, 1 - len(unproven)) if careful else None
    if count <= 0 or spare:
        why = (
            f"{said}{leaving} drain, {len(unproven)} new ones have to prove themselves"
        )
        found: list[Decision] = [*drains] or [Keep(because=why)]
        result = told(turn, roll, found, why, unproven=unproven, old=old)
        return replace(result, surging=surging, more=more)
    because = f"{said}and {len(new)} of the new one are there"
    following = another(turn, roll, new, old, count=count, because=because, more=more)
    if drains:
        rest = [each for each in following.decisions if isinstance(each, Start)]
        following = replace(following, decisions=(*drains, *rest))
    return replace(following, surging=surging, unproven=unproven)


def _drains(
    turn: Turn,
    new: Mapping[int, NodeSample],
    old: Mapping[int, NodeSample],
    proven: frozenset[int],
    *,
    credit: int,
) -> list[Drain]:
    """Return the old nodes that may go now: first those that are empty soonest."""
    order = sorted(
        (vm_id for vm_id, node in old.items() if is_ready(node)),
        key=lambda vm_id: (turn.left.get(vm_id, inf), old[vm_id].name),
    )
    good = [node for vm_id, node in new.items() if vm_id in proven and is_ready(node)]
    there = len(order) + len(good)
    credit = max(credit, there - turn.pace.most)
    found: list[Drain] = []
    free = 0 if turn.waiting else sum(n.slots - max(n.busy, n.claimed) for n in good)
    leaving = any(node.state is NodeState.DRAINING for node in old.values())
    for vm_id in order:
        node = old[vm_id]
        spare = not turn.waiting and there - len(found) > turn.pace.least
        # A queue that is empty for a moment is no reason to have fewer nodes.
        idle = turn.now - (node.idle_since or turn.now)
        if node.empty and spare and idle >= turn.pace.idle:
            why = f"it is of the old make, and empty for {idle:.0f} s"
        elif len(found) < credit:
            why = f"it is of the old make, and {len(good)} of the new one work"
        elif free >= node.slots and spare and not (leaving or found):
            why = "it is of the old make, and new nodes have room for its work"
        else:
            continue
        found.append(Drain(node=node.name, because=f"{MARK}: {why}"))
    return found


def _back(
    turn: Turn, good: Mapping[int, NodeSample], bad: Mapping[int, NodeSample]
) -> Next:
    decisions: list[Decision] = [
        Drain(node=node.name, because=f"{MARK} back: its make was given up")
        for node in bad.values()
        if node.state is NodeState.READY and node.drained_by is Drainer.NOBODY
    ]
    decisions += [
        Undrain(node=node.name, because=f"{MARK} back: its make is the right one")
        for node in good.values()
        if rolled(node) and not node.unwanted
    ]
    if bad:
        said = f"{MARK} back: {len(bad)} nodes of the make that was given up are left"
        return Next(decisions=tuple(decisions) or (Keep(because=said),), because=said)
    if decisions:
        return Next(decisions=tuple(decisions), because=f"{MARK} back")
    said = f"{MARK} back: no node of the make that was given up is left"
    return Next(
        decisions=(Keep(because=said),),
        because=said,
        news=News(roll=turn.roll, at=turn.now, over=True),
    )


def _stranded(
    turn: Turn,
    roll: Roll,
    new: Mapping[int, NodeSample],
    old: Mapping[int, NodeSample],
) -> Next:
    """Return what is left to do where a make is refused and none is kept before it.

    Nothing is made of either; the workers that are there go on, also those of the old
    make that the roll had drained.
    """
    said = "its new make is refused, and what was before is not kept: nothing is made"
    found = still(turn, roll, new, said)
    back: list[Decision] = [
        Undrain(node=node.name, because=f"{MARK} back: no other one comes for it")
        for node in old.values()
        if rolled(node) and not node.unwanted
    ]
    return replace(found, decisions=tuple(back)) if back else found


def _failed(turn: Turn, roll: Roll, row: frozenset[int]) -> Next:
    whys = sorted({turn.sick[key] for key in row if key in turn.sick})
    count = len(row)
    said = f"{count} new nodes failed in a row"
    if not roll.proven:
        said = f"{count} canaries failed, and none has proven itself"
    if whys:
        said += f": {'; '.join(whys)}"
    return Next(
        decisions=(Keep(because=f"{MARK} back: {said}"),),
        because=said,
        news=News(roll=roll, at=turn.now, refused=said),
        more=0,
    )
