"""How far the forecast is trusted, from what nodes started on it alone have brought.

A forecast says what one node more would be worth. What such a node was worth is seen:
the waiting that its work was spared while no other slot was free for it, less what the
node cost until then; its boot, stop and empty slots if it went without. The last node
of each start, the one that was worth least, moves the trust: up by what it won, down by
what it lost. So the last one comes to pay just what it costs, on every farm. As few may
be out at a time as the trust allows, one at first. What was learned fades.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, inf, log

from farmctl.elastic.terms import TWICE, WEEK
from farmctl.model.sample import NodeSample, NodeState, Sample

FIRST = -log(TWICE)
"""The logarithm of the trust at first: a guess must pay twice."""

LEAST, MOST = log(0.02), log(8.0)
"""Between these the logarithm stays, so that a change of the work is soon learned."""


@dataclass(slots=True, kw_only=True)
class _Due:
    """A node started on forecast, until it is known what it brought.

    `price`: what a second of a waiting task is worth, in slot-seconds. `boot`, `lost`:
    seconds until it was to be ready, and those that its boot and stop cost per slot.
    `last`: no other of its start was worth less. `idle`: slot-seconds that it cost
    before it was needed. `until`: when others could have been ready for its work.
    `lack`: slots that its work would be short of without it. `spared`: slot-seconds.
    """

    price: float
    boot: float
    lost: float
    since: float
    last: bool = False
    slots: int = 0
    idle: float = 0.0
    until: float = inf
    lack: int = 0
    spared: float = 0.0
    upto: float = 0.0

    def gained(self) -> float:
        """Return what the node brought, slot-seconds; less than zero if it lost."""
        if self.until == inf:
            return -self.lost * self.slots - self.idle
        return self.spared - self.idle


class Foretold:
    """Accounts of nodes started on forecast. Deterministic; holds no clock."""

    def __init__(self) -> None:
        """Begin with the trust that a guess gets which is as often wrong as right."""
        self.level = FIRST
        self.upto = 0.0
        self._due: dict[str, _Due] = {}
        self._owed: tuple[int, _Due] | None = None

    @property
    def trust(self) -> float:
        """What a slot-second of the forecast counts."""
        return exp(self.level)

    @property
    def more(self) -> int:
        """How many nodes more may be started on forecast before others have paid."""
        out = len(self._due) + (self._owed[0] if self._owed else 0)
        return max(0, ceil(TWICE * self.trust) - out)

    def expect(
        self,
        now: float,
        woken: Sequence[str],
        started: int,
        *,
        price: float,
        boot: float,
        lost: float,
    ) -> None:
        """Note nodes that are woken or started now for work that is only expected.

        Args:
            now: The time of the sample.
            woken: Names of those that come from standby.
            started: How many are new; they get their names later.
            price: What a second of a waiting task is worth, in slot-seconds.
            boot: Seconds until they take work.
            lost: Seconds that the boot and stop of each slot cost.
        """
        due = _Due(price=price, boot=boot, lost=lost, since=now, upto=now)
        for name in woken:
            last = not started and name == woken[-1]
            self._due[name] = replace(due, last=last)
        self._owed = (started, due) if started else None

    def see(self, sample: Sample) -> None:
        """Settle what was needed, and what has gone without."""
        now = sample.taken
        fade = exp(-max(0.0, now - self.upto) / WEEK)
        self.level = FIRST + (self.level - FIRST) * fade
        self.upto = now
        if not (self._owed or self._due):
            return
        self._name(sample)
        nodes = {node.name: node for node in sample.nodes if node.name in self._due}
        rooms = _rooms(sample) if nodes else {}
        for name, due in [*self._due.items()]:
            if _settled(due, nodes.get(name), rooms, now):
                del self._due[name]
                self._learn(due)

    def _learn(self, due: _Due) -> None:
        most = due.price * due.boot * due.slots
        if due.last and most > 0:
            step = max(-1.0, min(1.0, due.gained() / most))
            self.level = within(self.level + step)

    def _name(self, sample: Sample) -> None:
        """Find the nodes that were asked for; forget those that never came."""
        if self._owed is None:
            return
        count, due = self._owed
        new = [
            node
            for node in sample.nodes
            if node.state is NodeState.BOOTING
            and node.since >= due.since
            and not node.joined
            and node.name not in self._due
        ]
        for at, node in enumerate(new[::-1][:count]):
            self._due[node.name] = replace(due, last=not at, slots=node.slots)
        if new or sample.taken > due.since + due.boot:
            self._owed = None


def within(level: float) -> float:
    """Return the nearest level that a trust may have."""
    return max(LEAST, min(MOST, level))


def _settled(
    due: _Due, node: NodeSample | None, rooms: Mapping[int, int], now: float
) -> bool:
    """Take note of how a node fares; tell whether it is known what it brought."""
    if node is not None and node.state is NodeState.BOOTING:
        due.upto, due.slots = now, node.slots
        return False
    seconds = max(0.0, min(now, due.until) - due.upto)
    due.spared += due.price * due.lack * seconds
    due.upto = now
    if node is None or node.state is not NodeState.READY or now >= due.until:
        return True
    due.slots = node.slots
    due.lack = _lack(node, rooms) if node.busy else 0
    if due.until == inf:
        due.idle = node.slots * (now - max(node.joined, due.since))
        if due.lack:
            # What works as soon as the node is there had come while it booted.
            early = min(work.began for work in node.work) - node.joined < due.boot / 10
            due.until = now + (due.boot / TWICE if early else due.boot)
    return False


def _rooms(sample: Sample) -> Mapping[int, int]:
    """Return how many nodes that take work have so many slots free."""
    return Counter(
        node.slots - node.busy for node in sample.nodes if node.state is NodeState.READY
    )


def _lack(node: NodeSample, rooms: Mapping[int, int]) -> int:
    """Return the slots of a node's work for which no other node has room."""
    width = max(work.slots for work in node.work)
    own = (node.slots - node.busy) // width
    there = sum(free // width * nodes for free, nodes in rooms.items()) - own
    return max(0, node.busy - there * width)
