"""The two security groups of a farm: what the hypervisors let through.

`FARM-lan` is carried by the farm's network, and so by every interface in it; `FARM-wan`
by the router's public interface. They hold a second time what the router's own firewall
holds, and go on holding it when the router is broken into. OpenNebula's groups are
stateful: answers to what went out come in.

An interface has the union of its own groups and its network's (measured, 7.4.0), so the
network must carry ours alone: OpenNebula adds its group 0, which lets everything in, to
each new network, and only an update afterwards takes it off. The same holds for the
site's public network; `resolve` names it when it carries group 0.
"""

from collections.abc import Iterable, Iterator

from netaddr import IPNetwork

from farmctl.model.attributes import Vector
from farmctl.model.target import TargetObject
from farmctl.spec import Farm, Forward, Site

ADMIN_PORTS = (60022, 60443)
"""The router's SSH and LuCI on its public address: Torino's habit."""

ECHO_REQUEST = "8"
"""The ICMP type of a ping."""

_DHCP_SERVER = "67"
_ANYWHERE = "0.0.0.0/0"
_OUT: Vector = {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}


def lan_name(farm: str) -> str:
    """Return the name of the group that the farm's network carries."""
    return f"{farm}-lan"


def wan_name(farm: str) -> str:
    """Return the name of the group of the router's public interface."""
    return f"{farm}-wan"


def lan_group(farm: Farm, cidr: str) -> TargetObject:
    """Return the group of the farm's network: itself, and what is forwarded to it.

    A forwarded packet arrives with its first sender's address, so the port is open to
    the forward's sources, not to the router alone. A node that asks for its address
    has none yet: its DHCP request comes from 0.0.0.0.
    """
    rules = [
        _OUT,
        _rule("ALL", source=cidr),
        _rule("UDP", ports=_DHCP_SERVER, source="0.0.0.0/32"),
    ]
    for forward in farm.router.forwards:
        rules += _forward(forward, forward.target_port)
    return TargetObject(
        name=lan_name(farm.name), attributes={"RULE": tuple(_once(rules))}
    )


def wan_group(farm: Farm, site: Site) -> TargetObject:
    """Return the group of the router's public interface: declared ports and no more."""
    rules = [_OUT, _rule("ICMP", icmp_type=ECHO_REQUEST)]
    for forward in farm.router.forwards:
        rules += _forward(forward, forward.port)
    rules += [
        _rule("TCP", ports=",".join(str(port) for port in ADMIN_PORTS), source=source)
        for source in site.admin.addresses
    ]
    return TargetObject(
        name=wan_name(farm.name), attributes={"RULE": tuple(_once(rules))}
    )


def _forward(forward: Forward, port: int) -> Iterator[Vector]:
    for protocol in forward.protocols:
        for source in forward.sources:
            yield _rule(protocol.upper(), ports=str(port), source=source)


def _rule(
    protocol: str, *, ports: str = "", source: str = _ANYWHERE, icmp_type: str = ""
) -> Vector:
    rule = {"PROTOCOL": protocol, "RULE_TYPE": "inbound"}
    if ports:
        rule["RANGE"] = ports
    if icmp_type:
        rule["ICMP_TYPE"] = icmp_type
    network = IPNetwork(source)
    if network.prefixlen:
        rule["IP"] = str(network.network)
        rule["SIZE"] = str(network.size)
    return rule


def _once(rules: Iterable[Vector]) -> Iterator[Vector]:
    seen: set[tuple[tuple[str, str], ...]] = set()
    for rule in rules:
        key = tuple(sorted((name, str(value)) for name, value in rule.items()))
        if key not in seen:
            seen.add(key)
            yield rule
