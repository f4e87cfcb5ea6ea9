"""What a failing driver leaves behind, and how one gets out of it."""

import re

import pytest

pytestmark = pytest.mark.alone


@pytest.fixture
def failed(one):
    """A VM with an address whose boot has failed."""
    vm = one.vm(f'NIC=[NETWORK_ID="{one.network()}"]')
    with one.fault("deploy"):
        one.deploy(vm)
        one.wait(vm, "BOOT_FAILURE")
    return vm


def test_a_failed_boot_says_why(one, failed):
    error = one.info(failed).findtext("USER_TEMPLATE/ERROR")
    assert re.match(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}: \S", error)


def test_a_failed_boot_refuses_actions_and_deploys(one, failed):
    assert one.refusal("vm.action", "resume", failed) == (
        2048,
        (
            '[one.vm.action] Error performing action "resume": '
            "This action is not available for state BOOT_FAILURE"
        ),
    )
    host = one.hosts()[1]
    assert one.refusal("vm.deploy", failed, host, False, one.datastore(), "") == (
        2048,
        "[one.vm.deploy] Deploy action is not available for state BOOT_FAILURE",
    )


def test_retry_boots_again(one, failed):
    one("vm.recover", failed, 2)
    one.wait(failed, "RUNNING")


def test_success_takes_the_admins_word_for_it(one, failed):
    one("vm.recover", failed, 1)
    one.wait(failed, "RUNNING")


def test_failure_leaves_it_as_it_is(one, failed):
    one("vm.recover", failed, 0)
    assert one.state(failed) == "BOOT_FAILURE"


def test_recreate_keeps_id_and_address(one, failed):
    address = one.info(failed).findtext("TEMPLATE/NIC/IP")
    one("vm.recover", failed, 4)
    one.wait(failed, "PENDING", "RUNNING")
    assert one.info(failed).findtext("TEMPLATE/NIC/IP") == address


@pytest.mark.parametrize("action", ["terminate", "terminate-hard"])
def test_a_failed_vm_is_terminated_also_by_its_owner(one, action):
    tenant = one.tenant()
    text = f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"'
    vm = tenant("vm.allocate", text, True)
    with one.fault("deploy"):
        one.deploy(vm)
        one.wait(vm, "BOOT_FAILURE")
    tenant("vm.action", action, vm)
    one.wait(vm, "DONE")


def test_recover_delete_gives_the_address_back(one, failed):
    network = int(one.info(failed).findtext("TEMPLATE/NIC/NETWORK_ID"))
    one("vm.recover", failed, 3)
    one.wait(failed, "DONE")
    one.until(lambda: one.xml("vn.info", network, False).findtext("USED_LEASES"), "0")


def test_a_failed_shutdown_leaves_the_vm_running(one):
    vm = one.running()
    with one.fault("shutdown"):
        one("vm.action", "terminate", vm)
        one.wait(vm, "SHUTDOWN")
        one.wait(vm, "RUNNING")
    assert one.info(vm).find("USER_TEMPLATE/ERROR") is None
