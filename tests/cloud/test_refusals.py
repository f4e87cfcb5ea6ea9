"""OpenNebula's codes and sentences, each with what it means to farmctl."""

import pytest

from farmctl.cloud.opennebula import refusals
from farmctl.errors import (
    BadAnswerError,
    BusyError,
    GoneError,
    LockedError,
    NameTakenError,
    NotAuthenticatedError,
    NotAuthorisedError,
    QuotaError,
    RefusedError,
)

# Recorded from OpenNebula 7.4.0, word for word.
SAID = [
    (
        256,
        "[one.vmpool.info] User couldn't be authenticated, aborting call.",
        NotAuthenticatedError,
    ),
    (
        512,
        "[one.vm.deploy] User [4] : Not authorized to perform ADMIN VM [165].",
        NotAuthorisedError,
    ),
    (
        512,
        (
            "[one.template.instantiate] User [7] : User Template includes a restricted "
            "attribute CONTEXT."
        ),
        NotAuthorisedError,
    ),
    (512, "[one.vn.delete] User [0] : NET is locked. [17].", LockedError),
    (512, "[one.vm.action] User [0] : VM is locked. [163].", LockedError),
    (
        512,
        (
            "[one.template.instantiate] User [4] : user [4] limit of 1 reached for VMS "
            "quota in VM."
        ),
        QuotaError,
    ),
    (1024, "[one.host.info] Error getting host [77].", GoneError),
    (
        2048,
        "[one.vm.deploy] Deploy action is not available for state RUNNING",
        BusyError,
    ),
    (
        2048,
        (
            '[one.vm.action] Error performing action "terminate": Could not terminate '
            "VM 560, wrong state BOOT_MIGRATE."
        ),
        BusyError,
    ),
    (
        2048,
        (
            "[one.vn.delete] Cannot delete virtual network. Can not remove a virtual "
            "network with leases in use"
        ),
        BusyError,
    ),
    (
        2048,
        (
            "[one.secgroup.delete] Cannot delete security group. The security group "
            "has VMs using it"
        ),
        BusyError,
    ),
    (
        2048,
        (
            "[one.vm.deploy] virtual machine [172] does not fit in host [0]. Not "
            "enough CPU: 90000/800"
        ),
        RefusedError,
    ),
    (
        2048,
        "[one.image.allocate] Not enough space in datastore",
        RefusedError,
    ),
    (
        2048,
        "[one.document.unlock] Cannot unlock: Lock is owned by another user",
        LockedError,
    ),
    (8192, "[one.vn.allocate] NAME is already taken by NET 4.", NameTakenError),
    (8192, "[one.vn.allocate] BRIDGE is mandatory for driver dummy", RefusedError),
    (
        8192,
        "[one.vm.updateconf] configuration cannot be updated in state HOTPLUG_NIC",
        BusyError,
    ),
    (8192, "[one.document.allocate] Parse error.", RefusedError),
    (
        16384,
        (
            "[one.template.instantiate] Error allocating a new virtual machine "
            "template. Cannot get IP/MAC lease from virtual network 4."
        ),
        RefusedError,
    ),
    (32768, "[one.vn.update] The resource virtual network is locked.", LockedError),
    (4096, "[one.vm.info] Wrong arguments", RefusedError),
    (7, "[one.vm.info] what", BadAnswerError),
]


@pytest.mark.parametrize(
    ("code", "said", "error"), SAID, ids=[said[:60] for _, said, _ in SAID]
)
def test_each_refusal_has_its_error(code, said, error):
    assert type(refusals.refusal("one.x.y", code, said)) is error


def test_a_name_that_is_taken_tells_by_whom():
    error = refusals.refusal(
        "one.vn.allocate", 8192, "[one.vn.allocate] NAME is already taken by NET 4."
    )
    assert isinstance(error, NameTakenError)
    assert error.object_id == 4
    assert error.message == "one.vn.allocate: NAME is already taken by NET 4."


def test_a_quota_is_told_in_plain_words():
    said = "[one.vm.allocate] User [4] : user [4] limit of 512 reached for MEMORY quota"
    error = refusals.refusal("one.vm.allocate", 512, f"{said} in VM.")
    assert str(error) == (
        "The quota of user 4 is used up: 512 MiB of memory. "
        "Ask for a larger quota, or make room in it."
    )


def test_a_quota_of_an_unknown_kind_is_still_a_quota():
    error = refusals.refusal("one.vm.allocate", 512, "User [4] : quota of genies")
    assert type(error) is QuotaError


def test_a_refusal_without_words_shows_its_code():
    error = refusals.refusal("one.vm.info", 8192, "[one.vm.info] ")
    assert error.message == "one.vm.info: refused with code 8192"


def test_an_unknown_method_is_an_old_opennebula():
    error = refusals.fault(
        "one.vmpool.infoset", -506, "Method 'one.vmpool.infoset' not defined"
    )
    assert type(error) is BadAnswerError
    assert "6.10" in error.hint
