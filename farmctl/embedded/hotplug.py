"""Changes of VMs that a driver carries out: NICs, disks, snapshots, size, context.

A change is written into the VM when it is asked for; its task carries what to do when
the driver succeeds (a detached part goes) and when it fails (the change goes).
"""

from farmctl.embedded import capacity, contexts, disks, nics
from farmctl.embedded.attributes import Vector, number_text, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.machine import Actor, Machine, Task
from farmctl.embedded.quotas import Usage, account
from farmctl.embedded.states import Action, Lcm, State
from farmctl.embedded.steps import begin

_BACK = {
    Lcm.HOTPLUG_NIC_POWEROFF: State.POWEROFF,
    Lcm.HOTPLUG_PROLOG_POWEROFF: State.POWEROFF,
    Lcm.HOTPLUG_EPILOG_POWEROFF: State.POWEROFF,
    Lcm.DISK_SNAPSHOT_POWEROFF: State.POWEROFF,
    Lcm.DISK_SNAPSHOT_REVERT_POWEROFF: State.POWEROFF,
    Lcm.DISK_SNAPSHOT_DELETE_POWEROFF: State.POWEROFF,
    Lcm.DISK_RESIZE_POWEROFF: State.POWEROFF,
    Lcm.HOTPLUG_SAVEAS_POWEROFF: State.POWEROFF,
    Lcm.DISK_SNAPSHOT_SUSPENDED: State.SUSPENDED,
    Lcm.DISK_SNAPSHOT_DELETE_SUSPENDED: State.SUSPENDED,
    Lcm.HOTPLUG_SAVEAS_SUSPENDED: State.SUSPENDED,
    Lcm.DISK_RESIZE_UNDEPLOYED: State.UNDEPLOYED,
}


def turn_page(cloud: Cloud, vm: Machine, action: Action, by: Actor) -> None:
    """Close the history record and begin one that goes on from it."""
    now, record = cloud.now(), vm.record()
    stopped = record.retime != 0
    record.retime = record.retime or now
    record.etime = now
    current = record.action
    record.close(action, by)
    new = vm.new_record()
    new.action = current
    new.stime = new.rstime = now
    if stopped:
        new.retime = now


def change(cloud: Cloud, vm: Machine, state: Lcm, detail: dict[str, str]) -> None:
    """Have the driver carry a change out, in that transient state."""
    vm.state, vm.lcm = State.ACTIVE, state
    vm.resched = False
    begin(cloud, vm, "hotplug", detail)


def ended(cloud: Cloud, vm: Machine, task: Task, error: str) -> None:
    """Finish or undo a change."""
    detail = task.detail
    match detail.get("what", ""):
        case "attach-nic":
            _attached(vm, detail)
            if error:
                remove_nic(cloud, vm, int(detail["nic"]))
        case "detach-nic" if not error:
            remove_nic(cloud, vm, int(detail["nic"]))
        case "detach-nic":
            _attached(vm, detail)
        case "attach-disk":
            _settled(vm, detail)
            if error:
                remove_disk(cloud, vm, int(detail["disk"]))
        case "detach-disk" if not error:
            remove_disk(cloud, vm, int(detail["disk"]))
        case "detach-disk":
            _settled(vm, detail)
        case "resize":
            _resized(cloud, vm, detail, error)
        case "resize-disk":
            _disk_resized(vm, detail, error)
        case "disk-snapshot" if error and detail["do"] == "create":
            _drop_disk_snapshot(vm, detail)
        case "snapshot-create" if error:
            remove_snapshot(vm, detail["snapshot"])
        case "snapshot-create" | "snapshot-revert":
            _mark_snapshot(vm, detail["snapshot"])
        case "snapshot-delete" if not error:
            remove_snapshot(vm, detail["snapshot"])
        case _:
            pass
    back = _BACK.get(vm.lcm)
    if back is None:
        vm.lcm = Lcm.RUNNING
    else:
        vm.state, vm.lcm = back, Lcm.LCM_INIT
    cloud.pools.touch(vm)


def find_nic(vm: Machine, nic_id: int) -> Vector | None:
    """Return the NIC or alias of that number."""
    return next((n for n in vm.all_nics() if n["NIC_ID"] == str(nic_id)), None)


def find_disk(vm: Machine, disk_id: int) -> Vector | None:
    """Return the disk of that number."""
    return next((d for d in vm.disks() if d["DISK_ID"] == str(disk_id)), None)


def remove_nic(cloud: Cloud, vm: Machine, nic_id: int) -> None:
    """Take a NIC out of the VM, with its aliases and addresses."""
    nic = find_nic(vm, nic_id)
    if nic is None:
        return
    for alias_id in nic.get("ALIAS_IDS", "").split(","):
        number = to_int(alias_id)
        if number is not None:
            remove_nic(cloud, vm, number)
    for name in ("NIC", "NIC_ALIAS"):
        kept = [n for n in vm.template.values.get(name, []) if n is not nic]
        vm.template.values[name] = kept
        if not kept:
            vm.template.erase(name)
    if "PARENT_ID" in nic:
        parent = find_nic(vm, int(nic["PARENT_ID"]))
        if parent is not None:
            ids = parent.get("ALIAS_IDS", "").split(",")
            left = [i for i in ids if i and i != str(nic_id)]
            parent["ALIAS_IDS"] = ",".join(left)
            if not left:
                parent.pop("ALIAS_IDS")
    contexts.forget_nic(vm, nic)
    nics.give_back(cloud, vm, nic)
    nics.refresh_rules(cloud, vm)


def remove_disk(cloud: Cloud, vm: Machine, disk_id: int) -> None:
    """Take a disk out of the VM and give its image back."""
    disk = find_disk(vm, disk_id)
    if disk is None:
        return
    size = disks.system_size([disk])
    vm.template.values["DISK"] = [d for d in vm.disks() if d is not disk]
    if not vm.template.values["DISK"]:
        vm.template.erase("DISK")
    usage = [Usage("VM", "", {"SYSTEM_DISK_SIZE": size})]
    if "IMAGE_ID" in disk:
        usage.append(Usage("IMAGE", disk["IMAGE_ID"], {"RVMS": 1.0}))
    account(cloud.pools, vm.uid, vm.gid, usage, sign=-1)


def set_size(cloud: Cloud, vm: Machine, *, cpu: float, memory: int, vcpu: int) -> None:
    """Give the VM another size; its host's share follows."""
    host_id = vm.record().hid if vm.history else -1
    host = cloud.pools.hosts.find(host_id)
    on_host = host is not None and vm.id in host.vms
    if on_host:
        capacity.give_back(cloud, vm, host_id)
    vm.template.put("CPU", number_text(cpu))
    vm.template.put("MEMORY", str(memory))
    if vcpu > 0:
        vm.template.put("VCPU", str(vcpu))
    if on_host:
        capacity.take(cloud, vm, host_id)
    cloud.pools.touch(vm)


def snapshots(vm: Machine) -> list[Vector]:
    """Return the VM's system snapshots."""
    return vm.template.vectors("SNAPSHOT")


def remove_snapshot(vm: Machine, snapshot_id: str) -> None:
    """Take a system snapshot out of the VM."""
    left = [s for s in snapshots(vm) if s["SNAPSHOT_ID"] != snapshot_id]
    vm.template.erase("SNAPSHOT")
    for snapshot in left:
        vm.template.add("SNAPSHOT", snapshot)


def _drop_disk_snapshot(vm: Machine, detail: dict[str, str]) -> None:
    entries = vm.disk_snapshots.get(detail["disk"], [])
    left = [e for e in entries if e["ID"] != detail["snapshot"]]
    if left:
        vm.disk_snapshots[detail["disk"]] = left
    else:
        vm.disk_snapshots.pop(detail["disk"], None)


def _mark_snapshot(vm: Machine, snapshot_id: str) -> None:
    for snapshot in snapshots(vm):
        snapshot.pop("ACTION", None)
        snapshot.pop("ACTIVE", None)
        if snapshot["SNAPSHOT_ID"] == snapshot_id:
            snapshot["ACTIVE"] = "YES"


def _attached(vm: Machine, detail: dict[str, str]) -> None:
    nic = find_nic(vm, int(detail["nic"]))
    if nic is not None:
        nic.pop("ATTACH", None)


def _settled(vm: Machine, detail: dict[str, str]) -> None:
    disk = find_disk(vm, int(detail["disk"]))
    if disk is not None:
        disk.pop("ATTACH", None)


def _resized(cloud: Cloud, vm: Machine, detail: dict[str, str], error: str) -> None:
    vm.template.erase("RESIZE")
    if not error:
        return
    cpu, memory = float(detail["cpu"]), int(detail["memory"])
    amounts = {"CPU": vm.cpu() - cpu, "MEMORY": float(vm.memory() - memory)}
    if vm.counted_running:
        amounts.update({f"RUNNING_{name}": v for name, v in amounts.items()})
    account(cloud.pools, vm.uid, vm.gid, [Usage("VM", "", amounts)], sign=-1)
    set_size(cloud, vm, cpu=cpu, memory=memory, vcpu=int(detail["vcpu"]))


def _disk_resized(vm: Machine, detail: dict[str, str], error: str) -> None:
    disk = find_disk(vm, int(detail["disk"]))
    if disk is not None:
        disk.pop("RESIZE", None)
        if error:
            disk["SIZE"] = detail["size"]
