"""The scheduler, what `deploy` checks and does not, and scheduled actions."""

import re

import pytest


def scheduled(one, vm):
    return one.info(vm).findall("TEMPLATE/SCHED_ACTION")


def test_the_scheduler_places_what_is_pending(one):
    vm = one.vm(hold=False)
    one.wait(vm, "RUNNING")


def test_the_scheduler_keeps_to_the_requirements(one):
    host = one.xml("host.info", one.hosts()[1], False)
    vm = one.vm(f'SCHED_REQUIREMENTS="ID = {host.findtext("ID")}"', hold=False)
    one.wait(vm, "RUNNING")
    assert one.info(vm).findtext(".//HISTORY/HID") == host.findtext("ID")


def test_a_vm_that_no_host_fits_says_so(one):
    vm = one.vm('SCHED_REQUIREMENTS="FARM_CLASS = \\"nowhere\\""', hold=False)

    def message():
        return one.info(vm).findtext("USER_TEMPLATE/SCHED_MESSAGE") or ""

    one.until(lambda: bool(message()), True)
    assert re.fullmatch(
        r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}: "
        "Cannot dispatch VM: No host meets SCHED_REQUIREMENTS",
        message(),
    )
    assert one.state(vm) == "PENDING"


def test_deploy_does_not_look_at_the_requirements(one):
    vm = one.vm('SCHED_REQUIREMENTS="FARM_CLASS = \\"nowhere\\""')
    one("vm.deploy", vm, one.hosts()[0], True, one.datastore(), "")
    one.wait(vm, "RUNNING")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('CPU="900"', r"Not enough CPU: 90000/\d+"),
        ('MEMORY="999999999"', r"Not enough memory: 1023999998976/\d+"),
    ],
)
def test_deploy_checks_the_capacity_where_asked_to(one, shape, message):
    vm = one.instantiate(one.template(), shape)
    host = one.hosts()[0]
    code, seen = one.refusal("vm.deploy", vm, host, True, one.datastore(), "")
    assert code == 2048
    start = rf"\[one.vm.deploy\] virtual machine \[{vm}\] does not fit in host "
    assert re.fullmatch(rf"{start}\[{host}\]\. {message}", seen)
    one.deploy(vm)
    one.wait(vm, "RUNNING")


def test_deploy_needs_a_system_datastore_and_a_host_that_are_there(one):
    vm = one.vm()
    host, store = one.hosts()[0], one.shared["image_datastore"]
    assert one.refusal("vm.deploy", vm, host, True, store, "") == (
        8192,
        (
            f"[one.vm.deploy] Trying to use datastore [{store}] to deploy the VM, "
            "but it is not of type system datastore."
        ),
    )
    assert one.refusal("vm.deploy", vm, host, True, 99999, "") == (
        1024,
        "[one.vm.deploy] Error getting datastore [99999].",
    )
    assert one.refusal("vm.deploy", vm, 99999, True, -1, "") == (
        1024,
        "[one.vm.deploy] Error getting host [99999].",
    )


def test_a_disabled_host_takes_a_deploy_and_an_offline_one_does_not(one):
    host = one("host.allocate", one.name("host"), "dummy", "dummy", 0)

    def status():
        return one.xml("host.info", host, False).findtext("STATE")

    one.until(lambda: status() in {"1", "2"}, True)
    one("host.status", host, 1)
    assert status() == "4"
    vm = one.vm()
    one("vm.deploy", vm, host, False, one.datastore(), "")
    one.wait(vm, "RUNNING")
    assert one.refusal("host.delete", host) == (
        2048,
        "[one.host.delete] Cannot delete host. Can not remove a host with running VMs",
    )
    one("vm.recover", vm, 3)
    one.wait(vm, "DONE")
    one("host.status", host, 2)
    assert status() == "8"
    vm = one.vm()
    assert one.refusal("vm.deploy", vm, host, False, one.datastore(), "") == (
        2048,
        "[one.vm.deploy] Host is offline, cannot use it to deploy VM",
    )


def test_a_host_has_a_name_of_its_own(one):
    host = one("host.allocate", one.name("host"), "dummy", "dummy", 0)
    assert one.refusal("host.allocate", one.name("host"), "dummy", "dummy", 0) == (
        16384,
        (
            "[one.host.allocate] Error allocating a new host. "
            f"NAME is already taken by HOST {host}."
        ),
    )


def test_a_host_counts_what_its_vms_reserve(one):
    host = one.hosts()[0]
    vm = one.running()
    info = one.xml("host.info", host, False)
    assert str(vm) in [e.text for e in info.findall("VMS/ID")]
    share = info.find("HOST_SHARE")
    assert int(share.findtext("CPU_USAGE")) >= 10
    assert int(share.findtext("MEM_USAGE")) >= 64 * 1024


def test_a_host_carries_tags(one):
    host = one("host.allocate", one.name("host"), "dummy", "dummy", 0)
    one("host.update", host, 'FARM_CLASS="worker"', 1)
    info = one.xml("host.info", host, False)
    assert info.findtext("TEMPLATE/FARM_CLASS") == "worker"


def test_a_scheduled_action_fires(one):
    vm = one.running()
    one("vm.schedadd", vm, 'SCHED_ACTION=[ACTION="terminate-hard",TIME="+1"]')
    one.target.pass_time(1)
    one.wait(vm, "DONE")


def test_scheduled_actions_are_shown_changed_and_deleted(one):
    vm = one.running()
    soon = int(one.info(vm).findtext("STIME")) + 86400
    text = f'SCHED_ACTION=[ACTION="poweroff",TIME="{soon}"]'
    action = one("vm.schedadd", vm, text)
    (shown,) = scheduled(one, vm)
    assert shown.findtext("ID") == str(action)
    assert shown.findtext("ACTION") == "poweroff"
    assert shown.findtext("TIME") == str(soon)
    later = f'SCHED_ACTION=[ACTION="poweroff",TIME="{soon + 60}"]'
    one("vm.schedupdate", vm, action, later)
    assert scheduled(one, vm)[0].findtext("TIME") == str(soon + 60)
    one("vm.scheddelete", vm, action)
    assert scheduled(one, vm) == []
