"""The life of a VM: migrations, recovery, its end, what is scheduled and accounted."""

import pytest


def record(one, vm, number=-1):
    return one.xml("vm.info", vm, False).findall("HISTORY_RECORDS/HISTORY")[number]


def usage(one, host):
    share = one.xml("host.info", host, False).find("HOST_SHARE")
    return share.findtext("CPU_USAGE"), share.findtext("MEM_USAGE")


def test_transient_states_really_appear(one):
    vm = one.vm()
    one("vm.deploy", vm, 0, False, -1, "")
    seen = []
    for _ in range(8):
        seen.append(one.state(vm))
        one.turn(0.01)
    assert list(dict.fromkeys(seen)) == ["PROLOG", "BOOT", "RUNNING"]
    code, message = one.refusal("vm.action", "hold", vm)
    assert code == 2048
    assert "This action is not available for state RUNNING" in message


@pytest.mark.parametrize(
    ("live", "on_the_way"), [(True, "MIGRATE"), (False, "SAVE_MIGRATE")]
)
def test_a_migration_moves_the_shares_of_the_hosts(one, live, on_the_way):
    vm = one.running()
    assert usage(one, 0) == ("100", "1048576")
    one("vm.migrate", vm, 1, live, False, -1, 0)
    assert one.state(vm) == on_the_way
    assert usage(one, 1) == ("100", "1048576")
    one.turn()
    assert one.state(vm) == "RUNNING"
    assert usage(one, 0) == ("0", "0")
    assert record(one, vm).findtext("HOSTNAME") == "svc-01"
    assert record(one, vm, 0).findtext("ETIME") != "0"
    assert record(one, vm).findtext("ETIME") == "0"


def test_a_migration_that_fails_leaves_the_vm_where_it_was(one):
    vm = one.running()
    with one.cloud.fault("migrate"):
        one("vm.migrate", vm, 1, True, False, -1, 0)
        one.turn()
    assert one.state(vm) == "RUNNING"
    assert record(one, vm).findtext("HOSTNAME") == "svc-00"
    assert (usage(one, 0), usage(one, 1)) == (("100", "1048576"), ("0", "0"))


def test_no_migration_to_a_host_that_is_full(one):
    vm = one.running()
    for number in range(31):
        one.running(f"f{number}", host=1)
    one.running("last", host=1)
    code, message = one.refusal("vm.migrate", vm, 1, True, True, -1, 0)
    assert code == 2048
    assert "does not fit in host [1]. Not enough CPU: 100/0" in message
    one("vm.migrate", vm, 1, True, False, -1, 0)  # without `enforce` it may be


@pytest.mark.parametrize(
    ("operation", "state"),
    [(0, "BOOT_FAILURE"), (1, "RUNNING"), (3, "DONE"), (4, "PENDING")],
)
def test_an_operator_settles_a_hanging_boot(one, operation, state):
    one.cloud.set_scheduler_interval(1000)
    vm = one.vm()
    with one.cloud.fault("boot", effect="hang"):
        one("vm.deploy", vm, 0, False, -1, "")
        one.turn()
    one("vm.recover", vm, operation)
    one.turn(0.5)
    assert one.state(vm) == state
    gone = state in {"DONE", "PENDING"}
    assert usage(one, 0) == (("0", "0") if gone else ("100", "1048576"))


def test_an_undeployed_vm_comes_back_on_another_host(one):
    vm = one.running()
    one("vm.action", "undeploy", vm)
    one.turn()
    assert (one.state(vm), usage(one, 0)) == ("UNDEPLOYED", ("0", "0"))
    one("vm.deploy", vm, 3, False, -1, "")
    one.turn()
    assert one.state(vm) == "RUNNING"
    assert record(one, vm).findtext("HOSTNAME") == "svc-03"


def test_a_vm_that_ended_is_still_to_be_read_and_accounted(one):
    vm = one.running("job")
    one.turn(600)
    one("vm.action", "terminate", vm)
    assert one.state(vm) == "SHUTDOWN"
    one.turn()
    info = one.xml("vm.info", vm, False)
    assert info.findtext("STATE") == "6"
    assert info.findtext("ETIME") != "0"
    assert len(one.xml("vmpool.info", -2, -1, -1, -1)) == 0
    assert len(one.xml("vmpool.info", -2, -1, -1, -2)) == 1
    [stay] = one.xml("vmpool.accounting", -2, -1, -1)
    length = int(stay.findtext("ETIME")) - int(stay.findtext("STIME"))
    assert 600 <= length <= 620


def test_a_shutdown_that_fails_leaves_the_vm_running(one):
    vm = one.running()
    with one.cloud.fault("shutdown"):
        one("vm.action", "terminate", vm)
        one.turn()
    assert one.state(vm) == "RUNNING"
    one("vm.action", "terminate-hard", vm)
    one.turn()
    assert one.state(vm) == "DONE"


def test_a_scheduled_action_fires_when_its_time_has_come(one):
    vm = one.running()
    when = int(one.cloud.now()) + 3600
    one("vm.schedadd", vm, f'SCHED_ACTION=[ACTION="poweroff",TIME="{when}"]')
    one.turn(3500)
    assert one.state(vm) == "RUNNING"
    one.turn(200)
    assert one.state(vm) == "POWEROFF"
    action = one.xml("vm.info", vm, False).find("TEMPLATE/SCHED_ACTION")
    assert int(action.findtext("DONE")) >= when


def test_a_time_from_the_start_counts_from_the_start(one):
    lease = 'SCHED_ACTION=[ACTION="terminate",TIME="+604800"]'
    vm = one("vm.allocate", f'NAME="week"\nCPU="1"\nMEMORY="1"\n{lease}', False)
    one.turn(3600)
    assert one.state(vm) == "RUNNING"
    one.turn(604800)
    assert one.state(vm) == "DONE"


def test_a_scheduled_action_that_was_taken_back_does_not_fire(one):
    vm = one.running()
    when = int(one.cloud.now()) + 60
    action = one("vm.schedadd", vm, f'SCHED_ACTION=[ACTION="poweroff",TIME="{when}"]')
    one("vm.scheddelete", vm, action)
    one.turn(120)
    assert one.state(vm) == "RUNNING"


def test_a_configuration_that_is_refused_changes_nothing(one):
    vm = one.vm()  # without CONTEXT, so that it cannot be given one
    before = one("vm.info", vm, False)
    text = 'OS=[ARCH="x86_64"]\nCONTEXT=[A="b"]'
    assert one.refusal("vm.updateconf", vm, text, 0)[0] == 8192
    assert one("vm.info", vm, False) == before


def test_sizes_are_checked_against_the_host_when_enforced(one):
    vm = one.running()
    one("vm.action", "poweroff", vm)
    one.turn()
    code, message = one.refusal("vm.resize", vm, 'CPU="100"', True)
    assert code == 2048
    assert "enough capacity" in message
    one("vm.resize", vm, 'CPU="2"\nMEMORY="2048"', True)
    assert usage(one, 0) == ("200", "2097152")
