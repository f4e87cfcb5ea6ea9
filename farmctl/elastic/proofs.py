"""What nodes of a new make have shown, and what the scaler sees of a pool that rolls.

`rolling` decides by it. A value without a clock: what only time shows is kept here, and
after a restart it is learned anew from what the batch system knows of each node.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from farmctl.elastic.runtimes import Runtimes, outlived
from farmctl.model.rolling import Roll
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample

SHARE = 10
"""Of a pool's nodes one in so many is replaced at a time, and always one."""

MARK = "rolled"
"""What the reason of each drain begins with that a roll asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a pool rolls.

    `surge`: nodes beyond its size at once. `least`, `most`: the pool's limits. `idle`,
    `works`: seconds after which a new node without trouble is good, if it has no work,
    or has not ended any yet.
    """

    surge: int
    least: int
    most: int
    idle: float
    works: float


def pace(*, least: int, most: int, surge: int | None, boot: float) -> Pace:
    """Return the pace of a pool.

    Args:
        least: the fewest nodes of the pool.
        most: the most.
        surge: how many at a time, None for a tenth of the most.
        boot: seconds that a boot takes.
    """
    return Pace(
        surge=surge or max(1, most // SHARE),
        least=least,
        most=most,
        idle=boot,
        works=min(3600.0, 10 * boot),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What new nodes have shown: since when each is well, its work, who ended some."""

    since: Mapping[int, float] = field(default_factory=dict)
    jobs: Mapping[int, frozenset[str]] = field(default_factory=dict)
    ended: frozenset[int] = frozenset()

    def see(self, new: Mapping[int, NodeSample], *, now: float) -> "Proofs":
        """Return the proofs after a believed look at the nodes of the new make."""
        well = {vm_id: node for vm_id, node in new.items() if takes_part(node)}
        jobs = {
            vm_id: frozenset(work.job for work in node.work)
            for vm_id, node in well.items()
        }
        ended = {
            vm_id
            for vm_id, node in well.items()
            if self.jobs.get(vm_id, frozenset()) - jobs[vm_id]
            or (node.idle_since or 0.0) > node.joined + 1.0 > 1.0
        }
        return Proofs(
            since={
                vm_id: self.since.get(vm_id, max(node.joined, 0.0) or now)
                for vm_id, node in well.items()
            },
            jobs=jobs,
            ended=frozenset(ended) | (self.ended & frozenset(well)),
        )

    def good(self, vm_id: int, node: NodeSample, pace: Pace, *, now: float) -> str:
        """Return by what a new node has proven itself; empty while it has not."""
        if vm_id not in self.since or not takes_part(node):
            return ""
        well = now - self.since[vm_id]
        if vm_id in self.ended:
            return "has ended work"
        if node.empty and well >= pace.idle:
            return f"has been well for {well:.0f} s"
        if well >= pace.works:
            return f"has worked for {well:.0f} s"
        return ""


def masked(sample: Sample, rolls: Mapping[str, Roll]) -> Sample:
    """Return the sample as the scaler is to see it while pools roll.

    Old nodes work like any other until the roll drains them; those that it has drained
    are not taken back for waiting work.
    """
    nodes = tuple(
        replace(node, stale=node.stale and rolled(node))
        if node.pool in rolls and not rolls[node.pool].back
        else node
        for node in sample.nodes
    )
    return replace(sample, nodes=nodes)


def left(node: NodeSample, runtimes: Runtimes, *, now: float) -> float:
    """Return the seconds until a node would be empty if it got no new work."""
    ends = (
        max(work.ends - now, 1.0)
        if work.ends is not None
        else outlived(runtimes.guess(work.owner), now - work.began)
        for work in node.work
    )
    return max(ends, default=0.0)


def takes_part(node: NodeSample) -> bool:
    """Tell whether the batch system knows a node, and that it is well."""
    return node.state in {NodeState.READY, NodeState.DRAINING}


def rolled(node: NodeSample) -> bool:
    """Tell whether a roll has drained a node, by what stands in its reason."""
    drained = node.state is NodeState.DRAINING and node.drained_by is Drainer.US
    # GridEngine keeps no reason: there any drain of ours is taken for the roll's.
    return drained and (not node.reason or MARK in node.reason)
