"""The cloud about itself: version, configuration, the one zone."""

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes, Value
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import IMAGE, MACHINE, NETWORK, path_list
from farmctl.embedded.calls.shared import Kind, pool_xml, register
from farmctl.embedded.cloud import VERSION, Cloud
from farmctl.embedded.entities import Zone
from farmctl.embedded.permissions import Caller

ZONES = Kind(entity=Zone, prefix="zone", draw=lambda _cloud, item: render.zone(item))
register(ZONES, "info")


@method("one.system.version")
def version(_cloud: Cloud, _caller: Caller) -> Answer:
    """Return the version whose behaviour this cloud has."""
    return VERSION


@method("one.system.config")
def config(cloud: Cloud, caller: Caller) -> Answer:
    """Return what of oned.conf a client may depend on; administrators only."""
    del caller
    values: dict[str, list[Value]] = {
        "API_LIST_ORDER": ["DESC"],
        "DB": [{"BACKEND": "sqlite"}],
        "DEFAULT_UMASK": ["177"],
        "DEFAULT_DEVICE_PREFIX": ["sd"],
        "DEFAULT_IMAGE_TYPE": ["OS"],
        "ENABLE_OTHER_PERMISSIONS": ["YES"],
        "FEDERATION": [{"MODE": "STANDALONE", "SERVER_ID": "-1", "ZONE_ID": "0"}],
        "IMAGE_RESTRICTED_ATTR": list(path_list(IMAGE)),
        "ONEGATE_ENDPOINT": [cloud.onegate_url],
        "VM_RESTRICTED_ATTR": list(path_list(MACHINE)),
        "VNET_RESTRICTED_ATTR": list(path_list(NETWORK)),
        "VM_ADMIN_OPERATIONS": [
            "migrate, delete, recover, retry, deploy, resched, backup, restore"
        ],
        "VM_SUBMIT_ON_HOLD": ["NO"],
        "VN_MAD_CONF": [
            {"BRIDGE_TYPE": kind, "NAME": name}
            for name, kind in (
                ("dummy", "linux"),
                ("802.1Q", "linux"),
                ("fw", "linux"),
                ("ovswitch", "openvswitch,openvswitch_dpdk"),
                ("vxlan", "linux"),
                ("ovswitch_vxlan", "openvswitch"),
                ("bridge", "linux"),
            )
        ],
        "VLAN_IDS": [{"RESERVED": "0, 1, 4095", "START": "2"}],
        "VXLAN_IDS": [{"START": "2"}],
    }
    return Attributes(values).xml("OPENNEBULA_CONFIGURATION")


@method("one.zone.raftstatus")
def raft_status(_cloud: Cloud, _caller: Caller) -> Answer:
    """Say that this is no high-availability cluster."""
    return (
        "<RAFT><SERVER_ID>-1</SERVER_ID><STATE>0</STATE><TERM>0</TERM>"
        "<VOTEDFOR>-1</VOTEDFOR><COMMIT>0</COMMIT><LOG_INDEX>-1</LOG_INDEX>"
        "<LOG_TERM>-1</LOG_TERM><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>"
    )


@method("one.zonepool.info")
def zones(cloud: Cloud, caller: Caller) -> Answer:
    """Show the one zone."""
    found = select(cloud.pools, caller, cloud.pools.zones, -2, -1, -1)
    return pool_xml(cloud, ZONES, found)
