"""Work that gets none of the empty nodes which could run it: tried with ever less.

A batch system does not tell all that keeps work waiting: GridEngine's resource quotas
do not show in its queue. Nodes made for such work stay empty, and without a memory of
that they would be made again and again. So what waits beside empty nodes of a pool, and
gets none, is tried there with one node more; if that stays empty too, with one at a
time, in pauses that double. What is taken up doubles the next try.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from farmctl.elastic.ladder import could_run
from farmctl.elastic.terms import Pool
from farmctl.model.sample import NodeSample, Sample, Waiting, Work

ROUND = 600.0
"""Seconds in which any batch system looks through all of its queue."""

SOON = 120.0
"""Seconds in which one does that places other work meanwhile."""

LONGEST = 24
"""The longest pause between two tries, in such rounds: four hours."""

NAMED = 3
"""Of the work that is held back so much is named, for each pool."""

Empty = Mapping[str, tuple[float, NodeSample]]
"""Empty nodes, with since when they have got nothing although work waits."""

_Key = tuple[object, ...]
_Placed = list[tuple[NodeSample, Work]]


class _Empties(NamedTuple):
    """The empty nodes of a pool with since when, the first first; and their names."""

    nodes: Sequence[tuple[float, NodeSample]] = ()
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look: when, seconds since the last, and when anything was seen to begin."""

    now: float
    passed: float
    began: float
    boot: float

    @property
    def round(self) -> float:
        """Seconds beside empty nodes in which any batch system would have looked."""
        return max(self.boot, ROUND)


@dataclass(slots=True, kw_only=True)
class _Case:
    """What is known of the work of one owner and shape in one pool.

    `came`: when it first waited beside empty nodes. `idle`: seconds that it has done so
    since it last got one, at `took`; `beside`: those it may get, `on`: those it has.
    `count`: pieces that were left alone so for long enough; they are held back until
    `until`, for `pause` seconds, and then tried with `nodes` nodes, or `shown` pieces.
    `at`: when that happened last: only nodes that are empty since later tell more.
    `grew`: what came later was left alone too.
    """

    came: float
    took: float
    at: float = -inf
    idle: float = 0.0
    beside: frozenset[str] = frozenset()
    on: set[str] = field(default_factory=set)
    count: int = 0
    pause: float = 0.0
    until: float = -inf
    nodes: int = 1
    shown: int = 0
    grew: bool = False

    def note(
        self,
        works: Sequence[Waiting],
        pool: Pool,
        empty: _Empties,
        placed: Iterable[tuple[NodeSample, Work]],
        look: _Look,
    ) -> None:
        """Note whether work got some of the empty nodes, or is left alone beside them.

        Args:
            works: Of one owner and shape.
            pool: That could run it.
            empty: Of the pool.
            placed: What the owner has running there.
            look: When.
        """
        first, waits = works[0], sum(work.count for work in works)
        now, each = look.now, _fit(first, pool.slots, pool.memory_mib)
        self.count = min(self.count, waits)
        if max(self.at, self.took) > now:  # The clock went back.
            self.came = self.at = self.took = now
            self.until = min(self.until, now + self.pause)
        if self._taken_up(first, placed):
            self._goes_on(now, each)
        if self.until <= now:
            since = _since(first, pool, empty, self.at)
            self.idle += max(0.0, min(look.passed, now - max(since, self.took)))
            since = max(since, self.came)
            seen = since < look.began and now - since >= max(look.boot, SOON)
            if seen or self.idle >= look.round:
                self._strike(waits, look)
        self.beside = empty.names
        tried = max(each * self.nodes, first.together)
        self.shown = tried - tried % first.together if self.until <= now else 0

    def _taken_up(
        self, kind: Waiting, placed: Iterable[tuple[NodeSample, Work]]
    ) -> bool:
        """Tell whether an empty or new node got some, or a whole try began."""
        on, self.on = self.on, set()
        flows, last, taken = 0, max(self.took, self.until), False
        new = max(self.at, self.came)
        for node, work in placed:
            if work.slots != kind.slots and not kind.whole:
                continue
            self.on.add(node.name)
            flows += work.began > last
            if node.name not in on:
                taken |= node.name in self.beside or node.joined > new
        return taken or 0 < self.shown <= flows

    def _goes_on(self, now: float, each: int) -> None:
        self.took, self.until, self.idle, self.grew = now, now, 0.0, False
        if self.count:
            self.nodes *= 2
        if self.nodes * each >= self.count:
            self.count, self.nodes, self.pause = 0, 1, 0.0

    def _strike(self, waits: int, look: _Look) -> None:
        if self.count:  # At first it may be these nodes' fault: one is tried at once.
            longest = LONGEST * look.round
            self.pause = min(max(look.round, 2 * self.pause), longest)
            self.grew |= waits > self.count
        self.at, self.until, self.idle = look.now, look.now + self.pause, 0.0
        self.count, self.nodes = waits, 1


class Overlooked:
    """Remembers which work was left alone beside empty nodes. Holds no clock.

    `limits`: by pool, what is said of the work that is held back; `again`: when the
    next of it is tried.
    """

    def __init__(self) -> None:
        """Begin with no such work known."""
        self.limits: dict[str, str] = {}
        self.again = inf
        self._now, self._last, self._began = inf, -inf, -inf
        self._cases: dict[_Key, dict[str, _Case]] = {}
        self._names, self._held = frozenset[str](), False

    def see(
        self, sample: Sample, empty: Empty, pools: Sequence[Pool], boot: float
    ) -> Sample:
        """Return `sample` without the work that is held back now.

        What one pool holds back may still grow another that could run it.

        Args:
            sample: What was seen.
            empty: As `Unused` remembers them.
            pools: Of the farm.
            boot: Seconds.
        """
        now, before = sample.taken, self._now
        self._now, self.limits, self.again = now, {}, inf
        if not empty and not self._cases:
            return sample
        last = max((work.began for n in sample.nodes for work in n.work), default=-inf)
        if last > self._last:
            self._last, self._began = last, now
        look = _Look(
            now=now, passed=max(0.0, now - before), began=self._began, boot=boot
        )
        works: dict[_Key, list[Waiting]] = {}
        for work in sample.waiting:
            works.setdefault(_key(work), []).append(work)
        self._cases = {
            key: cases
            for key, cases in self._cases.items()
            if key in works or any(now < each.until for each in cases.values())
        }
        empties = {pool.name: _of(pool, empty) for pool in pools}
        placed = _placed(sample, self._names, all_of_it=self._held)
        said = defaultdict[str, list[str]](list)
        shown: list[Waiting] = []
        for key, each in works.items():
            able = [pool for pool in pools if could_run(pool, each[0])]
            cases = self._cases.setdefault(key, {})
            for pool in able:
                there = empties[pool.name]
                if there.nodes or pool.name in cases:
                    case = cases.setdefault(pool.name, _Case(came=now, took=now))
                    mine = placed.get((key[0], pool.name), ())
                    case.note(each, pool, there, mine, look)
            shown += _shown(each, able, cases)
            for name, case in cases.items():
                if case.count and name in empties:
                    said[name].append(_said(each[0], case))
                    self.again = min(self.again, max(case.until, now + boot / 10))
        self._names, self._held = frozenset(empty), bool(said)
        for name, lines in said.items():
            more = f"; and {len(lines) - NAMED} kinds more" * (len(lines) > NAMED)
            self.limits[name] = "; ".join(lines[:NAMED]) + more
        return replace(sample, waiting=tuple(shown)) if said else sample


def _key(work: Waiting) -> _Key:
    """Return what decides which nodes a piece of work gets, its owner first."""
    return (
        work.owner, work.account, work.slots, work.memory_mib, work.together,
        work.apart, work.whole, work.features, work.queues, work.devices, work.pools,
    )  # fmt: skip


def _of(pool: Pool, empty: Empty) -> _Empties:
    """Return the empty nodes of a pool."""
    found = [entry for entry in empty.values() if entry[1].pool == pool.name]
    found.sort(key=lambda entry: entry[0])
    return _Empties(found, frozenset(node.name for _, node in found))


def _placed(
    sample: Sample, names: frozenset[str], *, all_of_it: bool
) -> dict[tuple[object, str], _Placed]:
    """Return who has which work in which pool, on these nodes or on all."""
    found: dict[tuple[object, str], _Placed] = {}
    for node in sample.nodes:
        if all_of_it or node.name in names:
            for work in node.work:
                found.setdefault((work.owner, node.pool), []).append((node, work))
    return found


def _fit(work: Waiting, slots: int, memory_mib: int) -> int:
    """Return how many pieces a node has room for."""
    many = slots // work.slots
    if memory_mib and work.memory_mib:
        many = min(many, memory_mib // work.memory_mib)
    return many


def _since(kind: Waiting, pool: Pool, empty: _Empties, at: float) -> float:
    """Return since when all that begins at once has had room, `inf` for never.

    Only nodes that are empty since `at` or later count.
    """
    left = kind.together
    for since, node in empty.nodes:
        if since < at:
            continue
        memory_mib = node.memory_mib or pool.memory_mib
        left -= 1 if kind.apart else _fit(kind, node.slots, memory_mib)
        if left <= 0:
            return since
    return inf


def _shown(
    works: Sequence[Waiting], able: Sequence[Pool], cases: Mapping[str, _Case]
) -> list[Waiting]:
    """Return the work of one kind, each piece with the pools that it may have now."""
    names = frozenset(pool.name for pool in able)
    held = {name: cases[name] for name in names & cases.keys() if cases[name].count}
    if not held:
        return [*works]
    waits = sum(work.count for work in works)
    back = max(waits if case.grew else case.count for case in held.values())
    tried = min(back, max(case.shown for case in held.values()))
    free = names - held.keys()
    trying = free | {name for name, case in held.items() if case.shown}
    rest, found = deque(works), list[Waiting]()
    for count, allowed in (waits - back, names), (tried, trying), (back - tried, free):
        left = count
        while left:
            work = rest.popleft()
            part = min(left, work.count)
            left -= part
            if part < work.count:
                rest.appendleft(replace(work, count=work.count - part))
            if allowed:
                tied = work.pools if allowed == names else allowed
                found.append(replace(work, count=part, pools=tied))
    return found


def _said(kind: Waiting, case: _Case) -> str:
    """Say what is held back, and what is tried."""
    slots = f"{case.count * kind.slots} slots of {kind.owner}'s work were"
    if case.shown:
        return f"{slots} left alone beside empty nodes; {case.nodes} more may be tried"
    wait = f"{case.pause:.0f} s"
    return f"{slots} left alone beside empty nodes again, and are tried after {wait}"
