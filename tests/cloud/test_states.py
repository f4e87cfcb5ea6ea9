"""Numbers of states, and what they mean."""

import pytest

from farmctl.cloud.opennebula import states
from farmctl.model.nodes import VmState

MEANS = [
    (0, 0, "INIT", VmState.PENDING),
    (1, 0, "PENDING", VmState.PENDING),
    (2, 0, "HOLD", VmState.HELD),
    (3, 0, "LCM_INIT", VmState.PLACING),
    (3, 1, "PROLOG", VmState.PLACING),
    (3, 2, "BOOT", VmState.STARTING),
    (3, 3, "RUNNING", VmState.RUNNING),
    (3, 7, "SAVE_MIGRATE", VmState.MOVING),
    (3, 12, "SHUTDOWN", VmState.ENDING),
    (3, 16, "UNKNOWN", VmState.UNKNOWN),
    (3, 18, "SHUTDOWN_POWEROFF", VmState.STOPPING),
    (3, 20, "BOOT_POWEROFF", VmState.STARTING),
    (3, 25, "HOTPLUG_NIC", VmState.MOVING),
    (3, 36, "BOOT_FAILURE", VmState.FAILED),
    (3, 39, "PROLOG_FAILURE", VmState.FAILED),
    (3, 61, "PROLOG_MIGRATE_UNKNOWN_FAILURE", VmState.FAILED),
    (3, 71, "RESTORE", VmState.OFF),
    (3, 99, "LCM_STATE 99", VmState.UNKNOWN),
    (4, 0, "STOPPED", VmState.OFF),
    (5, 0, "SUSPENDED", VmState.OFF),
    (6, 0, "DONE", VmState.GONE),
    (6, 3, "DONE", VmState.GONE),
    (8, 0, "POWEROFF", VmState.OFF),
    (9, 0, "UNDEPLOYED", VmState.OFF),
    (10, 0, "CLONING", VmState.PENDING),
    (11, 0, "CLONING_FAILURE", VmState.FAILED),
    (12, 0, "STATE 12", VmState.UNKNOWN),
    (-1, 0, "STATE -1", VmState.UNKNOWN),
]


@pytest.mark.parametrize(("state", "lcm", "name", "means"), MEANS)
def test_the_state_of_a_vm(state, lcm, name, means):
    assert states.vm_state(state, lcm) == (name, means)


def test_every_life_cycle_state_of_7_4_is_known():
    unknown = [n for n in range(72) if states.vm_state(3, n)[0].startswith("LCM_STATE")]
    assert unknown == []


def test_every_failure_state_is_a_failure_and_nothing_else_is():
    for number in range(72):
        name, means = states.vm_state(3, number)
        assert name.endswith("FAILURE") == (means is VmState.FAILED)


@pytest.mark.parametrize(
    ("state", "name", "usable"),
    [
        (0, "INIT", False),
        (1, "MONITORING_MONITORED", True),
        (2, "MONITORED", True),
        (3, "ERROR", False),
        (4, "DISABLED", False),
        (8, "OFFLINE", False),
        (9, "STATE 9", False),
    ],
)
def test_the_state_of_a_host(state, name, usable):
    assert states.host_state(state) == (name, usable)


@pytest.mark.parametrize(
    ("state", "shareable", "name", "usable"),
    [
        (1, False, "READY", True),
        (2, False, "USED", True),
        (3, False, "DISABLED", False),
        (4, False, "LOCKED", False),
        (5, False, "ERROR", False),
        (8, False, "USED_PERS", False),
        (8, True, "USED_PERS", True),
        (-1, False, "STATE -1", False),
    ],
)
def test_the_state_of_an_image(state, shareable, name, usable):
    assert states.image_state(state, shareable=shareable) == (name, usable)
