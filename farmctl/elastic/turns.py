"""One pool's turn in its roll: what it is decided from, and what comes of it.

`rolling` says what is next; here are the values of that, which nodes are of the new
make and which of others, which failures are in a row, and what has to be before there
is room. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from farmctl.elastic.proofs import MARK, Pace, Proofs, rolled
from farmctl.model.rolling import News, Roll
from farmctl.model.sample import (
    Decision,
    Drain,
    Drainer,
    Keep,
    NodeSample,
    NodeState,
    Start,
)

NO_ROOM = "no room for a new node before an old one has gone"
"""Why an old node is drained that has to make room; its drain is known by it."""

LATE = 600.0
"""Seconds after which work that its batch system should have ended is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a decision is made from: one pool, on a believed look.

    `nodes`: the pool's nodes by VM id, those on their way out left out. `sick`: nodes
    of the new make that failed, with the reason; `out`: those that take no work for now
    and have not failed. `placed`: nodes of the new make that have a hypervisor.
    `surging`: names of nodes that this roll started and that have let no old one go
    yet; None where that is not known.
    `waiting`: whether work waits. `held`: why nothing may be started at all. `room`:
    why there is no room. `left`: seconds until each node would be empty. `refused`: the
    new make is given up, and there is nothing to go back to. `ending`: nodes on their
    way out: the room of theirs is not free yet, and will be.
    """

    pool: str
    roll: Roll
    now: float
    nodes: Mapping[int, NodeSample]
    sick: Mapping[int, str]
    proofs: Proofs
    pace: Pace
    surging: frozenset[str] | None = frozenset()
    waiting: bool = False
    held: str = ""
    room: str = ""
    left: Mapping[int, float] = field(default_factory=dict)
    refused: bool = False
    ending: int = 0
    out: frozenset[int] = frozenset()
    placed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is next in a pool's roll.

    `news`: what the document is to keep, None if nothing of it has changed. `more`: how
    many nodes of the pool may be made now, None where the roll sets no limit. `because`
    says where the roll stands. `surging`: as in `Turn`, after this turn. `unproven`:
    nodes that are to stay until they have proven themselves. `stuck`: draining nodes
    whose work should have ended.
    """

    decisions: tuple[Decision, ...]
    because: str
    news: News | None = None
    more: int | None = None
    surging: frozenset[str] = frozenset()
    unproven: frozenset[str] = frozenset()
    stuck: tuple[str, ...] = ()

    @property
    def starts(self) -> int:
        """How many nodes the roll itself starts."""
        return sum(each.count for each in self.decisions if isinstance(each, Start))


def still(
    turn: Turn,
    roll: Roll,
    new: Mapping[int, NodeSample],
    because: str,
    *,
    more: int = 0,
) -> Next:
    """Return that nothing is to be done for now."""
    said = f"{MARK}: {because}"
    names = frozenset(node.name for node in new.values())
    found = told(turn, roll, [Keep(because=said)], said, unproven=names, old={})
    known = names if turn.surging is None else turn.surging
    return replace(found, more=more, surging=known & names)


def another(
    turn: Turn,
    roll: Roll,
    new: Mapping[int, NodeSample],
    old: Mapping[int, NodeSample],
    *,
    count: int,
    because: str,
    more: int | None,
) -> Next:
    """Return the start of new nodes, or what has to be before there is room."""
    names = frozenset(node.name for node in new.values())
    found: list[Decision]
    if turn.held:
        because = f"{MARK}: {turn.held}"
        found = [Keep(because=because)]
    elif turn.room:
        draining = any(node.state is NodeState.DRAINING for node in old.values())
        ready = [vm_id for vm_id, node in old.items() if is_ready(node)]
        because = f"{MARK}: {NO_ROOM}"
        wait = draining or turn.ending
        if roll.freed and not wait:  # no further node goes for what others take
            because += f"; others have what {roll.freed} had"
        found = [Keep(because=because)]
        if ready and not wait and not roll.freed:
            first = min(ready, key=lambda each: (turn.left.get(each, inf), each))
            roll = replace(roll, freed=old[first].name, placed=_places(turn))
            found = [Drain(node=roll.freed, because=because)]
    else:
        found = [Start(pool=turn.pool, count=count, because=because)]
    known = turn.surging if turn.surging is not None else names
    result = told(turn, roll, found, because, unproven=names, old=old)
    return replace(result, more=more, surging=known & names)


# What the stages rest on.


def sides(turn: Turn) -> tuple[dict[int, NodeSample], dict[int, NodeSample]]:
    """Return the nodes of the new make and those of others; sick ones are neither."""
    new: dict[int, NodeSample] = {}
    old: dict[int, NodeSample] = {}
    for vm_id, node in turn.nodes.items():
        aside = node.state is NodeState.ASIDE and vm_id not in turn.out
        if aside or vm_id in turn.sick:
            continue
        (new if node.image == turn.roll.new else old)[vm_id] = node
    return new, old


def counted(turn: Turn, proven: Iterable[int]) -> tuple[Roll, frozenset[int]]:
    """Return the roll with all that failed, and the failures in a row.

    Those are in a row that came since a node proved itself. An earlier one is kept as
    long as its VM is there, so that it is not taken for a new one.
    """
    failed = {**dict.fromkeys(turn.sick, turn.now), **turn.roll.failed}
    last = max((turn.proofs.since.get(each, 0.0) for each in proven), default=0.0)
    row = frozenset(vm_id for vm_id, at in failed.items() if at >= last)
    kept = {
        vm_id: at for vm_id, at in failed.items() if vm_id in row or vm_id in turn.sick
    }
    if kept == dict(turn.roll.failed):
        return turn.roll, row
    return replace(turn.roll, failed=kept), row


def vacated(turn: Turn, roll: Roll) -> Roll:
    """Return the roll with the old node that went for its room, while none has come.

    It is over when a new node has a hypervisor that had none then, or when the old one
    works again. Killed after the drain and before it was written down, it is known
    again by the drain's reason.
    """
    if not roll.freed:
        gone = [
            node.name
            for node in turn.nodes.values()
            if rolled(node) and node.image != roll.new and NO_ROOM in node.reason
        ]
        return replace(roll, freed=min(gone), placed=_places(turn)) if gone else roll
    again = any(n.name == roll.freed and is_ready(n) for n in turn.nodes.values())
    if again or not turn.placed <= set(roll.placed):
        return replace(roll, freed="", placed=())
    return roll


def told(
    turn: Turn,
    roll: Roll,
    decisions: list[Decision],
    because: str,
    *,
    unproven: frozenset[str],
    old: Mapping[int, NodeSample],
) -> Next:
    """Return decisions with what the document is to keep, if that has changed."""
    changed = roll != turn.roll
    return Next(
        decisions=tuple(decisions),
        because=because,
        news=News(roll=roll, at=turn.now) if changed else None,
        unproven=unproven,
        stuck=tuple(_stuck(old.values(), now=turn.now)),
    )


def _places(turn: Turn) -> tuple[int, ...]:
    return tuple(sorted(turn.placed))


def _stuck(old: Iterable[NodeSample], *, now: float) -> list[str]:
    """Name the draining nodes whose work should have ended by its own limit."""
    found = []
    for node in old:
        ends = [work.latest for work in node.work]
        if node.state is not NodeState.DRAINING or not ends or None in ends:
            continue
        over = now - max(end for end in ends if end is not None)
        if over > LATE:
            found.append(
                f"{node.name} is drained, and its work should have ended "
                f"{over:.0f} s ago"
            )
    return found


def is_ready(node: NodeSample) -> bool:
    """Tell whether a node takes new work, and nobody drains it."""
    return node.state is NodeState.READY and node.drained_by is Drainer.NOBODY
