"""A VM from the hold to the end, and what each state allows."""

import time

import pytest


def test_a_vm_on_hold_runs_as_soon_as_it_is_deployed(one):
    vm = one.vm()
    assert one.state(vm) == "HOLD"
    one.deploy(vm)
    one.wait(vm, "RUNNING")
    history = one.info(vm).find("HISTORY_RECORDS/HISTORY")
    assert history.findtext("HID") == str(one.hosts()[0])
    assert history.findtext("DS_ID") == str(one.datastore())


def test_two_equal_calls_make_two_vms_of_one_name(one):
    first, second = one.vm(), one.vm()
    assert first != second
    names = {one.info(vm).findtext("NAME") for vm in (first, second)}
    assert names == {one.name("vm")}


def test_instantiate_is_not_idempotent_either(one):
    template = one.template()
    assert one.instantiate(template) != one.instantiate(template)


def test_ids_grow_and_are_never_used_again(one):
    first = one.vm()
    one("vm.recover", first, 3)
    assert one.vm() > first


def test_poweroff_and_resume_keep_the_vm_on_its_host(one):
    vm = one.running(host=1)
    one("vm.action", "poweroff", vm)
    one.wait(vm, "POWEROFF")
    one("vm.action", "resume", vm)
    one.wait(vm, "RUNNING")
    hosts = [h.findtext("HID") for h in one.info(vm).iter("HISTORY")]
    assert set(hosts) == {str(one.hosts()[1])}


def test_suspend_and_resume(one):
    vm = one.running()
    one("vm.action", "suspend", vm)
    one.wait(vm, "SUSPENDED")
    one("vm.action", "resume", vm)
    one.wait(vm, "RUNNING")


def test_a_stopped_vm_that_is_resumed_waits_for_a_host(one):
    vm = one.running('SCHED_REQUIREMENTS="NAME = \\"nowhere\\""')
    one("vm.action", "stop", vm)
    one.wait(vm, "STOPPED")
    one("vm.action", "resume", vm)
    assert one.wait(vm, "PENDING") == "PENDING"
    one.deploy(vm, host=1)
    one.wait(vm, "RUNNING")


def test_an_undeployed_vm_comes_back_with_a_deploy(one):
    vm = one.running()
    one("vm.action", "undeploy-hard", vm)
    one.wait(vm, "UNDEPLOYED")
    one.deploy(vm, host=1)
    one.wait(vm, "RUNNING")
    assert one.info(vm).findall(".//HISTORY")[-1].findtext("SEQ") == "1"


def test_hold_and_release(one):
    vm = one.vm('SCHED_REQUIREMENTS="NAME = \\"nowhere\\""')
    one("vm.action", "release", vm)
    assert one.state(vm) == "PENDING"
    one("vm.action", "hold", vm)
    assert one.state(vm) == "HOLD"


def test_a_terminated_vm_stays_readable_and_can_be_terminated_again(one):
    vm = one.running()
    one("vm.action", "terminate-hard", vm)
    one.wait(vm, "DONE")
    assert one.info(vm).findtext("STATE") == "6"
    assert one("vm.action", "terminate-hard", vm) == vm
    assert list(one.mine("vmpool.info", -2, -1, -1, -1)) == []


@pytest.mark.parametrize("action", ["terminate", "terminate-hard"])
@pytest.mark.parametrize("state", ["HOLD", "PENDING", "POWEROFF", "SUSPENDED"])
def test_a_vm_is_ended_from_every_state_of_rest(one, state, action):
    text = 'SCHED_REQUIREMENTS="NAME = \\"nowhere\\""'
    match state:
        case "HOLD":
            vm = one.vm(text)
        case "PENDING":
            vm = one.vm(text, hold=False)
        case "POWEROFF":
            vm = one.running()
            one("vm.action", "poweroff", vm)
        case _:
            vm = one.running()
            one("vm.action", "suspend", vm)
    one.wait(vm, state)
    one("vm.action", action, vm)
    one.wait(vm, "DONE")


def test_deploying_what_runs_is_refused(one):
    vm = one.running()
    assert one.refusal("vm.deploy", vm, one.hosts()[0], False, one.datastore(), "") == (
        2048,
        "[one.vm.deploy] Deploy action is not available for state RUNNING",
    )


@pytest.mark.parametrize("action", ["hold", "release", "resume"])
def test_an_action_that_the_state_forbids_is_refused(one, action):
    vm = one.running()
    assert one.refusal("vm.action", action, vm) == (
        2048,
        (
            f'[one.vm.action] Error performing action "{action}": '
            "This action is not available for state RUNNING"
        ),
    )


def test_an_unknown_action_is_refused(one):
    vm = one.vm()
    assert one.refusal("vm.action", "frobnicate", vm) == (
        2048,
        '[one.vm.action] Action "frobnicate" is not supported',
    )


def test_recover_delete_ends_a_vm_at_once(one):
    vm = one.running()
    one("vm.recover", vm, 3)
    one.wait(vm, "DONE")


def test_recover_recreate_keeps_id_address_and_tags_and_waits_pending(one):
    network = one.network()
    vm = one.running(
        f'NIC=[NETWORK_ID="{network}"]\nKEPT="yes"\n'
        'SCHED_REQUIREMENTS="NAME = \\"nowhere\\""'
    )
    address = one.info(vm).findtext("TEMPLATE/NIC/IP")
    one("vm.recover", vm, 4)
    one.wait(vm, "PENDING")
    info = one.info(vm)
    assert info.findtext("TEMPLATE/NIC/IP") == address
    assert info.findtext("USER_TEMPLATE/KEPT") == "yes"
    one.deploy(vm, host=1)
    one.wait(vm, "RUNNING")


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (0, "Could not perform a recover operation on VM {}, wrong state HOLD."),
        (1, "Could not perform a recover operation on VM {}, wrong state HOLD."),
        (2, "Could not perform a retry on VM {}, wrong state HOLD."),
        (9, "Wrong recovery operation code"),
    ],
)
def test_recover_refuses_what_makes_no_sense_on_hold(one, operation, message):
    vm = one.vm()
    assert one.refusal("vm.recover", vm, operation) == (
        2048,
        f"[one.vm.recover] {message.format(vm)}",
    )


def test_recover_of_a_running_vm_changes_nothing(one):
    vm = one.running()
    for operation in (0, 1, 2):
        assert one("vm.recover", vm, operation) == vm
    assert one.state(vm) == "RUNNING"


def test_a_locked_vm_refuses_actions_until_it_is_unlocked(one):
    vm = one.running()
    one("vm.lock", vm, 4, True)
    assert one.refusal("vm.action", "terminate-hard", vm) == (
        512,
        f"[one.vm.action] User [0] : VM is locked. [{vm}].",
    )
    one("vm.unlock", vm)
    one("vm.action", "terminate-hard", vm)
    one.wait(vm, "DONE")


def test_a_vm_is_renamed(one):
    vm = one.vm()
    one("vm.rename", vm, one.name("other"))
    assert one.info(vm).findtext("NAME") == one.name("other")


def test_reboot_and_resched_leave_a_vm_running(one):
    vm = one.running()
    one("vm.action", "reboot", vm)
    one("vm.action", "reboot-hard", vm)
    assert one.state(vm) == "RUNNING"


def test_resize_of_a_vm_that_is_powered_off(one):
    vm = one.running()
    one("vm.action", "poweroff", vm)
    one.wait(vm, "POWEROFF")
    one("vm.resize", vm, 'CPU="0.2"\nMEMORY="128"\nVCPU="2"', True)
    template = one.info(vm).find("TEMPLATE")
    assert [template.findtext(tag) for tag in ("CPU", "MEMORY", "VCPU")] == [
        "0.2",
        "128",
        "2",
    ]


def test_times_are_seconds_since_the_epoch(one):
    before = int(one.info(one.vm()).findtext("STIME"))
    vm = one.running()
    one("vm.recover", vm, 3)
    one.wait(vm, "DONE")
    info = one.info(vm)
    assert before <= int(info.findtext("STIME")) <= int(info.findtext("ETIME"))
    assert before > time.time() - 3600 * 24 * 365
