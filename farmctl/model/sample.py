"""What a batch system shows of a farm, and what the scaling core makes of it.

A `Sample` is one look at the queue and at the nodes; the batch adapters and the replay
make it. A `Decision` is one thing to do, or not to do, with its reason; `elastic` makes
it and the rooms above carry it out. Times are seconds since the epoch.
"""

from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """What a node is to the batch system."""

    BOOTING = "booting"  # asked for, has not joined yet
    READY = "ready"  # takes work
    DRAINING = "draining"  # ends its work, takes no more
    STANDBY = "standby"  # suspended: back within the resume time
    ENDING = "ending"  # on its way out: counts against the quota only
    ASIDE = "aside"  # sick or unknown: counts as nothing, is never chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job, or its share, that runs on one node.

    `ends`: when it is expected to end, if somebody knows better than the owner's last
    runs; a batch system's time limit is no such knowledge unless it is usually met.
    """

    job: str
    owner: str
    slots: int
    began: float
    ends: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Work of one shape and owner that waits: `count` pieces of `slots` each.

    `since`: when the oldest of it came. `runs`: expected seconds, if somebody knows.
    `why`: what the batch system gives as the reason.
    """

    owner: str
    slots: int
    count: int
    since: float
    memory_mib: int = 0
    runs: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """One worker as batch system and cloud show it together.

    `since`: when it came into this state; for a booting node when it was asked for.
    `joined`: when it first took work, 0 while it has not. `idle_since`: when its last
    work ended (or it joined), None while it works. `stale`: of an old image.
    `unwanted`: its hypervisor is to be emptied.
    """

    name: str
    pool: str
    slots: int
    state: NodeState
    since: float
    joined: float = 0.0
    idle_since: float | None = None
    work: tuple[Work, ...] = ()
    image: str = ""
    hypervisor_class: str = ""
    stale: bool = False
    unwanted: bool = False

    @property
    def busy(self) -> int:
        """Slots that work."""
        return sum(work.slots for work in self.work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a farm's batch system."""

    taken: float
    waiting: tuple[Waiting, ...] = ()
    nodes: tuple[NodeSample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Make `count` new nodes of a pool."""

    pool: str
    count: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Give the node no new work."""

    node: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undrain:
    """Take a drain back."""

    node: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End a node that is drained and empty. The rooms above ask a second witness."""

    node: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Suspend a node that is drained and empty."""

    node: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Resume a node from standby."""

    node: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Change nothing, or nothing more."""

    because: str


Decision = Start | Drain | Undrain | End | Park | Wake | Keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that is to be done now, and when to look again if nothing changes."""

    decisions: tuple[Decision, ...]
    look_again: float
