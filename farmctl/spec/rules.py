"""Rules between several fields of one file, each as far as its fields make sense.

A `…Draft` holds what such a rule needs, with None where a value is missing or wrong in
itself: that is a mistake of its own, and no reason to keep quiet about the others.
Drafts are drawn from the models (`of`) and from half-right files (`spec.reading`).
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from farmctl.spec import text
from farmctl.spec.base import Breach
from farmctl.spec.suggestions import did_you_mean

if TYPE_CHECKING:
    from farmctl.spec.farm import Farm
    from farmctl.spec.site import FarmNetworks, Site

WORKER_ADDRESSES = 252
"""`.1` to `.252`; `.253` is the head, `.254` the router (Torino's habit)."""

ADMIN_PORTS = {60022: "the router's SSH", 60443: "the router's LuCI"}
"""Taken on the public address of every router (Torino's habit)."""

NEVER_A_SENDER = tuple(
    ipaddress.IPv4Network(net) for net in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")
)
"""From where no packet ever comes: this host, loopback, multicast and above."""

PRIVATE = tuple(
    ipaddress.IPv4Network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""RFC 1918."""

_CLASS_C = 24
_LARGEST_VLAN_ID = 4094
_NEED_DEVICE = ("802.1Q", "vxlan")
_LONGEST_INTERFACE = 15
_TAKE_BRIDGE = ("ovswitch",)
_TAKE_VLANS = ("802.1Q", "vxlan", "ovswitch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardDraft:
    """What is known of a forward that may be wrong in places."""

    name: str | None
    port: int | None
    protocols: Sequence[str]
    to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmDraft:
    """What is known of a farm that may be wrong in places."""

    kind: str | None
    has_head: bool
    has_batch: bool
    public_address: str | None
    dhcp_open: bool
    forwards: Sequence[ForwardDraft]
    pools: Mapping[str, int | None]
    """The most nodes of each pool."""

    variables: Mapping[str, str]

    @classmethod
    def of(cls, farm: "Farm") -> Self:
        """Return the draft of a farm that is right field by field."""
        return cls(
            kind=farm.kind,
            has_head=farm.head is not None,
            has_batch=farm.batch is not None,
            public_address=farm.router.public_address,
            dhcp_open=farm.router.dhcp_open,
            forwards=[
                ForwardDraft(
                    name=forward.name,
                    port=forward.port,
                    protocols=forward.protocols,
                    to=forward.to,
                )
                for forward in farm.router.forwards
            ],
            pools={name: pool.count.max for name, pool in farm.pools.items()},
            variables=farm.variables,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDraft:
    """What is known of a site that may be wrong in places."""

    supernet: str | None
    driver: str | None
    device: str | None
    has_device: bool
    has_bridge: bool
    vlan_ids: tuple[int, int] | None
    has_vlan_ids: bool
    reserved: Sequence[str | None]
    admins: Sequence[str | None]
    has_login: bool
    has_playbook: bool

    @classmethod
    def of(cls, site: "Site") -> Self:
        """Return the draft of a site that is right field by field."""
        farms: FarmNetworks = site.networks.farms
        vlans = farms.vlan_ids
        return cls(
            supernet=farms.supernet,
            driver=farms.driver,
            device=farms.physical_device,
            has_device=farms.physical_device is not None,
            has_bridge=farms.bridge is not None,
            vlan_ids=None if vlans is None else (vlans.first, vlans.last),
            has_vlan_ids=vlans is not None,
            reserved=site.networks.reserved,
            admins=site.admin.addresses,
            has_login=site.login is not None,
            has_playbook=site.playbook is not None,
        )


def broken_in_farm(draft: FarmDraft) -> Iterator[Breach]:
    """Yield every rule between fields that a farm breaks."""
    yield from _batch(draft)
    yield from _size(draft)
    yield from _targets(draft)
    yield from _ports(draft)
    used = sum(
        len(f"{k}{v}".encode(errors="replace")) for k, v in draft.variables.items()
    )
    if used > text.VARIABLE_BYTES:
        yield Breach(
            loc=("variables",),
            message=f"the variables hold {used} bytes; {text.VARIABLE_BYTES} fit.",
            hint="Let the nodes fetch what is large.",
        )


def broken_in_site(draft: SiteDraft) -> Iterator[Breach]:
    """Yield every rule between fields that a site breaks."""
    at = ("networks", "farms")
    driver = draft.driver
    if driver in _NEED_DEVICE and not draft.has_device:
        yield Breach(
            loc=(*at, "driver"),
            message=f"the driver {driver} needs a physical_device.",
            hint="Add the hypervisors' interface, such as physical_device: eth1.",
        )
    if driver in _TAKE_BRIDGE and not draft.has_bridge:
        yield Breach(
            loc=(*at, "driver"),
            message=f"the driver {driver} needs a bridge, with a VLAN for each farm.",
            hint="Add the hypervisors' Open vSwitch, such as bridge: ovsbr0.",
        )
    if driver == "ovswitch" and not draft.has_vlan_ids:
        yield Breach(
            loc=(*at, "driver"),
            message="with the driver ovswitch a port carries every VLAN, unless the "
            "farm's is known beforehand.",
            hint="Add vlan_ids, such as vlan_ids: {first: 100, last: 3000}.",
        )
    if driver == "bridge" and draft.has_device:
        yield Breach(
            loc=(*at, "physical_device"),
            message="an interface is in one bridge at a time, and with the driver "
            "bridge each farm has one of its own.",
            hint="Use 802.1Q or vxlan, or leave it out where there is one hypervisor.",
        )
    if draft.device is not None and driver in _NEED_DEVICE:
        yield from _long_device(draft.device, draft.vlan_ids)
    if driver is not None and driver not in _TAKE_BRIDGE and draft.has_bridge:
        yield Breach(
            loc=(*at, "bridge"),
            message=f"with the driver {driver} each farm has a bridge of its own.",
            hint="Leave bridge out: one for all would join the farms.",
        )
    if driver is not None and driver not in _TAKE_VLANS and draft.has_vlan_ids:
        yield Breach(
            loc=(*at, "vlan_ids"),
            message=f"the driver {driver} has no VLANs.",
            hint=f"Leave vlan_ids out, or use {', '.join(_TAKE_VLANS)}.",
        )
    if draft.vlan_ids is not None:
        yield from _vlans(draft.vlan_ids, driver)
    if draft.has_playbook and not draft.has_login:
        yield Breach(
            loc=("playbook",),
            message="a playbook needs a way into the nodes.",
            hint="Add login, such as login: {user: root, key_file: ~/.ssh/farmctl}.",
        )
    yield from _admins(draft.admins, draft.supernet)
    if draft.supernet is not None:
        yield from _supernet(ipaddress.IPv4Network(draft.supernet), draft.reserved)


def _admins(admins: Sequence[str | None], supernet: str | None) -> Iterator[Breach]:
    """Refuse networks from which nobody comes in: a farm's own is none of outside."""
    inside = (*NEVER_A_SENDER, *map(ipaddress.IPv4Network, filter(None, [supernet])))
    hopeless = text.lying_in(admins, inside)
    # An admin may stand in a farm as well, if only another one stands outside.
    nobody = len(hopeless) == len(admins)
    bad = hopeless if nobody else text.lying_in(admins, NEVER_A_SENDER)
    all_out = ", and everybody would be locked out of the routers" if nobody else ""
    for index in bad:
        yield Breach(
            loc=("admin", "addresses", index),
            message=f"no packet ever comes in from {admins[index]}{all_out}.",
            hint="Name the networks that the admins sit in, such as 192.0.2.0/24.",
        )


def _long_device(device: str, ids: tuple[int, int] | None) -> Iterator[Breach]:
    """OpenNebula's drivers call a farm's interface DEVICE.ID; the kernel takes 15."""
    made = f"{device}.{max(ids) if ids else _LARGEST_VLAN_ID}"
    if len(made) > _LONGEST_INTERFACE:
        yield Breach(
            loc=("networks", "farms", "physical_device"),
            message=f"OpenNebula makes interfaces such as {made} of it, and the kernel "
            f"takes {_LONGEST_INTERFACE} characters.",
            hint="Give the hypervisors' interface a shorter name, or lower vlan_ids.",
        )


def _vlans(ids: tuple[int, int], driver: str | None) -> Iterator[Breach]:
    at = ("networks", "farms", "vlan_ids")
    first, last = ids
    if first > last:
        yield Breach(
            loc=(*at, "first"),
            message=f"first is {first}, which is more than last, {last}.",
            hint="Turn them round.",
        )
    elif driver != "vxlan" and last > _LARGEST_VLAN_ID:
        yield Breach(
            loc=(*at, "last"),
            message=f"{last} is no VLAN id; the highest is {_LARGEST_VLAN_ID}.",
        )


def _supernet(
    supernet: ipaddress.IPv4Network, reserved: Sequence[str | None]
) -> Iterator[Breach]:
    at = ("networks", "farms", "supernet")
    if not any(supernet.subnet_of(private) for private in PRIVATE):
        yield Breach(
            loc=at,
            message=f"{supernet} is not private (RFC 1918).",
            hint="Use a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.",
        )
    if supernet.prefixlen > _CLASS_C:
        yield Breach(
            loc=at,
            message=f"{supernet} is smaller than one class C (/24).",
            hint="Use such as 172.16.0.0/16, which has room for 256 farms.",
        )
    for index, net in enumerate(reserved):
        if net is not None and not ipaddress.IPv4Network(net).overlaps(supernet):
            yield Breach(
                loc=("networks", "reserved", index),
                message=f"{net} is outside the farms' supernet {supernet}.",
                hint="Leave it out: no farm could get it.",
            )


def _batch(draft: FarmDraft) -> Iterator[Breach]:
    if draft.kind != "batch":
        return
    if not draft.has_batch:
        yield Breach(
            loc=("kind",),
            message="a batch farm says which batch system it has.",
            hint="Add batch: slurm or batch: htcondor.",
        )
    if not draft.has_head:
        yield Breach(
            loc=("kind",),
            message="a batch farm needs a head for its batch server.",
            hint="Add head, or use kind: pilot for workers of a server elsewhere.",
        )


def _size(draft: FarmDraft) -> Iterator[Breach]:
    most = [most for most in draft.pools.values() if most is not None]
    total = sum(most)
    if total > WORKER_ADDRESSES:
        said = " + ".join(str(number) for number in most)
        yield Breach(
            loc=("pools",),
            message=f"{said} nodes are too many for a class C, which has room for "
            f"{WORKER_ADDRESSES} workers."
            if len(most) > 1
            else f"{total} nodes are too many for a class C.",
            hint="Lower the counts, or make two farms.",
        )
    elif total == WORKER_ADDRESSES and draft.dhcp_open:
        yield Breach(
            loc=("router", "dhcp_open"),
            message=f"{total} nodes leave no address of the class C to other machines.",
            hint="Lower the counts, or leave dhcp_open out.",
        )


def _targets(draft: FarmDraft) -> Iterator[Breach]:
    known = [*(["head"] if draft.has_head else []), *draft.pools]
    for index, forward in enumerate(draft.forwards):
        to = forward.to
        if to is None:
            continue
        loc = ("router", "forwards", index, "to")
        node = text.node_of_pool(to)
        if to == "head":
            if not draft.has_head:
                yield Breach(
                    loc=loc,
                    message="the farm has no head.",
                    hint="Add head, or forward to a node of a pool, such as wn-001.",
                )
        elif to == "router":
            yield Breach(
                loc=loc,
                message="a forward leads to a node behind the router, not to itself.",
                hint="Its SSH answers at port 60022 of the public address.",
            )
        elif to in draft.pools:
            yield Breach(
                loc=loc,
                message=f"{to!r} is a whole pool; a forward leads to one node.",
                hint=f"Write {to}-001.",
            )
        elif node is None or node[0] not in draft.pools:
            shown = to if node is None else node[0]
            yield Breach(
                loc=loc,
                message=f"no node or pool is called {text.show(shown)}.",
                hint=did_you_mean(shown, known, else_say="The farm has"),
            )
        else:
            yield from _ordinal(loc, node, draft.pools[node[0]])


def _ordinal(
    loc: tuple[str | int, ...], node: tuple[str, int], most: int | None
) -> Iterator[Breach]:
    pool, number = node
    if number == 0:
        yield Breach(
            loc=loc,
            message=f"the nodes of a pool count from 1, not from {pool}-000.",
            hint=f"Write {pool}-001.",
        )
    elif most is not None and number > most:
        yield Breach(
            loc=loc,
            message=f"pool {pool} never has a node {number}: its most is {most}.",
            hint=f"Raise pools.{pool}.count, or forward to another node.",
        )


def _ports(draft: FarmDraft) -> Iterator[Breach]:
    if draft.public_address == "none" and draft.forwards:
        yield Breach(
            loc=("router", "public_address"),
            message="without a public address nothing can be forwarded.",
            hint="Write public_address: auto, or leave the forwards out.",
        )
    taken: dict[tuple[str, int], str] = {
        ("tcp", port): what for port, what in ADMIN_PORTS.items()
    }
    names: set[str] = set()
    for index, forward in enumerate(draft.forwards):
        at = ("router", "forwards", index)
        if forward.name is not None and forward.name in names:
            yield Breach(
                loc=(*at, "name"),
                message=f"two forwards are called {forward.name!r}.",
                hint="Give each a name of its own.",
            )
        names.add(forward.name or "")
        if forward.port is None:
            continue
        ends = [(protocol, forward.port) for protocol in forward.protocols]
        clash = next((end for end in ends if end in taken), None)
        if clash is not None:
            yield Breach(
                loc=(*at, "port"),
                message=f"{clash[0]} port {forward.port} is taken by {taken[clash]}.",
                hint="Choose another port.",
            )
        for end in ends:
            taken.setdefault(end, f"forward {forward.name or index + 1}")
