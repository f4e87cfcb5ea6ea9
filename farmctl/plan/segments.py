"""The segment of a farm: what the site's driver keeps its frames apart by.

A segment is a VLAN id on a wire, or a bridge of the farm's own. What OpenNebula is
asked for is held against the sources of its drivers (7.4.0, src/vnm_mad and src/vnm):

* 802.1Q and vxlan make the interface `PHYDEV.ID` and a bridge for it. Without a name
  the bridge is `onebr.ID` where the id was given, so that networks of two drivers or
  two interfaces with the same id would meet in it: with ids of the site's range the
  bridge has the class C in its name.
* ovswitch tells the farms apart by the tag of a port, all on one bridge. Since 7.4 its
  ports carry all tagged frames besides their own VLAN (`vlan_mode=native-untagged`,
  no trunks), unless the network names the VLANs that they carry: a node could send
  into any farm's VLAN. So the network names its own, which must be known beforehand:
  this driver needs a range in the site file.
* bridge makes a plain bridge, and no filters: those are fw's, which is the same
  driver with security groups and anti-spoofing.
* OpenNebula's pool of automatic ids knows of no id that a network was given, and the
  other way round. With a range, an id follows from the class C, which no two farms
  share; a class C whose id another network has goes to no farm.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from netaddr import IPNetwork

from farmctl.model.attributes import Attributes
from farmctl.model.steps import Note
from farmctl.model.view import CloudView, Network
from farmctl.spec import FarmNetworks

_CLASS_C: Final = 256
_OWN_BRIDGE = ("bridge", "dummy")
_NAMES: Mapping[str, str] = {"bridge": "fw"}
_VLANS = ("802.1Q", "ovswitch")
_LINUX_BRIDGES = ("802.1Q", "vxlan", "bridge", "fw", "dummy")
_SHOWN: Final = 5
_TWO_ENDS_AND_ONE: Final = 3


def attributes(farms: FarmNetworks, cidr: str, *, held: str = "") -> dict[str, str]:
    """Return the attributes that give a farm's network its segment.

    Args:
        farms: the site's rules.
        cidr: the farm's class C.
        held: the VLAN id of the network that the farm has already.
    """
    wanted = {"VN_MAD": _NAMES.get(farms.driver, farms.driver)}
    number = _number(farms, cidr)
    if farms.bridge is not None:
        wanted["BRIDGE"] = farms.bridge
    elif farms.driver in _OWN_BRIDGE or number is not None:
        wanted["BRIDGE"] = bridge_name(cidr)
    if farms.physical_device is not None:
        wanted["PHYDEV"] = farms.physical_device
    if number is not None:
        wanted["VLAN_ID"] = str(number)
    elif farms.driver not in _OWN_BRIDGE:
        wanted["AUTOMATIC_VLAN_ID"] = "YES"
    if farms.driver == "ovswitch" and (held or number is not None):
        wanted["VLAN_TAGGED_ID"] = held or str(number)
    if farms.largest_packet is not None:
        wanted["MTU"] = str(farms.largest_packet)
    return wanted


def bridge_name(cidr: str) -> str:
    """Return the bridge of a class C: at most 14 characters, nobody else's.

    Farms of two owners may have one name, but never one class C.
    """
    return f"br-{cidr.rpartition('.')[0]}"


class Refusals:
    """Which class C networks have no segment to go with them, and why."""

    def __init__(self, farms: FarmNetworks, view: CloudView, *, farm: str) -> None:
        self._farms = farms
        self._taken = {} if farms.vlan_ids is None else _ids(farms, view, farm)

    def of(self, cidr: str) -> str:
        """Return why a class C cannot be had: the rest of a sentence, or nothing."""
        ids = self._farms.vlan_ids
        if ids is None or self._farms.driver in _OWN_BRIDGE:
            return ""
        number = _number(self._farms, cidr)
        if number is None or number > ids.last:
            return f"has no VLAN id: vlan_ids ends at {ids.last}"
        if number in self._taken:
            other = self._taken[number]
            return (
                f"goes with the VLAN id {number}, which the network {other.name} "
                f"({other.id}) has"
            )
        return ""


def crossings(wanted: Attributes, view: CloudView, *, farm: str) -> Iterator[Note]:
    """Say which other networks share the segment of a farm's network.

    OpenNebula refuses none of that. Only networks that the user sees are compared.
    """
    mine = view.farm(farm).network
    shown = wanted if mine is None else mine.attributes
    number = mine.vlan_id if mine is not None else _text(wanted, "VLAN_ID")
    driver = _text(shown, "VN_MAD")
    others = [each for each in view.networks if mine is None or each.id != mine.id]
    if mine is not None and number:
        same = [
            each
            for each in others
            if each.vlan_id == number and _kind(each) == _kind_of(driver)
        ]
        yield from _note(farm, same, f"has the VLAN id {number}, as have")
    bridge = _text(shown, "BRIDGE")
    if bridge and driver in _LINUX_BRIDGES:
        same = [
            each
            for each in others
            if _text(each.attributes, "BRIDGE") == bridge
            and _text(each.attributes, "VN_MAD") in _LINUX_BRIDGES
        ]
        yield from _note(farm, same, f"has the bridge {bridge}, as have")
    if bridge and driver == "ovswitch":
        open_ones = [
            each
            for each in others
            if _text(each.attributes, "VN_MAD") == "ovswitch"
            and _text(each.attributes, "BRIDGE") == bridge
            and _carries(_text(each.attributes, "VLAN_TAGGED_ID"), number)
        ]
        yield from _note(
            farm,
            open_ones,
            f"is VLAN {number or 'unknown'} of {bridge}, which ports of these carry "
            "as well, having no VLAN_TAGGED_ID or one with it in it:",
        )


def _carries(tagged: str, number: str) -> bool:
    """Return whether ports with a VLAN_TAGGED_ID such as `1,7-9` carry a VLAN."""
    if not tagged:
        return True
    for part in tagged.split(","):
        first, _, last = part.strip().partition("-")
        ends = [each for each in (first, last or first, number) if each.isdecimal()]
        if len(ends) == _TWO_ENDS_AND_ONE:
            low, high = sorted(int(each) for each in ends[:2])
            if low <= int(number) <= high:
                return True
    return False


def _note(farm: str, others: list[Network], what: str) -> Iterator[Note]:
    if others:
        said = ", ".join(f"{each.name} ({each.id})" for each in others[:_SHOWN])
        if len(others) > _SHOWN:
            said += f" and {len(others) - _SHOWN} more"
        yield Note(subject=f"network {farm}", message=f"{what} {said}")


def _number(farms: FarmNetworks, cidr: str) -> int | None:
    """Return the VLAN id that goes with a class C, if the site says which.

    Counted from the start of the supernet, so that two farms which are made at once,
    and have each a class C of its own, have each an id of its own as well.
    """
    ids = farms.vlan_ids
    if ids is None or farms.driver in _OWN_BRIDGE:
        return None
    first, start = IPNetwork(cidr).first, IPNetwork(farms.supernet).first
    # A farm may be older than the supernet in the site's file.
    return ids.first + (int(first) - int(start)) // _CLASS_C if first >= start else None


def _ids(farms: FarmNetworks, view: CloudView, farm: str) -> dict[int, Network]:
    """Return the networks that have VLAN ids, the farm's own aside, by id.

    Whether two interfaces lead to the same switches is not known here, so an id counts
    as taken on every one.
    """
    mine = view.farm(farm).network
    return {
        int(each.vlan_id): each
        for each in sorted(view.networks, key=lambda each: each.id, reverse=True)
        if each.vlan_id.isdecimal()
        and _kind(each) == _kind_of(farms.driver)
        and (mine is None or each.id != mine.id)
    }


def _kind(network: Network) -> str:
    return _kind_of(_text(network.attributes, "VN_MAD"))


def _kind_of(driver: str) -> str:
    return "vlan" if driver in _VLANS else driver


def _text(values: Attributes, name: str) -> str:
    found = values.get(name, "")
    return found if isinstance(found, str) else ""
