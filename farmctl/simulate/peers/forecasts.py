"""The rules that SPEC RG compared: React, Adapt, Hist, Reg and ConPaaS.

They look every 30 s at d, the nodes that waiting and running work would fill, and n,
the nodes there are. Releases are best effort: only idle nodes go. What is simplified,
and how near the figures are to others', is in docs/explanation/simulation.md.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from functools import cache
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
    """Adapt (Ali-Eldin et al.), simplified: sheds by a rate, keeps two nodes spare.

    The rate is the lack of nodes times the size in force over the mean size so far, a
    fifteenth of that when there are too many (a quarter in the authors' copy); it is
    summed up, and whole nodes of the sum are acted on. What sheds never asks for less
    than two nodes above the demand, and so starts some where there are fewer.
    """

    name: str = "Adapt"
    period: float = 30.0
    _sum: float = 0.0
    _sizes: int = 0
    _looks: int = 0

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand, size = farm.demand(), farm.live
        self._looks += 1
        self._sizes += size
        rate = (demand - size) * max(1, size) / max(1.0, self._sizes / self._looks)
        self._sum += rate / 15 if rate < 0 else rate
        whole = int(self._sum)
        self._sum -= whole
        if whole <= -1:
            resize(farm, max(size + whole, demand + 2))
        elif demand > size:
            farm.start(max(whole, demand - size + 2))
        return farm.now + self.period


@dataclass(slots=True, kw_only=True)
class Hist:
    """Hist (Urgaonkar et al.): P90 of the same hour on all days, corrected.

    The correction is the mean of the last errors, the size asked for less the demand
    that came; more than five lacks among the last ten, and it reacts instead.
    """

    name: str = "Hist"
    period: float = 30.0
    _seen: dict[int, list[int]] = field(default_factory=dict)
    _errors: deque[int] = field(default_factory=lambda: deque(maxlen=10))
    _asked: int = 0

    def act(self, farm: Farm) -> float:
        """Look once."""
        demand = farm.demand()
        seen = self._seen.setdefault(int(farm.now // 3600) % 24, [])
        expected = float(seen[int(0.9 * len(seen))] if seen else demand)
        insort(seen, demand)
        self._errors.append(self._asked - demand)
        expected -= sum(self._errors) / len(self._errors)
        behind = sum(error < 0 for error in self._errors)
        if behind > 5:  # noqa: PLR2004 - the rule's own number
            expected = demand + 2
            self._errors.clear()
        self._asked = max(0, ceil(expected - 1e-9))
        resize(farm, self._asked)
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
    """ConPaaS as shipped, pinned to an autoregression over the last 20 looks.

    A forecast of nothing while there is work keeps a node.
    """

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
            target = max(min(demand, 1), ceil(_autoregression(self._seen) - 1e-9))
        resize(farm, target)
        return farm.now + self.period


def _autoregression(values: deque[int]) -> float:
    """Return what follows `values`: each about the mean by the one before it."""
    mean = sum(values) / len(values)
    near = spread = 0.0
    last: float | None = None
    for value in values:
        off = value - mean
        if last is not None:
            near += last * off
            spread += last * last
        last = off
    return mean + (near / spread * (values[-1] - mean) if spread else 0.0)


def _parabola(values: deque[int]) -> float:
    """Return the least-squares parabola through `values`, one step after the last."""
    weighted = zip(_weights(len(values)), values, strict=True)
    return sum(weight * value for weight, value in weighted)


@cache
def _weights(count: int) -> tuple[float, ...]:
    """Return what each of `count` values adds to the parabola that follows them.

    By the discrete orthogonal polynomials of degree 0, 1 and 2 about the middle.
    """
    middle = (count - 1) / 2
    bend = (count * count - 1) / 12
    flat = float(count)
    slope = count * bend
    curve = slope * (count * count - 4) / 15
    ahead = count - middle
    return tuple(
        1 / flat
        + ahead * (at - middle) / slope
        + (ahead**2 - bend) * ((at - middle) ** 2 - bend) / curve
        for at in range(count)
    )
