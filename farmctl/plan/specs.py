"""From places to steps: addresses are given out, and each node is specified in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from farmctl.errors import ExhaustedError, NotPossibleError
from farmctl.model.attributes import Attributes, Kind, Ref, Vector
from farmctl.model.nodes import Role, Tag, VmState, node_name
from farmctl.model.steps import (
    AwaitNode,
    Cause,
    CreateNode,
    NodeSpec,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.target import Shape, Target
from farmctl.model.view import FarmView, Vm
from farmctl.plan import addresses, compare, condition

NEW = "is new"
"""Why a node is made that was not to be there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node to be: its shape and ordinal, and the VM that has the place, if any."""

    shape: Shape
    ordinal: int
    vm: Vm | None = None
    fault: condition.Fault | None = None
    because: str = ""
    cause: Cause = Cause.CHANGE


def draw(
    target: Target,
    mine: FarmView,
    *,
    places: Sequence[Place],
    removals: Sequence[RemoveNode],
    avoid: frozenset[str],
) -> tuple[list[Step], list[Step]]:
    """Give out addresses and write the steps: those to be taken first, and the rest.

    A node that is made anew keeps its address if it may. What ends goes first only
    where another step needs its address.

    Raises:
        ExhaustedError: the class C has no room for the nodes.
        NotPossibleError: a stranger holds the router's or the head's address.
    """
    held = _held(mine)
    by_vm = {vm.id: address for address, vm in held.items()}
    leaving = {step.vm_id for step in removals}
    keeping: dict[int, str] = {}
    newcomers: list[Place] = []
    for place in places:
        own = _fixed_address(target, place.shape)
        before = by_vm.get(place.vm.id, "") if place.vm else ""
        if own:
            keeping[id(place)] = own
            _refuse_stranger(own, held.get(own), mine, place.shape)
        elif place.vm is not None and addresses.is_worker_address(target.cidr, before):
            keeping[id(place)] = before
        else:
            newcomers.append(place)
    in_use = {*held, *keeping.values(), *avoid}
    try:
        fresh = addresses.worker_addresses(target.cidr, len(newcomers), in_use=in_use)
    except ExhaustedError:
        in_use -= {by_vm[vm_id] for vm_id in leaving if vm_id in by_vm} - avoid
        in_use |= set(keeping.values())
        fresh = addresses.worker_addresses(target.cidr, len(newcomers), in_use=in_use)
    keeping |= {
        id(place): address for place, address in zip(newcomers, fresh, strict=True)
    }
    needed = {keeping[id(place)]: id(place) for place in places}
    placed = {place.vm.id for place in places if place.vm is not None}
    early: list[Step] = [
        _await_end(held[address])
        for address in needed
        if address in held
        and held[address].state is VmState.ENDING
        and held[address].id not in placed
    ]
    rest: list[Step] = []
    for place in places:
        before = by_vm.get(place.vm.id, "") if place.vm else ""
        blocks = before in needed and needed[before] != id(place)
        step = _step(target, place, keeping[id(place)])
        (early if blocks else rest).append(step)
    for removal in removals:
        blocks = by_vm.get(removal.vm_id, "") in needed
        (early if blocks else rest).append(removal)
    return early, rest


def _await_end(vm: Vm) -> RemoveNode:
    return RemoveNode(
        vm_id=vm.id,
        name=vm.name,
        role=vm.tag.role if vm.tag else None,
        pool=vm.tag.pool if vm.tag else "",
        may_work=False,
        because="is ending, and its address is needed",
    )


def _step(target: Target, place: Place, address: str) -> Step:
    fault, vm = place.fault, place.vm
    if fault is None or vm is None:
        node = _spec(target, place, address)
        return CreateNode(node=node, because=place.because, cause=place.cause)
    node = _spec(target, place, address, attempts=vm.mark.attempts + fault.attempts)
    match fault.remedy:
        case condition.Remedy.REPLACE:
            return ReplaceNode(
                vm_id=vm.id,
                node=node,
                may_work=condition.may_work(vm, place.shape.readiness),
                because=fault.because,
                cause=fault.cause,
            )
        case condition.Remedy.DEPLOY | condition.Remedy.RESUME:
            return StartNode(
                vm_id=vm.id,
                node=node,
                held=fault.remedy is condition.Remedy.DEPLOY,
                because=fault.because,
                cause=fault.cause,
            )
        case condition.Remedy.AWAIT:
            return AwaitNode(
                vm_id=vm.id,
                node=node,
                worked=vm.worked,
                because=fault.because,
                cause=fault.cause,
            )


def _spec(target: Target, place: Place, address: str, *, attempts: int = 0) -> NodeSpec:
    shape, vm = place.shape, place.vm
    public = ""
    if shape.public_address:
        wish = shape.public_address
        public = condition.public_of(vm, shape) if wish == "auto" else wish
    return NodeSpec(
        name=node_name(target.farm, shape.role, shape.pool, place.ordinal),
        role=shape.role,
        pool=shape.pool,
        ordinal=place.ordinal,
        address=address,
        public_address=public,
        template=shape.template,
        tag=Tag(
            farm=target.farm,
            role=shape.role,
            pool=shape.pool,
            digest=shape.digest,
            ordinal=place.ordinal,
        ),
        attributes=_interfaces(target, shape, address, public),
        cpus=shape.cpus,
        memory_mib=shape.memory_mib,
        disk_mib=shape.disk_mib,
        image=shape.image,
        placement=shape.placement,
        readiness=shape.readiness,
        attempts=attempts,
    )


def _interfaces(target: Target, shape: Shape, address: str, public: str) -> Attributes:
    """Return the template's interfaces, complete, with the addresses of this node.

    OpenNebula replaces a template's interfaces whole by those named on top of it.
    """
    inner = Ref(kind=Kind.NETWORK, name=target.farm)
    nics: list[Vector] = []
    for nic in compare.vectors(shape.attributes.get("NIC", ())):
        mine = nic.get("NETWORK_ID") == inner
        chosen = address if mine else public
        nics.append({**nic, "IP": chosen} if chosen else nic)
    return {"NIC": tuple(nics) if len(nics) > 1 else nics[0]}


def _held(mine: FarmView) -> dict[str, Vm]:
    networks = {network.id for network in mine.networks}
    return {
        nic.address: vm
        for vm in (*mine.vms, *mine.strangers)
        if vm.state is not VmState.GONE
        for nic in vm.nics
        if nic.network_id in networks and nic.address
    }


def _fixed_address(target: Target, shape: Shape) -> str:
    match shape.role:
        case Role.ROUTER:
            return addresses.router_address(target.cidr)
        case Role.HEAD:
            return addresses.head_address(target.cidr)
        case Role.WORKER:
            return ""


def _refuse_stranger(
    address: str, holder: Vm | None, mine: FarmView, shape: Shape
) -> None:
    if holder is not None and (holder.tag is None or holder.tag.farm != mine.farm):
        raise NotPossibleError(
            f"{address} is the {shape.role.value}'s, and the VM {holder.name} "
            f"({holder.id}), which is not the farm's, holds it.",
            hint="End that VM or take its interface off the farm's network.",
        )
