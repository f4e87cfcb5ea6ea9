"""Which VMs use which images, security groups and networks.

Nothing of it is stored: it follows from the VMs, and is brought up to date when a
transaction is written. So a VM more costs the same whether its image has ten users
or ten thousand.
"""

from collections import defaultdict

from farmctl.embedded.attributes import ids_of, to_int
from farmctl.embedded.machine import Machine
from farmctl.embedded.states import State

Reference = tuple[str, int]
_NOTHING: frozenset[Reference] = frozenset()


class Uses:
    """For each used object, the VMs that use it."""

    def __init__(self) -> None:
        self._users: defaultdict[Reference, dict[int, None]] = defaultdict(dict)
        self._uses: dict[int, frozenset[Reference]] = {}

    def of(self, kind: str, object_id: int) -> list[int]:
        """Return the VMs that use an object, in the order of their ids."""
        return sorted(self._users.get((kind, object_id), ()))

    def count(self, kind: str, object_id: int) -> int:
        """Return how many VMs use an object."""
        return len(self._users.get((kind, object_id), ()))

    def follow(self, vm: Machine) -> frozenset[Reference]:
        """Bring what a VM uses up to date; return what gained or lost it."""
        vm_id = vm.id
        new = _NOTHING if vm.state is State.DONE else references(vm)
        old = self._uses.get(vm_id, _NOTHING)
        if new == old:
            return _NOTHING
        for reference in old - new:
            self._users[reference].pop(vm_id, None)
        for reference in new - old:
            self._users[reference][vm_id] = None
        if new:
            self._uses[vm_id] = new
        else:
            self._uses.pop(vm_id, None)
        return old ^ new


def references(vm: Machine) -> frozenset[Reference]:
    """Return what a VM uses: images by disks, groups and networks by NICs."""
    found: set[Reference] = set()
    for disk in vm.disks():
        image_id = to_int(disk.get("IMAGE_ID", ""))
        if image_id is not None:
            found.add(("IMAGE", image_id))
    for nic in vm.nics():
        found.update(("SECGROUP", g) for g in ids_of(nic.get("SECURITY_GROUPS", "")))
        network_id = to_int(nic.get("NETWORK_ID", ""))
        if network_id is not None:
            found.add(("NET", network_id))
    return frozenset(found)
