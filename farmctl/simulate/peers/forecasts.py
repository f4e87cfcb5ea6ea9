"""The rules that SPEC RG compared: React, Adapt, Hist, Reg and ConPaaS.

They look every 30 s at d, the nodes that waiting and running work would fill, and n,
the nodes there are. Releases are best effort: only idle nodes go.
"""

from collections import deque
from dataclasses import dataclass, field
from math import ceil

from farmctl.simulate.farm import Farm


def resize(farm: Farm, wanted: int) -> None:
    """Start up to `wanted` nodes, or release idle ones down to it."""
    change = wanted - farm.live
    if change > 0:
        farm.start(change)
        return
    for node in list(farm.idle.values())[: max(0, -change)]:
        farm.stop(node)


@dataclass(slots=True, kw_only=True)
class React:
    """React (Chieu et al.) as in the CCGrid'18 simulator: two nodes of head-room."""

    name: str = "React"
    period: float = 30.0

    def act(self, farm: Farm) -> float:
        """Look once."""
        lack = farm.demand() - farm.live
        if lack >= 0:
            farm.start(lack + 2)
        elif lack < -2:  # noqa: PLR2004 - the rule's own number
            resize(farm, farm.live + lack + 2)
        return farm.now + self.period


@dataclass(slots=True, kw_only=True)
class Adapt:
    """Adapt (Ali-Eldin et al.), simplified: grows with the load's rate of change."""

    name: str = "Adapt"
    period: float = 30.0
    _due: float = 0.0
    _rate: float = 0.0
    _sum: float = 0.0
    _capacity: float = 0.0
    _looks: int = 0

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand, size, now = farm.demand(), farm.live, farm.now
        self._looks += 1
        self._capacity += size
        if now >= self._due:
            average = max(1.0, self._capacity / self._looks)
            change = demand - size
            self._rate = change / (15.0 if change < 0 else max(1.0, self.period / 30))
            self._due = now + max(
                self.period, ceil(0.01 * size / average) * self.period
            )
        self._sum += self._rate
        if self._sum <= -1:
            less = int(-self._sum)
            resize(farm, max(size - less, demand + 2))
            self._sum = 0.0
        elif self._sum >= 1:
            if demand > size:
                farm.start(max(int(self._sum), demand - size + 2))
            self._sum = 0.0
        return now + self.period


@dataclass(slots=True, kw_only=True)
class Hist:
    """Hist (Urgaonkar et al.): P90 of the same hour on earlier days, corrected."""

    name: str = "Hist"
    period: float = 30.0
    _seen: dict[int, deque[int]] = field(default_factory=dict)
    _errors: deque[int] = field(default_factory=lambda: deque(maxlen=10))
    _hour: int = -1
    _target: int = 0

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand = farm.demand()
        absolute = int(farm.now // 3600)
        seen = self._seen.setdefault(absolute % 24, deque(maxlen=730))
        if absolute != self._hour:
            self._hour = absolute
            ordered = sorted(seen)
            self._target = ordered[int(0.9 * len(ordered))] if ordered else demand
        seen.append(demand)
        target = self._target
        if self._errors:
            target -= ceil(sum(self._errors) / len(self._errors))
        self._errors.append(target - demand)
        behind = sum(error < 0 for error in self._errors)
        if behind > 5:  # noqa: PLR2004 - the rule's own number
            target = demand + 2
            self._errors.clear()
        resize(farm, max(target, 0))
        return farm.now + self.period


@dataclass(slots=True, kw_only=True)
class Reg:
    """Reg (Iqbal et al.): reacts upwards, falls along a fitted parabola."""

    name: str = "Reg"
    period: float = 30.0
    keep: int = 72
    _seen: deque[int] = field(default_factory=deque)

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand, size = farm.demand(), farm.live
        target = demand
        if size > demand and len(self._seen) > 3:  # noqa: PLR2004 - a parabola needs 3
            forecast = ceil(_parabola(self._seen) - 1e-9)
            target = min(forecast, size)
        self._seen.append(demand)
        if len(self._seen) > self.keep:
            self._seen.popleft()
        resize(farm, max(0, target))
        return farm.now + self.period


@dataclass(slots=True, kw_only=True)
class ConPaaS:
    """ConPaaS as shipped, pinned to an autoregression over the last 20 looks."""

    name: str = "ConPaaS"
    period: float = 30.0
    keep: int = 20
    _seen: deque[int] = field(default_factory=deque)

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand = farm.demand()
        self._seen.append(demand)
        target = demand
        if len(self._seen) > self.keep:
            self._seen.popleft()
            target = max(0, ceil(_autoregression(self._seen) - 1e-9))
        resize(farm, target)
        return farm.now + self.period


def _autoregression(values: deque[int]) -> float:
    mean = sum(values) / len(values)
    near = spread = 0.0
    last: float | None = None
    for value in values:
        off = value - mean
        if last is not None:
            near += last * off
        spread += off * off
        last = off
    return mean + (near / spread * (values[-1] - mean) if spread else 0.0)


def _parabola(values: deque[int]) -> float:
    """Return the least-squares parabola through `values`, one step after the last."""
    count = len(values)
    sums = [float(sum(at**power for at in range(count))) for power in range(5)]
    right = [
        float(sum(value * at**power for at, value in enumerate(values)))
        for power in range(3)
    ]
    rows = [
        [sums[row + column] for column in range(3)] + [right[row]] for row in range(3)
    ]
    for pivot in range(3):
        best = max(range(pivot, 3), key=lambda row: abs(rows[row][pivot]))
        rows[pivot], rows[best] = rows[best], rows[pivot]
        if abs(rows[pivot][pivot]) < 1e-12:  # noqa: PLR2004 - singular
            return float(values[-1])
        for row in range(3):
            if row != pivot:
                share = rows[row][pivot] / rows[pivot][pivot]
                rows[row] = [
                    a - share * b for a, b in zip(rows[row], rows[pivot], strict=True)
                ]
    a, b, c = (rows[row][3] / rows[row][row] for row in range(3))
    return a + b * count + c * count * count
