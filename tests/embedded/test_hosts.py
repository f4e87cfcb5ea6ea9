"""Hosts that die and come back."""

HOST_ERROR, HOST_MONITORED = "3", "2"


def host_state(one, host):
    return one.xml("host.info", host, False).findtext("STATE")


def test_a_dead_host_is_noticed_and_its_vms_are_unknown(one):
    vm, other = one.running("a", host=0), one.running("b", host=1)
    one.cloud.kill_host("svc-00")
    one.turn(15)
    assert host_state(one, 0) == HOST_ERROR
    assert (one.state(vm), one.state(other)) == ("UNKNOWN", "RUNNING")


def test_nothing_is_done_on_a_dead_host(one):
    vm = one.running()
    one.cloud.kill_host("svc-00")
    one("vm.action", "poweroff", vm)  # before anybody has noticed
    one.turn(1)
    assert one.state(vm) in {"RUNNING", "UNKNOWN"}
    fresh = one.vm("fresh")
    one("vm.deploy", fresh, 0, False, -1, "")
    one.turn(5)
    assert one.state(fresh) == "PROLOG_FAILURE"


def test_the_scheduler_avoids_a_dead_host(one):
    one("host.update", 0, 'ONLY="here"', 1)
    one.cloud.kill_host("svc-00")
    one.turn(15)
    text = 'NAME="a"\nCPU="1"\nMEMORY="1"\nSCHED_REQUIREMENTS="ONLY=\\"here\\""'
    vm = one("vm.allocate", text, False)
    one.turn()
    assert one.state(vm) == "PENDING"
    one.cloud.revive_host("svc-00")
    one.turn(40)
    assert one.state(vm) == "RUNNING"


def test_a_host_that_comes_back_finds_its_guests(one):
    vm = one.running()
    one.cloud.kill_host("svc-00")
    one.turn(15)
    assert one.state(vm) == "UNKNOWN"
    one.cloud.revive_host("svc-00")
    one.turn(30)
    assert (host_state(one, 0), one.state(vm)) == (HOST_MONITORED, "RUNNING")


def test_or_finds_them_powered_off(one):
    vm = one.running()
    one.cloud.kill_host("svc-00")
    one.turn(15)
    one.cloud.revive_host("svc-00", guests="poweroff")
    one.turn(30)
    assert one.state(vm) == "POWEROFF"


def test_an_unknown_vm_can_be_given_up_and_made_again(one):
    vm = one.running()
    one.cloud.kill_host("svc-00")
    one.turn(15)
    one("vm.recover", vm, 3)
    assert one.state(vm) == "DONE"
    share = one.xml("host.info", 0, False).find("HOST_SHARE")
    assert share.findtext("RUNNING_VMS") == "0"


def test_a_host_with_vms_is_not_deleted(one):
    vm = one.running()
    assert one.refusal("host.delete", 0)[0] == 2048
    one("vm.action", "terminate-hard", vm)
    one.turn()
    one("host.delete", 0)
    assert one.refusal("host.info", 0, False)[0] == 1024


def test_what_is_monitored_adds_up(one):
    vm = one.running()
    one.turn(35)
    samples = one.xml("vm.monitoring", vm)
    assert len(samples) >= 3
    times = [int(s.findtext("TIMESTAMP")) for s in samples]
    assert times == sorted(times)
