"""How long a node may be on its way: from asked for, over running and ready, to joined.

Each stage has a deadline: the site's, or, once three nodes of an image have shown how
long the stage takes, four times their mean if that is sooner. A node that is late is
sick, whatever it waits for. The times are counted from when the stage was first seen,
so that whoever was restarted is patient anew and nobody is put aside too early.

A value without a clock; which stage a node is in is read by whoever has both views.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

ENOUGH = 3
"""Nodes of an image that must have passed a stage before its mean counts."""

FACTOR = 4.0
"""A node that takes so many times the mean is late."""

SHORTEST = 60.0
"""Seconds below which no deadline goes: a loaded machine is not a sick one."""

WEIGHT = 0.2
"""Share of a new measurement in the mean."""


class Stage(StrEnum):
    """What a node waits for."""

    RUNNING = "running"  # its VM is to run
    READY = "ready"  # its guest is to report
    JOINED = "joined"  # its batch system is to know it


_WORDS = {
    Stage.RUNNING: "its VM did not run",
    Stage.READY: "it ran, and its guest did not report that it is ready",
    Stage.JOINED: "it is ready, and the batch system does not know it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A node on its way: `stage` is what it waits for."""

    vm_id: int
    image: str
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """How long a stage takes: seconds, over `count` nodes."""

    seconds: float = 0.0
    count: int = 0

    def with_one(self, seconds: float) -> "Mean":
        """Return the mean with one measurement more."""
        if not self.count:
            return Mean(seconds=seconds, count=1)
        moved = self.seconds + WEIGHT * (seconds - self.seconds)
        return Mean(seconds=moved, count=self.count + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Since when each node waits for what, and how long that takes by image."""

    since: Mapping[int, tuple[Coming, float]] = field(default_factory=dict)
    means: Mapping[tuple[str, Stage], Mean] = field(default_factory=dict)
    first: bool = True

    def see(
        self, nodes: Iterable[Coming], through: Iterable[int], *, now: float
    ) -> "Stages":
        """Return the stages after a look.

        Args:
            nodes: those on their way.
            through: the ids of VMs that are through all stages.
            now: the clock.
        """
        arrived = frozenset(through)
        since: dict[int, tuple[Coming, float]] = {}
        means = dict(self.means)
        coming = {node.vm_id: node for node in nodes}
        for vm_id, node in coming.items():
            known = self.since.get(vm_id)
            since[vm_id] = (node, now)
            if known is not None and known[0].stage is node.stage:
                since[vm_id] = (node, known[1])
        for vm_id, (node, began) in self.since.items():
            after = coming.get(vm_id)
            passed = vm_id in arrived or (
                after is not None and _ORDER[after.stage] > _ORDER[node.stage]
            )
            if passed:
                key = (node.image, node.stage)
                means[key] = means.get(key, Mean()).with_one(now - began)
        return replace(self, since=since, means=means, first=False)

    def late(self, limits: Mapping[Stage, float], *, now: float) -> Mapping[int, str]:
        """Return the VMs that have taken too long, and for what.

        Args:
            limits: the site's deadlines, in seconds.
            now: the clock.
        """
        found: dict[int, str] = {}
        for vm_id, (node, began) in self.since.items():
            deadline = self.deadline(node, limits)
            if now - began > deadline:
                found[vm_id] = f"{_WORDS[node.stage]} within {deadline:.0f} s"
        return found

    def deadline(self, node: Coming, limits: Mapping[Stage, float]) -> float:
        """Return the seconds that a node may take for its stage."""
        mean = self.means.get((node.image, node.stage), Mean())
        limit = limits[node.stage]
        if mean.count < ENOUGH:
            return limit
        return min(limit, max(SHORTEST, FACTOR * mean.seconds))


_ORDER = {Stage.RUNNING: 0, Stage.READY: 1, Stage.JOINED: 2}
