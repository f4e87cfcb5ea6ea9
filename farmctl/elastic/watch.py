"""What changed between two samples, told to those who learn from it."""

from dataclasses import dataclass, field

from farmctl.elastic.arrivals import Arrivals
from farmctl.elastic.learned import Learned
from farmctl.elastic.releases import Releases
from farmctl.elastic.runtimes import Runtimes
from farmctl.model.sample import NodeSample, NodeState, Sample, Work


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Slots by owner while two samples are compared, and whose work changed."""

    running: dict[str, int]
    ended: dict[str, int] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def change(self, owner: str, slots: int) -> None:
        """Count slots of this owner's running work, up or down."""
        self.running[owner] = self.running.get(owner, 0) + slots
        self.touched.add(owner)


class Watch:
    """Compares each sample with the last one."""

    def __init__(
        self,
        arrivals: Arrivals,
        runtimes: Runtimes,
        learned: Learned,
        releases: Releases,
    ) -> None:
        self._arrivals = arrivals
        self._runtimes = runtimes
        self._learned = learned
        self._releases = releases
        self._nodes: dict[str, NodeSample] = {}
        self._running: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._last: float | None = None

    def see(self, sample: Sample) -> None:
        """Learn from what is other than in the last sample.

        The first sample shows what is there, not that it came just now.
        """
        if self._last is None:
            self._last = sample.taken
            self._first(sample)
            return
        now, old = sample.taken, self._nodes
        new = {node.name: node for node in sample.nodes}
        tally = _Tally(running=dict(self._running))
        running, touched = tally.running, tally.touched
        for name, node in new.items():
            before = old.get(name)
            if before is not node:
                self._changed(now, before, node, tally)
        for name, node in old.items():
            if name not in new:
                self._changed(now, node, None, tally)
        waiting: dict[str, int] = {}
        for piece in sample.waiting:
            slots = piece.slots * piece.count
            waiting[piece.owner] = waiting.get(piece.owner, 0) + slots
        for owner, slots in waiting.items():
            if self._waiting.get(owner) != slots:
                touched.add(owner)
        touched.update(owner for owner in self._waiting if owner not in waiting)
        for owner in sorted(touched):
            earlier = self._running.get(owner, 0) + self._waiting.get(owner, 0)
            later = running.get(owner, 0) + waiting.get(owner, 0)
            burst = later + tally.ended.get(owner, 0) - earlier
            if burst > 0 or not earlier or not later:
                self._arrivals.see(
                    now, owner, before=earlier, burst=max(0, burst), after=later
                )
            if not running.get(owner):
                running.pop(owner, None)
        self._nodes, self._running, self._waiting = new, running, waiting
        self._last = now
        self._arrivals.sweep(now)

    def _first(self, sample: Sample) -> None:
        now = sample.taken
        self._arrivals.resume(now)
        self._nodes = {node.name: node for node in sample.nodes}
        for node in sample.nodes:
            for work in node.work:
                slots = self._running.get(work.owner, 0) + work.slots
                self._running[work.owner] = slots
        for piece in sample.waiting:
            slots = self._waiting.get(piece.owner, 0) + piece.slots * piece.count
            self._waiting[piece.owner] = slots
        for owner in sorted({*self._running, *self._waiting}):
            there = self._running.get(owner, 0) + self._waiting.get(owner, 0)
            self._arrivals.see(now, owner, before=there, burst=0, after=there)

    def _changed(
        self,
        now: float,
        before: NodeSample | None,
        after: NodeSample | None,
        tally: _Tally,
    ) -> None:
        self._learned.see(now, before, after, last=self._last or 0.0)
        had: tuple[Work, ...] = before.work if before else ()
        has: tuple[Work, ...] = after.work if after else ()
        if had == has:
            return
        before_keys = {(work.job, work.began, work.slots) for work in had}
        after_keys = {(work.job, work.began, work.slots) for work in has}
        for work in had:
            if (work.job, work.began, work.slots) not in after_keys:
                tally.change(work.owner, -work.slots)
                ended = tally.ended.get(work.owner, 0)
                tally.ended[work.owner] = ended + work.slots
                self._runtimes.ended(work.owner, now - work.began)
                if before is not None and before.state is NodeState.READY:
                    self._releases.ended(work.began)
        for work in has:
            if (work.job, work.began, work.slots) not in before_keys:
                tally.change(work.owner, work.slots)
