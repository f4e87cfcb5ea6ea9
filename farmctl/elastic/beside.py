"""What nodes cost beside their work: free slots that one long job holds.

A node that is started for work of now stays until the longest job that it ever gets has
ended. On batch farms its free slots cost many times its boot. What those that have gone
cost is measured here, as a multiple of their boots and stops; `growth` weighs it where
work may as well wait. Nodes that never go are none that a decision could spare.
"""

from dataclasses import dataclass
from math import exp

from farmctl.elastic.foretold import WEEK
from farmctl.elastic.terms import PROOF, TWICE, Times
from farmctl.model.sample import NodeSample, NodeState, Sample


@dataclass(slots=True)
class _Life:
    """A node as it was seen last, since when, and its free slot-seconds until then."""

    node: NodeSample
    since: float
    free: float = 0.0


class Beside:
    """Accounts of nodes that have gone. Deterministic; holds no clock."""

    def __init__(self) -> None:
        """Begin with no node known."""
        self.free = 0.0
        self.slots = 0.0
        self.upto = 0.0
        self._lives: dict[str, _Life] = {}

    def see(self, sample: Sample) -> None:
        """Count what the nodes of the last sample had free beside work until now."""
        now, lives = sample.taken, self._lives
        for node in sample.nodes:
            life = lives.get(node.name)
            if life is None:
                if node.state is NodeState.BOOTING and node.slots > 1:
                    lives[node.name] = _Life(node, now)
            elif life.node is not node:
                life.free += _free(life.node) * max(0.0, now - life.since)
                life.node, life.since = node, now
        for name in lives.keys() - {node.name for node in sample.nodes}:
            self._gone(lives.pop(name), now)

    def factor(self, times: Times, slots: int) -> float:
        """Return what a start costs, as a multiple of the boot and stop alone.

        A quarter of what was measured counts: half of those free slots would be found
        on other nodes otherwise, and a guess must pay twice. Some nodes must have gone
        before it counts in full.
        """
        if slots <= 1:
            return 1.0
        turned = (self.slots + PROOF * slots) * (times.boot + times.stop)
        return 1 + self.free / (TWICE * TWICE * turned)

    def _gone(self, life: _Life, now: float) -> None:
        if not life.node.joined:
            return
        fade = exp(-max(0.0, now - self.upto) / WEEK)
        self.free = self.free * fade + life.free
        self.slots = self.slots * fade + life.node.slots
        self.upto = now


def _free(node: NodeSample) -> int:
    return node.slots - node.busy if node.busy else 0
