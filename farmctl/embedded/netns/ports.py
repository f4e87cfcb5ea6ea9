"""A port: the place of a node's interface on a bridge, as the fabric is told of it.

What is written here goes into the texts that `ip` and `nft` read. Nothing gets there
that is not a number, an address in canonical form or a name of the kernel's: what is
none is refused here, with ValueError, before anything is changed. `filters` and
`fabric` rest on that and quote nothing.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

USUAL_MTU: Final = 1500
"""The largest packet in bytes, where a network names none."""

LARGEST_MTU: Final = 65535
"""The largest packet that a veth pair takes, in bytes."""

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_MULTICAST = 0x01

Rule = Mapping[str, str]
"""A RULE vector of a security group, as OpenNebula shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One interface of one node.

    Its kernel name in the fabric is `one-VM-NIC`, OpenNebula's own.
    """

    vm_id: int
    nic_id: int
    network_id: int
    pid: int
    """A process in the node's network namespace, as the keeper sees it."""
    device: str
    """The interface's name inside the node, such as eth0."""
    mac: str
    addresses: tuple[str, ...] = ()
    """IPv4 and IPv6, those of its aliases included; what it may send from."""
    filter_mac: bool = True
    """FILTER_MAC_SPOOFING."""
    filter_ip: bool = True
    """FILTER_IP_SPOOFING."""
    rules: tuple[Rule, ...] | None = None
    """The RULE vectors of all of its security groups; None: it is in no group, and
    everything is let through; empty: in groups without rules, and nothing is."""
    mtu: int = USUAL_MTU
    """In bytes."""
    filter_destination: bool = False
    """Whether it takes IPv4 packets to its own addresses only, so that it is nobody's
    gateway; OpenNebula has no such thing."""
    label: str = ""
    """The name in the fabric of what is no VM."""

    def __post_init__(self) -> None:
        for what, number in (("VM", self.vm_id), ("NIC", self.nic_id)):
            if number < 0:
                raise ValueError(f"{number} is no id of a {what}")
        if self.pid <= 0:
            raise ValueError(f"{self.pid} is no process")
        device_name(self.device)
        mac_address(self.mac)
        mtu_of(self.mtu)
        four, _ = by_family(self.addresses)
        if self.filter_destination and not four:
            raise ValueError("a port without an IPv4 address is no destination")
        device_name(self.name)

    @property
    def name(self) -> str:
        """The name of the port in the fabric's namespace: OpenNebula's TARGET."""
        return self.label or port_name(self.vm_id, self.nic_id)


def port_name(vm_id: int, nic_id: int) -> str:
    """Return OpenNebula's name for the hypervisor's end of an interface."""
    return f"one-{vm_id}-{nic_id}"


def device_name(text: str) -> str:
    """Return the name of an interface, if the kernel and our texts take it.

    Raises:
        ValueError: longer than 15 characters, or with others than letters, digits,
            `_`, `.` and `-`.
    """
    if not _DEVICE.fullmatch(text):
        raise ValueError(f"{text!r} is no name for an interface")
    return text


def mac_address(text: str) -> str:
    """Return a MAC address in lower case.

    Raises:
        ValueError: it is none, or one of a group of stations.
    """
    lower = text.lower()
    if not _MAC.fullmatch(lower) or int(lower[:2], 16) & _MULTICAST:
        raise ValueError(f"{text!r} is no MAC address of one interface")
    return lower


def mtu_of(number: int) -> int:
    """Return an MTU in bytes, if IPv4 and the kernel take it.

    Raises:
        ValueError: they do not.
    """
    smallest = 68  # RFC 791
    if not smallest <= number <= LARGEST_MTU:
        raise ValueError(f"{number} is no MTU")
    return number


def by_family(addresses: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the IPv4 and the IPv6 addresses in canonical form, in order, once each."""
    parsed = sorted(
        {ipaddress.ip_address(address) for address in addresses},
        key=lambda each: (each.version, int(each)),
    )
    return (
        tuple(str(each) for each in parsed if each.version == 4),  # noqa: PLR2004
        tuple(str(each) for each in parsed if each.version == 6),  # noqa: PLR2004
    )
