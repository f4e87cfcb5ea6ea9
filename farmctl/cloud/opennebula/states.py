"""OpenNebula's numbers for states, and what they mean to farmctl.

Pure tables, from OpenNebula 7.4's `VirtualMachine.h`, `Host.h`, `Image.h` and
`VirtualNetwork.h`. A number that is not here is a state of a newer OpenNebula: it is
shown as it is and counts as UNKNOWN, so that nothing is decided on it.
"""

from farmctl.model.nodes import VmState

_ACTIVE = 3
DONE = 6

_VM: dict[int, tuple[str, VmState]] = {
    0: ("INIT", VmState.PENDING),
    1: ("PENDING", VmState.PENDING),
    2: ("HOLD", VmState.HELD),
    4: ("STOPPED", VmState.OFF),
    5: ("SUSPENDED", VmState.OFF),
    DONE: ("DONE", VmState.GONE),
    7: ("FAILED", VmState.FAILED),
    8: ("POWEROFF", VmState.OFF),
    9: ("UNDEPLOYED", VmState.OFF),
    10: ("CLONING", VmState.PENDING),
    11: ("CLONING_FAILURE", VmState.FAILED),
}

_LCM: dict[int, tuple[str, VmState]] = {
    0: ("LCM_INIT", VmState.PLACING),
    1: ("PROLOG", VmState.PLACING),
    2: ("BOOT", VmState.STARTING),
    3: ("RUNNING", VmState.RUNNING),
    4: ("MIGRATE", VmState.MOVING),
    5: ("SAVE_STOP", VmState.STOPPING),
    6: ("SAVE_SUSPEND", VmState.STOPPING),
    7: ("SAVE_MIGRATE", VmState.MOVING),
    8: ("PROLOG_MIGRATE", VmState.MOVING),
    9: ("PROLOG_RESUME", VmState.PLACING),
    10: ("EPILOG_STOP", VmState.STOPPING),
    11: ("EPILOG", VmState.ENDING),
    12: ("SHUTDOWN", VmState.ENDING),
    13: ("CANCEL", VmState.ENDING),
    14: ("FAILURE", VmState.FAILED),
    15: ("CLEANUP_RESUBMIT", VmState.PLACING),
    16: ("UNKNOWN", VmState.UNKNOWN),
    17: ("HOTPLUG", VmState.MOVING),
    18: ("SHUTDOWN_POWEROFF", VmState.STOPPING),
    19: ("BOOT_UNKNOWN", VmState.STARTING),
    20: ("BOOT_POWEROFF", VmState.STARTING),
    21: ("BOOT_SUSPENDED", VmState.STARTING),
    22: ("BOOT_STOPPED", VmState.STARTING),
    23: ("CLEANUP_DELETE", VmState.ENDING),
    24: ("HOTPLUG_SNAPSHOT", VmState.MOVING),
    25: ("HOTPLUG_NIC", VmState.MOVING),
    26: ("HOTPLUG_SAVEAS", VmState.MOVING),
    27: ("HOTPLUG_SAVEAS_POWEROFF", VmState.OFF),
    28: ("HOTPLUG_SAVEAS_SUSPENDED", VmState.OFF),
    29: ("SHUTDOWN_UNDEPLOY", VmState.STOPPING),
    30: ("EPILOG_UNDEPLOY", VmState.STOPPING),
    31: ("PROLOG_UNDEPLOY", VmState.PLACING),
    32: ("BOOT_UNDEPLOY", VmState.STARTING),
    33: ("HOTPLUG_PROLOG_POWEROFF", VmState.OFF),
    34: ("HOTPLUG_EPILOG_POWEROFF", VmState.OFF),
    35: ("BOOT_MIGRATE", VmState.MOVING),
    36: ("BOOT_FAILURE", VmState.FAILED),
    37: ("BOOT_MIGRATE_FAILURE", VmState.FAILED),
    38: ("PROLOG_MIGRATE_FAILURE", VmState.FAILED),
    39: ("PROLOG_FAILURE", VmState.FAILED),
    40: ("EPILOG_FAILURE", VmState.FAILED),
    41: ("EPILOG_STOP_FAILURE", VmState.FAILED),
    42: ("EPILOG_UNDEPLOY_FAILURE", VmState.FAILED),
    43: ("PROLOG_MIGRATE_POWEROFF", VmState.OFF),
    44: ("PROLOG_MIGRATE_POWEROFF_FAILURE", VmState.FAILED),
    45: ("PROLOG_MIGRATE_SUSPEND", VmState.OFF),
    46: ("PROLOG_MIGRATE_SUSPEND_FAILURE", VmState.FAILED),
    47: ("BOOT_UNDEPLOY_FAILURE", VmState.FAILED),
    48: ("BOOT_STOPPED_FAILURE", VmState.FAILED),
    49: ("PROLOG_RESUME_FAILURE", VmState.FAILED),
    50: ("PROLOG_UNDEPLOY_FAILURE", VmState.FAILED),
    51: ("DISK_SNAPSHOT_POWEROFF", VmState.OFF),
    52: ("DISK_SNAPSHOT_REVERT_POWEROFF", VmState.OFF),
    53: ("DISK_SNAPSHOT_DELETE_POWEROFF", VmState.OFF),
    54: ("DISK_SNAPSHOT_SUSPENDED", VmState.OFF),
    55: ("DISK_SNAPSHOT_REVERT_SUSPENDED", VmState.OFF),
    56: ("DISK_SNAPSHOT_DELETE_SUSPENDED", VmState.OFF),
    57: ("DISK_SNAPSHOT", VmState.MOVING),
    58: ("DISK_SNAPSHOT_REVERT", VmState.MOVING),
    59: ("DISK_SNAPSHOT_DELETE", VmState.MOVING),
    60: ("PROLOG_MIGRATE_UNKNOWN", VmState.UNKNOWN),
    61: ("PROLOG_MIGRATE_UNKNOWN_FAILURE", VmState.FAILED),
    62: ("DISK_RESIZE", VmState.MOVING),
    63: ("DISK_RESIZE_POWEROFF", VmState.OFF),
    64: ("DISK_RESIZE_UNDEPLOYED", VmState.OFF),
    65: ("HOTPLUG_NIC_POWEROFF", VmState.OFF),
    66: ("HOTPLUG_RESIZE", VmState.MOVING),
    67: ("HOTPLUG_SAVEAS_UNDEPLOYED", VmState.OFF),
    68: ("HOTPLUG_SAVEAS_STOPPED", VmState.OFF),
    69: ("BACKUP", VmState.MOVING),
    70: ("BACKUP_POWEROFF", VmState.OFF),
    71: ("RESTORE", VmState.OFF),
}

_HOST = (
    "INIT",
    "MONITORING_MONITORED",
    "MONITORED",
    "ERROR",
    "DISABLED",
    "MONITORING_ERROR",
    "MONITORING_INIT",
    "MONITORING_DISABLED",
    "OFFLINE",
)
_IMAGE = (
    "INIT",
    "READY",
    "USED",
    "DISABLED",
    "LOCKED",
    "ERROR",
    "CLONE",
    "DELETE",
    "USED_PERS",
    "LOCKED_USED",
    "LOCKED_USED_PERS",
)
HOST_DISABLED = frozenset({"DISABLED", "MONITORING_DISABLED"})
NETWORK_READY = 1
DATASTORE_READY = 0


def vm_state(state: int, lcm_state: int) -> tuple[str, VmState]:
    """Return OpenNebula's name and our meaning of a VM's STATE and LCM_STATE."""
    if state == _ACTIVE:
        known = _LCM.get(lcm_state)
        unknown = f"LCM_STATE {lcm_state}"
    else:
        known = _VM.get(state)
        unknown = f"STATE {state}"
    return known if known is not None else (unknown, VmState.UNKNOWN)


def host_state(state: int) -> tuple[str, bool]:
    """Return the name of a host's STATE, and whether it takes new VMs."""
    name = _named(_HOST, state)
    return name, name in {"MONITORED", "MONITORING_MONITORED"}


def image_state(state: int, *, shareable: bool) -> tuple[str, bool]:
    """Return the name of an image's STATE, and whether a new VM can use it.

    `shareable`: a persistent image that several VMs may hold at once.
    """
    name = _named(_IMAGE, state)
    return name, name in {"READY", "USED"} or (name == "USED_PERS" and shareable)


def _named(names: tuple[str, ...], state: int) -> str:
    return names[state] if 0 <= state < len(names) else f"STATE {state}"
