"""Who will send work, and when: learned from the bursts of each owner.

A burst is a rise of what one owner has waiting and running. How likely the next one is
depends on how long ago the owner was last heard of, on whether the owner has work just
now, and on the hour of the week. Each of these is a rate of bursts per second of
exposure, from counts; rare combinations are shrunk to the more common ones. Owners who
have been silent for long are one crowd. `forecast` gives the rates that `worth` prices.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

HOUR = 3600.0
FIRST = 15.0
BINS = 26
SILENT = FIRST * 2 ** ((BINS - 2) / 2)
"""Seconds after which an owner is one of the crowd (17 h)."""

OWNER_WEIGHT = 2.0
"""Bursts of an owner that weigh as much as what all owners do at this age."""

HOUR_WEIGHT = 20.0
"""Bursts in an hour of the week that weigh as much as that hour on all days."""

RECALLED = 16
"""Bursts of one owner of which the sizes are remembered."""

FADE = 0.87
"""What an earlier burst of an owner weighs against the next later one."""

FORGET = 400
"""Bursts of which the sizes are remembered."""

EDGES = tuple(FIRST * 2 ** (step / 2) for step in range(BINS - 1))
"""Where the bins of ages end: below 15 s, then two to each doubling."""


def age_bin(age: float) -> int:
    """Return the bin of an age in seconds."""
    return bisect_right(EDGES, age)


@dataclass(slots=True)
class Owner:
    """What is known of one owner."""

    heard: float
    upto: float
    active: int = 0
    bursts: list[float] = field(default_factory=lambda: [0.0] * BINS)
    exposed: list[float] = field(default_factory=lambda: [0.0] * BINS)
    rates: list[float] = field(default_factory=list)
    sizes: deque[int] = field(default_factory=lambda: deque(maxlen=RECALLED))
    mix: tuple[tuple[int, float], ...] = ()
    rest: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A piece of the future: `seconds` long, with bursts per second by their size.

    `any_size`: bursts per second of which nothing is known but that they will be as
    large as bursts are on this farm.
    """

    seconds: float
    rates: tuple[tuple[int, float], ...]
    any_size: float


class Arrivals:
    """Learns bursts and foretells them. Deterministic; holds no clock."""

    def __init__(self, prior: float, window: float) -> None:
        """Begin with nothing known but a gap of `prior` seconds between bursts.

        `window`: the seconds of a boot, for which work that follows waits as well.
        """
        self.prior = prior
        self.window = window
        self.bursts = 0
        self.owners: dict[str, Owner] = {}
        self.recent: dict[str, Owner] = {}
        self.events = [[0.0] * BINS, [0.0] * BINS]
        self.exposed = [[0.0] * BINS, [0.0] * BINS]
        self.hours = [0.0] * 168
        self.expected = [0.0] * 168
        self.days = [0.0] * 31
        self.days_expected = [0.0] * 31
        self.all_expected = 0.0
        self.crowd_events = 0.0
        self.crowd_since: float | None = None
        self.sizes: deque[int] = deque(maxlen=FORGET)
        self.size_counts: dict[int, int] = {}
        self.seen = 0.0
        self._swept = -inf
        self.rows = 1.0
        self.followed = 0.0
        self._row: tuple[float, int] = (-inf, 1)

    def see(
        self, now: float, owner: str, *, before: int, burst: int, after: int
    ) -> None:
        """Note that an owner's work changed.

        Args:
            now: The time of the sample.
            owner: Whose work.
            before: Slots waiting and running at the last sample.
            burst: Slots of new work since then, 0 for none.
            after: Slots waiting and running now.
        """
        if self.crowd_since is None:
            self.crowd_since = now
        known = self.owners.get(owner)
        if known is None:
            known = self.owners[owner] = Owner(now, now)
            fresh = True
        else:
            fresh = owner not in self.recent
            if not fresh:
                self._expose(known, now)
        if burst > 0:
            hour = int(now // HOUR) % 168
            self.bursts += 1
            self.hours[hour] += 1
            self.days[hour % 24] += 1
            self.days[24 + hour // 24] += 1
            if fresh:
                self.crowd_events += 1
            else:
                at = age_bin(now - known.heard)
                kind = 1 if before else 0
                self.events[kind][at] += 1
                if not before:
                    known.bursts[at] += 1
            self._sized(burst)
            recall(known, burst)
            begun, first = self._row
            if now - begun < self.window:
                share = 1 - (now - begun) / self.window
                self.followed += share * min(1.0, burst / first)
            else:
                self._row = (now, burst)
                self.rows += 1
        if burst > 0 or (before > 0 and after == 0) or fresh:
            known.heard = known.upto = now
        known.active = after
        self.recent[owner] = known

    def sweep(self, now: float) -> None:
        """Count the silence of all owners up to now; those silent for long go."""
        self.seen = now
        if now - self._swept < HOUR / 6:
            return
        self._swept = now
        if self.crowd_since is not None:
            for name in [*self.recent]:
                owner = self.recent[name]
                self._expose(owner, now)
                if not owner.active and now - owner.heard > SILENT:
                    del self.recent[name]

    def resume(self, now: float) -> None:
        """Go on after a pause: nobody looked since the last sample."""
        for owner in self.recent.values():
            owner.upto = max(owner.upto, now)
        if self.crowd_since is not None:
            self.crowd_since += now - self.seen
        self.seen = now

    def forecast(
        self,
        now: float,
        steps: Iterable[float],
        ends: Mapping[str, float] | None = None,
    ) -> list[Step]:
        """Return the rates of bursts from `now` on, in steps of these lengths.

        `ends`: in how many seconds the work of each owner who has some is over.
        """
        crowd, ends = self._crowd(now), ends or {}
        shared = self._table(1)
        known = [
            (
                now - owner.heard,
                ends.get(name, inf) if owner.active else -inf,
                owner,
                owner.rates or self._rates(owner),
            )
            for name, owner in self.recent.items()
        ]
        found: list[Step] = []
        offset = 0.0
        for seconds in steps:
            middle = offset + seconds / 2
            factor = self._factor(now + middle)
            by_size: dict[int, float] = {}
            any_size = crowd
            for age, end, owner, rates in known:
                if middle < end:
                    rate = shared[age_bin(age + middle)]
                else:
                    rate = rates[age_bin(middle - max(end, -age))]
                any_size += rate * owner.rest
                for size, share in owner.mix:
                    by_size[size] = by_size.get(size, 0.0) + rate * share
            found.append(
                Step(
                    seconds=seconds,
                    rates=tuple(
                        (size, rate * factor) for size, rate in by_size.items()
                    ),
                    any_size=any_size * factor,
                )
            )
            offset += seconds
        return found

    def cascade(self, boot: float) -> float:
        """Return how much waiting a missing node makes, in units of the first burst's.

        What comes while the node boots finds no room either, and waits for the rest.
        What follows grows with the `boot` seconds; it is counted over the window.
        """
        return 1 + self.followed / self.rows * min(1.0, boot / self.window)

    def larger(self, free: int, slots: int) -> tuple[float, float]:
        """Return how likely a burst exceeds `free`, and by how much (to `slots`)."""
        total = len(self.sizes)
        if not total:
            return 1.0, float(slots)
        count = over = 0
        for size, times in self.size_counts.items():
            if size > free:
                count += times
                over += times * min(size - free, slots)
        return count / total, over / total

    def smaller(self, free: int) -> float:
        """Return the slots that a burst brings which fits into `free`, on average."""
        fitting = sum(
            size * times for size, times in self.size_counts.items() if size <= free
        )
        return fitting / max(len(self.sizes), 1)

    def _sized(self, size: int) -> None:
        if len(self.sizes) == FORGET:
            oldest = self.sizes[0]
            self.size_counts[oldest] -= 1
            if not self.size_counts[oldest]:
                del self.size_counts[oldest]
        self.sizes.append(size)
        self.size_counts[size] = self.size_counts.get(size, 0) + 1

    def _table(self, kind: int) -> list[float]:
        """Return the pooled rate per bin; half a burst of prior keeps it above zero."""
        events, exposed = self.events[kind], self.exposed[kind]
        return [
            (events[at] + 0.5)
            / (exposed[at] + 0.5 * (EDGES[at] if at < BINS - 1 else 1e6))
            for at in range(BINS)
        ]

    def _rates(self, owner: Owner) -> list[float]:
        """Return and remember an idle owner's own rates, shrunk to the pooled ones."""
        owner.rates = [
            (events + OWNER_WEIGHT) / (exposed + OWNER_WEIGHT / pooled)
            for events, exposed, pooled in zip(
                owner.bursts, owner.exposed, self._table(0), strict=True
            )
        ]
        return owner.rates

    def _crowd(self, now: float) -> float:
        """Return the rate at which owners come of whom nothing was heard for long."""
        if self.crowd_since is None:
            return 0.0
        return (self.crowd_events + 0.5) / (now - self.crowd_since + self.prior)

    def _factor(self, at: float) -> float:
        """Return how much busier than usual this hour of the week is."""
        hour = int(at // HOUR) % 168
        level = (self.bursts + HOUR_WEIGHT) / (self.all_expected + HOUR_WEIGHT)
        usual = level
        for part in (hour % 24, 24 + hour // 24):
            usual *= (self.days[part] / level + HOUR_WEIGHT) / (
                self.days_expected[part] + HOUR_WEIGHT
            )
        return (self.hours[hour] + HOUR_WEIGHT * usual) / (
            self.expected[hour] + HOUR_WEIGHT
        )

    def _expose(self, owner: Owner, now: float) -> None:
        kind = 1 if owner.active else 0
        exposed = self.exposed[kind]
        events = self.events[kind]
        at_time = owner.upto
        while at_time < now:
            at = age_bin(at_time - owner.heard)
            end = min(now, (at_time // HOUR + 1) * HOUR)
            if at < BINS - 1:
                end = min(end, max(owner.heard + EDGES[at], at_time + 1e-3))
            seconds = end - at_time
            edge = EDGES[at] if at < BINS - 1 else 1e6
            rate = (events[at] + 0.5) / (exposed[at] + 0.5 * edge)
            if not kind:
                rate = (owner.bursts[at] + OWNER_WEIGHT) / (
                    owner.exposed[at] + OWNER_WEIGHT / rate
                )
                owner.exposed[at] += seconds
            exposed[at] += seconds
            hour = int(at_time // HOUR) % 168
            expected = rate * seconds
            self.expected[hour] += expected
            self.days_expected[hour % 24] += expected
            self.days_expected[24 + hour // 24] += expected
            self.all_expected += expected
            at_time = end
        owner.upto = now
        owner.rates = []


def recall(owner: Owner, burst: int) -> None:
    """Note a burst's size; `rest` is what the owner's past leaves open."""
    owner.sizes.append(burst)
    mix: dict[int, float] = {}
    share, owner.rest = 1 - FADE, 1.0
    for size in reversed(owner.sizes):
        mix[size] = mix.get(size, 0.0) + share
        owner.rest -= share
        share *= FADE
    owner.mix = tuple(mix.items())
