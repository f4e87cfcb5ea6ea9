"""elastiq 1.0.4: queue thresholds, idle times, and VMs it believes to be running."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

from farmctl.simulate.farm import Farm


@dataclass(slots=True, kw_only=True)
class Elastiq:
    """elastiq with its code's defaults; `from_example` has its example's.

    Quirks kept: a threshold of 0 free-runs; a VM that was started counts as allegedly
    running for `deploy` seconds, whether it has joined or not; no drain, so that here
    a VM goes only when it is idle at the check; idle VMs are chosen at random.
    """

    name: str = "elastiq"
    period: float = 15.0
    threshold: int = 0
    waiting: float = 40.0
    idle_for: float = 3600.0
    deploy: float = 600.0
    most: int = 1 << 20
    least: int = 0
    seed: int = 0
    _first: float = -1.0
    _believed: deque[float] = field(default_factory=deque)

    @classmethod
    def from_example(cls) -> "Elastiq":
        """Return elastiq as its example configuration sets it."""
        return cls(name="elastiq (example)", threshold=10, waiting=100.0)

    def act(self, farm: Farm) -> float:
        """Look once: the queue every 15 s, the VMs every 45 s."""
        now = farm.now
        while self._believed and self._believed[0] <= now:
            self._believed.popleft()
        per_node = farm.slots
        lack = farm.queued - len(self._believed) * per_node
        if lack < self.threshold:
            self._first = -1.0
        elif self._first < 0:
            self._first = now
        elif now - self._first > self.waiting:
            wanted = min(-(-lack // per_node), self.most - len(farm.nodes))
            self._start(farm, wanted)
            self._first = -1.0
        if now % 45 == 0:
            self._check_nodes(farm)
        return now + self.period

    def _start(self, farm: Farm, count: int) -> None:
        for _ in range(farm.start(count)):
            self._believed.append(farm.now + self.deploy)

    def _check_nodes(self, farm: Farm) -> None:
        idle = [
            n for n in farm.idle.values() if farm.now - n.idle_since > self.idle_for
        ]
        if idle:
            Random(self.seed + int(farm.now)).shuffle(idle)  # noqa: S311
            joined = len(farm.nodes) - len(farm.booting)
            for node in idle[: max(0, joined - self.least)]:
                farm.stop(node)
                if self._believed:
                    self._believed.pop()
