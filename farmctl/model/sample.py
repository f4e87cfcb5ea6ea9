"""What a batch system shows of a farm, and what the scaling core makes of it.

A `Sample` is one look at the queue and at the nodes; the batch adapters and the replay
make it. A `Decision` is one thing to do, or not to do, with its reason; `elastic` makes
it and the rooms above carry it out. Times are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class NodeState(StrEnum):
    """What a node is to the batch system."""

    BOOTING = "booting"  # asked for, has not joined yet
    READY = "ready"  # takes work
    DRAINING = "draining"  # ends its work, takes no more
    STANDBY = "standby"  # suspended: back within the resume time
    ENDING = "ending"  # on its way out: counts against the quota only
    ASIDE = "aside"  # sick or unknown: counts as nothing, is never chosen


class Drainer(StrEnum):
    """Who told the batch system to give a node no new work."""

    NOBODY = ""
    US = "us"  # the reason begins with our own word
    OTHERS = "others"  # a person or a health check: never taken back by us


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job, or its share, that runs on one node.

    `ends`: when it is expected to end, if somebody knows better than the owner's last
    runs; a batch system's time limit is no such knowledge unless it is usually met.
    `latest`: when the batch system would end it, None where nothing limits it.
    """

    job: str
    owner: str
    slots: int
    began: float
    ends: float | None = None
    latest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Work of one shape and owner that waits: `count` pieces of `slots` each.

    One piece runs on one node. `since`: when the oldest of it could have begun; `job`
    is that one's name and `jobs` how many jobs are counted here. `runs`: expected
    seconds, if somebody knows; `limit`: seconds after which it would be ended. `why`:
    what the batch system gives as the reason.

    `together`: how many pieces of one job begin at once or not at all. `apart`: each
    piece wants another node. `whole`: a piece takes its node alone. `features`: sets
    of a node's features of which one must be there in full; empty for any node.
    `queues`: the partitions or queues it may run in, empty for any. `devices`: what
    else it asks for, such as `gpu:2`. `pools`: where the batch system itself matched
    it, the pools that could run it; None where it did not.
    """

    owner: str
    slots: int
    count: int
    since: float
    memory_mib: int = 0
    runs: float | None = None
    why: str = ""
    job: str = ""
    jobs: int = 1
    account: str = ""
    limit: float | None = None
    disk_mib: int = 0
    together: int = 1
    apart: bool = False
    whole: bool = False
    features: tuple[frozenset[str], ...] = ()
    queues: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    pools: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """One worker as batch system and cloud show it together.

    `since`: when it came into this state; for a booting node when it was asked for.
    `joined`: when it first took work, 0 while it has not. `idle_since`: when its last
    work ended (or it joined), None while it works. `stale`: of an old image.
    `unwanted`: its hypervisor is to be emptied.

    A batch system alone leaves `pool` empty and knows no image and no hypervisor: the
    room above joins its sample with the view. `claimed`: slots that it counts as taken,
    whether or not their work is shown. `shown`: its own word for the state; `reason`:
    what it, or whoever drained the node, gives for it, and `told_by` the account that
    gave it, empty where that is not known. `listed`: it is on the list of nodes, and
    not only work on it on the list of work.
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
    memory_mib: int = 0
    features: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    claimed: int = 0
    shown: str = ""
    reason: str = ""
    told_by: str = ""
    drained_by: Drainer = Drainer.NOBODY
    listed: bool = True

    @property
    def busy(self) -> int:
        """Slots that work."""
        return sum(work.slots for work in self.work)

    @property
    def empty(self) -> bool:
        """Whether nothing works here, by the work shown and by the slots claimed."""
        return not self.work and not self.claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a farm's batch system.

    `taken`: when it was asked for, and so the age of truth. `waiting` is what a node
    more could help, `held` what none could: it waits for a person, a date, other work,
    a licence or a limit. `system`: what was asked, such as `Slurm 22.05.8`. `up_since`:
    when its server started, 0 when that is not known.
    """

    taken: float
    waiting: tuple[Waiting, ...] = ()
    nodes: tuple[NodeSample, ...] = ()
    held: tuple[Waiting, ...] = ()
    system: str = ""
    up_since: float = 0.0


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
    """End a node that is drained and empty, or on standby.

    The rooms above ask a second witness.
    """

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
class Stay:
    """The empty node that goes first, when it would, and why it stays until then."""

    node: str
    until: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that is to be done now, and when to look again if nothing changes.

    For whoever explains it: `limits`, by pool, why fewer nodes start than would pay;
    `stay`, what goes next if nothing changes.
    """

    decisions: tuple[Decision, ...]
    look_again: float
    limits: Mapping[str, str] = field(default_factory=dict)
    stay: Stay | None = None
