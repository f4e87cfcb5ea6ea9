"""What is happening to some farms, as it is told: the state behind the display.

`FarmBoard` takes note of `reconcile`'s events from its threads and keeps the little
that a display needs; `progress` draws it. A line worth keeping on the screen (a
failure, a retry, a lock taken over) goes to `remark` at once.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from farmctl.cli.text import took
from farmctl.model.guests import GuestProgress
from farmctl.model.nodes import Phase
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.view import Holder
from farmctl.reconcile import (
    CloudAway,
    Event,
    LockTakenOver,
    NodePhase,
    PlanMade,
    Result,
    Retrying,
    StepDone,
    StepFailed,
    StepStarted,
    WaitingForLock,
    WaveStarted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """A node on its way; `began` is on the monotonic clock."""

    name: str
    phase: Phase
    host: str
    began: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One farm at one moment, for drawing."""

    farm: str
    steps: int
    done: int
    failed: int
    wave: int
    waves: int
    phases: dict[Phase, int] = field(default_factory=dict)
    moving: tuple[NodeState, ...] = ()
    busy: tuple[str, ...] = ()
    waiting: str = ""
    seconds: float = 0.0
    over: bool = False


@dataclass(slots=True)
class _Inside:
    steps: int = 0
    done: int = 0
    failed: int = 0
    wave: int = 0
    waves: int = 0
    waiting: str = ""
    over: bool = False
    nodes: dict[str, NodeState] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)


class FarmBoard:
    """One farm's progress; `tell` is called from several threads."""

    def __init__(
        self,
        farm: str,
        *,
        now: Callable[[], float],
        remark: Callable[[str, str], None],
        chatty: bool,
    ) -> None:
        """Begin with nothing known.

        Args:
            farm: its name.
            now: the monotonic clock.
            remark: takes a line worth keeping and its style.
            chatty: whether ordinary steps are worth a line too (no live display).
        """
        self.farm = farm
        self._now = now
        self._began = now()
        self._remark = remark
        self._chatty = chatty
        self._lock = threading.Lock()
        self._inside = _Inside()

    def tell(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            line = self._note(event)
        if line is not None:
            self._remark(*line)

    def finish(self) -> None:
        """Take note that the run is over."""
        with self._lock:
            self._inside.over = True
            self._inside.waiting = ""

    def snapshot(self) -> Snapshot:
        """Return how things stand."""
        with self._lock:
            inside = self._inside
            moving = [
                each
                for each in inside.nodes.values()
                if each.phase not in (Phase.READY, Phase.GONE)
            ]
            named = set(inside.nodes)
            return Snapshot(
                farm=self.farm,
                steps=inside.steps,
                done=inside.done,
                failed=inside.failed,
                wave=inside.wave,
                waves=inside.waves,
                phases=dict(Counter(each.phase for each in inside.nodes.values())),
                moving=tuple(moving),
                busy=(
                    *(each for each in inside.busy if each not in named),
                    *(f"{name}: {task}" for name, task in inside.guests.items()),
                ),
                waiting=inside.waiting,
                seconds=self._now() - self._began,
                over=inside.over,
            )

    def _note(self, event: Event) -> tuple[str, str] | None:
        inside = self._inside
        if not isinstance(event, (WaitingForLock, CloudAway)):
            inside.waiting = ""
        match event:
            case PlanMade(plan=plan):
                inside.steps = len(plan.steps)
                inside.waves = len(plan.waves)
                inside.done = inside.failed = inside.wave = 0
            case WaveStarted(number=number, waves=waves):
                inside.wave, inside.waves = number, waves
            case StepStarted(step=step, subject=subject):
                inside.busy[subject] = self._now()
                if _makes_node(step):
                    inside.nodes[subject] = NodeState(
                        name=subject, phase=Phase.PENDING, host="", began=self._now()
                    )
            case NodePhase():
                self._phase(event)
            case StepDone(step=step, subject=subject, seconds=seconds):
                inside.busy.pop(subject, None)
                inside.done += 1
                if self._chatty:
                    return self._said_done(step, subject, seconds)
            case StepFailed(subject=subject, result=result, reason=reason):
                inside.busy.pop(subject, None)
                if result == Result.UNTRIED:
                    # Another step's failure, told as that; or a choice made again.
                    inside.nodes.pop(subject, None)
                    return None
                inside.failed += 1
                node = inside.nodes.pop(subject, None)
                if node is not None:
                    inside.nodes[subject] = NodeState(
                        name=subject,
                        phase=Phase.FAILED,
                        host=node.host,
                        began=node.began,
                    )
                return self._said_failed(subject, result, reason)
            case GuestProgress():
                return self._guest(event)
            case Retrying(subject=subject, reason=reason):
                return f"{subject} is tried again: {reason}", "warn"
            case WaitingForLock(holder=holder, seconds=seconds):
                return self._wait(f"Waiting for {described(holder)}", seconds)
            case LockTakenOver(holder=holder, because=because):
                text = f"Took over the farm from {described(holder)}: {because}"
                return text, "warn"
            case CloudAway(reason=reason):
                return self._wait(f"OpenNebula does not answer: {reason}", 0.0)
        return None

    def _phase(self, event: NodePhase) -> None:
        before = self._inside.nodes.get(event.name)
        self._inside.nodes[event.name] = NodeState(
            name=event.name,
            phase=event.phase,
            host=event.host or (before.host if before else ""),
            began=before.began if before else self._now() - event.seconds,
        )

    def _guest(self, event: GuestProgress) -> tuple[str, str] | None:
        guests = self._inside.guests
        if not event.over:
            guests[event.name] = event.task
            return None
        guests.pop(event.name, None)
        if event.failure:
            return f"{event.name} not configured: {event.failure}", "failed"
        return (f"{event.name} configured", "quiet") if self._chatty else None

    def _wait(self, text: str, seconds: float) -> tuple[str, str] | None:
        said = self._inside.waiting == text
        self._inside.waiting = text
        if said or not self._chatty or seconds < 0:
            return None
        return f"{self.farm}: {text}", "warn"

    def _said_failed(
        self, subject: str, result: str, reason: str
    ) -> tuple[str, str] | None:
        """Tell the first node that a reason hits, and of the others that there are."""
        style = "warn" if result == "skipped" else "failed"
        told = self._inside.reasons
        told[result, reason] += 1
        match told[result, reason]:
            case 1:
                return f"{subject} {_said(result)}: {reason}", style
            case 2:
                return f"{subject} {_said(result)} too, and maybe more of them", style
            case _:
                return None  # how many there are, the end tells

    def _said_done(
        self, step: Step, subject: str, seconds: float
    ) -> tuple[str, str] | None:
        node = self._inside.nodes.get(subject)
        if not _makes_node(step) or node is None:
            return f"{subject} {done(step)} after {took(seconds)}", "quiet"
        where = f" on {node.host}" if node.host else ""
        return f"{subject} {node.phase.value}{where} after {took(seconds)}", ""


def described(holder: Holder | None) -> str:
    """Return who holds a farm, for people."""
    if holder is None:
        return "somebody who has not left a name yet"
    what = holder.command or "farmctl"
    return f"`{what}` (process {holder.pid} on {holder.host})"


def done(step: Step) -> str:
    """Return the word for a step that is done."""
    match step:
        case CreateObject() | CreateNode():
            return "made"
        case ChangeObject() | ChangeRouter():
            return "changed"
        case ConfigureNodes():
            return "configured"
        case DeleteObject():
            return "deleted"
        case ReplaceNode():
            return "replaced"
        case RemoveNode():
            return "ended"
        case StartNode():
            return "started"
        case AwaitNode():
            return "awaited"
        case _:
            assert_never(step)


def _makes_node(step: Step) -> bool:
    return isinstance(step, (CreateNode, ReplaceNode, StartNode, AwaitNode))


def _said(result: str) -> str:
    match result:
        case "aside":
            return "was put aside"
        case "skipped":
            return "was left as it is"
        case _:
            return result
