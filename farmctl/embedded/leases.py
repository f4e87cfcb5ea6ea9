"""Addresses of networks: ranges, leases, holds and reservations.

IPv4 and Ethernet ranges are counted; IPv6 ones are not offered by this cloud. A range
hands out its addresses in turn from where it stopped, as OpenNebula does, so a freed
address is not the next one given.
"""

import secrets
from ipaddress import AddressValueError, IPv4Address

from farmctl.embedded.attributes import Vector, to_int, yes_no
from farmctl.embedded.entities import AddressRange, Network
from farmctl.embedded.refusal import Refusal, internal, wrong_state

_TYPES = ("ETHER", "IP4", "IP6", "IP4_6", "IP4_6_STATIC", "IP6_STATIC")
_MAC_PREFIX = 0x0200
_MAC_PARTS = 6
_INTERNAL = (
    "ALLOCATED",
    "USED_LEASES",
    "LEASES",
    "PARENT_NETWORK_AR_ID",
    "PARENT_NETWORK",
    "MAC_END",
    "IP_END",
)
Holder = tuple[str, int]


def new_range(network: Network, given: Vector, *, parent_range: int = -1) -> None:
    """Add a range to a network.

    Raises:
        Refusal: type, address or size is none (8192).
    """
    attributes = dict(given)
    kind = attributes.get("TYPE", "").upper()
    if kind not in _TYPES:
        raise internal("Unknown or missing address range TYPE.")
    if kind not in ("ETHER", "IP4"):
        raise internal(f"Address ranges of TYPE {kind} are not supported here.")
    attributes["SHARED"] = yes_no(value=attributes.get("SHARED", "").upper() == "YES")
    low = secrets.randbits(32)
    if kind == "IP4":
        low = ip_number(attributes.get("IP", ""))
        if low < 0:
            raise internal("Wrong or empty IP attribute")
    else:
        attributes.pop("IP", None)
    mac = attributes.get("MAC", "")
    if mac and mac_number(mac) < 0:
        raise internal(f"Wrong format for MAC attribute: {mac}")
    attributes["MAC"] = mac or mac_text((_MAC_PREFIX << 32) | low)
    size = to_int(attributes.get("SIZE", ""))
    if size is None or size < 0:
        raise internal("Wrong SIZE for address range")
    for name in (*_INTERNAL, "GLOBAL_PREFIX", "ULA_PREFIX", "IP6"):
        attributes.pop(name, None)
    attributes["AR_ID"] = str(network.range_count)
    attributes["SIZE"] = str(size)
    if parent_range >= 0:
        attributes["PARENT_NETWORK_AR_ID"] = str(parent_range)
    network.range_count += 1
    network.ranges.append(AddressRange(attributes=attributes))


def change_range(network: Network, given: Vector) -> None:
    """Change size and free attributes of a range.

    Raises:
        Refusal: no such range, or used leases would fall outside (8192).
    """
    found = range_of(network, to_int(given.get("AR_ID", "")))
    if found is None:
        raise internal("Wrong AR definition. AR_ID is missing or does not exist.")
    size = to_int(given.get("SIZE", str(found.size)))
    if size is None or size < 0:
        raise internal("Unable to read the SIZE attribute, it must be number >= 0")
    if found.attributes.get("PARENT_NETWORK_AR_ID") and size != found.size:
        raise internal("The SIZE of a reservation cannot be changed.")
    if any(index >= size for index in found.leases):
        raise internal(
            "New SIZE cannot be applied. There are used leases"
            " that would fall outside the range."
        )
    kept = ("TYPE", "SHARED", "MAC", "IP", "AR_ID", "PARENT_NETWORK_AR_ID")
    changed = {k: v for k, v in given.items() if k not in (*_INTERNAL, *kept)}
    changed.update({k: found.attributes[k] for k in kept if k in found.attributes})
    changed["SIZE"] = str(size)
    found.attributes = changed
    if found.next_index >= size:
        found.next_index = 0


def range_of(network: Network, range_id: int | None) -> AddressRange | None:
    """Return the range of that number."""
    return next((r for r in network.ranges if r.id == range_id), None)


def lease(network: Network, holder: Holder, nic: Vector) -> bool:
    """Give the NIC an address: the one it asks for by IP or MAC, or the next free.

    Returns:
        Whether there was one. NIC's IP, MAC and AR_ID are then set, and what it
        inherits from its range.
    """
    ip, mac = nic.get("IP", ""), nic.get("MAC", "")
    if ip and mac:
        return False
    for found in network.ranges:
        index = _index(found, ip=ip, mac=mac) if ip or mac else _next_free(found)
        if index is None or index in found.leases:
            continue
        found.leases[index] = holder
        nic["AR_ID"] = str(found.id)
        nic["MAC"] = _mac(found, index)
        if "IP" in found.attributes:
            nic["IP"] = _ip(found, index)
        return True
    return False


def free(network: Network, holder: Holder, nic: Vector) -> bool:
    """Take the NIC's address back; say whether it was that holder's."""
    found = range_of(network, to_int(nic.get("AR_ID", "")))
    for candidate in network.ranges if found is None else [found]:
        index = _index(candidate, ip="", mac=nic.get("MAC", ""))
        if index is not None and candidate.leases.get(index) == holder:
            del candidate.leases[index]
            return True
    return False


def free_all(network: Network, holder: Holder) -> int:
    """Take every address of a holder back; return how many it had."""
    count = 0
    for found in network.ranges:
        mine = [index for index, who in found.leases.items() if who == holder]
        for index in mine:
            del found.leases[index]
        count += len(mine)
    return count


def hold(network: Network, given: Vector) -> None:
    """Hold an address by hand.

    Raises:
        Refusal: it is in no range, or taken (8192).
    """
    found, index = _named(network, given)
    if found is None or index is None or index in found.leases:
        raise internal("Address is not part of the address range or in use.")
    found.leases[index] = ("VM", -1)


def release(network: Network, given: Vector) -> None:
    """Give a held address up; one that is not held stays as it is.

    Raises:
        Refusal: no address is named (8192).
    """
    found, index = _named(network, given)
    if (
        found is not None
        and index is not None
        and found.leases.get(index)
        == (
            "VM",
            -1,
        )
    ):
        del found.leases[index]


def reserve(parent: Network, child: Network, size: int, given: Vector) -> None:
    """Move `size` addresses in a row from one network to another.

    Args:
        parent: whose addresses they are.
        child: who gets them, as a range of its own.
        size: how many.
        given: AR_ID, IP or MAC of the first, where it is to be a certain one.

    Raises:
        Refusal: there are not that many in a row (2048).
    """
    wanted = to_int(given.get("AR_ID", ""))
    for found in parent.ranges:
        if wanted is not None and found.id != wanted:
            continue
        start = _index(found, ip=given.get("IP", ""), mac=given.get("MAC", ""))
        if start is None and not (given.get("IP") or given.get("MAC")):
            start = _free_run(found, size)
            if start is not None and found.size:
                found.next_index = (start + size) % found.size
        if start is None or start + size > found.size:
            continue
        if any(index in found.leases for index in range(start, start + size)):
            continue
        for index in range(start, start + size):
            found.leases[index] = ("NET", child.id)
        attributes = {
            name: value
            for name, value in found.attributes.items()
            if name not in ("AR_ID", "SIZE")
        }
        attributes.update(SIZE=str(size), MAC=_mac(found, start))
        if "IP" in found.attributes:
            attributes["IP"] = _ip(found, start)
        new_range(child, attributes, parent_range=found.id)
        return
    raise wrong_state("Not enough free addresses in an address range")


def addresses(found: AddressRange) -> list[tuple[str, str, Holder]]:
    """Return IP, MAC and holder of every lease, in the order of addresses."""
    ip = "IP" in found.attributes
    return [
        (_ip(found, index) if ip else "", _mac(found, index), found.leases[index])
        for index in sorted(found.leases)
    ]


def range_end(found: AddressRange) -> tuple[str, str]:
    """Return the last IP and MAC of a range."""
    last = max(found.size - 1, 0)
    return (_ip(found, last) if "IP" in found.attributes else "", _mac(found, last))


def ip_number(text: str) -> int:
    """Return an IPv4 address as a number, -1 where it is none."""
    try:
        return int(IPv4Address(text))
    except AddressValueError:
        return -1


def mac_number(text: str) -> int:
    """Return a MAC address as a number, -1 where it is none."""
    parts = text.split(":")
    if len(parts) != _MAC_PARTS:
        return -1
    try:
        return int("".join(f"{int(part, 16):02x}" for part in parts), 16)
    except ValueError:
        return -1


def mac_text(number: int) -> str:
    """Write a number as a MAC address."""
    digits = f"{number:012x}"
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _ip(found: AddressRange, index: int) -> str:
    return str(IPv4Address(ip_number(found.attributes["IP"]) + index))


def _mac(found: AddressRange, index: int) -> str:
    return mac_text(mac_number(found.attributes["MAC"]) + index)


def _index(found: AddressRange, *, ip: str, mac: str) -> int | None:
    if ip:
        first, number = found.attributes.get("IP", ""), ip_number(ip)
        index = number - ip_number(first) if first and number >= 0 else -1
    elif mac:
        number = mac_number(mac)
        index = number - mac_number(found.attributes["MAC"]) if number >= 0 else -1
    else:
        return None
    return index if 0 <= index < found.size else None


def _named(network: Network, given: Vector) -> tuple[AddressRange | None, int | None]:
    ip, mac = given.get("IP", ""), given.get("MAC", "")
    if not (ip or mac):
        raise internal("Missing MAC, IP or IP6.")
    if ip and mac:
        raise _one_only()
    wanted = to_int(given.get("AR_ID", ""))
    for found in network.ranges:
        if wanted is not None and found.id != wanted:
            continue
        index = _index(found, ip=ip, mac=mac)
        if index is not None:
            return found, index
    return None, None


def _one_only() -> Refusal:
    return internal("Only one attribute MAC, IP or IP6 can be set.")


def _next_free(found: AddressRange) -> int | None:
    if len(found.leases) >= found.size:
        return None
    index = found.next_index
    while index in found.leases:
        index = (index + 1) % found.size
    found.next_index = (index + 1) % found.size
    return index


def _free_run(found: AddressRange, size: int) -> int | None:
    taken = found.leases
    for offset in range(found.size):
        start = (found.next_index + offset) % found.size
        if start + size <= found.size and not any(
            index in taken for index in range(start, start + size)
        ):
            return start
    return None
