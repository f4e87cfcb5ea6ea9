"""NICs of VMs that are there, and the security groups of these."""

from farmctl.embedded import contexts, hotplug, nics
from farmctl.embedded.attributes import Vector, ids_of, parse, restricted
from farmctl.embedded.calls.machines import right_for
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import MACHINE
from farmctl.embedded.calls.shared import refuse_restricted
from farmctl.embedded.cloud import Cloud, actor
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.quotas import charge
from farmctl.embedded.refusal import Refusal, internal, wrong_state
from farmctl.embedded.states import Action, Lcm, State

_OFFLINE = (State.PENDING, State.HOLD)
_BANDWIDTH = tuple(
    f"{way}_{what}"
    for way in ("INBOUND", "OUTBOUND")
    for what in ("AVG_BW", "PEAK_BW", "PEAK_KB")
)


@method("one.vm.attachnic", "is")
def attach_nic(cloud: Cloud, caller: Caller, vm_id: int, text: str) -> Answer:
    """Attach a NIC or an alias."""
    vm = cloud.pools.machines.get(vm_id)
    _no_router(vm)
    given = parse(text)
    inquiry = Inquiry(cloud.pools, caller).needs(right_for("nic-attach"), vm)
    nics.ask(cloud, inquiry, given, caller.uid)
    inquiry.decide()
    refuse_restricted(caller, "NIC includes", restricted(given, MACHINE))
    charge(cloud.pools, vm.uid, vm.gid, nics.usage(cloud, given, caller.uid))
    if not vm.running() and vm.state is not State.POWEROFF:
        raise wrong_state(
            f"Could not add a new NIC to VM {vm_id}, wrong state {vm.state_name()}."
        )
    name = "NIC_ALIAS" if "NIC_ALIAS" in given else "NIC"
    nic = given.vector(name)
    if nic is None:
        raise wrong_state("Wrong format or missing NIC attribute")
    cloud.pools.touch(vm)
    try:
        _add_nic(cloud, vm, name, nic, caller.uid)
    except Refusal as error:
        raise wrong_state(error.message) from None
    _hotplug_nic(cloud, caller, vm, nic, "attach-nic")
    return vm_id


@method("one.vm.detachnic", "ii")
def detach_nic(cloud: Cloud, caller: Caller, vm_id: int, nic_id: int) -> Answer:
    """Detach a NIC or an alias."""
    vm = cloud.pools.machines.get(vm_id)
    _no_router(vm)
    require(cloud.pools, caller, right_for("nic-attach"), vm)
    if not vm.running() and vm.state is not State.POWEROFF:
        raise wrong_state(
            f"Could not detach NIC from VM {vm_id}, wrong state {vm.state_name()}."
        )
    nic = hotplug.find_nic(vm, nic_id)
    if nic is None:
        raise wrong_state(
            f"Could not detach NIC with NIC_ID {nic_id}, it does not exist."
        )
    cloud.pools.touch(vm)
    nic["ATTACH"] = "YES"
    _hotplug_nic(cloud, caller, vm, nic, "detach-nic")
    return vm_id


@method("one.vm.updatenic", "iis|i")
def update_nic(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud, caller: Caller, vm_id: int, nic_id: int, text: str, append: int = 0
) -> Answer:
    """Change a NIC's own attributes; address and network stay."""
    vm = cloud.pools.machines.get(vm_id)
    _no_router(vm)
    nic = hotplug.find_nic(vm, nic_id)
    if nic is None:
        raise wrong_state(f"VM {vm_id}: NIC {nic_id} does not exists")
    if "PARENT_ID" in nic:
        raise wrong_state("Action not supported for NIC_ALIAS")
    given = parse(text)
    require(cloud.pools, caller, right_for("nic-attach"), vm)
    refuse_restricted(caller, "NIC includes", restricted(given, MACHINE))
    prefix = f"Error updating NIC ({nic_id}) for VM {vm_id}: "
    states = (State.PENDING, State.HOLD, State.POWEROFF, State.UNDEPLOYED)
    if not vm.running() and vm.state not in states:
        raise wrong_state(f"{prefix}Wrong state {vm.state_name()}")
    wanted = given.vector("NIC")
    if wanted is None:
        raise wrong_state(f"{prefix}Wrong NIC definition, attribute is missing")
    cloud.pools.touch(vm)
    if not append:
        for name in _BANDWIDTH:
            nic.pop(name, None)
    fixed = ("NETWORK_ID", "NETWORK", "IP", "MAC", "NIC_ID", "AR_ID", "TARGET", "NAME")
    nic.update({k: v for k, v in wanted.items() if k not in fixed})
    if vm.running():
        hotplug.turn_page(cloud, vm, Action.NIC_UPDATE, actor(caller))
        hotplug.change(cloud, vm, Lcm.HOTPLUG_NIC, {"what": "update-nic"})
    return vm_id


@method("one.vm.attachsg", "iii")
def attach_group(  # OpenNebula's own
    cloud: Cloud, caller: Caller, vm_id: int, nic_id: int, group_id: int
) -> Answer:
    """Put a NIC into one more security group."""
    return _change_groups(cloud, caller, vm_id, nic_id, group_id, add=True)


@method("one.vm.detachsg", "iii")
def detach_group(  # OpenNebula's own
    cloud: Cloud, caller: Caller, vm_id: int, nic_id: int, group_id: int
) -> Answer:
    """Take a NIC out of a security group."""
    return _change_groups(cloud, caller, vm_id, nic_id, group_id, add=False)


def _no_router(vm: Machine) -> None:
    if "VROUTER_ID" in vm.template:
        raise wrong_state("Action is not supported for virtual router VMs")


def _add_nic(cloud: Cloud, vm: Machine, name: str, nic: Vector, uid: int) -> None:
    number = max((int(n["NIC_ID"]) for n in vm.all_nics()), default=-1) + 1
    nic["NIC_ID"] = str(number)
    if name == "NIC_ALIAS":
        nics.attach_to_parent(vm, nic, "Alias not found.")
    else:
        nic.setdefault("NAME", f"NIC{number}")
    nics.acquire(cloud, vm, nic, uid, vm.template.vector("NIC_DEFAULT"))
    vm.template.add(name, nic)
    nics.refresh_rules(cloud, vm)
    context = vm.template.vector("CONTEXT")
    if context is not None:
        contexts.network_context(cloud, vm, context)


def _hotplug_nic(
    cloud: Cloud, caller: Caller, vm: Machine, nic: Vector, what: str
) -> None:
    alias = "PARENT_ID" in nic
    attach = what == "attach-nic"
    if alias:
        action = Action.ALIAS_ATTACH if attach else Action.ALIAS_DETACH
    else:
        action = Action.NIC_ATTACH if attach else Action.NIC_DETACH
    state = Lcm.HOTPLUG_NIC if vm.running() else Lcm.HOTPLUG_NIC_POWEROFF
    hotplug.turn_page(cloud, vm, action, actor(caller))
    hotplug.change(cloud, vm, state, {"what": what, "nic": nic["NIC_ID"]})


def _change_groups(  # one call's parts
    cloud: Cloud,
    caller: Caller,
    vm_id: int,
    nic_id: int,
    group_id: int,
    *,
    add: bool,
) -> int:
    vm = cloud.pools.machines.get(vm_id)
    nic = hotplug.find_nic(vm, nic_id)
    if nic is None:
        raise internal(f"VM {vm_id} doesn't have NIC id {nic_id}")
    inquiry = Inquiry(cloud.pools, caller).needs(right_for("sg-attach"), vm)
    group = cloud.pools.security_groups.find(group_id)
    if add:
        if group is None:
            raise wrong_state(
                f"Could not attach SG {group_id} to VM, SG does not exist"
            )
        inquiry.needs(Right.USE, group)
    inquiry.decide()
    allowed = (State.POWEROFF, State.SUSPENDED, State.UNDEPLOYED, *_OFFLINE)
    if not vm.running() and vm.state not in allowed:
        raise wrong_state(f"VM {vm_id} is in wrong state {vm.state_name()}")
    groups = ids_of(nic.get("SECURITY_GROUPS", ""))
    if add and group_id in groups:
        raise wrong_state(f"VM {vm_id} SG {group_id} already in NIC {nic_id}")
    if not add and group_id not in groups:
        raise wrong_state(f"VM {vm_id} NIC {nic_id} doesn't contain SG {group_id}")
    cloud.pools.touch(vm)
    left = [*groups, group_id] if add else [g for g in groups if g != group_id]
    nic["SECURITY_GROUPS"] = ",".join(map(str, sorted(left)))
    nics.refresh_rules(cloud, vm)
    if vm.running():
        hotplug.change(cloud, vm, Lcm.HOTPLUG_NIC, {"what": "groups"})
    return vm_id
