"""Virtual networks and their templates."""

from farmctl.embedded import leases, render
from farmctl.embedded.attributes import (
    Attributes,
    Vector,
    ids_of,
    parse,
    restricted,
    to_int,
)
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import NETWORK
from farmctl.embedded.calls.shared import (
    Kind,
    free_name,
    refuse_restricted,
    register,
    register_pool,
)
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Network, NetworkTemplate
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.quotas import account, charge, network_usage
from farmctl.embedded.refusal import internal, wrong_state
from farmctl.embedded.states import NetState

_NEEDS_PHYDEV = ("802.1Q", "vxlan")
_BRIDGE_TYPES = {
    "ovswitch": "openvswitch",
    "ovswitch_vxlan": "openvswitch",
}
_DRIVERS = (
    "dummy",
    "802.1Q",
    "fw",
    "ovswitch",
    "vxlan",
    "ovswitch_vxlan",
    "bridge",
)
_FIRST_VLAN = 2


def _updated(_cloud: Cloud, item: Network, _old: Attributes) -> None:
    settle(item)


KIND = Kind(
    entity=Network,
    prefix="vn",
    draw=lambda cloud, item: render.network(cloud.pools, item, full=True),
    draw_in_pool=lambda cloud, item: render.network(cloud.pools, item, full=False),
    taken="NET",
    restricted=NETWORK,
    updated=_updated,
)
register(KIND, "info update rename chmod chown lock unlock")
register_pool(KIND, "vnpool", filtered=True)
TEMPLATES = Kind(
    entity=NetworkTemplate,
    prefix="vntemplate",
    draw=lambda _cloud, item: render.network_template(item),
    taken="VN TEMPLATE",
    restricted=NETWORK,
)
register(TEMPLATES, "info update rename chmod chown lock unlock")
register_pool(TEMPLATES, "vntemplatepool", filtered=True)


@method("one.vn.allocate", "s|i")
def allocate(cloud: Cloud, caller: Caller, text: str, cluster_id: int = -1) -> Answer:
    """Make a network; it shows READY a moment later."""
    template = parse(text)
    cluster = cloud.pools.clusters.get(max(cluster_id, 0))
    inquiry = Inquiry(cloud.pools, caller).creates(Network)
    inquiry.needs(Right.ADMIN, cluster).decide()
    refuse_restricted(caller, "VNET Template includes", restricted(template, NETWORK))
    return make(cloud, caller, template, clusters=[cluster.id]).id


def make(  # what a network is made of
    cloud: Cloud,
    caller: Caller,
    template: Attributes,
    *,
    clusters: list[int],
    template_id: int = -1,
    parent: int = -1,
) -> Network:
    """Make a network from its template.

    Raises:
        Refusal: an attribute is missing or wrong, or the name is taken (8192).
    """
    template.erase("TEMPLATE_ID")
    name = template.take_text("NAME")
    prefix = template.take_text("TEMPLATE_NAME")
    if not name and not prefix:
        raise internal("No NAME in template for Virtual Network.")
    network_id = cloud.pools.new_id(Network)
    name = name or f"{prefix}-{network_id}"
    free_name(cloud, KIND, name, caller.uid)
    network = Network(
        id=network_id,
        name=name,
        uid=caller.uid,
        gid=caller.gid,
        uname=caller.uname,
        gname=caller.gname,
        cluster_ids=clusters,
        template=template,
        template_id=template_id,
        parent=parent,
    )
    _drive(network)
    groups = ids_of(template.text("SECURITY_GROUPS") + ",0")
    template.put("SECURITY_GROUPS", ",".join(map(str, groups)))
    for given in template.vectors("AR"):
        # What is wrong with a range shows at once, as its kind is.
        leases.new_range(Network(id=-1, name="trial"), given)
    cloud.pools.add(network)
    network.due = cloud.timeline.now() + cloud.timings.network
    arm(cloud, network)
    return network


def arm(cloud: Cloud, network: Network) -> None:
    """Have a network leave LOCK_CREATE or LOCK_DELETE when it is due."""
    if network.due <= 0:
        return
    network_id, due = network.id, network.due

    def settled() -> None:
        found = cloud.pools.networks.find(network_id)
        if found is None or found.due != due:
            return
        found.due = 0.0
        if found.state is NetState.LOCK_DELETE:
            _gone(cloud, found)
            return
        be_ready(found)
        cloud.pools.touch(found)

    cloud.later(due, settled)


def be_ready(network: Network) -> None:
    """Take a new network for READY: its ranges come into being."""
    network.state = NetState.READY
    for given in network.template.erase("AR"):
        if isinstance(given, dict):
            leases.new_range(network, given)
    settle(network)


def settle(network: Network) -> None:
    """Bring a network's own values and its template together.

    Raises:
        Refusal: the driver is missing (8192).
    """
    template = network.template
    template.erase("TEMPLATE_ID")
    vn_mad = template.take_text("VN_MAD")
    if not vn_mad:
        raise internal("No VN_MAD in template for Virtual Network.")
    network.vn_mad = vn_mad
    network.bridge_type = _BRIDGE_TYPES.get(vn_mad, "linux")
    network.phydev = template.take_text("PHYDEV")
    template.erase("AUTOMATIC_VLAN_ID")
    template.erase("AUTOMATIC_OUTER_VLAN_ID")
    vlan = template.take_text("VLAN_ID")
    if not network.vlan_automatic:
        network.vlan_id = vlan
        template.put("VLAN_ID", vlan)
    outer = template.take_text("OUTER_VLAN_ID")
    if not network.outer_vlan_automatic:
        network.outer_vlan_id = outer
        template.put("OUTER_VLAN_ID", outer)
    network.bridge = template.take_text("BRIDGE") or network.bridge
    for name, value in (
        ("VN_MAD", vn_mad),
        ("BRIDGE", network.bridge),
        ("BRIDGE_TYPE", network.bridge_type),
        ("PHYDEV", network.phydev),
    ):
        template.put(name, value)


@method("one.vn.delete", "i|b")
def delete(
    cloud: Cloud, caller: Caller, network_id: int, _force: bool = False
) -> Answer:
    """Delete a network without leases; it lingers in LOCK_DELETE for a moment."""
    network = cloud.pools.networks.get(network_id)
    require(cloud.pools, caller, Right.MANAGE, network)
    if network.used():
        raise wrong_state(
            "Cannot delete virtual network. "
            "Can not remove a virtual network with leases in use"
        )
    if network.state in (NetState.LOCK_CREATE, NetState.LOCK_DELETE, NetState.DONE):
        raise wrong_state(
            "Cannot delete virtual network. Can not remove a Virtual Network, "
            f"wrong state {network.state.name}"
        )
    network.state = NetState.LOCK_DELETE
    network.due = cloud.timeline.now() + cloud.timings.network
    cloud.pools.touch(network)
    arm(cloud, network)
    return network_id


@method("one.vn.add_ar", "is")
def add_range(cloud: Cloud, caller: Caller, network_id: int, text: str) -> Answer:
    """Add a range; that it overlaps another is nobody's concern here."""
    network, given = _range_call(cloud, caller, network_id, text, Right.ADMIN)
    leases.new_range(network, given)
    return network_id


@method("one.vn.update_ar", "is")
def update_range(cloud: Cloud, caller: Caller, network_id: int, text: str) -> Answer:
    """Change a range's size or attributes."""
    network, given = _range_call(cloud, caller, network_id, text, Right.MANAGE)
    leases.change_range(network, given)
    return network_id


@method("one.vn.rm_ar", "ii|b")
def remove_range(
    cloud: Cloud, caller: Caller, network_id: int, range_id: int, force: bool = False
) -> Answer:
    """Remove a range that has no leases, or (`force`) any."""
    return _remove_range(cloud, caller, network_id, range_id, Right.ADMIN, force=force)


@method("one.vn.free_ar", "ii")
def free_range(cloud: Cloud, caller: Caller, network_id: int, range_id: int) -> Answer:
    """Give a reserved range back to its network."""
    return _remove_range(cloud, caller, network_id, range_id, Right.MANAGE, force=False)


@method("one.vn.hold", "is")
def hold(cloud: Cloud, caller: Caller, network_id: int, text: str) -> Answer:
    """Hold an address."""
    network, given = _lease_call(cloud, caller, network_id, text)
    leases.hold(network, given)
    return network_id


@method("one.vn.release", "is")
def release(cloud: Cloud, caller: Caller, network_id: int, text: str) -> Answer:
    """Give a held address up."""
    network, given = _lease_call(cloud, caller, network_id, text)
    leases.release(network, given)
    return network_id


@method("one.vn.reserve", "is")
def reserve(cloud: Cloud, caller: Caller, network_id: int, text: str) -> Answer:
    """Reserve addresses in a row, as a network of the caller's own."""
    given = parse(text)
    size = given.integer("SIZE")
    if size is None or size <= 0:
        raise wrong_state("Reservation SIZE must be a greater than 0")
    existing = given.integer("NETWORK_ID")
    name = given.text("NAME")
    if not name and existing is None:
        raise wrong_state("NAME for reservation has to be set")
    wanted = {k: given.text(k) for k in ("AR_ID", "IP", "MAC") if given.text(k)}
    if "AR_ID" not in wanted and wanted:
        raise wrong_state("AR_ID must be specified for IP/MAC based reservations")
    parent = cloud.pools.networks.get(network_id)
    if parent.parent != -1:
        raise wrong_state("Cannot reserve addresses from a reserved VNET")
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, parent)
    child = None
    if existing is not None:
        child = cloud.pools.networks.get(existing)
        if child.parent == -1:
            raise wrong_state("Cannot add reservations to a non-reservation VNET")
        if child.parent != network_id:
            raise wrong_state(
                f"New reservations for virtual network {existing} have to be from "
                f"network {child.parent}"
            )
        inquiry.needs(Right.MANAGE, child)
    inquiry.decide()
    if child is None:
        template = parent.template.copy()
        template.erase("AR")
        template.put("NAME", name)
        child = make(
            cloud,
            caller,
            template,
            clusters=list(parent.cluster_ids),
            parent=network_id,
        )
    charge(cloud.pools, child.uid, child.gid, [network_usage(network_id, size)])
    leases.reserve(parent, child, size, wanted)
    cloud.pools.touch(parent)
    cloud.pools.touch(child)
    return child.id


@method("one.vn.recover", "ii")
def recover(cloud: Cloud, caller: Caller, network_id: int, operation: int) -> Answer:
    """Take a network that hangs for READY or failed, or delete it."""
    network = cloud.pools.networks.get(network_id)
    require(cloud.pools, caller, Right.MANAGE, network)
    words = {0: "recover failure", 1: "recover success", 2: "recover delete"}
    if operation not in words:
        raise wrong_state("Wrong recovery operation code")
    hanging = network.state in (NetState.LOCK_CREATE, NetState.LOCK_DELETE)
    if not hanging and not (operation and network.state is NetState.ERROR):
        raise internal(
            f"Could not perform '{words[operation]}' on VN {network_id}, "
            f"wrong state {network.state.name}."
        )
    network.due = 0.0
    if operation == 2 or (operation and network.state is NetState.LOCK_DELETE):  # noqa: PLR2004  # OpenNebula's number for delete
        _gone(cloud, network)
        return network_id
    if operation:
        be_ready(network)
    else:
        network.state = NetState.ERROR
    cloud.pools.touch(network)
    return network_id


@method("one.vntemplate.allocate", "s")
def allocate_template(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a network template."""
    template = parse(text)
    Inquiry(cloud.pools, caller).creates(NetworkTemplate).decide()
    name = template.take_text("NAME")
    refuse_restricted(caller, "VNET Template includes", restricted(template, NETWORK))
    return _add_template(cloud, caller, name, template)


@method("one.vntemplate.clone", "is|b")
def clone_template(  # OpenNebula's own
    cloud: Cloud, caller: Caller, source_id: int, name: str, _recursive: bool = False
) -> Answer:
    """Copy a network template."""
    source = cloud.pools.network_templates.get(source_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, source)
    inquiry.creates(NetworkTemplate).decide()
    return _add_template(cloud, caller, name, source.template.copy())


@method("one.vntemplate.delete", "i|b")
def delete_template(
    cloud: Cloud, caller: Caller, template_id: int, _recursive: bool = False
) -> Answer:
    """Delete a network template."""
    item = cloud.pools.network_templates.get(template_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    cloud.pools.remove(item)
    return template_id


@method("one.vntemplate.instantiate", "is|s")
def instantiate(  # OpenNebula's own
    cloud: Cloud, caller: Caller, template_id: int, name: str, extra: str = ""
) -> Answer:
    """Make a network from a template, which lends the right to do so."""
    source = cloud.pools.network_templates.get(template_id)
    template = source.template.copy()
    added = parse(extra)
    refuse_restricted(caller, "VNTemplate includes", restricted(added, NETWORK))
    require(cloud.pools, caller, Right.USE, source)
    template.merge(added)
    template.erase("NAME")
    template.put("TEMPLATE_NAME", source.name)
    if name:
        template.put("NAME", name)
    clusters = ids_of(template.take_text("CLUSTER_IDS")) or [0]
    made = make(cloud, caller, template, clusters=clusters, template_id=template_id)
    return made.id


def _add_template(cloud: Cloud, caller: Caller, name: str, template: Attributes) -> int:
    free_name(cloud, TEMPLATES, name, caller.uid)
    template_id = cloud.pools.new_id(NetworkTemplate)
    cloud.pools.add(
        NetworkTemplate(
            id=template_id,
            name=name,
            uid=caller.uid,
            gid=caller.gid,
            uname=caller.uname,
            gname=caller.gname,
            template=template,
            regtime=cloud.now(),
        )
    )
    return template_id


def _drive(network: Network) -> None:
    template = network.template
    vn_mad = template.text("VN_MAD")
    if not vn_mad:
        raise internal("No VN_MAD in template for Virtual Network.")
    if vn_mad not in _DRIVERS:
        raise internal(f'VN_MAD named "{vn_mad}" is not included in oned.conf')
    network.vn_mad = vn_mad
    network.phydev = template.text("PHYDEV")
    network.bridge = template.text("BRIDGE")
    for name, automatic in (
        ("VLAN_ID", "AUTOMATIC_VLAN_ID"),
        ("OUTER_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID"),
    ):
        wanted = template.take_text(automatic).upper() == "YES"
        number = to_int(template.text(name))
        given = "" if number is None else str(number)
        by_itself = wanted and not given
        drawn = str(_FIRST_VLAN + network.id) if by_itself else given
        if name == "VLAN_ID":
            network.vlan_automatic, network.vlan_id = by_itself, drawn
        else:
            network.outer_vlan_automatic, network.outer_vlan_id = by_itself, drawn
    if vn_mad in _NEEDS_PHYDEV and not network.phydev:
        raise internal(f"PHYDEV is mandatory for driver {vn_mad}")
    if vn_mad == "dummy" and not network.bridge:
        raise internal(f"BRIDGE is mandatory for driver {vn_mad}")
    if vn_mad in _NEEDS_PHYDEV and not network.vlan_id:
        raise internal(
            f"VLAN_ID (or AUTOMATIC_VLAN_ID) is mandatory for driver {vn_mad}"
        )
    if vn_mad == "ovswitch_vxlan" and not network.outer_vlan_id:
        raise internal(f"OUTER_VLAN_ID (or AUTOMATIC) is mandatory for driver {vn_mad}")
    network.bridge_type = _BRIDGE_TYPES.get(vn_mad, "linux")
    if not network.bridge:
        fixed = "" if network.vlan_automatic else network.vlan_id
        network.bridge = f"onebr.{fixed}" if fixed else f"onebr{network.id}"
    template.put("PHYDEV", network.phydev)
    template.put("BRIDGE", network.bridge)
    template.put("BRIDGE_TYPE", network.bridge_type)


def _usable(cloud: Cloud, caller: Caller, network_id: int, right: Right) -> Network:
    network = cloud.pools.networks.get(network_id)
    require(cloud.pools, caller, right, network)
    return network


def _in_state(caller: Caller, network: Network) -> None:
    if network.state not in (NetState.READY, NetState.UPDATE_FAILURE):
        raise wrong_state(
            f"Could not execute {caller.method}"
            f"Virtual Network is in wrong state: {network.state.name}"
        )


def _range_call(  # one call's parts
    cloud: Cloud, caller: Caller, network_id: int, text: str, right: Right
) -> tuple[Network, Vector]:
    network = cloud.pools.networks.get(network_id)
    if network.template_id != -1:
        right = Right.MANAGE
    require(cloud.pools, caller, right, network)
    template = parse(text)
    _in_state(caller, network)
    refuse_restricted(caller, "AR includes", restricted(template, NETWORK))
    given = template.vector("AR")
    if given is None:
        raise internal("Wrong AR definition. AR vector attribute is missing.")
    cloud.pools.touch(network)
    return network, given


def _lease_call(
    cloud: Cloud, caller: Caller, network_id: int, text: str
) -> tuple[Network, Vector]:
    network = _usable(cloud, caller, network_id, Right.MANAGE)
    template = parse(text)
    _in_state(caller, network)
    given = template.vector("LEASES")
    if given is None:
        raise internal("Empty lease description.")
    cloud.pools.touch(network)
    return network, given


def _remove_range(  # one call's parts
    cloud: Cloud,
    caller: Caller,
    network_id: int,
    range_id: int,
    right: Right,
    *,
    force: bool,
) -> int:
    network = cloud.pools.networks.get(network_id)
    if network.template_id != -1:
        right = Right.MANAGE
    require(cloud.pools, caller, right, network)
    if network.state not in (NetState.READY, NetState.UPDATE_FAILURE):
        raise wrong_state(
            "Could not remove Adress Range, Virtual Network is in wrong state: "
            + network.state.name
        )
    found = leases.range_of(network, range_id)
    if found is None:
        raise internal("Address Range does not exist")
    if found.leases and not force:
        raise internal("Address Range has leases in use")
    network.ranges.remove(found)
    cloud.pools.touch(network)
    _return_range(cloud, network)
    return network_id


def _return_range(cloud: Cloud, network: Network) -> None:
    parent = cloud.pools.networks.find(network.parent) if network.parent >= 0 else None
    if parent is None:
        return
    kept: set[tuple[str, int]] = set()
    for mine in network.ranges:
        kept.add((mine.attributes["MAC"], mine.size))
    for found in parent.ranges:
        theirs = [i for i, who in found.leases.items() if who == ("NET", network.id)]
        still = _covered(found.attributes["MAC"], theirs, kept)
        for index in theirs:
            if index not in still:
                del found.leases[index]
                usage = [network_usage(parent.id)]
                account(cloud.pools, network.uid, network.gid, usage, sign=-1)
    cloud.pools.touch(parent)


def _covered(
    first_mac: str, indexes: list[int], kept: set[tuple[str, int]]
) -> set[int]:
    base = leases.mac_number(first_mac)
    covered: set[int] = set()
    for mac, size in kept:
        start = leases.mac_number(mac) - base
        covered.update(i for i in indexes if start <= i < start + size)
    return covered


def _gone(cloud: Cloud, network: Network) -> None:
    network.ranges.clear()
    _return_range(cloud, network)
    cloud.pools.remove(network)
