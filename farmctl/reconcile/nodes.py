"""Make one node, and end one: the calls, in an order that survives a kill anywhere.

A node is made on hold and then deployed, so that a process killed in between leaves a
held VM with its tag, which the next plan deploys. Instantiating twice is prevented by
the address: every node asks for its own, and a second VM cannot have it. What happened
after a lost answer is looked up, never guessed.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from farmctl.errors import (
    AnswerLostError,
    BusyError,
    CloudError,
    GoneError,
    NotAuthorisedError,
    NotPossibleError,
    RefusedError,
)
from farmctl.model import requirements
from farmctl.model.attributes import Attributes, Kind
from farmctl.model.nodes import Mark, Role, VmState
from farmctl.model.steps import NodeSpec
from farmctl.model.view import Vm
from farmctl.plan.placement import Place
from farmctl.reconcile.places import Places
from farmctl.reconcile.run import Run

_TRIES = 3
_TRANSIENT = 6
"""Of the time for which a busy object is waited for, what ends before force."""
_NO_LEASE = "IP/MAC lease"
"""What OpenNebula says when an address is not to be had (7.4, 6.10)."""
_BOOTS = frozenset({"POWEROFF", "UNDEPLOYED"})
_WAITING = frozenset({VmState.HELD, VmState.PENDING})
_UNDER_WAY = frozenset(
    {VmState.PLACING, VmState.STARTING, VmState.RUNNING, VmState.MOVING}
)

_ON_ITS_WAY = _UNDER_WAY | {VmState.FAILED}
"""States after a deploy that was carried out; a failed one is the watch's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A VM that is on its way; `host_id` is None where the scheduler chooses."""

    vm_id: int
    host_id: int | None = None
    host: str = ""


class NotDeployedError(CloudError):
    """The VM was made and waits: it could not be deployed; `vm_id` says which."""

    def __init__(self, message: str, *, vm_id: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.vm_id = vm_id


class Nodes:
    """Makes and ends the nodes of one run; called from several threads."""

    def __init__(self, run: Run, places: Places) -> None:
        self._run = run
        self._cloud = run.world.cloud
        self._places = places

    def make(self, spec: NodeSpec, *, avoid: frozenset[str]) -> Asked:
        """Make a node's VM and start it on a hypervisor that is not in `avoid`."""
        template_id = self._run.ids.get(Kind.TEMPLATE, spec.template)
        attributes = dict(self._run.ids.resolve(spec.attributes))
        if not self._places.direct and avoid:
            attributes["SCHED_REQUIREMENTS"] = elsewhere(spec.placement.requires, avoid)
        vm_id = self._instantiate(template_id, spec, attributes)
        if not self._places.direct:
            return Asked(vm_id=vm_id)
        return self.deploy(vm_id, spec, avoid=avoid)

    def deploy(self, vm_id: int, spec: NodeSpec, *, avoid: frozenset[str]) -> Asked:
        """Start a held VM; without ADMIN right the scheduler is asked to.

        Raises:
            NotDeployedError: no hypervisor takes it; the VM stays on hold.
        """
        if not self._places.direct:
            self._run.patiently(lambda: self._cloud.release(vm_id))
            return Asked(vm_id=vm_id)
        refused: set[str] = set()
        while True:
            try:
                place = self._place(spec, avoid, frozenset(refused))
            except NotPossibleError as nowhere:
                raise NotDeployedError(
                    nowhere.message, vm_id=vm_id, hint=nowhere.hint
                ) from nowhere
            try:
                self._deploy_at(vm_id, place.host_id, place.datastore_id)
            except RefusedError as refusal:
                # It does not fit there after all: others place VMs too.
                self._places.full(place, spec)
                refused.add(place.host)
                self._run.world.journal.record(
                    self._run.farm,
                    "hypervisor refused",
                    because=refusal.message,
                    subject=spec.name,
                    host=place.host,
                )
                continue
            return Asked(vm_id=vm_id, host_id=place.host_id, host=place.host)

    def start(self, vm_id: int, spec: NodeSpec) -> Asked:
        """Resume a VM that is powered off, suspended, stopped or undeployed.

        After a stop or an undeploy it has no hypervisor and is deployed anew. A guest
        that boots has to say that it is up; one that was suspended goes on.
        """
        if self._boots_anew(vm_id):
            self._run.patiently(lambda: self._cloud.unready(vm_id))
        try:
            self._run.patiently(lambda: self._cloud.start(vm_id))
        except BusyError:
            if self._state(vm_id) not in _UNDER_WAY | _WAITING:
                raise
        if self._places.direct and self._state(vm_id) in _WAITING:
            return self.deploy(vm_id, spec, avoid=frozenset())
        return Asked(vm_id=vm_id)

    def end(self, vm_id: int, *, force: bool = False) -> None:
        """Ask for a VM's end; one that is gone is a success.

        A transient state is waited for first, unless `force` says that the VM hangs:
        most are over in a second or two.
        """
        if not force:
            with suppress(BusyError):
                at_most = self._run.world.tempo.busy / _TRANSIENT
                return self._run.patiently(
                    lambda: self._cloud.end(vm_id), at_most=at_most
                )
        self._run.gate()
        try:
            if self._state(vm_id) is VmState.UNKNOWN:
                self._cloud.forget(vm_id)
            else:
                self._cloud.end(vm_id, force=True)
        except NotAuthorisedError:
            self._run.patiently(lambda: self._cloud.end(vm_id))

    def put_aside(self, vm_id: int, reason: str, attempts: int) -> str:
        """Keep a sick VM for whoever looks into it; end it where that cannot be noted.

        Returns:
            What was done, as a sentence.
        """
        mark = Mark(aside=True, reason=reason[:200], attempts=attempts)
        try:
            self._run.patiently(lambda: self._cloud.mark(vm_id, mark))
        except (BusyError, RefusedError, GoneError, NotAuthorisedError):
            self.end(vm_id)
            return f"It could not be marked, so the VM {vm_id} was ended."
        return f"The VM {vm_id} was put aside; the next apply replaces it."

    def again(self, vm_ids: Iterable[int]) -> dict[int, Vm]:
        """Read some VMs once more, in one call, right before they are ended."""
        return {vm.id: vm for vm in self._cloud.vms(sorted(vm_ids))}

    def _instantiate(
        self, template_id: int, spec: NodeSpec, attributes: Attributes
    ) -> int:
        lost: AnswerLostError | None = None
        for _ in range(_TRIES):
            self._run.gate()
            try:
                vm_id = self._cloud.instantiate(
                    template_id,
                    spec.name,
                    spec.tag,
                    attributes,
                    hold=self._places.direct,
                )
            except AnswerLostError as problem:
                lost = problem
                found = self._find(spec)
                if found is None:
                    continue
                vm_id = found
            except RefusedError as refusal:
                # Its address may be taken by the very VM whose answer was lost, or by
                # one that a killed run had asked for and that has just come to be.
                taken = _NO_LEASE in refusal.message
                found = self._find(spec) if taken or lost else None
                if found is None:
                    if taken and spec.role is Role.WORKER:
                        self._run.refused.add(spec.address)
                    raise
                vm_id = found
            self._run.made.add(vm_id)
            return vm_id
        assert lost is not None
        raise lost

    def _place(
        self, spec: NodeSpec, avoid: frozenset[str], refused: frozenset[str]
    ) -> Place:
        """Choose a hypervisor: where there is no other, one where it failed before."""
        try:
            return self._places.take(spec, avoid=avoid | refused)
        except NotPossibleError:
            if not avoid:
                raise
            return self._places.take(spec, avoid=refused)

    def _find(self, spec: NodeSpec) -> int | None:
        """Look for a VM of this node that neither the plan nor this run knows."""
        known = {vm.id for vm in self._run.view.vms} | self._run.made
        over = {VmState.ENDING, VmState.GONE}
        return min(
            (
                vm.id
                for vm in self._run.world.reads.look().farm(self._run.farm).vms
                if vm.id not in known and vm.tag == spec.tag and vm.state not in over
            ),
            default=None,
        )

    def _deploy_at(self, vm_id: int, host_id: int, datastore_id: int) -> None:
        def ask() -> None:
            try:
                self._cloud.deploy(vm_id, host_id=host_id, datastore_id=datastore_id)
            except (AnswerLostError, BusyError):
                if self._state(vm_id) in _ON_ITS_WAY:
                    return
                raise

        for _ in range(_TRIES - 1):
            try:
                return self._run.patiently(ask)
            except AnswerLostError:
                continue  # it still waits: the request did not arrive
        return self._run.patiently(ask)

    def _boots_anew(self, vm_id: int) -> bool:
        """Say whether a VM was up once, and lost its memory when it was turned off."""
        return any(
            vm.id == vm_id and vm.reported_ready and vm.state_name in _BOOTS
            for vm in self._cloud.vms([vm_id])
        )

    def _state(self, vm_id: int) -> VmState:
        for vm in self._cloud.vms([vm_id]):
            if vm.id == vm_id:
                return vm.state
        return VmState.GONE


def elsewhere(requires: str, avoid: Iterable[str]) -> str:
    """Return the requirement of a class, less some hypervisors by name."""
    others = [f'NAME != "{host}"' for host in sorted(avoid) if '"' not in host]
    return requirements.all_of(requires, *others)
