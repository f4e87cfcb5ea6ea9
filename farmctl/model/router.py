"""What a router is told, as values: drawn once, rendered in two flavours.

`plan.router` draws them from the two files and the farm's addresses; `context` renders
them as OpenWrt's UCI files or as Debian's dnsmasq and nftables. All that is decided
stands here (which port is open to whom, which name has which address), so that both
flavours, and whoever probes a running router, mean the same farm.
"""

from dataclasses import dataclass
from enum import StrEnum

FILES_VARIABLE = "FARMCTL_ROUTER_BASE64"
"""The variable of a router's context that carries its files."""


class Zone(StrEnum):
    """Which side of the router: the farm's class C, or the public network."""

    LAN = "lan"
    WAN = "wan"


class Verdict(StrEnum):
    """What becomes of a packet that nothing else speaks of."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    DROP = "DROP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface of the router, known by its MAC address and never by its order.

    `address` is empty where OpenNebula chooses it when it makes the VM: the router
    then takes address, prefix, gateway and name servers from its context. `mtu` 0 is
    the network's own.
    """

    zone: Zone
    address: str = ""
    prefix: int = 24
    mac: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    mtu: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePolicy:
    """What a zone does with packets to the router (`input`) and within it (`forward`).

    `masquerade`: what leaves through it has the router's own address.
    """

    zone: Zone
    input: Verdict
    forward: Verdict
    masquerade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One node: the address that its MAC gets, and the name that this resolves to."""

    name: str
    address: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Names of one address in full; the first is what it resolves back to."""

    address: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhcp:
    """Whom the router gives addresses.

    `first` and `last` are the range for unknown machines, empty where they get none.
    `lease_seconds` is how soon a node notices a change.
    """

    first: str = ""
    last: str = ""
    lease_seconds: int = 43_200

    @property
    def open(self) -> bool:
        """Whether unknown machines get an address."""
        return bool(self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A service of the router itself that one zone may reach.

    `protocols` are `tcp`, `udp` or `icmp` (then pings, and `port` is 0); `sources` are
    networks, none of them meaning everybody in the zone.
    """

    name: str
    zone: Zone
    protocols: tuple[str, ...]
    port: int = 0
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """A port of the public address that leads to one node.

    `sources` are networks, none of them meaning everybody.
    """

    name: str
    protocols: tuple[str, ...]
    port: int
    address: str
    to_port: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Where the site's admins log in; who may is among the openings."""

    ssh_port: int = 60_022
    web_port: int = 60_443


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Where the router tells how it is, to Prometheus, inside the farm only."""

    port: int = 9100


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterValues:
    """One router, whole.

    `domain` is the farm's own; `search` is what nodes append to short names; `private`
    are domains whose answers from above may hold private addresses. `upstream` are the
    name servers that it asks, none of them meaning those of the public interface.
    `time_servers` are host names or addresses. `absent` names the forwards that lead
    to no node, as there is none of that name: they are closed.
    """

    farm: str
    hostname: str
    domain: str
    cidr: str
    search: tuple[str, ...]
    private: tuple[str, ...]
    interfaces: tuple[Interface, ...]
    zones: tuple[ZonePolicy, ...]
    dhcp: Dhcp
    leases: tuple[Lease, ...] = ()
    names: tuple[Name, ...] = ()
    openings: tuple[Opening, ...] = ()
    forwards: tuple[Forwarding, ...] = ()
    absent: tuple[str, ...] = ()
    admin: Admin = Admin()
    monitoring: Monitoring = Monitoring()
    upstream: tuple[str, ...] = ()
    time_servers: tuple[str, ...] = ()

    @property
    def lan(self) -> Interface:
        """The interface in the farm's class C, which every router has."""
        return next(each for each in self.interfaces if each.zone is Zone.LAN)

    @property
    def wan(self) -> Interface | None:
        """The public interface, if the farm has one."""
        return next((each for each in self.interfaces if each.zone is Zone.WAN), None)
