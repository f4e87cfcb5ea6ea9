"""OneGate: guests that prove who they are, and what they may tell."""

import json
import urllib.error
import urllib.request


def ask(one, path, token, vm, *, method="GET", body=None):
    request = urllib.request.Request(
        one.cloud.onegate + path,
        None if body is None else body.encode(),
        {"X-ONEGATE-TOKEN": token, "X-ONEGATE-VMID": str(vm)},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def told(one, vm, name):
    return one.xml("vm.info", vm, False).findtext(f"USER_TEMPLATE/{name}")


def test_a_token_opens_its_own_vm_only(one):
    a, b = one.running("a"), one.running("b")
    token = one.cloud.token(a)
    status, body = ask(one, "/vm", token, a)
    assert status == 200
    assert json.loads(body)["VM"]["NAME"] == "a"
    assert ask(one, "/vm", token, b)[0] == 401
    assert ask(one, "/vm", "", a)[0] == 401
    assert ask(one, f"/vms/{b}", token, a)[0] == 400


def test_a_guest_tells_that_it_is_ready(one):
    vm = one.running()
    assert told(one, vm, "READY") is None
    token = one.cloud.token(vm)
    assert ask(one, "/vm", token, vm, method="PUT", body="READY=YES\nJOBS=3")[0] == 200
    assert (told(one, vm, "READY"), told(one, vm, "JOBS")) == ("YES", "3")
    ask(one, "/vm?type=2", token, vm, method="PUT", body="JOBS")
    assert told(one, vm, "JOBS") is None


def test_a_guest_may_not_say_where_it_runs(one):
    vm = one.running()
    token = one.cloud.token(vm)
    ask(one, "/vm", token, vm, method="PUT", body='SCHED_REQUIREMENTS="ID=1"\nA=1')
    assert (told(one, vm, "SCHED_REQUIREMENTS"), told(one, vm, "A")) == (None, "1")


def test_a_token_is_worth_nothing_after_the_end(one):
    vm = one.running()
    token = one.cloud.token(vm)
    one("vm.action", "terminate-hard", vm)
    one.turn()
    assert ask(one, "/vm", token, vm)[0] == 401


def test_the_dummy_guest_reports_only_when_it_is_asked_to(one):
    ready = {}
    for name, context in (
        ("both", 'CONTEXT=[TOKEN="YES",REPORT_READY="YES"]'),
        ("no-token", 'CONTEXT=[REPORT_READY="YES"]'),
        ("no-report", 'CONTEXT=[TOKEN="YES"]'),
    ):
        ready[name] = told(one, one.running(name, context), "READY")
    assert ready == {"both": "YES", "no-token": None, "no-report": None}


def test_a_guest_that_boots_again_reports_again(one):
    vm = one.running("a", 'CONTEXT=[TOKEN="YES",REPORT_READY="YES"]')
    one("vm.update", vm, "READY=NO", 1)
    one("vm.action", "poweroff", vm)
    one.turn()
    assert told(one, vm, "READY") == "NO"
    one("vm.action", "resume", vm)
    one.turn()
    assert told(one, vm, "READY") == "YES"
