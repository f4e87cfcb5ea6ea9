"""What oned.conf of 7.4 forbids ordinary users to set, by template and attribute.

An empty set restricts the attribute itself, another the attributes of a vector.
"""

from collections.abc import Mapping

Rules = Mapping[str, frozenset[str]]

_WHOLE: frozenset[str] = frozenset()
_BANDWIDTH = frozenset(
    f"{way}_{what}"
    for way in ("INBOUND", "OUTBOUND")
    for what in ("AVG_BW", "PEAK_BW", "PEAK_KB")
)

MACHINE: Rules = {
    "CONTEXT": frozenset({"FILES"}),
    "NIC": frozenset(
        {
            "MAC",
            "VLAN_ID",
            "BRIDGE",
            "FILTER",
            "FILTER_IP_SPOOFING",
            "FILTER_MAC_SPOOFING",
            "OPENNEBULA_MANAGED",
            "EXTERNAL",
            "VLAN_TAGGED_ID",
        }
    )
    | _BANDWIDTH,
    "NIC_ALIAS": frozenset({"MAC", "VLAN_ID", "BRIDGE", "OPENNEBULA_MANAGED"})
    | _BANDWIDTH,
    "NIC_DEFAULT": frozenset({"MAC", "VLAN_ID", "BRIDGE", "FILTER", "EXTERNAL"}),
    "DISK": frozenset(
        f"{way}_{what}"
        for way in ("TOTAL", "READ", "WRITE")
        for what in (
            "BYTES_SEC",
            "BYTES_SEC_MAX_LENGTH",
            "BYTES_SEC_MAX",
            "IOPS_SEC",
            "IOPS_SEC_MAX_LENGTH",
            "IOPS_SEC_MAX",
        )
    )
    | {"SIZE_IOPS_SEC", "OPENNEBULA_MANAGED", "ORIGINAL_SIZE", "SIZE_PREV"},
    "DEPLOY_ID": _WHOLE,
    "CPU_COST": _WHOLE,
    "MEMORY_COST": _WHOLE,
    "DISK_COST": _WHOLE,
    "PCI": _WHOLE,
    "EMULATOR": _WHOLE,
    "RAW": frozenset({"DATA"}),
    "USER_PRIORITY": _WHOLE,
    "USER_INPUTS": frozenset({"CPU", "MEMORY", "VCPU"}),
    "TOPOLOGY": frozenset({"PIN_POLICY", "HUGEPAGE_SIZE"}),
}
NETWORK: Rules = {
    "VN_MAD": _WHOLE,
    "PHYDEV": _WHOLE,
    "QINQ_TYPE": _WHOLE,
    "BRIDGE": _WHOLE,
    "CONF": _WHOLE,
    "BRIDGE_CONF": _WHOLE,
    "OVS_BRIDGE_CONF": _WHOLE,
    "IP_LINK_CONF": _WHOLE,
    "FILTER": _WHOLE,
    "FILTER_IP_SPOOFING": _WHOLE,
    "FILTER_MAC_SPOOFING": _WHOLE,
    "AR": frozenset(
        {
            "VN_MAD",
            "PHYDEV",
            "BRIDGE",
            "FILTER",
            "FILTER_IP_SPOOFING",
            "FILTER_MAC_SPOOFING",
        }
    ),
    "CLUSTER_IDS": _WHOLE,
    "EXTERNAL": _WHOLE,
}
IMAGE: Rules = {"SOURCE": _WHOLE}
OPERATIONS: Rules = {
    "VM_USE_OPERATIONS": _WHOLE,
    "VM_MANAGE_OPERATIONS": _WHOLE,
    "VM_ADMIN_OPERATIONS": _WHOLE,
}


def path_list(rules: Rules) -> list[str]:
    """Return the rules as oned.conf writes them: `NIC/MAC`."""
    return [
        f"{name}/{key}" if key else name
        for name, inner in rules.items()
        for key in (sorted(inner) or [""])
    ]
