"""Rules between several fields of a site file, each as far as its fields make sense.

A `SiteDraft` holds what such a rule needs, with None where a value is missing or wrong
in itself; see `rules`, which has the farm's.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from farmctl.spec import text
from farmctl.spec.base import Breach

if TYPE_CHECKING:
    from farmctl.spec.site import FarmNetworks, Site

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
    admin_keys: int
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
            admin_keys=len(site.admin.ssh_keys),
            has_login=site.login is not None,
            has_playbook=site.playbook is not None,
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
    if draft.has_login:
        yield from _login(draft)
    yield from _admins(draft.admins, draft.supernet)
    if draft.supernet is not None:
        yield from _supernet(ipaddress.IPv4Network(draft.supernet), draft.reserved)


def _login(draft: SiteDraft) -> Iterator[Breach]:
    """Refuse a way in that leads nowhere: each is through a router, and by a key."""
    if not draft.admins:
        yield Breach(
            loc=("login",),
            message="nobody can log in: routers answer SSH from admin.addresses alone, "
            "and there are none.",
            hint="Add the network that farmctl runs in, such as "
            "admin: {addresses: [192.0.2.0/24]}.",
        )
    if not draft.admin_keys:
        yield Breach(
            loc=("login",),
            message="nobody can log in: nodes know the keys of admin.ssh_keys, and "
            "there are none.",
            hint="Add the public half of login.key_file to admin.ssh_keys: the one "
            "line of its .pub file.",
        )


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
