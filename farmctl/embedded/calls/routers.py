"""Virtual routers and VM groups."""

from farmctl.embedded import leases, nics, render, teardown
from farmctl.embedded.attributes import Attributes, Vector, ids_of, parse
from farmctl.embedded.calls import templates
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, register, register_pool
from farmctl.embedded.cloud import Cloud, actor, sorted_with, sorted_without
from farmctl.embedded.entities import MachineGroup, Router
from farmctl.embedded.permissions import Caller, Inquiry, Right, check_name, require
from farmctl.embedded.refusal import internal, wrong_state

ROUTERS = Kind(
    entity=Router, prefix="vrouter", draw=lambda _cloud, item: render.router(item)
)
register(ROUTERS, "info update rename chmod chown lock unlock")
register_pool(ROUTERS, "vrouterpool", filtered=True)
GROUPS = Kind(
    entity=MachineGroup,
    prefix="vmgroup",
    draw=lambda _cloud, item: render.machine_group(item),
    taken="VMGroup",
)
register(GROUPS, "info update rename chmod chown lock unlock")
register_pool(GROUPS, "vmgrouppool", filtered=True)
_POLICIES = ("NONE", "AFFINED", "ANTI_AFFINED")


@method("one.vrouter.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a virtual router; its NICs take addresses when it is instantiated."""
    template = parse(text)
    inquiry = Inquiry(cloud.pools, caller).creates(Router)
    nics.ask(cloud, inquiry, template, caller.uid)
    inquiry.decide()
    router_id = cloud.pools.new_id(Router)
    name = template.take_text("NAME") or f"vr-{router_id}"
    check_name(name)
    router = Router(
        id=router_id,
        name=name,
        uid=caller.uid,
        gid=caller.gid,
        uname=caller.uname,
        gname=caller.gname,
        template=template,
    )
    for nic_id, nic in enumerate(template.vectors("NIC")):
        _prepare(cloud, router, nic, nic_id, caller.uid)
    cloud.pools.add(router)
    return router_id


@method("one.vrouter.instantiate", "iiisb|s")
def instantiate(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    router_id: int,
    count: int,
    template_id: int,
    name: str,
    hold: bool,
    extra: str = "",
) -> Answer:
    """Make the VMs of a router; `%i` in the name is the number of each."""
    router = cloud.pools.routers.get(router_id)
    require(cloud.pools, caller, Right.MANAGE, router)
    source = cloud.pools.templates.get(template_id)
    if not source.template.flag("VROUTER"):
        raise wrong_state("Only virtual router templates are allowed")
    if count < 1:
        raise wrong_state("The number of VMs must be greater than 0")
    for number in range(count):
        added = Attributes({"VROUTER_ID": [str(router_id)]})
        for nic in router.template.vectors("NIC"):
            added.add("NIC", _instance_nic(nic))
        wanted = (name or f"vr-{router.name}-%i").replace("%i", str(number))
        vm = templates.from_template(
            cloud, caller, template_id, wanted, extra, hold=hold, added=added
        )
        router.vms = sorted_with(router.vms, vm.id)
    router.template.put("TEMPLATE_ID", str(template_id))
    cloud.pools.touch(router)
    return router_id


@method("one.vrouter.delete", "i")
def delete(cloud: Cloud, caller: Caller, router_id: int) -> Answer:
    """Delete a router, its VMs with it."""
    router = cloud.pools.routers.get(router_id)
    require(cloud.pools, caller, Right.MANAGE, router)
    for vm_id in router.vms:
        vm = cloud.pools.live.get(vm_id)
        if vm is not None:
            teardown.delete(cloud, vm, actor(caller))
    for network in cloud.pools.networks:
        if router_id in network.vrouters:
            network.vrouters = sorted_without(network.vrouters, router_id)
            leases.free_all(network, ("VROUTER", router_id))
            cloud.pools.touch(network)
    cloud.pools.remove(router)
    return router_id


@method("one.vmgroup.allocate", "s")
def allocate_group(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a VM group with its roles."""
    template = parse(text)
    Inquiry(cloud.pools, caller).creates(MachineGroup).decide()
    name = template.take_text("NAME")
    free_name(cloud, GROUPS, name, caller.uid)
    group = MachineGroup(
        id=cloud.pools.new_id(MachineGroup),
        name=name,
        uid=caller.uid,
        gid=caller.gid,
        uname=caller.uname,
        gname=caller.gname,
        template=template,
    )
    for role in template.erase("ROLE"):
        if isinstance(role, dict):
            _add_role(group, role)
    cloud.pools.add(group)
    return group.id


@method("one.vmgroup.delete", "i")
def delete_group(cloud: Cloud, caller: Caller, group_id: int) -> Answer:
    """Delete a VM group that has no VMs."""
    group = cloud.pools.machine_groups.get(group_id)
    require(cloud.pools, caller, Right.MANAGE, group)
    if any(ids_of(role.get("VMS", "")) for role in group.roles):
        raise wrong_state("Cannot delete vm group. The vm group is not empty")
    cloud.pools.remove(group)
    return group_id


@method("one.vmgroup.roleadd", "is")
def add_role(cloud: Cloud, caller: Caller, group_id: int, text: str) -> Answer:
    """Add a role to a VM group."""
    group = cloud.pools.machine_groups.get(group_id)
    require(cloud.pools, caller, Right.MANAGE, group)
    role = parse(text).vector("ROLE")
    if role is None:
        raise internal("No ROLE in template")
    _add_role(group, role)
    cloud.pools.touch(group)
    return group_id


@method("one.vmgroup.roledelete", "ii")
def delete_role(cloud: Cloud, caller: Caller, group_id: int, role_id: int) -> Answer:
    """Delete a role that has no VMs."""
    group = cloud.pools.machine_groups.get(group_id)
    require(cloud.pools, caller, Right.MANAGE, group)
    role = next((r for r in group.roles if r["ID"] == str(role_id)), None)
    if role is None:
        raise internal(f"Role with ID {role_id} not found")
    if ids_of(role.get("VMS", "")):
        raise internal("Role has VMs")
    group.roles.remove(role)
    cloud.pools.touch(group)
    return group_id


def _add_role(group: MachineGroup, role: Vector) -> None:
    name = role.get("NAME", "")
    if not name:
        raise internal("Missing or empty role name")
    if any(other["NAME"] == name for other in group.roles):
        raise internal(f"Role {name} already defined")
    policy = role.get("POLICY", "NONE").upper()
    if policy not in _POLICIES:
        raise internal(f"Unknown POLICY in role: {policy}")
    role["ID"] = str(group.next_role)
    group.next_role += 1
    group.roles.append(role)


def _prepare(cloud: Cloud, router: Router, nic: Vector, nic_id: int, uid: int) -> None:
    nic["NIC_ID"] = str(nic_id)
    network = nics.find_network(cloud, nic, uid)
    if network is None:
        raise internal(
            f"User {uid} does not own a network with name: {nic.get('NETWORK', '')} . "
            "Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
        )
    nic["NETWORK"], nic["NETWORK_ID"] = network.name, str(network.id)
    floating = nic.get("FLOATING_IP", "").upper() == "YES"
    if floating and not leases.lease(network, ("VROUTER", router.id), nic):
        raise internal(f"Cannot get IP/MAC lease from virtual network {network.id}.")
    network.vrouters = sorted_with(network.vrouters, router.id)
    cloud.pools.touch(network)


def _instance_nic(nic: Vector) -> Vector:
    mine = {k: v for k, v in nic.items() if k not in ("NIC_ID", "AR_ID")}
    if mine.get("FLOATING_IP", "").upper() == "YES":
        mine["VROUTER_IP"] = mine.pop("IP", "")
        mine.pop("MAC", None)
    return mine
