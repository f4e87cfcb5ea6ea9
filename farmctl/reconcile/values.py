"""What a round is given and what it gives back.

`World` is handed in by the assembly, `Options` by whoever asks; `Outcome` and `Status`
go back to them. Nothing in here acts, and nothing in here decides.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from farmctl.clock import Clock
from farmctl.cloud.port import Cloud
from farmctl.model.attributes import Attributes
from farmctl.model.guests import Guest, GuestProgress
from farmctl.model.keeping import KeptBy
from farmctl.model.nodes import Phase, Role
from farmctl.model.rolling import Refusal, Rolled
from farmctl.model.steps import Note, Plan, Step
from farmctl.model.view import Holder
from farmctl.plan.routing import RouterFiles
from farmctl.reconcile.progress import Progress
from farmctl.reconcile.together import Reads
from farmctl.spec import Farm, Site

Contexts = Callable[[Site, Farm], Mapping[str, Attributes]]
"""Renders CONTEXT: `router`, `head` and each pool's name to its attributes."""


class Journal(Protocol):
    """Where what was done, and what was not, is written down."""

    def record(self, farm: str, event: str, because: str, **values: object) -> None:
        """Write one event of a farm with its reason; called from several threads."""
        ...


class Guests(Protocol):
    """The way into the guests of a site's farms, where farmctl may log in to them.

    Whether a farm is configured at all, and with what, is the implementation's to know;
    when it is done, and to whom, is the round's. A farm is handed over as its document
    declares it: it may come from no file.
    """

    def configuration(self, farm: Farm) -> str:
        """Return the digest of everything that configuring this farm rests on.

        At most 64 of a-z, A-Z, 0-9, `.`, `_` and `-`; empty if nothing configures it.
        Asked often, and for every plan: quick, and without a connection.
        """
        ...

    def change_router(self, farm: Farm, router: Guest, files: str) -> None:
        """Put other files in force on the router that runs, and see that it answers.

        A change that locks us out is taken back by the router itself. The same files
        again change nothing.

        Args:
            farm: whose router.
            router: where it is.
            files: the text in which its context carries them.

        Raises:
            UnreachableError: it does not answer, before or after. What was changed has
                been taken back by the router itself; the message says which.
            RefusedError: it does not take these files; nothing was changed.
            FarmctlError: it does not let us in; nothing was changed.
        """
        ...

    def configure(
        self,
        farm: Farm,
        guests: Sequence[Guest],
        targets: frozenset[str],
        report: Callable[[GuestProgress], None],
        give_up: Callable[[], bool],
    ) -> Mapping[str, str]:
        """Configure some guests; what is as it should be is left alone.

        Args:
            farm: whose guests.
            guests: all that are up, as the targets may have to know the others.
            targets: the names of those to be configured.
            report: is told how far each has come; from any thread.
            give_up: is asked every second or so; once it says yes, what is under way
                is ended in good order and all that is not done counts as that.

        Returns:
            For each target `""` if it is configured, else its task and message. A
            target that is missing counts as not configured.

        Raises:
            FarmctlError: nothing could be configured at all.
        """
        ...

    def retire(self, farm: Farm, guests: Sequence[Guest], here: frozenset[str]) -> None:
        """Strike nodes that are gone off the farm's lists, such as the batch system's.

        Args:
            farm: whose lists.
            guests: all that are up; the head, which keeps them, is among them.
            here: the names of all nodes that may still be there. Whatever else of this
                farm's nodes is listed is gone.

        Raises:
            FarmctlError: that could not be done; the farm goes on without.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How fast a round moves, in seconds. The defaults are for a real OpenNebula."""

    poll_fastest: float = 0.2
    poll_slowest: float = 2.0
    beat: float = 10.0
    """How often the holder of a farm says that it lives."""
    holder_ttl: float = 30.0
    """A holder elsewhere that has not said so for this long is dead: three beats."""
    gate_grace: float = 5.0
    """A lock without a holder's name is given this long: two calls, slowly answered."""
    settle: float = 0.5
    """Between writing our name over a dead one and trusting that nobody else did."""
    busy: float = 60.0
    """How long to wait for an object that is in a transient state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a round needs, handed in by the assembly."""

    cloud: Cloud
    site: Site
    clock: Clock
    journal: Journal
    contexts: Contexts
    progress: Progress
    routers: RouterFiles
    guests: Guests | None = None
    """None where farmctl may not log in: then nothing is configured."""
    tempo: Tempo = field(default_factory=Tempo)
    together: Reads | None = None
    """The reads that farms share which are worked at side by side; None where one is
    worked at alone."""

    @property
    def reads(self) -> Reads:
        """What reads the whole cloud: never older than the moment it is asked."""
        return self.cloud if self.together is None else self.together


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What whoever asks for a change may choose.

    `wait`: until the nodes are ready (or failed); without it the run ends once all is
    asked for. `timeout`: seconds for the whole wait, None for the site's deadlines
    alone. `interrupt`: consent to end workers that may be working. `lock_wait`:
    seconds to wait while somebody else changes the farm. `command`: what others are
    shown while we hold the farm. `stop`: once it is set, the run ends before its next
    change, gives the lock back and says what was not done. `prefer`: the class C that
    somebody was shown for a farm that has none yet; taken if it is still free.
    `released`: VMs that two witnesses have seen without work and drained: these may be
    ended. `shun`: names of hypervisors that get no new node. `retry`: a make that was
    refused is tried again.
    """

    wait: bool = True
    timeout: float | None = None
    interrupt: bool = False
    lock_wait: float = 3.0
    command: str = ""
    stop: threading.Event | None = None
    prefer: str = ""
    released: frozenset[int] = frozenset()
    shun: frozenset[str] = frozenset()
    retry: bool = False


class Result(StrEnum):
    """What became of a step."""

    DONE = "done"
    FAILED = "failed"
    ASIDE = "aside"  # the node failed, failed again elsewhere, and was put aside
    SKIPPED = "skipped"  # deliberately not done; the reason says why
    WAITING = "waiting"  # asked for, and not seen to its end (no wait, or time is up)
    UNTRIED = "untried"  # the run ended before it came to this step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """What became of one step; `seconds` is how long it took, waits included."""

    step: Step
    subject: str
    result: Result
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did.

    `complete`: a look at the cloud afterwards proved that nothing is left to do (with
    nodes still on their way when nobody waits). `left` names what is left and why,
    `notes` what went wrong beside the steps, `advice` what to do next, empty when
    nothing. `stopped` says why the run ended before its end, if it did.
    """

    farm: str
    plan: Plan
    steps: tuple[StepOutcome, ...] = ()
    seconds: float
    complete: bool
    left: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    stopped: str = ""
    advice: str = ""

    def of(self, result: Result) -> tuple[StepOutcome, ...]:
        """Return the steps that ended so."""
        return tuple(each for each in self.steps if each.result is result)

    @property
    def failed(self) -> bool:
        """Whether anything went wrong: exit status 1."""
        bad = {Result.FAILED, Result.ASIDE, Result.UNTRIED}
        return bool(self.stopped) or any(each.result in bad for each in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node as the cloud shows it.

    `since`, in seconds since the epoch, is since when it runs or is off; of one that
    does neither, when it was asked for.
    `configured` says whether its guest has the configuration that the farm is to have,
    None where nothing configures the farm or that cannot be told. `outdated` counts the
    lines of a router's files that are to be others.
    """

    name: str
    vm_id: int
    role: Role | None
    pool: str
    phase: Phase
    address: str
    public_address: str
    host: str
    since: int
    draining: bool = False
    aside: bool = False
    attempts: int = 0
    reason: str = ""
    configured: bool | None = None
    outdated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStatus:
    """Who is changing a farm; `holder` is None between its two first calls."""

    since: int
    holder: Holder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmStatus:
    """One farm as the cloud shows it.

    `sizes` is how many workers each pool should have, `counts` how many nodes are in
    each phase (those aside are not counted), `strangers` the VMs of others in its
    network. `rolling` is how far the rolling updates of its pools are, `refused` which
    makes were given up, both by pool. `daemon` is the daemon that says it keeps it.
    """

    farm: str
    kind: str
    cidr: str
    nodes: tuple[NodeStatus, ...]
    sizes: Mapping[str, int]
    counts: Mapping[Phase, int]
    lock: LockStatus | None
    notes: tuple[Note, ...] = ()
    rolling: Mapping[str, Rolled] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    daemon: KeptBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All farms asked for, as seen `seen_at` (seconds since the epoch)."""

    site: str
    endpoint: str
    version: str
    seen_at: float
    age: float
    farms: tuple[FarmStatus, ...]
