"""Steps for nodes: what is missing, surplus, sick, out of date or merely off.

Each VM that carries the farm's tag has a place (role, pool, ordinal) or is surplus. A
node that is ending counts for nothing, and its ordinal and address are left alone until
it is gone. VMs without the farm's tag are never touched; they are named.

`may_work` on a step says that work would be interrupted: the node has reported ready,
or OpenNebula shows RUNNING where that counts as ready, or nobody can tell because its
hypervisor is silent. Whoever applies asks first; law 5 forbids it for the workers of a
batch farm without consent, and `reconcile` holds that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.steps import Cause, Note, RemoveNode, Step
from farmctl.model.target import Shape, Target
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.plan import condition, document, specs


@dataclass(kw_only=True)
class NodeSteps:
    """Steps for nodes; `early` ones end VMs whose addresses the others need.

    `kept` are the nodes that stay as they are.
    """

    early: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    keeps: dict[str, int] = field(default_factory=dict)
    kept: list[Vm] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tending:
    """What somebody who watches a farm's work has decided on, by VM id.

    `going`, with the reason of each, end and are not made anew. `apart` are left alone
    and count as nothing. No other worker that may work ends, whatever the wanted number
    and however old it is; the router and the head are planned as ever. `surge` is how
    many workers more than a pool's wanted number there are to be for now.
    """

    going: Mapping[int, str] = field(default_factory=dict)
    apart: frozenset[int] = frozenset()
    surge: Mapping[str, int] = field(default_factory=dict)

    def spares(self, vm: Vm, *, may_work: bool) -> bool:
        """Tell whether a worker that would be ended stays after all."""
        return vm.id not in self.going and (may_work or vm.id in self.apart)


def node_steps(
    target: Target,
    view: CloudView,
    *,
    avoid: frozenset[str] = frozenset(),
    tending: Tending | None = None,
    rolled: frozenset[str] = frozenset(),
) -> NodeSteps:
    """Return the steps for all nodes of a farm, all of which may run at once.

    Args:
        target: the farm as it should be.
        view: one look at the cloud.
        avoid: addresses that OpenNebula has refused to give.
        tending: which workers go and which are apart; None where nobody watches the
            farm's work, so that the wanted number decides.
        rolled: pools whose outdated workers stay.

    Raises:
        ExhaustedError: the class C has no room for the nodes.
        NotPossibleError: a stranger holds the router's or the head's address.
    """
    mine = view.farm(target.farm)
    result = NodeSteps()
    places: list[specs.Place] = []
    removals: list[RemoveNode] = []
    shapes = {(shape.role, shape.pool): shape for shape in target.shapes}
    members: dict[tuple[Role | None, str], list[Vm]] = {key: [] for key in shapes}
    for vm in sorted(mine.vms, key=_in_order):
        if vm.state is VmState.GONE or vm.tag is None:
            continue
        key = (vm.tag.role, vm.tag.pool)
        if key in shapes:
            members[key].append(vm)
        elif vm.state is not VmState.ENDING:
            removal = _remove_unplaced(vm, mine)
            if tending is not None and tending.spares(vm, may_work=removal.may_work):
                result.kept.append(vm)
            else:
                removals.append(removal)
    judge = condition.Judge.of(target, view)
    for key, shape in shapes.items():
        decided = tending if shape.role is Role.WORKER else None
        keeps_old = shape.role is Role.WORKER and shape.pool in rolled
        filled = _fill(shape, members[key], judge, mine, decided, keeps_old=keeps_old)
        places += filled.places
        removals += filled.removals
        if filled.kept:
            result.keeps[shape.pool or shape.role.value] = len(filled.kept)
        result.kept += [*filled.kept, *filled.apart]
        for vm in filled.kept:
            result.notes += judge.remarks(vm, shape)
    result.early, result.steps = specs.draw(
        target, mine, places=places, removals=removals, avoid=avoid
    )
    result.notes += _strangers(mine)
    return result


@dataclass(kw_only=True)
class _Filled:
    places: list[specs.Place] = field(default_factory=list)
    removals: list[RemoveNode] = field(default_factory=list)
    kept: list[Vm] = field(default_factory=list)
    apart: list[Vm] = field(default_factory=list)


def _fill(
    shape: Shape,
    members: Sequence[Vm],
    judge: condition.Judge,
    mine: FarmView,
    tending: Tending | None,
    *,
    keeps_old: bool,
) -> _Filled:
    """Give each VM of a shape its place, end what is too many, find what is missing."""
    filled = _Filled()
    ending = [vm for vm in members if vm.state is VmState.ENDING]
    living = [vm for vm in members if vm.state is not VmState.ENDING]
    if tending is not None:
        living = _decided(shape, living, tending, filled)
    seated: dict[int, Vm] = {}
    for vm in sorted(living, key=lambda vm: judge.worth(vm, shape)):
        ordinal = _ordinal(vm)
        if shape.role is Role.WORKER and ordinal < 1:
            filled.removals.append(_remove(vm, shape, "its tag has no ordinal"))
        elif ordinal in seated:
            other = seated[ordinal]
            filled.removals.append(
                _remove(vm, shape, f"the VM {other.id} is the same node")
            )
        else:
            seated[ordinal] = vm
    excess = len(seated) - shape.wanted
    if excess > 0 and tending is None:
        order = sorted(seated.items(), key=lambda item: judge.victim(item[1], shape))
        for ordinal, vm in order[:excess]:
            del seated[ordinal]
            why = f"{shape.wanted} of {shape.wanted + excess} nodes are wanted"
            filled.removals.append(_remove(vm, shape, why))
    for ordinal, vm in sorted(seated.items()):
        fault = judge.fault(vm, shape, keeps_old=keeps_old or tending is not None)
        if fault is not None and tending is not None:
            # Whoever tends it drains what is old or sick first, and then lets it go:
            # an old one that is off can only be drained once it is on again.
            fault = None if fault.remedy is condition.Remedy.REPLACE else fault
        if fault is None:
            filled.kept.append(vm)
        else:
            filled.places.append(
                specs.Place(shape=shape, ordinal=ordinal, vm=vm, fault=fault)
            )
    surge = tending.surge.get(shape.pool, 0) if tending is not None else 0
    missing = shape.wanted + surge - len(seated)
    taken = {_ordinal(vm) for vm in members}
    noted = document.wanted(mine.document).get(shape.pool or shape.role.value)
    free = (n for n in range(1, shape.ceiling + len(taken) + 1) if n not in taken)
    for index in range(missing):
        filled.places.append(
            _missing(
                shape,
                0 if shape.role is not Role.WORKER else next(free),
                ending[0] if ending and shape.role is not Role.WORKER else None,
                have=len(seated) + index,
                noted=noted,
            )
        )
    return filled


def _decided(
    shape: Shape, living: Sequence[Vm], tending: Tending, filled: _Filled
) -> list[Vm]:
    """Take out of a pool what goes and what is apart; return the rest."""
    rest = []
    for vm in living:
        if vm.id in tending.going:
            filled.removals.append(_remove(vm, shape, tending.going[vm.id]))
        elif vm.id in tending.apart:
            filled.apart.append(vm)
        else:
            rest.append(vm)
    return rest


def _missing(
    shape: Shape, ordinal: int, ending: Vm | None, *, have: int, noted: int | None
) -> specs.Place:
    if ending is not None:
        return specs.Place(
            shape=shape,
            ordinal=ordinal,
            vm=ending,
            fault=condition.Fault(
                remedy=condition.Remedy.REPLACE, because="is ending; made anew"
            ),
        )
    if noted is not None and have < noted:
        return specs.Place(
            shape=shape, ordinal=ordinal, because="is missing", cause=Cause.DRIFT
        )
    because = specs.NEW
    if noted is not None and shape.role is Role.WORKER:
        because = f"raised from {noted} to {shape.wanted}"
    return specs.Place(shape=shape, ordinal=ordinal, because=because)


def _in_order(vm: Vm) -> tuple[str, int, int]:
    return (vm.tag.pool if vm.tag else "", _ordinal(vm), vm.id)


def _ordinal(vm: Vm) -> int:
    return vm.tag.ordinal if vm.tag else 0


def _remove(vm: Vm, shape: Shape, because: str) -> RemoveNode:
    farm = vm.tag.farm if vm.tag else ""
    return RemoveNode(
        vm_id=vm.id,
        name=node_name(farm, shape.role, shape.pool, _ordinal(vm)),
        role=shape.role,
        pool=shape.pool,
        may_work=condition.may_work(vm, shape.readiness),
        because=because,
    )


def _remove_unplaced(vm: Vm, mine: FarmView) -> RemoveNode:
    tag = vm.tag
    role, pool = (tag.role, tag.pool) if tag else (None, "")
    key = pool or (role.value if role else "")
    said = f"the farm has no {f'pool {pool}' if pool else key or 'place for it'}"
    return RemoveNode(
        vm_id=vm.id,
        name=vm.name,
        role=role,
        pool=pool,
        may_work=condition.may_work(vm, document.readiness(mine.document, key)),
        because=said,
    )


def _strangers(mine: FarmView) -> Iterator[Note]:
    networks = {network.id for network in mine.networks}
    for vm in sorted(mine.strangers, key=lambda each: each.id):
        if vm.state is VmState.GONE:
            continue
        held = [nic.address for nic in vm.nics if nic.network_id in networks]
        yield Note(
            subject=f"VM {vm.id}",
            message=f"{vm.name} is not the farm's and is in its network as "
            f"{', '.join(held)}; left alone",
        )
