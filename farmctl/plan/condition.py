"""How one node is: kept, or what has to be done about it and why.

The order of the questions matters: what is sick is made anew before anybody asks
whether it is out of date, and what is out of date is made anew before it is started.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from farmctl.model.attributes import Kind
from farmctl.model.nodes import Phase, Readiness, Role, VmState, phase
from farmctl.model.steps import Cause, Note
from farmctl.model.target import Shape, Target
from farmctl.model.view import CloudView, FarmView, Nic, Vm
from farmctl.plan import addresses, compare, objects

_MIB = " MiB"


class Remedy(Enum):
    """What mends a node."""

    REPLACE = auto()
    DEPLOY = auto()
    RESUME = auto()
    AWAIT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a node is not as it should be, and what mends it.

    `attempts` is what the remedy adds to the node's count of failures.
    """

    remedy: Remedy
    because: str
    cause: Cause = Cause.CHANGE
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Holds nodes against their shapes, knowing the farm's network and templates."""

    target: Target
    mine: FarmView
    names: compare.Names
    network_id: int | None
    group_ids: frozenset[int]
    template_digests: dict[str, str]
    template_words: dict[str, str]

    @classmethod
    def of(cls, target: Target, view: CloudView) -> Self:
        """Return the judge of one farm."""
        mine = view.farm(target.farm)
        named = objects.names(view, mine)
        ids = objects.object_ids(mine)
        digests: dict[str, str] = {}
        words: dict[str, str] = {}
        for shape in target.shapes:
            shown = objects.template_of(mine, shape.role, shape.pool)
            if shown is None or shown.tag is None:
                continue
            digests[shape.template] = shown.tag.digest
            if shown.tag.digest != shape.digest:
                words[shape.template] = ", ".join(
                    compare.differences(
                        Kind.TEMPLATE,
                        shape.attributes,
                        shown.attributes,
                        id_of=ids.get,
                        names=named,
                    )
                )
        lan = {group.name for group in target.groups[:1]}
        return cls(
            target=target,
            mine=mine,
            names=named,
            network_id=mine.network.id if mine.network else None,
            group_ids=frozenset(each.id for each in mine.groups if each.name in lan),
            template_digests=digests,
            template_words=words,
        )

    def fault(self, vm: Vm, shape: Shape, *, keeps_old: bool = False) -> Fault | None:
        """Return what is to be done about a node; None if it stays as it is.

        With `keeps_old` one that is out of date stays: its pool is rolled.
        """
        return (
            _sick(vm)
            or self._misplaced(vm, shape)
            or (None if keeps_old else self._outdated(vm, shape))
            or _not_up(vm, shape)
        )

    def worth(self, vm: Vm, shape: Shape) -> tuple[bool, bool, bool, bool, int]:
        """Return the order in which VMs of one place are preferred, best first."""
        return (
            not _ready(vm, shape),
            _sick(vm) is not None,
            self._misplaced(vm, shape) is not None,
            self._outdated(vm, shape) is not None,
            vm.id,
        )

    def victim(self, vm: Vm, shape: Shape) -> tuple[bool, bool, bool, bool, int]:
        """Return the order in which surplus nodes go, the first to go first.

        Not ready ones first, then those aside, draining, out of date, newest ordinal.
        """
        return (
            _ready(vm, shape),
            not vm.mark.aside,
            not vm.mark.draining,
            vm.tag is not None and vm.tag.digest == shape.digest,
            -(vm.tag.ordinal if vm.tag else 0),
        )

    def remarks(self, vm: Vm, shape: Shape) -> Iterator[Note]:
        """Yield what is to be said of a node that stays as it is."""
        if vm.mark.draining:
            yield Note(subject=vm.name, message="is draining: it gets no new work")
        if (vm.cpus, vm.memory_mib) != (shape.cpus, shape.memory_mib):
            yield Note(
                subject=vm.name,
                message=f"has {vm.cpus:g} cores and {vm.memory_mib} MiB instead of "
                f"{shape.cpus:g} and {shape.memory_mib}: resized by hand; left alone",
            )
        nic = self._inner(vm)
        carried = frozenset(nic.security_group_ids) if nic else frozenset()
        if carried and self.group_ids and carried != self.group_ids:
            names = ", ".join(
                self.names.groups.get(str(each), str(each)) for each in sorted(carried)
            )
            yield Note(
                subject=vm.name,
                message=f"its interface carries the security groups {names} instead of "
                f"{self.target.groups[0].name} alone; end the VM to have it made anew",
            )

    def _inner(self, vm: Vm) -> Nic | None:
        for nic in vm.nics:
            if nic.network_id == self.network_id:
                return nic
        return None

    def _misplaced(self, vm: Vm, shape: Shape) -> Fault | None:
        nic = self._inner(vm)
        why = ""
        if nic is None:
            why = f"has no interface in the network {self.target.farm}"
        elif nic.address:
            match shape.role:
                case Role.ROUTER:
                    own = addresses.router_address(self.target.cidr)
                case Role.HEAD:
                    own = addresses.head_address(self.target.cidr)
                case Role.WORKER:
                    own = "a worker's"
                    if addresses.is_worker_address(self.target.cidr, nic.address):
                        own = nic.address
            if nic.address != own:
                why = f"has the address {nic.address} instead of {own}"
        if not why:
            return None
        return Fault(remedy=Remedy.REPLACE, because=why, cause=Cause.DRIFT)

    def _outdated(self, vm: Vm, shape: Shape) -> Fault | None:
        if vm.tag is None or vm.tag.digest != shape.digest:
            return Fault(remedy=Remedy.REPLACE, because=self._what_differs(vm, shape))
        wish = shape.public_address
        has = public_of(vm, shape)
        if wish not in ("", "auto") and wish != has:
            shown = has or "none"
            return Fault(
                remedy=Remedy.REPLACE, because=f"public address {shown} -> {wish}"
            )
        return None

    def _what_differs(self, vm: Vm, shape: Shape) -> str:
        made_of = vm.tag.digest if vm.tag else ""
        if made_of == self.template_digests.get(shape.template):
            words = self.template_words.get(shape.template, "")
            if words:
                return words
        lines = []
        if vm.cpus != shape.cpus:
            lines.append(f"cores {vm.cpus:g} -> {shape.cpus:g}")
        if vm.memory_mib != shape.memory_mib:
            lines.append(f"memory {vm.memory_mib} -> {shape.memory_mib}{_MIB}")
        return ", ".join(lines) or "was made of an older template"


def may_work(vm: Vm, readiness: Readiness) -> bool:
    """Say whether work would be interrupted, or lost, by ending this VM.

    A head that was up keeps its queue on its disk, and does so while it is off.
    """
    now = phase(vm.state, reported_ready=vm.reported_ready, readiness=readiness)
    if now is not Phase.ENDING and vm.tag is not None and vm.tag.role is Role.HEAD:
        return now in {Phase.READY, Phase.OFF, Phase.UNKNOWN} or vm.worked
    if now is Phase.UNKNOWN:
        return vm.worked or vm.reported_ready or readiness is Readiness.RUNNING
    return now is Phase.READY


def public_of(vm: Vm | None, shape: Shape) -> str:
    """Return the public address that a VM has, or nothing."""
    if vm is None or not shape.public_network:
        return ""
    for nic in vm.nics:
        if nic.network == shape.public_network:
            return nic.address
    return ""


def _ready(vm: Vm, shape: Shape) -> bool:
    return _phase(vm, shape) is Phase.READY


def _phase(vm: Vm, shape: Shape) -> Phase:
    return phase(vm.state, reported_ready=vm.reported_ready, readiness=shape.readiness)


def _sick(vm: Vm) -> Fault | None:
    if vm.mark.aside:
        return Fault(
            remedy=Remedy.REPLACE,
            because=f"was put aside: {vm.mark.reason or 'no reason noted'}",
            cause=Cause.DRIFT,
        )
    if vm.state is VmState.FAILED:
        name = vm.state_name or "failed"
        return Fault(
            remedy=Remedy.REPLACE,
            because=f"{name}: {vm.error}" if vm.error else name,
            cause=Cause.DRIFT,
            attempts=1,
        )
    if vm.state is VmState.UNKNOWN:
        return Fault(
            remedy=Remedy.REPLACE,
            because=f"its hypervisor {vm.host or 'is gone and'} does not answer for it",
            cause=Cause.DRIFT,
            attempts=1,
        )
    return None


def _not_up(vm: Vm, shape: Shape) -> Fault | None:
    match _phase(vm, shape):
        case Phase.READY | Phase.GONE | Phase.ENDING:
            return None
        case Phase.OFF:
            return Fault(
                remedy=Remedy.RESUME,
                because=_off(vm),
                cause=Cause.DRIFT,
            )
        case Phase.PENDING if vm.state is VmState.HELD:
            return Fault(remedy=Remedy.DEPLOY, because="waits to be deployed")
        case Phase.PENDING:
            told = f": {vm.sched_message}" if vm.sched_message else ""
            return Fault(remedy=Remedy.AWAIT, because=f"waits for the scheduler{told}")
        case Phase.PLACING:
            return Fault(remedy=Remedy.AWAIT, because="its disks are on their way")
        case Phase.BOOTING | Phase.FAILED | Phase.UNKNOWN:
            return Fault(remedy=Remedy.AWAIT, because="boots")


def _off(vm: Vm) -> str:
    words = {
        "SUSPENDED": "suspended",
        "STOPPED": "stopped",
        "UNDEPLOYED": "undeployed",
    }
    if vm.asked_off or vm.state_name in words:
        return f"{words.get(vm.state_name, 'powered off')} by hand"
    return "went off by itself, or with its hypervisor"
