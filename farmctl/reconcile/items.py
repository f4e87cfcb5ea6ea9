"""One node on its way through a run: what is known of it, and what it has come to.

Values and small rules for `watch`, which moves the items; nothing here asks the cloud.
"""

from dataclasses import dataclass, field
from enum import Enum

from farmctl.model.nodes import Phase, Role, VmState, phase
from farmctl.model.steps import (
    AwaitNode,
    CreateNode,
    NodeSpec,
    RemoveNode,
    ReplaceNode,
    StartNode,
)
from farmctl.model.view import Vm
from farmctl.spec import Deadlines

NodeStep = CreateNode | ReplaceNode | RemoveNode | StartNode | AwaitNode


class Stage(Enum):
    """What an item waits for."""

    ASKING = "asking"  # a thread speaks to the cloud for it
    ENDING = "ending"  # its old VM is on its way out
    COMING = "coming"  # its VM is on its way up
    OVER = "over"


@dataclass(slots=True, kw_only=True)
class Item:
    """One node step under way; changed by the run's main thread only.

    `fresh`: its VM was made for this step, or never ran: it may be ended and made anew.
    `attempts`: how often that was done. Times are of the monotonic clock.
    """

    step: NodeStep
    subject: str
    began: float
    stage: Stage = Stage.ASKING
    since: float = 0.0
    spec: NodeSpec | None = None
    vm_id: int = -1
    host_id: int | None = None
    host: str = ""
    running_since: float | None = None
    phase: Phase | None = None
    fresh: bool = False
    attempts: int = 0
    ends: int = 0
    avoid: set[str] = field(default_factory=set)
    reason: str = ""

    @classmethod
    def of(cls, step: NodeStep, *, now: float) -> "Item":
        """Return the item of a step that begins now."""
        match step:
            case RemoveNode():
                return cls(
                    step=step,
                    subject=step.name,
                    began=now,
                    since=now,
                    vm_id=step.vm_id,
                )
            case CreateNode():
                vm_id, fresh = -1, True
            case ReplaceNode():
                vm_id, fresh = step.vm_id, True
            case StartNode():
                vm_id, fresh = step.vm_id, step.held
            case AwaitNode():
                vm_id = step.vm_id
                fresh = step.node.role is not Role.HEAD and not step.worked
        return cls(
            step=step,
            subject=step.node.name,
            began=now,
            since=now,
            spec=step.node,
            vm_id=vm_id,
            fresh=fresh,
        )

    def enter(self, stage: Stage, *, now: float) -> None:
        """Begin to wait for something else."""
        self.stage, self.since = stage, now
        self.running_since = None

    def phase_of(self, vm: Vm) -> Phase:
        """Return the phase in which a look shows its VM."""
        assert self.spec is not None
        return phase(
            vm.state,
            reported_ready=vm.reported_ready,
            readiness=self.spec.readiness,
        )

    def trouble(self, vm: Vm, *, deadlines: Deadlines, now: float) -> str:
        """Say why this node will not come up; nothing while it still may."""
        where = f" on {vm.host}" if vm.host else ""
        why = vm.error or vm.sched_message
        because = f": {why}" if why else "."
        match vm.state:
            case VmState.FAILED:
                return f"{vm.state_name or 'It failed'}{where}{because}"
            case VmState.UNKNOWN:
                return f"Its hypervisor {vm.host} no longer answers for it."
            case VmState.ENDING | VmState.GONE:
                return "Its VM was ended while it was coming up."
            case VmState.OFF | VmState.STOPPING if now - self.since > _SETTLING:
                return f"It was powered off while it was coming up{where}{because}"
            case VmState.RUNNING | VmState.MOVING:
                if self.running_since is None:
                    self.running_since = now
                if now - self.running_since > deadlines.ready:
                    return (
                        f"It runs{where}, but was not ready after {deadlines.ready:g} s"
                        f"{because}"
                    )
            case _:
                if now - self.since > deadlines.running:
                    return (
                        f"It was still {vm.state_name or vm.state.value}{where} after "
                        f"{deadlines.running:g} s{because}"
                    )
        return ""


_SETTLING = 10.0
"""Seconds in which a VM that was just resumed may still be shown as off."""
