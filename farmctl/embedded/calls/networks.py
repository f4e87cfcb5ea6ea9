"""Virtual networks and their templates."""

from farmctl.embedded import leases, render
from farmctl.embedded.attributes import (
    Attributes,
    ids_of,
    parse,
    restricted,
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
from farmctl.embedded.entities import Network
from farmctl.embedded.network_life import arm, be_ready, drive, gone, settle
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.quotas import charge, network_usage
from farmctl.embedded.refusal import internal, wrong_state
from farmctl.embedded.states import NetState


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
    drive(cloud, network)
    groups = ids_of(template.text("SECURITY_GROUPS") + ",0")
    template.put("SECURITY_GROUPS", ",".join(map(str, groups)))
    for given in template.vectors("AR"):
        # What is wrong with a range shows at once, as its kind is.
        leases.new_range(Network(id=-1, name="trial"), given)
    cloud.pools.add(network)
    network.due = cloud.timeline.now() + cloud.timings.network
    arm(cloud, network)
    return network


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
        gone(cloud, network)
        return network_id
    if operation:
        be_ready(network)
    else:
        network.state = NetState.ERROR
    cloud.pools.touch(network)
    return network_id
