"""Disks of VMs that are there: attaching, snapshots, growing, saving as an image."""

from farmctl.embedded import disks, hotplug
from farmctl.embedded.attributes import Vector, parse, restricted, to_int
from farmctl.embedded.calls import images
from farmctl.embedded.calls.machines import reach, right_for
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import MACHINE
from farmctl.embedded.calls.shared import refuse_restricted
from farmctl.embedded.cloud import Cloud, actor
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Caller, Inquiry
from farmctl.embedded.quotas import Usage, charge
from farmctl.embedded.refusal import Refusal, internal, wrong_state
from farmctl.embedded.states import Action, Lcm, State

_SNAPSHOT_STATES = {
    State.POWEROFF: (Lcm.DISK_SNAPSHOT_POWEROFF, Lcm.DISK_SNAPSHOT_DELETE_POWEROFF),
    State.SUSPENDED: (
        Lcm.DISK_SNAPSHOT_SUSPENDED,
        Lcm.DISK_SNAPSHOT_DELETE_SUSPENDED,
    ),
    State.ACTIVE: (Lcm.DISK_SNAPSHOT, Lcm.DISK_SNAPSHOT_DELETE),
}


@method("one.vm.attach", "is")
def attach(cloud: Cloud, caller: Caller, vm_id: int, text: str) -> Answer:
    """Attach a disk to a VM that is on a host."""
    vm = cloud.pools.machines.get(vm_id)
    if not vm.history:
        raise wrong_state("VM is not running in any host")
    given = parse(text)
    inquiry = Inquiry(cloud.pools, caller).needs(right_for("disk-attach"), vm)
    disks.ask(cloud, inquiry, given, caller.uid)
    inquiry.decide()
    refuse_restricted(caller, "DISK includes", restricted(given, MACHINE))
    size, of_images = disks.usage(cloud, given, caller.uid)
    taken = [Usage("VM", "", {"SYSTEM_DISK_SIZE": size}), *of_images]
    charge(cloud.pools, vm.uid, vm.gid, taken)
    if not vm.running() and vm.state is not State.POWEROFF:
        raise wrong_state(
            f"Could not attach a new disk to VM {vm_id}, wrong state {vm.state_name()}."
        )
    disk = given.vector("DISK")
    if disk is None:
        raise wrong_state("Wrong format or missing DISK attribute")
    cloud.pools.touch(vm)
    context = vm.template.vector("CONTEXT") or {}
    numbers = [to_int(d.get("DISK_ID", "")) or 0 for d in [*vm.disks(), context]]
    number = max(numbers) + 1
    try:
        _, prefix = disks.acquire(cloud, vm.id, disk, number, caller.uid)
    except Refusal as error:
        raise wrong_state(error.message) from None
    if not disk.get("TARGET"):
        disks.name_device(vm.template, disk, prefix)
    vm.template.add("DISK", disk)
    hot = vm.running()
    hotplug.turn_page(cloud, vm, Action.DISK_ATTACH, actor(caller))
    detail = {"what": "attach-disk", "disk": str(number)}
    hotplug.change(
        cloud, vm, Lcm.HOTPLUG if hot else Lcm.HOTPLUG_PROLOG_POWEROFF, detail
    )
    return vm_id


@method("one.vm.detach", "ii")
def detach(cloud: Cloud, caller: Caller, vm_id: int, disk_id: int) -> Answer:
    """Detach a disk."""
    vm = reach(cloud, caller, vm_id, "disk-attach")
    disk = _disk(vm, disk_id)
    if not vm.running() and vm.state is not State.POWEROFF:
        raise wrong_state(
            f"Could not detach disk from VM {vm_id}, wrong state {vm.state_name()}."
        )
    disk["ATTACH"] = "YES"
    hot = vm.running()
    hotplug.turn_page(cloud, vm, Action.DISK_DETACH, actor(caller))
    detail = {"what": "detach-disk", "disk": str(disk_id)}
    hotplug.change(
        cloud, vm, Lcm.HOTPLUG if hot else Lcm.HOTPLUG_EPILOG_POWEROFF, detail
    )
    return vm_id


@method("one.vm.diskresize", "iis")
def resize(cloud: Cloud, caller: Caller, vm_id: int, disk_id: int, text: str) -> Answer:
    """Let a disk grow, to so many MiB."""
    size = to_int(text)
    if size is None:
        raise wrong_state("Disk SIZE is not a valid integer")
    vm = reach(cloud, caller, vm_id, "disk-resize")
    disk = _disk(vm, disk_id)
    current = to_int(disk.get("SIZE", "")) or 0
    if size <= current:
        raise wrong_state("New disk size has to be greater than current one")
    grown = float(size - current)
    charge(cloud.pools, vm.uid, vm.gid, [Usage("VM", "", {"SYSTEM_DISK_SIZE": grown})])
    states = {
        State.POWEROFF: Lcm.DISK_RESIZE_POWEROFF,
        State.UNDEPLOYED: Lcm.DISK_RESIZE_UNDEPLOYED,
    }
    lcm = Lcm.DISK_RESIZE if vm.running() else states.get(vm.state)
    if lcm is None:
        raise wrong_state(
            f"Could not resize disk for VM {vm_id}, wrong state {vm.state_name()}."
        )
    disk["SIZE"] = str(size)
    hotplug.turn_page(cloud, vm, Action.DISK_RESIZE, actor(caller))
    detail = {"what": "resize-disk", "disk": str(disk_id), "size": str(current)}
    hotplug.change(cloud, vm, lcm, detail)
    return vm_id


@method("one.vm.disksnapshotcreate", "ii|s")
def create_snapshot(
    cloud: Cloud, caller: Caller, vm_id: int, disk_id: int, name: str = ""
) -> Answer:
    """Make a snapshot of a disk, and return its number."""
    vm = reach(cloud, caller, vm_id, "disk-snapshot")
    _disk(vm, disk_id)
    lcm = _snapshot_state(vm, "create a new snapshot for VM")[0]
    entries = vm.disk_snapshots.setdefault(str(disk_id), [])
    number = max((int(e["ID"]) for e in entries), default=-1) + 1
    parent = next((e["ID"] for e in entries if e.get("ACTIVE") == "YES"), "-1")
    for entry in entries:
        entry.pop("ACTIVE", None)
    entries.append(
        {
            "ACTIVE": "YES",
            "DATE": str(cloud.now()),
            "ID": str(number),
            "NAME": name,
            "PARENT": parent,
            "SIZE": _disk(vm, disk_id).get("SIZE", "0"),
        }
    )
    hotplug.turn_page(cloud, vm, Action.DISK_SNAPSHOT_CREATE, actor(caller))
    hotplug.change(cloud, vm, lcm, _snapshot_detail("create", disk_id, number))
    return number


@method("one.vm.disksnapshotdelete", "iii")
def delete_snapshot(
    cloud: Cloud, caller: Caller, vm_id: int, disk_id: int, snapshot_id: int
) -> Answer:
    """Delete a snapshot of a disk."""
    vm = reach(cloud, caller, vm_id, "disk-snapshot")
    entry = _snapshot(vm, disk_id, snapshot_id)
    lcm = _snapshot_state(vm, "delete disk snapshot from VM")[1]
    vm.disk_snapshots[str(disk_id)].remove(entry)
    if not vm.disk_snapshots[str(disk_id)]:
        del vm.disk_snapshots[str(disk_id)]
    hotplug.turn_page(cloud, vm, Action.DISK_SNAPSHOT_DELETE, actor(caller))
    hotplug.change(cloud, vm, lcm, _snapshot_detail("delete", disk_id, snapshot_id))
    return snapshot_id


@method("one.vm.disksnapshotrevert", "iii")
def revert_snapshot(
    cloud: Cloud, caller: Caller, vm_id: int, disk_id: int, snapshot_id: int
) -> Answer:
    """Take a disk of a powered off VM back to a snapshot."""
    vm = reach(cloud, caller, vm_id, "disk-snapshot")
    entry = _snapshot(vm, disk_id, snapshot_id)
    if vm.state is not State.POWEROFF:
        raise wrong_state(
            f"Could not revert to disk snapshot for VM {vm_id}, "
            f"wrong state {vm.state_name()}."
        )
    for other in vm.disk_snapshots[str(disk_id)]:
        other.pop("ACTIVE", None)
    entry["ACTIVE"] = "YES"
    hotplug.turn_page(cloud, vm, Action.DISK_SNAPSHOT_REVERT, actor(caller))
    state = Lcm.DISK_SNAPSHOT_REVERT_POWEROFF
    detail = _snapshot_detail("revert", disk_id, snapshot_id)
    hotplug.change(cloud, vm, state, detail)
    return snapshot_id


@method("one.vm.disksnapshotrename", "iiis")
def rename_snapshot(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud, caller: Caller, vm_id: int, disk_id: int, snapshot_id: int, name: str
) -> Answer:
    """Rename a snapshot of a disk."""
    vm = reach(cloud, caller, vm_id, "disk-snapshot")
    _snapshot(vm, disk_id, snapshot_id)["NAME"] = name
    return vm_id


@method("one.vm.disksaveas", "iis|si")
def save_as(  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    vm_id: int,
    disk_id: int,
    name: str,
    _kind: str = "",
    _snapshot_id: int = -1,
) -> Answer:
    """Save a disk as a new image, and return its id."""
    vm = reach(cloud, caller, vm_id, "disk-saveas")
    states = {
        State.POWEROFF: Lcm.HOTPLUG_SAVEAS_POWEROFF,
        State.SUSPENDED: Lcm.HOTPLUG_SAVEAS_SUSPENDED,
    }
    lcm = Lcm.HOTPLUG_SAVEAS if vm.running() else states.get(vm.state)
    if lcm is None:
        raise internal("VM has to be RUNNING, POWEROFF or SUSPENDED to save disks.")
    disk = _disk(vm, disk_id)
    source = to_int(disk.get("IMAGE_ID", ""))
    if source is None:
        raise internal("Cannot use DISK. Disk does not have an image")
    image_id = images.clone(cloud, caller, source, name, -1)
    detail = {"what": "saveas", "disk": str(disk_id), "image": str(image_id)}
    hotplug.change(cloud, vm, lcm, detail)
    return image_id


def _snapshot_detail(do: str, disk_id: int, number: int) -> dict[str, str]:
    return {
        "what": "disk-snapshot",
        "do": do,
        "disk": str(disk_id),
        "snapshot": str(number),
    }


def _disk(vm: Machine, disk_id: int) -> Vector:
    disk = hotplug.find_disk(vm, disk_id)
    if disk is None:
        raise wrong_state("VM disk does not exist")
    return disk


def _snapshot(vm: Machine, disk_id: int, snapshot_id: int) -> Vector:
    _disk(vm, disk_id)
    for entry in vm.disk_snapshots.get(str(disk_id), []):
        if entry["ID"] == str(snapshot_id):
            return entry
    raise wrong_state(
        f"Disk id ({disk_id}) or snapshot id ({snapshot_id}) is not valid."
    )


def _snapshot_state(vm: Machine, what: str) -> tuple[Lcm, Lcm]:
    found = _SNAPSHOT_STATES.get(vm.state)
    if found is None or (vm.state is State.ACTIVE and not vm.running()):
        raise wrong_state(f"Could not {what} {vm.id}, wrong state {vm.state_name()}.")
    return found
