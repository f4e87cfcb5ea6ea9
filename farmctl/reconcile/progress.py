"""What a run tells while it happens: small values for whoever shows them.

They are told from several threads. Nothing depends on whether anybody listens.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from farmctl.model.nodes import Phase
from farmctl.model.steps import Plan, Step
from farmctl.model.view import Holder

if TYPE_CHECKING:
    from farmctl.model.guests import GuestProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """The plan about to be carried out, made (again) under the lock."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStarted:
    """The wave `number` of `waves`, counted from 1, begins."""

    number: int
    waves: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step begins."""

    step: Step
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A step is done, for a node: as far as it is waited for."""

    step: Step
    subject: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """A step failed, was put aside or was skipped: `result` is the word for it."""

    step: Step
    subject: str
    result: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePhase:
    """A node reached a phase, `seconds` after its step began."""

    name: str
    phase: Phase
    host: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """A node is made anew elsewhere, or another address is taken."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForLock:
    """Somebody else is changing the farm; `holder` is None while not known."""

    holder: Holder | None
    since: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTakenOver:
    """The lock of a dead process was taken over."""

    holder: Holder | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudAway:
    """OpenNebula does not answer; the run waits for it."""

    reason: str


Event: TypeAlias = (
    "PlanMade | WaveStarted | StepStarted | StepDone | StepFailed | NodePhase "
    "| Retrying | WaitingForLock | LockTakenOver | CloudAway | GuestProgress"
)


class Progress(Protocol):
    """Whoever shows what happens; called from several threads."""

    def tell(self, event: Event) -> None:
        """Take note of an event, quickly; must not raise."""
        ...


class Silence:
    """Nobody listens."""

    def tell(self, event: Event) -> None:
        """Take no note."""
