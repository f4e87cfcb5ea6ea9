"""Whether there is room for what a plan makes: said before the first step, in numbers.

A node that is made anew takes the room that it gives back, and is not counted; against
a quota it counts as far as it grows. Cores and memory are held against the sum over the
class and, by trying to place every node, against the single hypervisors.
"""

from collections.abc import Iterable, Iterator, Sequence

from farmctl.model import requirements
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Role, VmState
from farmctl.model.steps import (
    ChangeObject,
    CreateNode,
    CreateObject,
    NodeSpec,
    Plan,
    ReplaceNode,
    StartNode,
)
from farmctl.model.target import Placement
from farmctl.model.view import Capacity, Host, Quota, Vm
from farmctl.plan.placement import Placer

_SLACK = 1e-6


def shortfalls(
    plan: Plan,
    capacity: Capacity | None,
    quotas: Iterable[Quota],
    *,
    vms: Sequence[Vm] = (),
) -> list[str]:
    """Return everything that is too little for a plan, with numbers and what to do.

    Args:
        plan: the plan.
        capacity: hypervisors and datastores; None where the user may not see them.
        quotas: what the user and the group may still use.
        vms: the VMs that the cloud shows, for what replaced ones give back, and for
            what nodes are spread apart from.

    Returns:
        Sentences; none if there is room for everything.
    """
    found = [*too_large(plan, capacity).values()]
    if capacity is not None and capacity.hosts:
        possible = [node for node in _new(plan) if _fits_some(node, capacity)]
        for placement, nodes in _by_class(possible):
            short = _class_short(placement, nodes, capacity)
            found += short or _unplaced(nodes, capacity, vms)
    for quota in quotas:
        found += _quota_short(plan, quota, vms)
    return found


def too_large(plan: Plan, capacity: Capacity | None) -> dict[str, str]:
    """Return what each new kind of node that no hypervisor could ever hold is told.

    Returns:
        Sentences by pool, or by role where a node is of none. A class of which no
        hypervisor is known is no answer: that is another mistake.
    """
    found: dict[str, str] = {}
    if capacity is None:
        return found
    for node in _new(plan):
        kind = node.pool or node.role.value
        if kind not in found and not _fits_some(node, capacity):
            hosts = _all_hosts(node.placement.requires, capacity)
            kind_of = node.placement.hypervisor_class
            found[kind] = _too_large(
                kind, node.cpus, node.memory_mib, f"{kind_of} hypervisor", hosts
            )
    return found


def pools_too_large(plan: Plan, capacity: Capacity | None) -> dict[str, str]:
    """Return likewise what pools are told that are new or changed, with no node yet."""
    found: dict[str, str] = {}
    if capacity is None:
        return found
    for step in plan.steps:
        if not isinstance(step, CreateObject | ChangeObject):
            continue
        if step.kind is not Kind.TEMPLATE or step.tag.role is not Role.WORKER:
            continue
        said = step.attributes
        cpus, memory = float(str(said["CPU"])), int(str(said["MEMORY"]))
        hosts = _all_hosts(str(said["SCHED_REQUIREMENTS"]), capacity)
        if hosts and not any(_holds(host, cpus, memory) for host in hosts):
            found[step.tag.pool] = _too_large(
                step.tag.pool, cpus, memory, "hypervisor of its class", hosts
            )
    return found


def _too_large(
    kind: str, cpus: float, memory_mib: int, which: str, hosts: Sequence[Host]
) -> str:
    largest = max(hosts, key=lambda host: (host.total_cpus, host.total_memory_mib))
    return (
        f"A node of {kind} has {cpus:g} cores and {_gib(memory_mib)} of memory, and no "
        f"{which} is as large: {largest.name} has {largest.total_cpus:g} cores and "
        f"{_gib(largest.total_memory_mib)}. Make the nodes smaller."
    )


def _holds(host: Host, cpus: float, memory_mib: int) -> bool:
    """Tell whether a hypervisor would hold the node if it were empty."""
    return cpus <= host.total_cpus + _SLACK and memory_mib <= host.total_memory_mib


def _fits_some(node: NodeSpec, capacity: Capacity) -> bool:
    """Tell whether an empty hypervisor of its class would hold the node, if known."""
    hosts = _all_hosts(node.placement.requires, capacity)
    return not hosts or any(_holds(host, node.cpus, node.memory_mib) for host in hosts)


def _all_hosts(requires: str, capacity: Capacity) -> list[Host]:
    """Return the hypervisors of a class, those that take no VMs just now included.

    One that has never been monitored shows no size, and is left out.
    """
    wanted = requirements.parse(requires)
    return [
        host
        for host in capacity.hosts
        if host.total_memory_mib and wanted.matches(host.attributes)
    ]


def forecast(plan: Plan, capacity: Capacity | None) -> str:
    """Return what a plan needs and what is free, in cores.

    "Needs 24 of 61 free cores on worker hypervisors.": one such sentence for each
    class, the cores of new nodes only; nothing where no new node is made or the
    hypervisors are not known.
    """
    if capacity is None or not capacity.hosts:
        return ""
    sentences = []
    for placement, nodes in _by_class(_new(plan)):
        needed = sum(node.cpus for node in nodes)
        free = sum(max(0.0, host.free_cpus) for host in _hosts(placement, capacity))
        sentences.append(
            f"Needs {needed:g} of {free:g} free cores on "
            f"{placement.hypervisor_class} hypervisors."
        )
    return " ".join(sentences)


def _new(plan: Plan) -> list[NodeSpec]:
    """Return the nodes that need room which nothing of theirs holds yet."""
    return [
        step.node
        for step in plan.steps
        if isinstance(step, CreateNode) or (isinstance(step, StartNode) and step.held)
    ]


def _by_class(
    nodes: Iterable[NodeSpec],
) -> list[tuple[Placement, list[NodeSpec]]]:
    found: dict[Placement, list[NodeSpec]] = {}
    for node in nodes:
        found.setdefault(node.placement, []).append(node)
    return sorted(found.items(), key=lambda item: item[0].hypervisor_class)


def _hosts(placement: Placement, capacity: Capacity) -> list[Host]:
    wanted = requirements.parse(placement.requires)
    return [
        host
        for host in capacity.hosts
        if host.usable and wanted.matches(host.attributes)
    ]


def _class_short(
    placement: Placement, nodes: Sequence[NodeSpec], capacity: Capacity
) -> list[str]:
    hosts = _hosts(placement, capacity)
    kind = f"{placement.hypervisor_class} hypervisors"
    if not hosts:
        said = f"None of the {kind} takes VMs; nodes that need one: {len(nodes)}."
        return [f"{said} Enable one in OpenNebula, or see why they are away."]
    found: list[str] = []
    hint = "Lower the counts, end other VMs there, or enable more hypervisors."
    cpus = sum(node.cpus for node in nodes)
    free_cpus = sum(max(0.0, host.free_cpus) for host in hosts)
    if cpus > free_cpus + _SLACK:
        found.append(f"Needs {cpus:g} cores on {kind}, {free_cpus:g} are free. {hint}")
    memory = sum(node.memory_mib for node in nodes)
    free_memory = sum(max(0, host.free_memory_mib) for host in hosts)
    if memory > free_memory:
        found.append(
            f"Needs {_gib(memory)} of memory on {kind}, {_gib(free_memory)} are free. "
            f"{hint}"
        )
    disk = sum(node.disk_mib for node in nodes)
    stores = [
        store
        for store in capacity.datastores
        if store.system and store.usable and store.name == placement.datastore
    ]
    free_disk = sum(store.free_mib for store in stores)
    if disk > free_disk:
        found.append(
            f"Needs {_gib(disk)} of disk in the system datastore "
            f"{placement.datastore}, {_gib(free_disk)} are free. Lower the counts or "
            "the disks, or make room there."
        )
    return found


def _unplaced(
    nodes: Sequence[NodeSpec], capacity: Capacity, vms: Iterable[Vm]
) -> Iterator[str]:
    """There is enough in sum; see whether it is in pieces that are large enough."""
    placer = Placer(capacity, vms)
    reasons: dict[str, list[str]] = {}
    for node in nodes:
        answer = placer.take(node)
        if isinstance(answer, str):
            reasons.setdefault(answer, []).append(node.name)
    for reason, names in reasons.items():
        shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        yield (
            f"No place for {shown}: {reason}. Lower the counts, make the nodes "
            "smaller, or end other VMs there."
        )


def _quota_short(plan: Plan, quota: Quota, vms: Sequence[Vm]) -> Iterator[str]:
    by_id = {vm.id: vm for vm in vms}
    made = [step.node for step in plan.steps if isinstance(step, CreateNode)]
    grown = [
        (step.node, by_id[step.vm_id])
        for step in plan.steps
        if isinstance(step, ReplaceNode)
        and step.vm_id in by_id
        and by_id[step.vm_id].state is not VmState.GONE
    ]
    cpus = sum(node.cpus for node in made)
    cpus += sum(max(0.0, node.cpus - vm.cpus) for node, vm in grown)
    memory = sum(node.memory_mib for node in made)
    memory += sum(max(0, node.memory_mib - vm.memory_mib) for node, vm in grown)
    hint = "Lower the counts, or ask for a larger quota."
    if quota.vms is not None and len(made) > quota.vms:
        left = f"the quota of {quota.whose} leaves {quota.vms}"
        yield f"Needs {len(made)} VMs, {left}. {hint}"
    if quota.cpus is not None and cpus > quota.cpus + _SLACK:
        yield (
            f"Needs {cpus:g} cores, the quota of {quota.whose} leaves {quota.cpus:g}. "
            f"{hint}"
        )
    if quota.memory_mib is not None and memory > quota.memory_mib:
        yield (
            f"Needs {_gib(memory)} of memory, the quota of {quota.whose} leaves "
            f"{_gib(quota.memory_mib)}. {hint}"
        )


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB".replace(".0 GiB", " GiB")
