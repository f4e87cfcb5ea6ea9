"""What the daemon is given, and what a farm's round tells of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farmctl.batch import BatchSystem
from farmctl.elastic.evidence import Care
from farmctl.model.guests import Guest
from farmctl.model.sample import Decision
from farmctl.model.standing import Standing
from farmctl.spec import Farm


class Batches(Protocol):
    """The way to the batch systems of a site's farms; safe to call from threads."""

    def of(self, farm: Farm, guests: Sequence[Guest]) -> BatchSystem:
        """Return a farm's batch system, the same one as long as its head is the same.

        Args:
            farm: whose; it has one.
            guests: the farm's nodes that run.

        Raises:
            FarmctlError: its head does not run, or nobody may log in to it.
        """
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the daemon behaves, in seconds; the defaults are for a real site."""

    poll: float = 5.0
    """Between two looks, unless a farm's verdict asks for an earlier one."""
    soonest: float = 1.0
    """Two looks are at least so far apart, whatever a verdict asks for."""
    beat: float = 10.0
    """How often this daemon says that it lives."""
    silent: float = 40.0
    """A daemon elsewhere that has not said so for this long is dead: four beats."""
    workers: int = 64
    """Rounds under way at once; each farm has one at most."""
    grace: float = 8.0
    """For rounds under way to end after SIGTERM."""
    write: float = 600.0
    """What was learned is written into a farm's document at most this often."""
    retell: float = 300.0
    """How a farm stands is told again at most this often if only amounts differ."""
    no_room: float = 60.0
    """After a refusal for lack of room, nothing is asked for this long."""
    hypervisors: float = 60.0
    """Between two looks at which hypervisors are disabled."""
    clock: float = 300.0
    """After a jump of this machine's clock nothing rests on the time for so long."""
    boot: float = 300.0
    """How long a boot is taken to last until the farm's own nodes have shown it."""
    stop: float = 30.0
    """How long an end is taken to last, likewise."""
    kept: int = 2
    """Sick nodes of a farm that are kept for whoever looks into them."""
    quarantine: float = 3600.0
    """For how long they are kept."""
    care: Care = field(default_factory=Care)
    """How careful the batch systems' looks are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one round of one farm saw and did.

    `truth`: when the last believed look at its batch system was taken, 0 for none.
    `sizes`: nodes that each pool should have; `states`: nodes by pool and state.
    `waiting`, `running`: slots. `doubt`: why the last look is not believed. `never`:
    work that can never run here, a line each. `limits`: why not more, by pool. `error`:
    why the round could not be carried out, empty if it was. `again`: when to look next.
    `rolling`: of each pool that rolls, how many nodes are of the new make, and of all;
    `refused`: pools whose declared make was given up.
    `standing`: all that is told of why the farm is as it is, None where nothing is.
    """

    farm: str
    at: float
    seconds: float = 0.0
    truth: float = 0.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[tuple[str, str], int] = field(default_factory=dict)
    waiting: int = 0
    running: int = 0
    oldest: float = 0.0
    decisions: tuple[Decision, ...] = ()
    doubt: str = ""
    never: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    started: int = 0
    ended: int = 0
    aside: int = 0
    boots: tuple[float, ...] = ()
    failed: int = 0
    lease_ends: float = 0.0
    rolling: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    error: str = ""
    again: float = float("inf")
    standing: Standing | None = None
