"""Address ranges of networks, and addresses that are held."""

from farmctl.embedded import leases
from farmctl.embedded.attributes import Vector, parse, restricted
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import NETWORK
from farmctl.embedded.calls.shared import refuse_restricted
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Network
from farmctl.embedded.network_life import return_range
from farmctl.embedded.permissions import Caller, Right, require
from farmctl.embedded.refusal import internal, wrong_state
from farmctl.embedded.states import NetState


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
    return_range(cloud, network)
    return network_id
