"""Rules that move a size step by step: OneFlow, HPA, COBalD's controllers."""

from collections import deque
from dataclasses import dataclass, field
from math import ceil, floor

from farmctl.simulate.farm import READY, Farm, Node

TICK = 30.0
"""Seconds between two adjustments of COBalD's FactoryPool."""


def drain_down(farm: Farm, count: int) -> None:
    """Take `count` nodes out: boots first, then by work left to end, with drains.

    A drain is not taken back, as these projects do not.
    """
    for node in list(farm.booting.values())[::-1][:count]:
        farm.stop(node)
        count -= 1
    ready = [n for n in farm.nodes.values() if n.state == READY and not n.draining]
    ready.sort(key=lambda node: (node.busy, -node.id))
    for node in ready[: max(0, count)]:
        if node.busy:
            farm.drain(node)
        else:
            farm.stop(node)


def reap(farm: Farm) -> None:
    """End drained nodes that have become empty."""
    gone = [n for n in farm.nodes.values() if n.draining and not n.busy]
    for node in gone:
        farm.stop(node)


@dataclass(slots=True, kw_only=True)
class OneFlow:
    """OneFlow's elasticity policies: one step, then a cool-down.

    q > 0: a step more (a share of the size, or 1); less than half busy and no queue: a
    step less. Nodes that drain are still running VMs to it. Quirk left out: it ends the
    oldest nodes with their jobs; here those with the least work drain.
    """

    name: str = "OneFlow +-1"
    period: float = 90.0
    share: float = 0.0
    cooldown: float = 300.0
    least: int = 1
    _calm: float = 0.0

    def act(self, farm: Farm) -> float:
        """Look once."""
        reap(farm)
        now = farm.now
        if farm.live < self.least:
            farm.start(self.least - farm.live)
        if farm.booting:
            self._calm = now + self.cooldown
        elif now >= self._calm:
            running = [n for n in farm.nodes.values() if n.state == READY]
            staying = sum(not n.draining for n in running)
            step = max(1, floor(len(running) * self.share)) if self.share else 1
            if farm.queued:
                farm.start(step)
                self._calm = now + self.cooldown
            elif staying > self.least:
                fill = sum(n.busy / n.slots for n in running) / len(running)
                if fill < 0.5:  # noqa: PLR2004 - the policy's own expression
                    drain_down(farm, min(step, staying - self.least))
                    self._calm = now + self.cooldown
        return now + self.period


@dataclass(slots=True, kw_only=True)
class HorizontalPodAutoscaler:
    """Kubernetes' HPA on demand per slot: target 80 %, tolerance, stabilisation.

    Nodes that drain count as its replicas, and their work as load, until they end.
    """

    name: str = "HPA 80 %"
    period: float = 15.0
    target: float = 0.8
    tolerance: float = 0.1
    stabilisation: float = 300.0
    least: int = 1
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def act(self, farm: Farm) -> float:
        """Look once."""
        reap(farm)
        now = farm.now
        current = farm.live + sum(node.draining for node in farm.nodes.values())
        if not current:
            farm.start(self.least)
            return now + self.period
        load = (farm.queued + farm.running) / (current * farm.slots)
        ratio = load / self.target
        wanted = current if abs(ratio - 1) <= self.tolerance else ceil(current * ratio)
        wanted = max(self.least, wanted)
        while self._seen and self._seen[-1][1] <= wanted:
            self._seen.pop()
        self._seen.append((now, wanted))
        while self._seen[0][0] < now - self.stabilisation:
            self._seen.popleft()
        if wanted > current:
            farm.start(wanted - current)
        elif self._seen[0][1] < current:
            drain_down(farm, current - self._seen[0][1])
        return now + self.period


@dataclass(slots=True, kw_only=True)
class Cobald:
    """COBalD's Linear or RelativeSupply controller over a FactoryPool of drones.

    Utilisation and allocation are the mean fill of the drones that have joined and are
    not released, 1 where there is none; `least` is the limiter's minimum, in slots, as
    TARDIS's examples have it: one drone always is there. The controller acts each
    second; between looks, which come with each change of the farm, it is integrated.
    The pool acts every 30 s.
    """

    name: str = "COBalD linear"
    period: float = 1.0
    rate: float = 1.0
    low: float = 0.9
    high: float = 0.9
    least: float = 1.0
    relative: bool = False
    _demand: float = 0.0
    _last: float = 0.0
    _fill: float = 1.0
    _supply: int = 0

    def act(self, farm: Farm) -> float:
        """Look once."""
        now = farm.now
        if self.relative:
            scale = 0.9 if self._fill < self.low else 1.0
            scale = 1.1 if self._fill > self.high else scale
            self._demand = self._supply * scale
        elif self._fill < self.low:
            self._demand -= self.rate * (now - self._last)
        elif self._fill > self.high:
            self._demand += self.rate * (now - self._last)
        self._demand = max(self._demand, self.least)
        self._last = now
        ready = [n for n in farm.nodes.values() if n.state == READY and not n.draining]
        self._supply = farm.slots * len(ready)
        self._fill = sum(n.busy / n.slots for n in ready) / len(ready) if ready else 1.0
        if now % TICK == 0:
            self._pool(farm)
        reap(farm)
        return (now // TICK + 1) * TICK

    def _pool(self, farm: Farm) -> None:
        live: list[Node] = [n for n in farm.nodes.values() if not n.draining]
        total = sum(node.slots for node in live)
        if self._supply > self._demand:
            excess = total - self._demand
            live.sort(key=lambda node: node.busy)
            for node in live:
                if node.slots > excess:
                    break
                excess -= node.slots
                if node.busy:
                    farm.drain(node)
                else:
                    farm.stop(node)
        else:
            while total < self._demand:
                if not farm.start(1):
                    break
                total += farm.slots
