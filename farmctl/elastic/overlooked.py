"""Work that gets none of the empty nodes which could run it: tried with ever less.

A batch system does not tell all that keeps work waiting: GridEngine's resource quotas
do not show in its queue. Nodes made for such work stay empty, and without a memory of
that they would be made again and again. So work that was left alone beside empty nodes
is tried with one node more, and then held back for longer each time before the next;
what is taken up doubles the next try.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from math import inf

from farmctl.elastic.ladder import could_run
from farmctl.elastic.terms import Pool
from farmctl.model.sample import NodeSample, NodeState, Sample, Waiting, Work

ROUND = 120.0
"""Seconds in which any batch system looks through all of its queue."""

LONGEST = 48
"""Boots for which work is held back at most: four hours at the usual boot."""

Empty = Mapping[str, tuple[float, NodeSample]]
"""Empty nodes, with since when they have got nothing although work waits."""

_Key = tuple[object, ...]
_Room = tuple[float, int]
"""Since when a node is empty, and how many pieces it could run."""
_Placed = tuple[NodeSample, Work]


@dataclass(slots=True, kw_only=True)
class _Trial:
    """What is tried for work of one owner and shape.

    `pause`: seconds for which it was held back when it was last left alone, `until`
    when that lasts; `nodes`: how many it is tried with afterwards, `shown` slots of it.
    `at`: when the last of this changed: only nodes that are empty since later tell
    more. `beside`: the empty nodes that it may get.
    """

    at: float
    pause: float
    until: float
    nodes: float = 1.0
    shown: float = inf
    beside: frozenset[str] = frozenset()


class Overlooked:
    """Remembers which work was left alone beside empty nodes. Holds no clock.

    `limits`: by pool, what is said of the work that is held back; `again`: when the
    next of it is tried.
    """

    def __init__(self) -> None:
        """Begin with no such work known."""
        self.limits: dict[str, str] = {}
        self.again = inf
        self._waits: dict[_Key, float] = {}
        self._trials: dict[_Key, _Trial] = {}

    def see(
        self, sample: Sample, empty: Empty, pools: Sequence[Pool], boot: float
    ) -> Sample:
        """Return `sample` without the work that is held back now.

        Args:
            sample: What was seen.
            empty: As `Unused` remembers them.
            pools: Of the farm.
            boot: Seconds.
        """
        now, before = sample.taken, self._waits
        works: dict[_Key, list[Waiting]] = {}
        for work in sample.waiting:
            works.setdefault(_key(work), []).append(work)
        self._waits = {key: min(now, before.get(key, now)) for key in works}
        self.limits, self.again = {}, inf
        working = _working(sample) if self._trials else {}
        for key, trial in [*self._trials.items()]:
            if _taken_up(trial, working.get(key[0], ())):
                trial.at, trial.until, trial.nodes = now, now, 2 * trial.nodes
            if key not in works and now >= trial.until:
                del self._trials[key]
        if empty or self._trials:
            boots = {n.pool for n in sample.nodes if n.state is NodeState.BOOTING}
            fits = cache(partial(_fits, empty))
            for key, (first, *_) in works.items():
                able = frozenset(pool.name for pool in pools if could_run(pool, first))
                rooms, names = fits(able, first.slots, apart=first.apart)
                at = self._trials[key].at if key in self._trials else -inf
                more = bool(able & boots)
                since = _since(rooms, at, first.together, more=more)
                self._left(key, max(since, self._waits[key]), boot, now)
                if key in self._trials:
                    self._trials[key].beside = names
        if not self._trials:
            return sample
        shown: list[Waiting] = []
        for key, each in works.items():
            shown += self._shown(key, each, pools, now)
        return replace(sample, waiting=tuple(shown))

    def _left(self, key: _Key, since: float, boot: float, now: float) -> None:
        """Hold work back that was left alone beside empty nodes for long enough."""
        trial, unit = self._trials.get(key), max(boot, ROUND)
        if now - since < unit:
            return
        pause = 0.0  # It may be these nodes' fault: another is tried at once.
        if trial is not None and now - trial.at < 2 * LONGEST * unit:
            pause = min(max(unit, 2 * trial.pause), LONGEST * unit)
        self._trials[key] = _Trial(at=now, pause=pause, until=now + pause)

    def _shown(
        self, key: _Key, works: Sequence[Waiting], pools: Sequence[Pool], now: float
    ) -> list[Waiting]:
        """Return so much of the work of one key as nodes are tried for."""
        trial, first = self._trials.get(key), works[0]
        able = [pool for pool in pools if could_run(pool, first)]
        if trial is None or trial.nodes == inf or not able:
            return [*works]
        said = f"{first.owner}'s work of {first.slots} slots gets no empty node"
        rest = 0
        if now < trial.until <= now + trial.pause:
            said += f"; it is held back for {trial.pause:.0f} s before the next try"
            self.again = min(self.again, trial.until)
        else:
            each = first.slots * first.together
            slots = int(trial.nodes) * min(pool.slots for pool in able)
            rest = max(1, slots // each) * first.together
            if rest >= sum(work.count for work in works):
                trial.nodes = trial.shown = inf
                return [*works]
            trial.shown = rest * first.slots
            said += f"; it is tried with {trial.shown:.0f} slots"
        self.limits |= {pool.name: said for pool in able}
        shown: list[Waiting] = []
        for work in works:
            count = min(rest, work.count)
            rest -= count
            if count:
                shown.append(replace(work, count=count))
        return shown


def _key(work: Waiting) -> _Key:
    """Return what decides which nodes a piece of work gets."""
    return (
        work.owner, work.account, work.slots, work.memory_mib, work.disk_mib,
        work.together, work.apart, work.whole, work.features, work.queues,
        work.devices, work.pools,
    )  # fmt: skip


def _fits(
    empty: Empty, able: Collection[str], slots: int, *, apart: bool
) -> tuple[list[_Room], frozenset[str]]:
    """Return the empty nodes of these pools that are wide enough, and their names."""
    found = {
        name: (since, 1 if apart else node.slots // slots)
        for name, (since, node) in empty.items()
        if node.pool in able and node.slots >= slots
    }
    return sorted(found.values()), frozenset(found)


def _since(rooms: Sequence[_Room], at: float, pieces: int, *, more: bool) -> float:
    """Return since when there has been room for so many pieces, `inf` for never.

    Args:
        rooms: the first empty first.
        at: only rooms that are empty since then, or later, count.
        pieces: how many begin at once.
        more: more is on its way; if not, all that there is has to do.
    """
    first = bisect_left(rooms, (at,))
    for since, many in islice(rooms, first, None):
        pieces -= many
        if pieces <= 0:
            return since
    return inf if more or first == len(rooms) else rooms[-1][0]


def _working(sample: Sample) -> dict[object, list[_Placed]]:
    """Return where whose work is."""
    found: dict[object, list[_Placed]] = {}
    for node in sample.nodes:
        for work in node.work:
            found.setdefault(work.owner, []).append((node, work))
    return found


def _taken_up(trial: _Trial, placed: Sequence[_Placed]) -> bool:
    """Tell whether a node that was empty or is new got work, or all that was shown."""
    flows = 0
    for node, work in placed:
        if node.name in trial.beside or node.joined > trial.at:
            return True
        if work.began > max(trial.at, trial.until):
            flows += work.slots
    return flows >= trial.shown
