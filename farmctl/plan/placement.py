"""Which hypervisor each node goes to: class, room, then spread.

OpenNebula checks neither the class nor whether a hypervisor is disabled when a VM is
deployed directly (measured, 7.4.0), so both are held here. Nodes that can stand in for
each other are spread: first where fewest of the same farm and pool run, then where most
is free. Memory and cores given away by this placement count as gone at once.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farmctl.model import requirements
from farmctl.model.nodes import Role, VmState
from farmctl.model.steps import NodeSpec
from farmctl.model.target import Placement
from farmctl.model.view import Capacity, Datastore, Host, Vm

_SLACK = 1e-6
"""Cores are floating-point numbers; a host with 5.999999 free has room for six."""

_Alike = tuple[str, Role, str]
_Group = tuple[_Alike, Placement, float, int, int]
_Entry = tuple[int, float, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A hypervisor, and the system datastore for the node's disks."""

    host_id: int
    host: str
    datastore_id: int


@dataclass(slots=True, kw_only=True)
class _Room:
    """What is left on one hypervisor."""

    host: Host
    cpus: float
    memory_mib: int
    full: bool = False

    def fits(self, node: NodeSpec) -> bool:
        return (
            not self.full
            and node.cpus <= self.cpus + _SLACK
            and node.memory_mib <= self.memory_mib
        )


class Placer:
    """Gives places out one by one and remembers what it gave; for one thread."""

    def __init__(self, capacity: Capacity, vms: Iterable[Vm]) -> None:
        """Start from what is free now.

        Args:
            capacity: hypervisors and datastores as OpenNebula shows them.
            vms: the VMs that nodes are to be spread apart from, those of the farm.
        """
        self._rooms = {
            host.id: _Room(
                host=host, cpus=host.free_cpus, memory_mib=host.free_memory_mib
            )
            for host in capacity.hosts
        }
        self._stores = capacity.datastores
        self._disk = {each.id: each.free_mib for each in capacity.datastores}
        self._alike: dict[tuple[_Alike, int], int] = {}
        for vm in vms:
            gone = vm.state in (VmState.GONE, VmState.ENDING)
            if vm.tag is None or vm.tag.role is None or vm.host_id is None or gone:
                continue
            key = ((vm.tag.farm, vm.tag.role, vm.tag.pool), vm.host_id)
            self._alike[key] = self._alike.get(key, 0) + 1
        self._heaps: dict[_Group, list[_Entry]] = {}
        self._of_class: dict[Placement, tuple[Host, ...]] = {}

    def take(
        self, node: NodeSpec, *, avoid: frozenset[str] = frozenset()
    ) -> Place | str:
        """Return a place for a node and count it as taken, or say why there is none.

        Args:
            node: the node.
            avoid: names of hypervisors where it must not go, having failed there.
        """
        group = _group(node)
        heap = self._heap(group)
        passed: list[_Entry] = []
        found: Place | None = None
        while heap:
            entry = heapq.heappop(heap)
            room = self._rooms[entry[-1]]
            now = self._entry(group, room)
            if now != entry:
                heapq.heappush(heap, now)
                continue
            if not room.fits(node):
                continue  # nor will it fit the next of its kind, unless given back
            passed.append(entry)
            if room.host.name in avoid:
                continue
            store = self._store(node, room.host)
            if store is None:
                continue
            found = Place(
                host_id=room.host.id, host=room.host.name, datastore_id=store.id
            )
            break
        for entry in passed:
            heapq.heappush(heap, entry)
        if found is None:
            return self._why_not(node, avoid)
        self._count(found, node, 1)
        return found

    def give_back(self, place: Place, node: NodeSpec) -> None:
        """Take note that a node does not go to its place after all."""
        self._count(place, node, -1)
        room = self._rooms[place.host_id]
        for group, heap in self._heaps.items():
            if room.host.usable and room.host in self._hosts(group[1]):
                heapq.heappush(heap, self._entry(group, room))

    def full(self, host_id: int) -> None:
        """Take note that a hypervisor takes no more, whatever it shows."""
        self._rooms[host_id].full = True

    def _heap(self, group: _Group) -> list[_Entry]:
        if group not in self._heaps:
            heap = [
                self._entry(group, self._rooms[host.id])
                for host in self._hosts(group[1])
                if host.usable
            ]
            heapq.heapify(heap)
            self._heaps[group] = heap
        return self._heaps[group]

    def _entry(self, group: _Group, room: _Room) -> _Entry:
        alike = self._alike.get((group[0], room.host.id), 0)
        return (alike, -room.cpus, -room.memory_mib, room.host.id)

    def _hosts(self, placement: Placement) -> tuple[Host, ...]:
        if placement not in self._of_class:
            wanted = requirements.parse(placement.requires)
            self._of_class[placement] = tuple(
                room.host
                for room in self._rooms.values()
                if wanted.matches(room.host.attributes)
            )
        return self._of_class[placement]

    def _store(self, node: NodeSpec, host: Host) -> Datastore | None:
        fitting = [
            each
            for each in self._stores
            if _serves(each, node.placement, host)
            and self._disk[each.id] >= node.disk_mib
        ]
        return min(
            fitting, key=lambda each: (-self._disk[each.id], each.id), default=None
        )

    def _count(self, place: Place, node: NodeSpec, sign: int) -> None:
        room = self._rooms[place.host_id]
        room.cpus -= sign * node.cpus
        room.memory_mib -= sign * node.memory_mib
        self._disk[place.datastore_id] -= sign * node.disk_mib
        key = (_alike(node), place.host_id)
        self._alike[key] = self._alike.get(key, 0) + sign

    def _why_not(self, node: NodeSpec, avoid: frozenset[str]) -> str:
        kind = f"{node.placement.hypervisor_class} hypervisor"
        hosts = self._hosts(node.placement)
        usable = [host for host in hosts if host.usable and host.name not in avoid]
        if not hosts:
            return f"no hypervisor fulfils {node.placement.requires}"
        if not usable:
            states = ", ".join(
                f"{host.name} {'was tried' if host.usable else host.state_name}"
                for host in sorted(hosts, key=lambda host: host.id)[:5]
            )
            return f"no {kind} takes VMs: {states}"
        rooms = [self._rooms[host.id] for host in usable]
        if not any(room.fits(node) for room in rooms):
            cpus = max(room.cpus for room in rooms)
            memory = max(room.memory_mib for room in rooms)
            return (
                f"no {kind} has {node.cpus:g} cores and {node.memory_mib} MiB free "
                f"together; the most on any one are {cpus:g} cores, {memory} MiB"
            )
        return (
            f"the system datastore {node.placement.datastore} has no room for "
            f"{node.disk_mib} MiB, or does not serve a {kind} with room"
        )


def place(
    nodes: Sequence[NodeSpec],
    capacity: Capacity,
    vms: Iterable[Vm],
    *,
    avoid: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, Place | str]:
    """Return a place, or the reason why there is none, for each node by its name.

    Deterministic: the nodes are served in their order.

    Args:
        nodes: the nodes to place.
        capacity: hypervisors and datastores.
        vms: the farm's VMs, from which nodes are spread apart.
        avoid: by node name, hypervisors by name that it must not go to.
    """
    placer = Placer(capacity, vms)
    return {
        node.name: placer.take(node, avoid=(avoid or {}).get(node.name, frozenset()))
        for node in nodes
    }


def _serves(store: Datastore, placement: Placement, host: Host) -> bool:
    return (
        store.system
        and store.usable
        and store.name == placement.datastore
        and (not store.cluster_ids or host.cluster_id in store.cluster_ids)
    )


def _alike(node: NodeSpec) -> _Alike:
    return (node.tag.farm, node.role, node.pool)


def _group(node: NodeSpec) -> _Group:
    return (
        _alike(node),
        node.placement,
        node.cpus,
        node.memory_mib,
        node.disk_mib,
    )
