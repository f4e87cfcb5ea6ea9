"""NICs of VMs: networks they name, leases, aliases, security group rules."""

import secrets

from farmctl.embedded.attributes import Attributes, Vector, ids_of, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.configuration import listed
from farmctl.embedded.entities import Network
from farmctl.embedded.leases import free, lease, mac_text, range_of
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Inquiry, Right, lookup_owner
from farmctl.embedded.quotas import Usage, account, network_usage
from farmctl.embedded.refusal import internal

_INHERIT = listed("INHERIT_VNET_ATTR")
_NOT_DEFAULTS = ("NETWORK_ID", "NETWORK", "NETWORK_UID", "NETWORK_UNAME")


def find_network(cloud: Cloud, nic: Vector, uid: int) -> Network | None:
    """Return the network that a NIC names, None where it names none that exists."""
    text = nic.get("NETWORK_ID", "")
    if text:
        network_id = to_int(text)
        return None if network_id is None else cloud.pools.networks.find(network_id)
    name = nic.get("NETWORK", "")
    if not name:
        return None
    owner, complaint = lookup_owner(cloud.pools, nic, "NETWORK", uid)
    return None if complaint else cloud.pools.networks.named(name, owner)


def ask(cloud: Cloud, inquiry: Inquiry, template: Attributes, uid: int) -> None:
    """Ask for the right to use every network and security group of the NICs."""
    for nic in template.vectors("NIC") + template.vectors("NIC_ALIAS"):
        groups = set(ids_of(nic.get("SECURITY_GROUPS", "")))
        network = find_network(cloud, nic, uid)
        if network is not None:
            inquiry.needs(Right.USE, network)
            groups.update(ids_of(network.template.text("SECURITY_GROUPS")))
        for group_id in sorted(groups):
            group = cloud.pools.security_groups.find(group_id)
            if group is not None:
                inquiry.needs(Right.USE, group)


def usage(cloud: Cloud, template: Attributes, uid: int) -> list[Usage]:
    """Return the leases that the NICs of a template will take."""
    taken: list[Usage] = []
    for nic in template.vectors("NIC") + template.vectors("NIC_ALIAS"):
        network = find_network(cloud, nic, uid)
        if network is not None:
            taken.append(network_usage(network.id))
    return taken


def acquire_all(cloud: Cloud, vm: Machine, uid: int) -> None:
    """Give all NICs of a new VM their addresses, aliases last.

    Raises:
        Refusal: a network is not there or has no address left (8192).
    """
    default = vm.template.vector("NIC_DEFAULT")
    nics = vm.template.vectors("NIC")
    for nic_id, nic in enumerate(nics):
        nic["NIC_ID"] = str(nic_id)
        acquire(cloud, vm, nic, uid, default)
        nic.setdefault("NAME", f"NIC{nic_id}")
    for offset, alias in enumerate(vm.template.vectors("NIC_ALIAS")):
        alias["NIC_ID"] = str(len(nics) + offset)
        attach_to_parent(vm, alias, "NIC named {} not found for alias")
        acquire(cloud, vm, alias, uid, default)
    refresh_rules(cloud, vm)


def attach_to_parent(vm: Machine, alias: Vector, complaint: str) -> None:
    """Make an alias known to its parent NIC.

    Raises:
        Refusal: no NIC has that name (8192).
    """
    wanted = alias.get("PARENT", "")
    parent = next((n for n in vm.nics() if n.get("NAME") == wanted), None)
    if parent is None:
        raise internal(complaint.format(wanted))
    ids = [i for i in parent.get("ALIAS_IDS", "").split(",") if i]
    others = [
        to_int(other.get("ALIAS_ID", "")) or 0
        for other in vm.template.vectors("NIC_ALIAS")
        if other is not alias and other.get("PARENT_ID") == parent["NIC_ID"]
    ]
    alias["PARENT_ID"] = parent["NIC_ID"]
    alias["ALIAS_ID"] = str(max(others, default=-1) + 1)
    alias["NAME"] = f"{wanted}_ALIAS{alias['NIC_ID']}"
    parent["ALIAS_IDS"] = ",".join([*ids, alias["NIC_ID"]])


def acquire(
    cloud: Cloud, vm: Machine, nic: Vector, uid: int, default: Vector | None = None
) -> None:
    """Give one NIC an address and what it inherits from its network.

    Raises:
        Refusal: the network is not there or has no such address (8192).
    """
    mode = nic.get("NETWORK_MODE", "").upper()
    if mode == "AUTO":
        return
    if mode == "DUMMY":
        nic.setdefault("MAC", mac_text((0x0200 << 32) | secrets.randbits(32)))
        return
    for name, value in (default or {}).items():
        if name not in _NOT_DEFAULTS:
            nic.setdefault(name, value)
    network = find_network(cloud, nic, uid)
    if network is None:
        if nic.get("NETWORK_ID") or nic.get("NETWORK"):
            raise internal(_unknown(cloud, nic, uid))
        return
    nic.update(
        NETWORK=network.name,
        NETWORK_ID=str(network.id),
        BRIDGE=network.bridge,
        VN_MAD=network.vn_mad,
        BRIDGE_TYPE=network.bridge_type,
        CLUSTER_ID=",".join(map(str, network.cluster_ids)),
    )
    for name, value in (
        ("PHYDEV", network.phydev),
        ("VLAN_ID", network.vlan_id),
        ("OUTER_VLAN_ID", network.outer_vlan_id),
        ("PARENT_NETWORK_ID", "" if network.parent < 0 else str(network.parent)),
    ):
        if value:
            nic[name] = value
    if not nic.get("TARGET"):
        nic["TARGET"] = f"one-{vm.id}-{nic['NIC_ID']}"
    if not lease(network, ("VM", vm.id), nic):
        raise internal(f"Cannot get IP/MAC lease from virtual network {network.id}.")
    for name in _INHERIT:
        value = network.template.text(name)
        if value and not nic.get(name):
            nic[name] = value
    groups = {
        *ids_of(nic.get("SECURITY_GROUPS", "")),
        *ids_of(network.template.text("SECURITY_GROUPS")),
        *ids_of(_range_groups(network, nic)),
    }
    nic["SECURITY_GROUPS"] = ",".join(map(str, sorted(groups)))
    cloud.pools.touch(network)


def _range_groups(network: Network, nic: Vector) -> str:
    found = range_of(network, to_int(nic.get("AR_ID", "")))
    return "" if found is None else found.attributes.get("SECURITY_GROUPS", "")


def give_back(cloud: Cloud, vm: Machine, nic: Vector) -> None:
    """Give the NIC's address up, and count it back."""
    network_id = to_int(nic.get("NETWORK_ID", ""))
    network = None if network_id is None else cloud.pools.networks.find(network_id)
    if network is None:
        return
    free(network, ("VM", vm.id), nic)
    cloud.pools.touch(network)
    account(cloud.pools, vm.uid, vm.gid, [network_usage(network.id)], sign=-1)


def groups_of(vm: Machine) -> list[int]:
    """Return the security groups of all NICs of a VM."""
    found: set[int] = set()
    for nic in vm.nics():
        found.update(ids_of(nic.get("SECURITY_GROUPS", "")))
    return sorted(found)


def refresh_rules(cloud: Cloud, vm: Machine) -> None:
    """Copy the rules of the VM's security groups into it."""
    vm.template.erase("SECURITY_GROUP_RULE")
    mine = groups_of(vm)
    for group_id in mine:
        group = cloud.pools.security_groups.find(group_id)
        if group is None:
            continue
        for rule in group.template.vectors("RULE"):
            for line in expand_rule(cloud, rule):
                line["SECURITY_GROUP_ID"] = str(group.id)
                line["SECURITY_GROUP_NAME"] = group.name
                vm.template.add("SECURITY_GROUP_RULE", line)


def expand_rule(cloud: Cloud, rule: Vector) -> list[Vector]:
    """Return the rule; one that names a network becomes one per address range."""
    network_id = to_int(rule.get("NETWORK_ID", ""))
    network = None if network_id is None else cloud.pools.networks.find(network_id)
    if network is None:
        return [dict(rule)]
    lines: list[Vector] = []
    for found in network.ranges:
        line = dict(rule)
        line["SIZE"] = str(found.size)
        line["MAC"] = found.attributes["MAC"]
        if "IP" in found.attributes:
            line["IP"] = found.attributes["IP"]
        lines.append(line)
    return lines


def _unknown(cloud: Cloud, nic: Vector, uid: int) -> str:
    if nic.get("NETWORK_ID"):
        return f"Virtual network with ID: {nic['NETWORK_ID']} does not exist"
    owner, complaint = lookup_owner(cloud.pools, nic, "NETWORK", uid)
    who = uid if complaint else owner
    return (
        f"User {who} does not own a network with name: {nic['NETWORK']} . "
        "Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
    )
