"""The site's public network: which of its addresses a router can have.

Pure; `resolve` asks, before anything of a farm is made.
"""

from netaddr import IPAddress

from farmctl.model.view import CloudView, Network


def public_problem(network: Network, view: CloudView, *, farm: str, wish: str) -> str:
    """Say why the public address that a router wishes for cannot be had.

    Args:
        network: the public network.
        view: one look at the cloud.
        farm: the farm whose router asks; what it has already is its own.
        wish: `auto`, or an address.

    Returns:
        A sentence, or nothing if the address can be had.
    """
    held = {
        nic.address: vm
        for vm in view.vms
        for nic in vm.nics
        if nic.network_id == network.id and nic.address
    }
    mine = {
        address
        for address, vm in held.items()
        if vm.tag is not None and vm.tag.farm == farm
    }
    if wish == "auto":
        return ""
    number = _value(wish)
    if not any(
        _value(each.first) <= number < _value(each.first) + each.size
        for each in network.ranges
        if each.first
    ):
        return f"{wish} is in no range of the network {network.name}."
    if wish in held and wish not in mine:
        other = held[wish]
        return f"{wish} is used by the VM {other.name} ({other.id})."
    return ""


def public_left(network: Network) -> int:
    """Return how many addresses of a network nobody has."""
    return max(0, sum(each.size for each in network.ranges) - network.used_leases)


def _value(address: str) -> int:
    return int(IPAddress(address))
