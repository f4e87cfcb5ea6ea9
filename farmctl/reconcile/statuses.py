"""How farms are, from one look: for people, and for whoever asks for JSON.

Reading only. What a node counts as is decided by what the farm's document says makes it
ready; what is said of a lock is what its holder wrote.
"""

from collections import Counter
from dataclasses import replace

from farmctl.errors import FarmctlError, NotPossibleError
from farmctl.model.keeping import kept_by
from farmctl.model.nodes import Phase, Role, VmState, phase
from farmctl.model.steps import ChangeRouter, ConfigureNodes, Note
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.plan import addresses, document, rolled, rolling
from farmctl.reconcile.intent import Declared, declared_in
from farmctl.reconcile.values import FarmStatus, LockStatus, NodeStatus, Status, World
from farmctl.spec.suggestions import did_you_mean

_ORDER = {Role.ROUTER: 0, Role.HEAD: 1, Role.WORKER: 2, None: 3}


def status(
    world: World, name: str | None = None, *, view: CloudView | None = None
) -> Status:
    """Return how one farm, or every farm, is; eight calls.

    Args:
        world: the cloud and its site.
        name: the farm; None for all that the cloud shows.
        view: a look that was taken already.

    Raises:
        NotPossibleError: there is no such farm.
    """
    seen = world.cloud.look() if view is None else view
    farms = seen.farms
    if name is not None:
        if name not in farms:
            raise NotPossibleError(
                f"There is no farm {name!r} at {world.site.name}.",
                hint=did_you_mean(name, list(farms), else_say="There are"),
            )
        farms = {name: farms[name]}
    kept = kept_by(seen.documents)
    return Status(
        site=world.site.name,
        endpoint=seen.endpoint,
        version=seen.version,
        seen_at=seen.at,
        age=max(0.0, world.clock.now() - seen.at),
        farms=tuple(
            replace(
                _with_guests(world, farm_status(each), seen),
                daemon=kept.get(each.farm),
            )
            for each in farms.values()
        ),
    )


def farm_status(farm: FarmView) -> FarmStatus:
    """Return how a farm is, from the part of a look that belongs to it."""
    living = [vm for vm in farm.vms if vm.state is not VmState.GONE]
    nodes = tuple(_node(vm, farm) for vm in sorted(living, key=_place))
    found = farm.document
    lock = None
    if found is not None and found.lock is not None:
        lock = LockStatus(since=found.lock.since, holder=found.holder)
    wanted = document.wanted(found)
    rolls = rolled.read(found)
    return FarmStatus(
        farm=farm.farm,
        kind=document.kind(found),
        cidr=addresses.kept(farm),
        nodes=nodes,
        sizes={
            pool: number
            for pool, number in wanted.items()
            if pool not in {Role.ROUTER.value, Role.HEAD.value}
        },
        counts=dict(Counter(node.phase for node in nodes if not node.aside)),
        lock=lock,
        notes=tuple(_notes(farm)),
        rolling=rolling.counted(rolls, farm),
        refused=rolls.refused,
    )


def _with_guests(world: World, shown: FarmStatus, view: CloudView) -> FarmStatus:
    """Add what of a farm's guests is not as declared; nothing where nobody can tell.

    What would be done is drawn as `plan` draws it, from the document and the view: no
    call is made, and no guest is asked.
    """
    try:
        farm = declared_in(view, shown.farm, site=world.site.name)
        plan = Declared(declared=farm).draw(world, view)
        configures = world.guests is not None and world.guests.configuration(farm)
    except FarmctlError:
        return shown
    lines = max(
        (
            len(each.changes) or 1
            for each in plan.steps
            if isinstance(each, ChangeRouter)
        ),
        default=0,
    )
    names = {
        name
        for each in plan.steps
        if isinstance(each, ConfigureNodes)
        for name in each.names
    }
    return replace(
        shown,
        nodes=tuple(
            _with_guest(
                node,
                configured=node.name not in names if configures else None,
                outdated=lines if node.role is Role.ROUTER else 0,
            )
            for node in shown.nodes
        ),
    )


def _with_guest(
    node: NodeStatus, *, configured: bool | None, outdated: int
) -> NodeStatus:
    reason = node.reason
    if not reason and node.phase is Phase.READY:
        said = []
        if outdated:
            said.append(
                f"its files are outdated: {outdated} "
                f"{'line differs' if outdated == 1 else 'lines differ'}"
            )
        if configured is False:
            said.append("not configured as declared")
        reason = ", ".join(said)
    return replace(node, configured=configured, outdated=outdated, reason=reason)


def _node(vm: Vm, farm: FarmView) -> NodeStatus:
    role, pool = (vm.tag.role, vm.tag.pool) if vm.tag else (None, "")
    key = pool or (role.value if role else "")
    shown = phase(
        vm.state,
        reported_ready=vm.reported_ready,
        readiness=document.readiness(farm.document, key),
    )
    inner = {network.id for network in farm.networks}
    own = [nic.address for nic in vm.nics if nic.network_id in inner]
    other = [nic.address for nic in vm.nics if nic.network_id not in inner]
    return NodeStatus(
        name=vm.name,
        vm_id=vm.id,
        role=role,
        pool=pool,
        phase=shown,
        address=own[0] if own else "",
        public_address=other[0] if other else "",
        host=vm.host,
        since=vm.changed or vm.since,
        draining=vm.mark.draining,
        aside=vm.mark.aside,
        attempts=vm.mark.attempts,
        reason=_reason(vm, shown),
    )


def _reason(vm: Vm, shown: Phase) -> str:
    """Say why a node is not ready; nothing of one that is."""
    if vm.mark.aside:
        return vm.mark.reason
    if shown is Phase.READY:
        return ""
    if vm.state is VmState.OFF and not (vm.error or vm.asked_off):
        return "went off by itself, or with its hypervisor"
    return vm.error or vm.sched_message


def _place(vm: Vm) -> tuple[int, str, int, int]:
    if vm.tag is None:
        return (_ORDER[None], "", 0, vm.id)
    return (_ORDER[vm.tag.role], vm.tag.pool, vm.tag.ordinal, vm.id)


def _notes(farm: FarmView) -> list[Note]:
    notes = [
        Note(
            subject=vm.name,
            message=f"the VM {vm.id} is in the farm's network and not the farm's",
        )
        for vm in farm.strangers
        if vm.state is not VmState.GONE
    ]
    if farm.document is None:
        notes.append(
            Note(subject=farm.farm, message="its document is missing; apply it again")
        )
    return notes
