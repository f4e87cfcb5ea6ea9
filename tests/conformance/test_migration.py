"""Migration, live and cold, and its failure."""

import pytest


def stays(one, vm):
    """Each stay: the host, and whether it has ended."""
    records = one.info(vm).iter("HISTORY")
    return [(int(h.findtext("HID")), h.findtext("ETIME") != "0") for h in records]


def settled(one, vm):
    return one.state(vm), stays(one, vm)


def test_live_migration_adds_a_history_record(one):
    here, there = one.hosts()
    vm = one.running()
    one("vm.migrate", vm, there, True, False, -1, 0)
    wanted = [(here, True), (there, False)]
    one.until(lambda: settled(one, vm), ("RUNNING", wanted))
    first, second = one.info(vm).iter("HISTORY")
    assert int(first.findtext("ETIME")) >= int(first.findtext("STIME"))
    assert [first.findtext("ACTION"), second.findtext("ACTION")] == ["2", "0"]


def test_cold_migration_ends_running_on_the_other_host(one):
    here, there = one.hosts()
    vm = one.running()
    one("vm.migrate", vm, there, False, False, -1, 0)
    wanted = [(here, True), (there, False)]
    one.until(lambda: settled(one, vm), ("RUNNING", wanted))


def test_migration_to_where_it_is_is_refused(one):
    vm = one.running()
    host = one.hosts()[0]
    assert one.refusal("vm.migrate", vm, host, True, False, -1, 0) == (
        2048,
        (
            f"[one.vm.migrate] VM is already running on host [{host}] "
            f"and datastore [{one.datastore()}]"
        ),
    )


def test_migration_to_no_host_is_refused(one):
    vm = one.running()
    assert one.refusal("vm.migrate", vm, 99999, True, False, -1, 0) == (
        1024,
        "[one.vm.migrate] Error getting host [99999].",
    )


def test_migration_that_does_not_fit_is_refused_where_asked_for(one):
    vm = one.running()
    one("vm.action", "poweroff", vm)
    one.wait(vm, "POWEROFF")
    one("vm.resize", vm, 'MEMORY="999999999"', False)
    one("vm.action", "resume", vm)
    one.wait(vm, "RUNNING")
    there = one.hosts()[1]
    code, message = one.refusal("vm.migrate", vm, there, True, True, -1, 0)
    assert code == 2048
    assert message.startswith(
        f"[one.vm.migrate] virtual machine [{vm}] does not fit in host [{there}]. "
        "Not enough memory: "
    )


@pytest.mark.alone
def test_a_failed_live_migration_leaves_the_vm_running_where_it_was(one):
    here, there = one.hosts()
    vm = one.running()
    with one.fault("migrate"):
        one("vm.migrate", vm, there, True, False, -1, 0)
        wanted = [(here, True), (there, True), (here, False)]
        one.until(lambda: settled(one, vm), ("RUNNING", wanted))
    assert one.info(vm).find("USER_TEMPLATE/ERROR") is None
