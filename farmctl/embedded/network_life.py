"""The life of a network: its driver's demands, its ranges, its end."""

from farmctl.embedded import leases
from farmctl.embedded.attributes import Attributes, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.configuration import stock
from farmctl.embedded.entities import Network
from farmctl.embedded.quotas import account, network_usage
from farmctl.embedded.refusal import internal
from farmctl.embedded.states import NetState

_NEEDS_PHYDEV = ("802.1Q", "vxlan")
_WITH_VLAN = ("802.1Q", "ovswitch", "ovswitch_vxlan")
_FIRST_VLAN, _LAST_VLAN = 2, 4094


def drive(cloud: Cloud, network: Network) -> None:
    """Take a new network's driver and what it demands from its template.

    Raises:
        Refusal: there is no such driver, or it demands more (8192).
    """
    template = network.template
    vn_mad = template.text("VN_MAD")
    if not vn_mad:
        raise internal("No VN_MAD in template for Virtual Network.")
    network.bridge_type = _bridge_type(vn_mad)
    network.vn_mad = vn_mad
    network.phydev = template.text("PHYDEV")
    network.bridge = template.text("BRIDGE")
    automatic, number = _numbered(template, "")
    if automatic and vn_mad in _WITH_VLAN:
        number = _free_vlan(cloud, network.id)
    elif automatic and vn_mad == "vxlan":
        number = str(_FIRST_VLAN + network.id)
    network.vlan_automatic, network.vlan_id = automatic, number
    automatic, number = _numbered(template, "OUTER_")
    if automatic and vn_mad == "ovswitch_vxlan":
        number = str(_FIRST_VLAN + network.id)
    network.outer_vlan_automatic, network.outer_vlan_id = automatic, number
    if vn_mad in _NEEDS_PHYDEV and not network.phydev:
        raise internal(f"PHYDEV is mandatory for driver {vn_mad}")
    if vn_mad == "dummy" and not network.bridge:
        raise internal(f"BRIDGE is mandatory for driver {vn_mad}")
    if vn_mad in _NEEDS_PHYDEV and not (network.vlan_id or network.vlan_automatic):
        raise internal(
            f"VLAN_ID (or AUTOMATIC_VLAN_ID) is mandatory for driver {vn_mad}"
        )
    if vn_mad == "ovswitch_vxlan" and not network.outer_vlan_id:
        raise internal(f"OUTER_VLAN_ID (or AUTOMATIC) is mandatory for driver {vn_mad}")
    if not network.bridge:
        fixed = "" if network.vlan_automatic else network.vlan_id
        network.bridge = f"onebr.{fixed}" if fixed else f"onebr{network.id}"
    template.put("PHYDEV", network.phydev)
    template.put("BRIDGE", network.bridge)
    template.put("BRIDGE_TYPE", network.bridge_type)


def _bridge_type(vn_mad: str) -> str:
    for driver in stock().vectors("VN_MAD_CONF"):
        if driver["NAME"] == vn_mad:
            return driver["BRIDGE_TYPE"].partition(",")[0]
    raise internal(f'VN_MAD named "{vn_mad}" is not included in oned.conf')


def _numbered(template: Attributes, prefix: str) -> tuple[bool, str]:
    wanted = template.take_text(f"AUTOMATIC_{prefix}VLAN_ID").upper() == "YES"
    number = to_int(template.text(f"{prefix}VLAN_ID"))
    return wanted and number is None, "" if number is None else str(number)


def _free_vlan(cloud: Cloud, network_id: int) -> str:
    taken = {
        network.vlan_id
        for network in cloud.pools.networks
        if network.vlan_automatic and network.vn_mad in _WITH_VLAN
    }
    hint = _FIRST_VLAN + network_id % (_LAST_VLAN + 1 - _FIRST_VLAN)
    for number in (hint, *range(_FIRST_VLAN, _LAST_VLAN + 1)):
        if str(number) not in taken:
            return str(number)
    raise internal("Cannot automatically assign VLAN_ID to network.")


def arm(cloud: Cloud, network: Network) -> None:
    """Have a network leave LOCK_CREATE or LOCK_DELETE when it is due."""
    if network.due <= 0:
        return
    network_id, due = network.id, network.due

    def settled() -> None:
        found = cloud.pools.networks.find(network_id)
        if found is None or found.due != due:
            return
        found.due = 0.0
        if found.state is NetState.LOCK_DELETE:
            gone(cloud, found)
            return
        be_ready(found)
        cloud.pools.touch(found)

    cloud.later(due, settled)


def be_ready(network: Network) -> None:
    """Take a new network for READY: its ranges come into being."""
    network.state = NetState.READY
    for given in network.template.erase("AR"):
        if isinstance(given, dict):
            leases.new_range(network, given)
    settle(network)


def settle(network: Network) -> None:
    """Bring a network's own values and its template together.

    Raises:
        Refusal: the driver is missing (8192).
    """
    template = network.template
    template.erase("TEMPLATE_ID")
    vn_mad = template.take_text("VN_MAD")
    if not vn_mad:
        raise internal("No VN_MAD in template for Virtual Network.")
    network.vn_mad = vn_mad
    network.bridge_type = _bridge_type(vn_mad)
    network.phydev = template.take_text("PHYDEV")
    template.erase("AUTOMATIC_VLAN_ID")
    template.erase("AUTOMATIC_OUTER_VLAN_ID")
    vlan = template.take_text("VLAN_ID")
    if not network.vlan_automatic:
        network.vlan_id = vlan
        template.put("VLAN_ID", vlan)
    outer = template.take_text("OUTER_VLAN_ID")
    if not network.outer_vlan_automatic:
        network.outer_vlan_id = outer
        template.put("OUTER_VLAN_ID", outer)
    network.bridge = template.take_text("BRIDGE") or network.bridge
    for name, value in (
        ("VN_MAD", vn_mad),
        ("BRIDGE", network.bridge),
        ("BRIDGE_TYPE", network.bridge_type),
        ("PHYDEV", network.phydev),
    ):
        template.put(name, value)


def return_range(cloud: Cloud, network: Network) -> None:
    """Give what a reservation no longer holds back to the network it is from."""
    parent = cloud.pools.networks.find(network.parent) if network.parent >= 0 else None
    if parent is None:
        return
    kept: set[tuple[str, int]] = set()
    for mine in network.ranges:
        kept.add((mine.attributes["MAC"], mine.size))
    for found in parent.ranges:
        theirs = [i for i, who in found.leases.items() if who == ("NET", network.id)]
        still = _covered(found.attributes["MAC"], theirs, kept)
        for index in theirs:
            if index not in still:
                del found.leases[index]
                usage = [network_usage(parent.id)]
                account(cloud.pools, network.uid, network.gid, usage, sign=-1)
    cloud.pools.touch(parent)


def _covered(
    first_mac: str, indexes: list[int], kept: set[tuple[str, int]]
) -> set[int]:
    base = leases.mac_number(first_mac)
    covered: set[int] = set()
    for mac, size in kept:
        start = leases.mac_number(mac) - base
        covered.update(i for i in indexes if start <= i < start + size)
    return covered


def gone(cloud: Cloud, network: Network) -> None:
    """Remove a network, and give what it had reserved back."""
    network.ranges.clear()
    return_range(cloud, network)
    cloud.pools.remove(network)
    for driver in cloud.drivers.values():
        driver.network_gone(network.id)
