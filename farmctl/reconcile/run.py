"""One run: what its threads share while a plan is carried out.

The gate stands before every change: it is shut when the run has been stopped or the
farm's lock is lost. Results are collected here, told and written into the journal.
Which step does what is the business of `objects`, `nodes` and `watch`.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, assert_never

from farmctl.errors import (
    AnswerLostError,
    BadAnswerError,
    BusyError,
    FarmctlError,
    NotAuthenticatedError,
    UnreachableError,
)
from farmctl.model.attributes import Attributes, Kind, Ref, Scalar, Vector
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    Note,
    Plan,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.view import CloudView, FarmView
from farmctl.plan.objects import object_ids
from farmctl.reconcile.lock import FarmLock, LockLostError, RunStoppedError
from farmctl.reconcile.progress import CloudAway, StepDone, StepFailed
from farmctl.reconcile.values import Options, Result, StepOutcome, World

_T = TypeVar("_T")
_BACK_OFF = 1.6
_SLOWEST = 2.0
_EAGER = 8
"""Most transient states are over in milliseconds: the first looks come soon."""


class PlanAgainError(FarmctlError):
    """What the plan rests on was lost to others; `cidr` is the class C they have."""

    def __init__(self, message: str, *, cidr: str) -> None:
        super().__init__(message)
        self.cidr = cidr


class UntriedError(FarmctlError):
    """Something that the step needs is not there, because its own step failed."""


_ENDS_THE_RUN = (
    UnreachableError,
    AnswerLostError,
    BadAnswerError,
    NotAuthenticatedError,
    LockLostError,
)


def subject_of(step: Step) -> str:
    """Return what a step is about: a node's name, or an object's kind and name."""
    match step:
        case CreateObject() | ChangeObject() | DeleteObject():
            return f"{step.kind.value} {step.name}"
        case CreateNode() | ReplaceNode() | StartNode() | AwaitNode():
            return step.node.name
        case RemoveNode() | ChangeRouter():
            return step.name
        case ConfigureNodes():
            return "configuration"
        case _:
            assert_never(step)


class Ids:
    """The ids of the farm's objects; grows while they are made."""

    def __init__(self, farm: FarmView) -> None:
        self._ids = dict(object_ids(farm))

    def put(self, kind: Kind, name: str, object_id: int) -> None:
        """Take note of an object that was made."""
        self._ids[Ref(kind=kind, name=name)] = object_id

    def get(self, kind: Kind, name: str) -> int:
        """Return the id of an object of the farm.

        Raises:
            UntriedError: it is not there.
        """
        found = self._ids.get(Ref(kind=kind, name=name))
        if found is None:
            raise UntriedError(f"The {kind.value} {name} is not there.")
        return found

    def resolve(self, attributes: Attributes) -> Attributes:
        """Return the attributes with an id in the place of every reference."""
        return {key: self._value(value) for key, value in attributes.items()}

    def _value(
        self, value: Scalar | Vector | Sequence[Vector]
    ) -> str | Mapping[str, str] | Sequence[Mapping[str, str]]:
        match value:
            case str() | Ref():
                return self._text(value)
            case Mapping():
                return {key: self._text(inner) for key, inner in value.items()}
            case _:
                return [
                    {key: self._text(inner) for key, inner in vector.items()}
                    for vector in value
                ]

    def _text(self, value: Scalar) -> str:
        if isinstance(value, Ref):
            return str(self.get(value.kind, value.name))
        return value


class Run:
    """A plan on its way, under the lock."""

    def __init__(
        self,
        *,
        world: World,
        lock: FarmLock,
        plan: Plan,
        view: CloudView,
        options: Options,
        doubt: str = "",
    ) -> None:
        self.world = world
        self.lock = lock
        self.plan = plan
        self.view = view
        self.options = options
        self.ids = Ids(view.farm(plan.farm))
        self.made: set[int] = set()
        self.refused: set[str] = set()
        self.doubt = doubt
        self.notes: list[Note] = []
        self.again: PlanAgainError | None = None
        self.booting: ChangeRouter | None = None
        self.struck = False
        self.stopped = ""
        self._stopped_by: FarmctlError | None = None
        self._guard = threading.Lock()
        self._outcomes: dict[int, StepOutcome] = {}

    @property
    def farm(self) -> str:
        """The farm's name."""
        return self.plan.farm

    @property
    def advice(self) -> str:
        """What to do after the run was stopped."""
        match self._stopped_by:
            case None:
                return ""
            case RunStoppedError():
                return "What was done stays; the same command completes it."
            case UnreachableError() | AnswerLostError() | BadAnswerError():
                return (
                    "What was done stays, and nothing is done twice: once OpenNebula "
                    "answers again, the same command completes it."
                )
            case _:
                return self._stopped_by.hint

    def gate(self) -> None:
        """Stand before every change of the cloud.

        Raises:
            RunStoppedError: the run has been stopped.
            LockLostError: another process has taken the farm over.
        """
        self.heed()
        if self.stopped:
            raise RunStoppedError(self.stopped)
        self.lock.check()

    def heed(self) -> None:
        """Stop the run where whoever started it has asked for that."""
        asked = self.options.stop
        if asked is not None and asked.is_set():
            self.stop(RunStoppedError("It was asked to stop."))
        if self.lock.lost is not None:
            self.stop(self.lock.lost)

    def abandon(self) -> None:
        """Let no thread change anything more: the run ends by an exception."""
        self.stopped = self.stopped or "The run was interrupted."

    def stop(self, because: FarmctlError) -> None:
        """End the run before its next change; the first reason counts."""
        with self._guard:
            if self.stopped:
                return
            self.stopped = because.message
            self._stopped_by = because
        if isinstance(because, PlanAgainError):
            self.again = because
            return
        if isinstance(because, UnreachableError | AnswerLostError):
            self.lock.leave_behind()
            self.world.progress.tell(CloudAway(reason=because.message))
        self.world.journal.record(self.farm, "run stopped", because=because.message)

    def judge(self, error: FarmctlError) -> Result:
        """Return what an error makes of a step; stop the run where it must end."""
        match error:
            case RunStoppedError() | UntriedError():
                return Result.UNTRIED
            case PlanAgainError():
                self.stop(error)
                return Result.UNTRIED
            case _ if isinstance(error, _ENDS_THE_RUN):
                self.stop(error)
                return Result.UNTRIED
            case _:
                return Result.FAILED

    def finish(
        self,
        step: Step,
        subject: str,
        result: Result,
        *,
        reason: str = "",
        began: float,
        **values: object,
    ) -> None:
        """Take note of a step's end, tell it and write it down."""
        seconds = self.world.clock.monotonic() - began
        outcome = StepOutcome(
            step=step, subject=subject, result=result, reason=reason, seconds=seconds
        )
        with self._guard:
            self._outcomes[id(step)] = outcome
        if result is Result.DONE:
            told = StepDone(step=step, subject=subject, seconds=seconds)
            self.world.progress.tell(told)
        else:
            self.world.progress.tell(
                StepFailed(
                    step=step,
                    subject=subject,
                    result=result.value,
                    reason=reason,
                    seconds=seconds,
                )
            )
        self.world.journal.record(
            self.farm,
            f"{type(step).__name__} {result.value}",
            because=reason or step.because,
            subject=subject,
            seconds=round(seconds, 3),
            **values,
        )

    def result_of(self, step: Step) -> Result | None:
        """Return what became of a step, None while nothing has."""
        outcome = self._outcomes.get(id(step))
        return None if outcome is None else outcome.result

    def outcomes(self) -> tuple[StepOutcome, ...]:
        """Return what became of each step, in the plan's order."""
        reason = self.stopped or "The run ended before."
        return tuple(
            self._outcomes.get(id(step))
            or StepOutcome(
                step=step,
                subject=subject_of(step),
                result=Result.UNTRIED,
                reason=reason,
            )
            for step in self.plan.steps
        )

    def patiently(
        self, action: Callable[[], _T], *, at_most: float | None = None
    ) -> _T:
        """Do something that a transient state may forbid for a while.

        Args:
            action: asks the cloud.
            at_most: seconds for which to go on asking; None for `tempo.busy`.

        Raises:
            BusyError: it still did when they were over.
        """
        clock = self.world.clock
        patience = self.world.tempo.busy if at_most is None else at_most
        ends = clock.monotonic() + patience
        pause = self.world.tempo.poll_fastest / _EAGER
        while True:
            self.gate()
            try:
                return action()
            except BusyError:
                if clock.monotonic() + pause > ends:
                    raise
            clock.sleep(pause)
            pause = min(pause * _BACK_OFF, _SLOWEST)
