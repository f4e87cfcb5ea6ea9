"""Whether nodes that were started for work only expected have paid.

A forecast says what a node more would be worth; what such nodes were worth is seen when
they get work, or go without. While the sum of the last weeks is a loss, no node is
started on forecast alone. What is lost fades, so that it is tried again some time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from farmctl.model.sample import NodeSample, NodeState, Sample

WEEK = 604_800.0
"""Seconds in which what was won and lost fades to a third."""


@dataclass(frozen=True, slots=True)
class _Stake:
    """Per slot: seconds that it saves if it works at once, and that it lost if never.

    Both are slot-seconds.
    """

    saves: float
    lost: float


class Foretold:
    """Accounts of nodes started on forecast. Deterministic; holds no clock."""

    def __init__(self) -> None:
        """Begin with nothing won and nothing lost."""
        self.score = 0.0
        self.upto = 0.0
        self._due: dict[str, tuple[_Stake, int, float]] = {}
        self._owed = 0
        self._since = 0.0
        self._stake = _Stake(0.0, 0.0)

    def expect(
        self,
        now: float,
        woken: Sequence[str],
        started: int,
        *,
        saves: float,
        lost: float,
    ) -> None:
        """Note nodes that are woken or started now for work that is only expected.

        Args:
            now: The time of the sample.
            woken: Names of those that come from standby.
            started: How many are new; they get their names later.
            saves: Slot-seconds that each slot saves which works as soon as it can.
            lost: Slot-seconds that the boot and stop of each slot cost.
        """
        self._stake = _Stake(saves, lost)
        for name in woken:
            self._due[name] = (self._stake, 0, now)
        self._owed, self._since = started, now

    def see(self, sample: Sample) -> None:
        """Settle what has come to work, and what has gone without."""
        if not (self._owed or self._due):
            return
        now = sample.taken
        self.score *= exp(-max(0.0, now - self.upto) / WEEK)
        self.upto = now
        if self._owed:
            self._name(sample)
        nodes = {node.name: node for node in sample.nodes if node.name in self._due}
        for name, (stake, slots, since) in [*self._due.items()]:
            node = nodes.get(name)
            if node is not None and node.state is NodeState.READY:
                idle = node.slots * (now - max(node.joined, since))
                if node.busy:
                    del self._due[name]
                    self.score += stake.saves * node.busy - idle
                else:
                    self._due[name] = (stake, node.slots, since)
            elif node is None or node.state is not NodeState.BOOTING:
                del self._due[name]
                self.score -= stake.lost * slots + _idle(node, now, since)

    def pays(self, stake: float) -> bool:
        """Tell whether what was lost of late is less than `stake` slot-seconds."""
        return self.score > -stake

    def _name(self, sample: Sample) -> None:
        new = [
            node
            for node in sample.nodes
            if node.state is NodeState.BOOTING
            and node.since >= self._since
            and not node.joined
            and node.name not in self._due
        ]
        for node in new[::-1][: self._owed]:
            self._due[node.name] = (self._stake, node.slots, self._since)
        if new:
            self._owed = 0


def _idle(node: NodeSample | None, now: float, since: float) -> float:
    return 0.0 if node is None else node.slots * (now - max(node.joined, since))
