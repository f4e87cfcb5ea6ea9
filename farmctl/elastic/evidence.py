"""Whether a look at a batch system is to be believed, and what a doubt forbids.

A read that failed, shows nothing where there was something, or lost a third of the
nodes at once is no evidence: nobody is drained, ended or put aside on it, and nothing
is started for work that it shows. What such reads agree on for long enough is believed
in the end, since a batch system may really have been emptied; even then a node goes
only when two believed looks, apart in time, both show it drained by us and empty.

Pure values; the loop above keeps one `Evidence` per farm and hands it each look.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How careful to be, in seconds.

    `apart`: two looks that are to agree are at least so far apart. `restart`: a server
    that has restarted is no witness for so long. `settles`: what doubted looks agree on
    for so long is believed. `jump`: a clock that is off by more is not believed.
    `few`: below so many nodes a loss is one mishap, not a wrong look.
    """

    apart: float = 5.0
    restart: float = 300.0
    settles: float = 900.0
    jump: float = 60.0
    few: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was believed so far.

    `believed`: the looks that count, the oldest first: the last one, the newest that is
    far enough before it, and those in between. `doubt`: why the look after them is not
    believed, empty if it is; `since` from when on. `elsewhere`: the last doubted look.
    `restarted`: when the batch system's server was seen to restart, 0 if it was not.
    """

    care: Care = Care()
    believed: tuple[Sample, ...] = ()
    doubt: str = ""
    since: float = 0.0
    elsewhere: Sample | None = None
    restarted: float = 0.0

    @property
    def last(self) -> Sample | None:
        """The last look that is believed."""
        return self.believed[-1] if self.believed else None

    @property
    def twice(self) -> bool:
        """Whether two believed looks are far enough apart to agree on something."""
        if not self.believed:
            return False
        first, last = self.believed[0], self.believed[-1]
        return last.taken - first.taken >= self.care.apart

    @property
    def restarting(self) -> str:
        """Why nothing is ended yet though the look is believed: a fresh restart."""
        if self.last is None or not self.restarted:
            return ""
        age = self.last.taken - self.restarted
        if age >= self.care.restart:
            return ""
        return (
            f"its server restarted {age:.0f} s ago: for {self.care.restart:.0f} s it "
            "is no witness against a node"
        )

    def failed(self, because: str, *, now: float) -> "Evidence":
        """Return the evidence after a look that failed: nothing is known of now."""
        since = self.since if self.doubt else now
        return replace(self, doubt=because, since=since, elsewhere=None)

    def see(
        self, sample: Sample, *, now: float, running: Collection[str]
    ) -> "Evidence":
        """Return the evidence after a look.

        Args:
            sample: joined with the cloud's view; `taken` when it was asked for.
            now: the clock, right after the look.
            running: the nodes that the cloud shows running and ready, a witness of its
                own: one that is gone there too is no doubt.
        """
        why = self._why(sample, now=now, running=running)
        if not why:
            return self._believe(sample)
        agreed = self.elsewhere is not None and _alike(self.elsewhere, sample)
        since = self.since if agreed else now
        if agreed and now - since >= self.care.settles:
            return self._believe(sample)
        return replace(self, doubt=why, since=since, elsewhere=sample)

    def may_end(self, name: str) -> bool:
        """Tell whether two believed looks show a node drained by us and empty."""
        return self._agreed(
            name,
            lambda node: (
                node is not None
                and node.state is NodeState.DRAINING
                and node.drained_by is Drainer.US
                and node.empty
            ),
        )

    def is_idle(self, name: str) -> bool:
        """Tell whether two believed looks show no work on a node, or know it not.

        Only for nodes that are sick: a healthy one is drained first.
        """
        return self._agreed(
            name,
            lambda node: (
                node is None or (node.empty and node.state is not NodeState.READY)
            ),
        )

    def _agreed(self, name: str, holds: Callable[[NodeSample | None], bool]) -> bool:
        if self.doubt or self.restarting or not self.twice:
            return False
        return all(holds(_node(look, name)) for look in self.believed)

    def _believe(self, sample: Sample) -> "Evidence":
        restarted = self.restarted
        if self.last is None:  # nobody knows what it was before: it may be fresh
            restarted = sample.up_since
        elif self.last.up_since and sample.up_since:
            moved = abs(sample.up_since - self.last.up_since) > 1.0
            restarted = sample.up_since if moved else restarted
        far = sample.taken - self.care.apart
        earlier = [look for look in self.believed if look.taken <= far]
        # A look of later than now is from before the clock was put back.
        between = [look for look in self.believed if far < look.taken <= sample.taken]
        return replace(
            self,
            believed=(*earlier[-1:], *between, sample),
            doubt="",
            elsewhere=None,
            restarted=restarted,
        )

    def _why(self, sample: Sample, *, now: float, running: Collection[str]) -> str:
        ahead = sample.taken - now
        if ahead > self.care.jump:
            return f"its look is of {ahead:.0f} s ahead: a clock has jumped"
        claimed = sum(node.claimed for node in sample.nodes)
        if claimed >= self.care.few and not any(node.work for node in sample.nodes):
            return f"its nodes count {claimed} slots as taken, and it lists no work"
        unlisted = [n.name for n in sample.nodes if not n.listed and n.name in running]
        if unlisted:
            more = f", nor {len(unlisted) - 1} others" if unlisted[1:] else ""
            return (
                f"it lists work on {unlisted[0]}, which the cloud shows running, and "
                f"not the node itself{more}"
            )
        if self.last is None:
            return ""
        back = self.last.taken - sample.taken
        if back > self.care.jump:
            return f"the clock went back by {back:.0f} s"
        known = _known(self.last)
        still = known & frozenset(running)
        missing = still - _known(sample)
        if still and missing == still:
            return (
                f"it shows none of {_nodes(len(still))} that it knew and that the "
                "cloud shows running"
            )
        if len(still) >= self.care.few and len(missing) * 3 >= len(still):
            return f"it lost {len(missing)} of {_nodes(len(still))} at once"
        return self._silence(sample)

    def _silence(self, sample: Sample) -> str:
        """Say why an empty list of jobs is not believed the first time."""
        assert self.last is not None
        had = _pieces(self.last)
        if had < self.care.few or _pieces(sample):
            return ""
        before = self.elsewhere
        if (
            before is not None
            and not _pieces(before)
            and sample.taken - before.taken >= self.care.apart
        ):
            return ""  # two looks agree: the work has ended
        return f"it shows no work at all, and showed {had} pieces a moment ago"


def _node(sample: Sample, name: str) -> NodeSample | None:
    return next((node for node in sample.nodes if node.name == name), None)


def _known(sample: Sample) -> frozenset[str]:
    """Return the nodes that the batch system itself showed."""
    there = {NodeState.READY, NodeState.DRAINING}
    return frozenset(node.name for node in sample.nodes if node.state in there)


def _pieces(sample: Sample) -> int:
    running = sum(len(node.work) for node in sample.nodes)
    waiting = sum(work.count for work in (*sample.waiting, *sample.held))
    return running + waiting


def _alike(one: Sample, other: Sample) -> bool:
    return _known(one) == _known(other) and bool(_pieces(one)) == bool(_pieces(other))


def _nodes(count: int) -> str:
    return "the 1 node" if count == 1 else f"the {count} nodes"
