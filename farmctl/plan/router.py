"""What a farm's router does, drawn from the files and the farm's addresses.

Pure, and the only place where it is decided which port is open to whom. What only the
machine knows (its public address, where OpenNebula chooses it) may be left empty: the
router then takes it from its context. `context` renders the result.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from netaddr import IPAddress, IPNetwork

from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Role, node_name
from farmctl.model.router import (
    Admin,
    Dhcp,
    Forwarding,
    Interface,
    Lease,
    Monitoring,
    Name,
    Opening,
    RouterValues,
    Verdict,
    Zone,
    ZonePolicy,
)
from farmctl.model.steps import Note
from farmctl.model.view import Network
from farmctl.plan import addresses
from farmctl.spec import Farm, Forward, Site

TIME_SERVERS = tuple(f"{number}.openwrt.pool.ntp.org" for number in range(4))
"""Where routers get the time: the zone that the NTP pool has given OpenWrt."""

MAC_PREFIX = "02:00"
"""OpenNebula's own MAC_PREFIX; the other four bytes are the address."""

_DNS, _DHCP, _TIME = 53, 67, 123


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A node's place in the farm's class C, from the view or from the plan.

    `mac` is empty where only the plan knows of the node: OpenNebula then makes it of
    the address.
    """

    name: str
    address: str
    mac: str = ""


def mac_of(address: str, *, prefix: str = MAC_PREFIX) -> str:
    """Return the MAC that OpenNebula gives an address of a range without MACs."""
    number = int(IPAddress(address))
    return ":".join(
        [prefix, *(f"{number >> shift & 0xFF:02x}" for shift in (24, 16, 8, 0))]
    )


def public_interface(
    network: Network, *, address: str = "", mac: str = ""
) -> Interface:
    """Return the router's public interface, as far as the network and the VM tell.

    What people wrote into the network and is no address is left out: the router has
    its context to go by.
    """
    servers = tuple(each for each in _text(network, "DNS").split() if _is_address(each))
    gateway = _text(network, "GATEWAY")
    return Interface(
        zone=Zone.WAN,
        address=address,
        prefix=_prefix(_text(network, "NETWORK_MASK")),
        mac=mac.lower(),
        gateway=gateway if _is_address(gateway) else "",
        dns=servers,
    )


def draw(
    site: Site,
    farm: Farm,
    *,
    cidr: str,
    hosts: Iterable[Host],
    public: Interface | None,
    time_servers: Sequence[str] = TIME_SERVERS,
    mac_prefix: str = MAC_PREFIX,
) -> RouterValues:
    """Return all that the farm's router is told.

    Equal input gives equal output, whatever the order of `hosts`.

    Args:
        site: the cloud's rules.
        farm: the farm as declared.
        cidr: its class C.
        hosts: every node that is there or is about to be, but for the router.
        public: the router's public interface; None if the farm has none.
        time_servers: where the router gets the time.
        mac_prefix: what this OpenNebula begins the MACs with that it makes.

    Raises:
        NotPossibleError: two nodes have one name or address.
    """
    domain = f"{farm.name}.{site.domain}"
    known = sorted(hosts, key=lambda each: int(IPAddress(each.address)))
    _refuse_doubles(known)
    own = addresses.router_address(cidr)
    hostname = node_name(farm.name, Role.ROUTER)
    lan = Interface(
        zone=Zone.LAN,
        address=own,
        mac=mac_of(own, prefix=mac_prefix),
        mtu=site.networks.farms.largest_packet or 0,
    )
    forwards, absent = _forwards(farm, known) if public is not None else ((), ())
    return RouterValues(
        farm=farm.name,
        hostname=hostname,
        domain=domain,
        cidr=cidr,
        search=(domain, site.domain),
        private=(site.domain,),
        interfaces=(lan,) if public is None else (public, lan),
        zones=_zones(public),
        dhcp=_dhcp(farm, cidr),
        leases=tuple(
            Lease(
                name=each.name,
                address=each.address,
                mac=each.mac.lower() or mac_of(each.address, prefix=mac_prefix),
            )
            for each in known
        ),
        names=(
            _name(own, hostname, domain),
            *(_name(each.address, each.name, domain) for each in known),
        ),
        openings=tuple(_openings(site, cidr, public)),
        forwards=forwards,
        absent=absent,
        upstream=tuple(dict.fromkeys(site.dns)) if public is not None else (),
        time_servers=tuple(time_servers),
    )


def _name(address: str, name: str, domain: str) -> Name:
    return Name(address=address, names=(f"{name}.{domain}", name))


def _refuse_doubles(hosts: Sequence[Host]) -> None:
    for what in ("name", "address"):
        seen: set[str] = set()
        for host in hosts:
            text: str = getattr(host, what)
            if text in seen:
                raise NotPossibleError(
                    f"Two nodes have the {what} {text}, and DNS takes one.",
                    hint="End one of the two VMs, or take its interface off the "
                    "farm's network.",
                )
            seen.add(text)


def _zones(public: Interface | None) -> tuple[ZonePolicy, ...]:
    # A node learns at once that a port is shut; an outsider learns nothing.
    lan = ZonePolicy(zone=Zone.LAN, input=Verdict.REJECT, forward=Verdict.ACCEPT)
    if public is None:
        return (lan,)
    wan = ZonePolicy(
        zone=Zone.WAN, input=Verdict.DROP, forward=Verdict.DROP, masquerade=True
    )
    return (wan, lan)


def _dhcp(farm: Farm, cidr: str) -> Dhcp:
    if not farm.router.dhcp_open:
        return Dhcp()
    workers = sum(pool.count.max for pool in farm.pools.values())
    base = int(IPNetwork(cidr).first)
    return Dhcp(
        first=str(IPAddress(base + workers + 1)),
        last=str(IPAddress(base + addresses.LAST_WORKER_HOST)),
    )


def _openings(site: Site, cidr: str, public: Interface | None) -> Iterator[Opening]:
    lan, wan = Zone.LAN, Zone.WAN
    yield Opening(name="dhcp", zone=lan, protocols=("udp",), port=_DHCP)
    yield Opening(name="dns", zone=lan, protocols=("tcp", "udp"), port=_DNS)
    yield Opening(name="time", zone=lan, protocols=("udp",), port=_TIME)
    yield Opening(name="ping", zone=lan, protocols=("icmp",))
    yield Opening(
        name="monitoring", zone=lan, protocols=("tcp",), port=Monitoring().port
    )
    if public is not None:
        yield Opening(name="ping", zone=wan, protocols=("icmp",))
    admin = Admin()
    for zone, sources in _admins(site, cidr, public):
        for name, port in (("ssh", admin.ssh_port), ("web", admin.web_port)):
            yield Opening(
                name=name, zone=zone, protocols=("tcp",), port=port, sources=sources
            )


def _admins(
    site: Site, cidr: str, public: Interface | None
) -> Iterator[tuple[Zone, tuple[str, ...]]]:
    """Yield from where the router is administered; there is always a way in."""
    declared = site.admin.addresses
    if not declared or public is None:
        yield Zone.LAN, ()
        return
    usable = _collapsed(declared)
    outside = tuple(net for net in usable if not _inside(net, cidr))
    if outside:
        yield Zone.WAN, _unless_everybody(outside)
    # An admin's machine may stand in the farm itself.
    inside = IPNetwork(cidr)
    if any(inside in IPNetwork(net) for net in usable):
        yield Zone.LAN, ()
    elif mine := tuple(net for net in usable if _inside(net, cidr)):
        yield Zone.LAN, mine


def _collapsed(nets: Iterable[str]) -> tuple[str, ...]:
    """Return the same addresses as networks that do not overlap, in their order."""
    read = (ipaddress.IPv4Network(net) for net in nets)
    return tuple(str(net) for net in ipaddress.collapse_addresses(read))


def _unless_everybody(nets: tuple[str, ...]) -> tuple[str, ...]:
    return () if "0.0.0.0/0" in nets else nets


def _inside(net: str, cidr: str) -> bool:
    return IPNetwork(net) in IPNetwork(cidr)


def _forwards(
    farm: Farm, hosts: Sequence[Host]
) -> tuple[tuple[Forwarding, ...], tuple[str, ...]]:
    by_name = {host.name: host.address for host in hosts}
    found: list[Forwarding] = []
    absent: list[str] = []
    for forward in farm.router.forwards:
        address = by_name.get(f"{farm.name}-{forward.to}")
        if address is None:
            absent.append(forward.name)
        else:
            found.append(_forwarding(forward, address))
    return tuple(found), tuple(absent)


def closed(farm: Farm, hosts: Iterable[Host]) -> Iterator[Note]:
    """Yield a note for each forward whose node is not there: its port is shut."""
    if farm.router.public_address == "none":
        return
    names = {host.name for host in hosts}
    for forward in farm.router.forwards:
        if f"{farm.name}-{forward.to}" not in names:
            yield Note(
                subject=f"forward {forward.name}",
                message=f"leads nowhere for now, as there is no {forward.to}: port "
                f"{forward.port} opens once that node is made",
            )


def _forwarding(forward: Forward, address: str) -> Forwarding:
    return Forwarding(
        name=forward.name,
        protocols=forward.protocols,
        port=forward.port,
        address=address,
        to_port=forward.target_port,
        sources=_unless_everybody(_collapsed(forward.sources)),
    )


def _text(network: Network, key: str) -> str:
    value = network.attributes.get(key)
    return value.strip() if isinstance(value, str) else ""


def _prefix(mask: str) -> int:
    try:
        return ipaddress.IPv4Network(f"0.0.0.0/{mask}").prefixlen if "." in mask else 24
    except ValueError:
        return 24


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
