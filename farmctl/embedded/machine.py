"""A virtual machine and its history, as `entities` has the rest."""

from dataclasses import dataclass, field
from typing import Any

from farmctl.embedded.attributes import Attributes, Vector
from farmctl.embedded.entities import Entity
from farmctl.embedded.states import Action, Lcm, State


@dataclass(kw_only=True)
class History:
    """One stay on one host; times in seconds since the epoch, 0: not yet."""

    seq: int
    hid: int
    hostname: str
    cid: int
    vm_mad: str
    tm_mad: str
    ds_id: int
    plan_id: int = -2
    action_id: int = -1
    stime: int = 0
    etime: int = 0
    pstime: int = 0
    petime: int = 0
    rstime: int = 0
    retime: int = 0
    estime: int = 0
    eetime: int = 0
    action: int = 0
    uid: int = -1
    gid: int = -1
    request_id: int = -1

    def close(self, action: Action, by: "Actor") -> None:
        """Note what ends this record, and who asked for it."""
        self.action = int(action)
        self.uid, self.gid, self.request_id = by.uid, by.gid, by.request_id

    def clear_action(self) -> None:
        """Forget the action: it has not ended the record after all."""
        self.action, self.uid, self.gid, self.request_id = 0, -1, -1, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who a history record names as the cause."""

    uid: int = 0
    gid: int = 0
    request_id: int = 0


@dataclass(kw_only=True)
class Task:
    """What a driver is doing for a VM: `step`, until `due`, with this outcome.

    `due` is 0 where the driver itself reports the end, or never does.
    """

    step: str
    number: int
    due: float = 0.0
    error: str = ""
    detail: dict[str, str] = field(default_factory=dict)
    """What the step is about: which NIC, which disk, what to undo if it fails."""


@dataclass(kw_only=True)
class Machine(Entity):
    """A virtual machine."""

    kind = "VM"
    noun = "virtual machine"
    tag = "VM"

    user_template: Attributes = field(default_factory=Attributes)
    state: State = State.PENDING
    lcm: Lcm = Lcm.LCM_INIT
    resched: bool = False
    stime: int = 0
    etime: int = 0
    deploy_id: str = ""
    sched_ids: list[int] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    task: Task | None = None
    task_count: int = 0
    ready_due: float = 0.0
    """When the guest will report READY; 0: it will not, or has."""
    disk_snapshots: dict[str, list[Vector]] = field(default_factory=dict)
    counted_running: bool = True
    """Whether RUNNING quotas count it: pending and on hold too, powered off not."""
    created_by: int = 0
    """The cloud's own: who asked for it, which token contexts show."""

    @classmethod
    def _revive(cls, data: dict[str, Any]) -> None:
        data["user_template"] = Attributes(data["user_template"])
        data["state"] = State(data["state"])
        data["lcm"] = Lcm(data["lcm"])
        data["history"] = [History(**record) for record in data["history"]]
        if data["task"] is not None:
            data["task"] = Task(**data["task"])

    def clusters(self) -> list[int]:
        return [self.history[-1].cid] if self.history else []

    def state_name(self) -> str:
        """Return the state as OpenNebula's messages name it."""
        return self.lcm.name if self.state is State.ACTIVE else self.state.name

    def running(self) -> bool:
        """Say whether the VM is active and RUNNING."""
        return self.state is State.ACTIVE and self.lcm is Lcm.RUNNING

    def record(self) -> History:
        """Return the current history record.

        Raises:
            IndexError: the VM has never been on a host.
        """
        return self.history[-1]

    def new_record(self) -> History:
        """Begin a new record on the same host, and return it."""
        old = self.record()
        new = History(
            seq=old.seq + 1,
            hid=old.hid,
            hostname=old.hostname,
            cid=old.cid,
            vm_mad=old.vm_mad,
            tm_mad=old.tm_mad,
            ds_id=old.ds_id,
            plan_id=old.plan_id,
            action_id=old.action_id,
        )
        self.history.append(new)
        return new

    def cpu(self) -> float:
        """Return how much CPU the VM reserves, in cores."""
        return self.template.number("CPU") or 0.0

    def memory(self) -> int:
        """Return how much memory the VM has, in MiB."""
        return self.template.integer("MEMORY") or 0

    def nics(self) -> list[Vector]:
        """Return the NICs, aliases left out."""
        return self.template.vectors("NIC")

    def all_nics(self) -> list[Vector]:
        """Return the NICs, then their aliases."""
        return self.template.vectors("NIC") + self.template.vectors("NIC_ALIAS")

    def disks(self) -> list[Vector]:
        """Return the disks."""
        return self.template.vectors("DISK")
