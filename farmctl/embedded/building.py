"""New VMs: from a template's attributes to a VM on hold or pending, or not at all.

What fails half way is undone by the call's rollback: leases, images, quotas.
"""

import secrets
import uuid

from farmctl.embedded import contexts, disks, nics, schedule
from farmctl.embedded.attributes import (
    Attributes,
    Vector,
    ids_of,
    number_text,
    to_int,
)
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Caller, Inquiry, Right, check_name
from farmctl.embedded.quotas import charge, machine_usage
from farmctl.embedded.refusal import internal
from farmctl.embedded.states import State

# Attributes that belong to the VM itself; the others are the user's.
_OWN = (
    "FEATURES",
    "INPUT",
    "RAW",
    "CLONING_TEMPLATE_ID",
    "TOPOLOGY",
    "NUMA_NODE",
    "HYPERV_OPTIONS",
    "SPICE_OPTIONS",
    "CPU_MODEL",
    "TPM",
    "VIDEO",
    "GRAPHICS",
    "PCI",
    "NIC_DEFAULT",
    "TM_MAD_SYSTEM",
    "DISK",
    "NIC",
    "NIC_ALIAS",
    "CONTEXT",
    "VROUTER",
    "VROUTER_ID",
    "VROUTER_KEEPALIVED_ID",
    "VROUTER_KEEPALIVED_PASSWORD",
)


def ask(cloud: Cloud, inquiry: Inquiry, template: Attributes, uid: int) -> None:
    """Ask for every right that a VM of that template needs."""
    disks.ask(cloud, inquiry, template, uid)
    nics.ask(cloud, inquiry, template, uid)
    group = template.vector("VMGROUP")
    if group is not None:
        found = cloud.pools.machine_groups.find(_group_id(cloud, group, uid))
        if found is not None:
            inquiry.needs(Right.USE, found)


def take_quotas(cloud: Cloud, caller: Caller, template: Attributes) -> None:
    """Charge user and group for a VM of that template.

    Raises:
        Refusal: a limit would be exceeded (512).
    """
    size, of_images = disks.usage(cloud, template, caller.uid)
    whole = machine_usage(
        cpu=template.number("CPU") or 0.0,
        memory=template.number("MEMORY") or 0.0,
        disk=size,
        running=True,
    )
    pieces = [*nics.usage(cloud, template, caller.uid), whole, *of_images]
    charge(cloud.pools, caller.uid, caller.gid, pieces)


def build(cloud: Cloud, caller: Caller, template: Attributes, *, hold: bool) -> Machine:
    """Make a VM: check its attributes, take leases and images, fill in its context.

    Rights and quotas have been dealt with before.

    Raises:
        Refusal: an attribute is missing or wrong, or something cannot be had (8192).
    """
    vm_id = cloud.pools.new_id(Machine)
    planned = template.erase("SCHED_ACTION")
    vm = _frame(cloud, caller, vm_id, template.copy())
    vm.state = State.HOLD if hold else State.PENDING
    _shape(vm)
    _operating_system(vm)
    for name in _OWN:
        for value in vm.user_template.erase(name):
            vm.template.add(name, value)
    graphics = vm.template.vector("GRAPHICS")
    if graphics is not None and graphics.get("RANDOM_PASSWD", "").upper() == "YES":
        graphics.setdefault("PASSWD", secrets.token_hex(16))
    nics.acquire_all(cloud, vm, caller.uid)
    disks.acquire_all(cloud, vm.id, vm.template, caller.uid)
    wanted = vm.user_template.take_text("SUBMIT_ON_HOLD").upper() == "YES"
    if hold or wanted:
        vm.state = State.HOLD
        vm.template.put("SUBMIT_ON_HOLD", "YES")
    contexts.fill(cloud, vm)
    for name in ("SCHED_REQUIREMENTS", "SCHED_DS_REQUIREMENTS"):
        if name in vm.user_template:
            text = vm.user_template.text(name)
            vm.user_template.put(name, contexts.replaced(cloud, vm, text))
    automatic_requirements(vm)
    _join_group(cloud, vm, caller.uid)
    cloud.pools.add(vm)
    for value in planned:
        if isinstance(value, dict):
            action = schedule.plan(cloud, vm, value)
            vm.sched_ids.append(action.id)
    return vm


def automatic_requirements(vm: Machine) -> list[int]:
    """Set what OpenNebula itself requires of hosts, datastores and networks.

    Returns:
        The clusters on which the VM can be, none where any will do.

    Raises:
        Refusal: the VM's parts have no cluster in common (8192).
    """
    clusters: set[int] | None = None
    parts = [("DISK", "Datastore", d) for d in vm.disks()]
    parts += [("NIC", "Network", n) for n in vm.nics()]
    for number, (name, what, vector) in enumerate(parts):
        if "CLUSTER_ID" not in vector:
            continue
        mine = set(ids_of(vector["CLUSTER_ID"]))
        place = number if name == "DISK" else number - len(vm.disks())
        if not mine:
            raise internal(
                f"Missing clusters. {what} for {name} {place} is not in any cluster"
            )
        common = mine if clusters is None else clusters & mine
        if not common:
            known = ",".join(map(str, sorted(clusters or ())))
            raise internal(
                f"Incompatible clusters in {name}. {what} for {name} {place} is not in "
                f"the same cluster as the one used by other VM elements "
                f"(cluster {known})"
            )
        clusters = common
    found = sorted(clusters or ())
    hosts = " | ".join(f"CLUSTER_ID = {c}" for c in found)
    stores = " | ".join(f'"CLUSTERS/ID" @> {c}' for c in found)
    pin = "!(PIN_POLICY = PINNED)"
    vm.template.put("AUTOMATIC_REQUIREMENTS", f"({hosts}) & {pin}" if hosts else pin)
    vm.template.erase("AUTOMATIC_NIC_REQUIREMENTS")
    vm.template.erase("AUTOMATIC_DS_REQUIREMENTS")
    if stores:
        vm.template.put("AUTOMATIC_NIC_REQUIREMENTS", f"({stores})")
        transfer = vm.template.text("TM_MAD_SYSTEM")
        same = f' & (TM_MAD = "{transfer}")' if transfer else ""
        vm.template.put("AUTOMATIC_DS_REQUIREMENTS", f"({stores}){same}")
    return found


def _frame(cloud: Cloud, caller: Caller, vm_id: int, template: Attributes) -> Machine:
    template.erase("VMID")
    template_id = template.take_text("TEMPLATE_ID")
    name = template.take_text("NAME")
    prefix = template.take_text("TEMPLATE_NAME") or "one"
    name = name or f"{prefix}-{vm_id}"
    check_name(name)
    vm = Machine(
        id=vm_id,
        name=name,
        uid=caller.uid,
        gid=caller.gid,
        uname=caller.uname,
        gname=caller.gname,
        user_template=template,
        stime=cloud.now(),
        created_by=caller.uid,
    )
    vm.template.put("VMID", str(vm_id))
    if template_id:
        vm.template.put("TEMPLATE_ID", template_id)
    return vm


def _shape(vm: Machine) -> None:
    given = vm.user_template
    memory = given.integer("MEMORY")
    if memory is None or memory <= 0:
        raise internal("MEMORY attribute must be a positive integer value.")
    vm.template.put("MEMORY", str(memory))
    mode = given.text("MEMORY_RESIZE_MODE").upper()
    if mode:
        if mode not in ("BALLOONING", "HOTPLUG"):
            raise internal(f"Unknown MEMORY_RESIZE_MODE: {mode}")
        vm.template.put("MEMORY_RESIZE_MODE", mode)
    cpu = given.number("CPU")
    if cpu is None or cpu <= 0:
        raise internal("CPU attribute must be a positive float or integer value.")
    vm.template.put("CPU", number_text(cpu))
    if given.text("VCPU"):
        vcpu = given.integer("VCPU")
        if vcpu is None or vcpu <= 0:
            raise internal("VCPU attribute must be a positive integer value.")
        vm.template.put("VCPU", str(vcpu))
    for name in ("MEMORY_MAX", "MEMORY_SLOTS", "VCPU_MAX"):
        number = given.integer(name)
        if number is not None and number > 0:
            vm.template.put(name, str(number))
            given.erase(name)
    for name in ("CPU_COST", "MEMORY_COST", "DISK_COST"):
        cost = given.number(name)
        if cost is not None:
            if cost < 0:
                raise internal(
                    f"{name} attribute must be a positive float or integer value."
                )
            vm.template.put(name, number_text(cost))
            given.erase(name)
    for name in ("MEMORY", "MEMORY_RESIZE_MODE", "CPU", "VCPU"):
        given.erase(name)


def _operating_system(vm: Machine) -> None:
    given = vm.user_template.erase("OS")
    if len(given) > 1:
        raise internal("Only one OS attribute can be defined.")
    system: Vector = {}
    if given:
        if not isinstance(given[0], dict):
            raise internal("Internal error parsing OS attribute.")
        system = given[0]
    system.setdefault("UUID", str(uuid.uuid4()))
    system.setdefault("MACHINE", "q35")
    vm.template.put("OS", system)


def _group_id(cloud: Cloud, group: Vector, uid: int) -> int:
    number = to_int(group.get("VMGROUP_ID", ""))
    if number is not None:
        return number
    named = cloud.pools.machine_groups.named(group.get("VMGROUP_NAME", ""), uid)
    return -1 if named is None else named.id


def _join_group(cloud: Cloud, vm: Machine, uid: int) -> None:
    given = vm.user_template.vector("VMGROUP")
    if given is None:
        return
    vm.user_template.erase("VMGROUP")
    found = cloud.pools.machine_groups.find(_group_id(cloud, given, uid))
    if found is None:
        raise internal("VM group does not exist or the VM is not authorized to use it")
    role = next((r for r in found.roles if r["NAME"] == given.get("ROLE")), None)
    if role is None:
        raise internal(
            f"Role {given.get('ROLE', '')} not defined in VM group {found.id}"
        )
    members = sorted({*ids_of(role.get("VMS", "")), vm.id})
    role["VMS"] = ",".join(map(str, members))
    cloud.pools.touch(found)
    vm.template.put(
        "VMGROUP",
        {"VMGROUP_ID": str(found.id), "VMGROUP_NAME": found.name, **given},
    )


def leave_group(cloud: Cloud, vm: Machine) -> None:
    """Take the VM out of its group, if it is in one."""
    mine = vm.template.vector("VMGROUP")
    if mine is None:
        return
    found = cloud.pools.machine_groups.find(to_int(mine["VMGROUP_ID"]) or 0)
    for role in found.roles if found is not None else ():
        members = [i for i in ids_of(role.get("VMS", "")) if i != vm.id]
        role["VMS"] = ",".join(map(str, members))
        if not members:
            role.pop("VMS", None)
    if found is not None:
        cloud.pools.touch(found)
