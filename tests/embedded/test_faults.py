"""What goes wrong on demand, for whom, and how often."""

import http.client
import threading
import time
import xmlrpc.client

import pytest


@pytest.mark.parametrize(
    ("step", "state"), [("prolog", "PROLOG_FAILURE"), ("boot", "BOOT_FAILURE")]
)
def test_a_step_that_fails_leaves_the_vm_where_it_failed(one, step, state):
    vm = one.vm()
    with one.cloud.fault(step):
        one("vm.deploy", vm, 0, False, -1, "")
        one.turn()
    assert one.state(vm) == state
    one("vm.recover", vm, 2)
    one.turn()
    assert one.state(vm) == "RUNNING"


def test_deploy_is_what_users_call_prolog_and_boot(one):
    vm = one.vm()
    one.cloud.fault("deploy", count=1, message="no space left")
    one("vm.deploy", vm, 0, False, -1, "")
    one.turn()
    assert one.state(vm) in {"PROLOG_FAILURE", "BOOT_FAILURE"}
    error = one.xml("vm.info", vm, False).findtext("USER_TEMPLATE/ERROR")
    assert error.endswith("no space left")


def test_a_fault_strikes_as_often_as_its_count_says(one):
    one.cloud.fault("boot", count=2)
    states = []
    for number in range(3):
        vm = one.vm(f"v{number}")
        one("vm.deploy", vm, 0, False, -1, "")
        one.turn()
        states.append(one.state(vm))
    assert states == ["BOOT_FAILURE", "BOOT_FAILURE", "RUNNING"]


def test_faults_choose_hosts_names_and_images(one):
    one.cloud.fault("boot", host="svc-01")
    one.cloud.fault("boot", name="bad-*")
    one.cloud.fault("boot", image="debian-*")
    disk = 'DISK=[IMAGE="{}",IMAGE_UNAME="oneadmin"]'
    cases = (
        ("a", "", 0, "RUNNING"),
        ("b", "", 1, "BOOT_FAILURE"),
        ("bad-1", "", 0, "BOOT_FAILURE"),
        ("d", disk.format("debian-12"), 0, "BOOT_FAILURE"),
        ("w", disk.format("wn-el9-2026-11"), 0, "RUNNING"),
    )
    for name, more, host, state in cases:
        vm = one.vm(name, more)
        one("vm.deploy", vm, host, False, 100, "")
        one.turn()
        assert (name, one.state(vm)) == (name, state)


def test_a_step_that_hangs_waits_for_an_operator(one):
    vm = one.vm()
    one.cloud.fault("boot", effect="hang", count=1)
    one("vm.deploy", vm, 0, False, -1, "")
    one.turn(3600)
    assert one.state(vm) == "BOOT"
    one("vm.recover", vm, 1)
    assert one.state(vm) == "RUNNING"


def test_a_slow_step_takes_that_much_longer(one):
    vm = one.vm()
    one.cloud.fault("boot", effect="slow", seconds=100, count=1)
    one("vm.deploy", vm, 0, False, -1, "")
    one.turn(99)
    assert one.state(vm) == "BOOT"
    one.turn(2)
    assert one.state(vm) == "RUNNING"


def test_a_guest_that_never_is_ready_runs_all_the_same(one):
    one.cloud.fault("*", effect="never_ready", name="mute")
    context = 'CONTEXT=[TOKEN="YES",REPORT_READY="YES"]'
    ready = {}
    for name in ("mute", "well"):
        vm = one.running(name, context)
        ready[name] = one.xml("vm.info", vm, False).findtext("USER_TEMPLATE/READY")
    assert ready == {"mute": None, "well": "YES"}


def test_an_answer_is_lost_after_the_call_was_carried_out(one):
    one.cloud.fault("one.document.allocate", effect="answer_lost", count=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        one.cloud.call("one.document.allocate", 'NAME="d"', 4270)
    assert [d["name"] for d in one.cloud.dump("DOCUMENT")["DOCUMENT"]] == ["d"]


def test_a_refused_connection_carries_nothing_out(one):
    with (
        one.cloud.fault("one.document.*", effect="refuse_connections"),
        pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)),
    ):
        one.cloud.call("one.document.allocate", 'NAME="d"', 4270)
    assert one.cloud.dump("DOCUMENT")["DOCUMENT"] == []
    assert one("document.allocate", 'NAME="d"', 4270) == 0


def test_a_method_that_fails_says_so_and_changes_nothing(one):
    with one.cloud.fault("one.vm.allocate", message="the database is full"):
        code, message = one.refusal("vm.allocate", 'CPU="1"\nMEMORY="1"', True)
    assert (code, message) == (8192, "[one.vm.allocate] the database is full")
    assert one.vm() == 0


def test_a_slow_method_holds_nobody_else_up(one):
    one.cloud.fault("one.vm.info", effect="slow", seconds=1.0)
    vm = one.vm()
    answers = []

    def ask():
        answers.append(one.cloud.raw("one.vm.info", vm, False)[0])

    asking = threading.Thread(target=ask)
    began = time.monotonic()
    asking.start()
    one("system.version")
    assert time.monotonic() - began < 0.9
    asking.join()
    assert time.monotonic() - began >= 1.0
    assert answers == [True]


def test_faults_can_be_lifted_and_a_reset_lifts_all(one):
    fault = one.cloud.fault("one.system.version")
    assert one.raw("system.version")[0] is False
    fault.lift()
    assert one.raw("system.version")[0] is True
    one.cloud.fault("one.system.version")
    one.cloud.reset()
    assert one.raw("system.version")[0] is True


def test_calls_are_counted(one):
    one.cloud.reset_calls()
    for _ in range(3):
        one("system.version")
    one.refusal("vm.info", 77, False)
    assert one.cloud.calls() == {"one.system.version": 3, "one.vm.info": 1}


def test_nonsense_is_told_as_such(one):
    with pytest.raises(ValueError, match="no host is called 'nowhere'"):
        one.cloud.kill_host("nowhere")
    with pytest.raises(ValueError, match="effect is one of fail"):
        one.cloud.fault("boot", effect="explode")
    with pytest.raises(ValueError, match="no such command"):
        one.cloud.control("dance")


def test_the_side_door_is_oneadmin_s(one):
    one.user("ann")
    host, _, rest = one.cloud.endpoint.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    headers = {"Authorization": "Basic YW5uOnNlY3JldA=="}  # ann:secret
    connection.request("POST", "/control", '{"command": "status"}', headers)
    answer = connection.getresponse()
    assert (rest, answer.status) == ("RPC2", 401)
    connection.close()


def test_wrong_methods_and_types_are_faults(one):
    for method, args, code in (
        ("vm.fly", (), -506),
        ("vm.info", ("seven", False), -501),
        ("vm.info", (), -501),
    ):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            one.raw(method, *args)
        assert caught.value.faultCode == code
