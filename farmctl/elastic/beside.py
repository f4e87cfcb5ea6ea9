"""What nodes cost beside their work: free slots that one long job holds.

A node that is started for work of now stays until the longest job that it ever gets has
ended. On batch farms its free slots cost many times its boot. How many there would be
if nothing came beside its first work is guessed from how that work's owners' runs are
spread; how many there were is measured when it has gone. `growth` weighs the guess by
the measured share of it where work may as well wait. Nodes that never go are none that
a decision could spare.
"""

from dataclasses import dataclass
from math import exp

from farmctl.elastic.runtimes import Runtimes, place_of
from farmctl.elastic.terms import PROOF, WEEK, Times
from farmctl.model.sample import NodeSample, NodeState, Sample

MOST = 10.0
"""Slot-seconds that are taken to be free for each guessed, at most."""


@dataclass(slots=True)
class _Life:
    """A node as it was seen last, and since when.

    `free`: slot-seconds beside work until then. `guessed`: what these were to be.
    """

    node: NodeSample
    since: float
    free: float = 0.0
    guessed: float | None = None


class Beside:
    """Accounts of nodes that have gone. Deterministic; holds no clock."""

    def __init__(self) -> None:
        """Begin with no node known."""
        self.free = 0.0
        self.guessed = 0.0
        self.upto = 0.0
        self._lives: dict[str, _Life] = {}

    def see(self, sample: Sample, runtimes: Runtimes) -> None:
        """Count what the nodes of the last sample had free beside work until now."""
        now, lives = sample.taken, self._lives
        fade = exp(-max(0.0, now - self.upto) / WEEK)
        self.free, self.guessed, self.upto = self.free * fade, self.guessed * fade, now
        for node in sample.nodes:
            life = lives.get(node.name)
            if life is None:
                if node.state is NodeState.BOOTING and node.slots > 1:
                    lives[node.name] = _Life(node, now)
            elif life.node is not node:
                life.free += _free(life.node) * max(0.0, now - life.since)
                life.node, life.since = node, now
                if life.guessed is None and node.work:
                    life.guessed = _guess(node, runtimes)
        for name in lives.keys() - {node.name for node in sample.nodes}:
            life = lives.pop(name)
            if life.guessed is not None:
                self.free += life.free
                self.guessed += life.guessed

    def share(self, times: Times, slots: int) -> float:
        """Return the slot-seconds that were free beside work for each guessed.

        Some nodes must have gone before a guess counts in full.
        """
        unknown = PROOF * slots * (times.boot + times.stop)
        return min(MOST, self.free / (self.guessed + unknown))


def _free(node: NodeSample) -> int:
    # Suspended work makes some batch systems fill a node beyond its slots.
    return max(0, node.slots - node.busy) if node.busy else 0


def _guess(node: NodeSample, runtimes: Runtimes) -> float:
    """Return the slot-seconds that are free beside a node's first work."""
    runs = [
        (work.slots, runtimes.on(work.owner, 0.0, place_of(work.job)))
        for work in node.work
    ]
    last = max(seconds for _, seconds in runs)
    held = sum(slots * seconds for slots, seconds in runs)
    return max(0.0, node.slots * last - held)
