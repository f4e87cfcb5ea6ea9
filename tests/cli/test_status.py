"""What `farmctl status` says of nodes that were off, and of who keeps a farm."""

import time

import pytest

from farmctl.cloud.opennebula import connect
from farmctl.model import keeping
from farmctl.model.attributes import Kind
from farmctl.model.keeping import Load
from farmctl.model.nodes import Tag
from farmctl.model.view import Holder


@pytest.fixture
def sandbox(cloud, folder, farmctl):
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 0, ran.err
    return cloud


def worker(farmctl):
    (farm,) = farmctl("status", "--json").json["farms"]
    return next(each for each in farm["nodes"] if each["name"] == "sandbox-wn-001")


def until(farmctl, phase, *, since=0):
    ends = time.monotonic() + 20
    while True:
        found = worker(farmctl)
        if found["phase"] == phase and found["since_at"] >= since:
            return found
        assert time.monotonic() < ends, found


def test_a_restarted_vm_runs_since_it_was_restarted(sandbox, farmctl):
    before = worker(farmctl)
    sandbox.turn(3_600)
    sandbox.call("one.vm.action", "poweroff-hard", before["vm_id"])
    off = until(farmctl, "off", since=before["since_at"] + 3_600)
    sandbox.turn(600)
    sandbox.call("one.vm.action", "resume", before["vm_id"])
    ready = until(farmctl, "ready", since=off["since_at"] + 600)
    assert ready["vm_id"] == before["vm_id"]


def test_a_vm_that_went_off_with_its_hypervisor_is_nobodys_doing(sandbox, farmctl):
    host = worker(farmctl)["hypervisor"]
    sandbox.kill_host(host)
    until(farmctl, "unknown")
    sandbox.revive_host(host, guests="poweroff")
    assert until(farmctl, "off")["reason"] == (
        "went off by itself, or with its hypervisor"
    )
    assert "by hand" not in farmctl("plan", "sandbox.yaml").out


def beat(cloud, farms, *, at):
    speaker = connect(cloud.endpoint, str(cloud.auth_file), patience=1.0)
    holder = Holder(host="keeper", boot="b", pid=12, started="s", nonce="x", beat=1)
    made = speaker.create(Kind.DOCUMENT, f"{keeping.PREFIX}x", Tag(farm=""), {})
    speaker.write_document(made, keeping.body(farms, at=at), holder)
    speaker.close()


def test_who_keeps_a_farm_is_told_in_a_line_and_costs_no_call(sandbox, farmctl):
    now = time.time()
    load = Load(waiting=24, running=3, truth=now - 7, limited=True)
    farmctl("status", "sandbox")
    sandbox.reset_calls()
    farmctl("status", "sandbox")
    calls = sandbox.calls()
    beat(sandbox, {"sandbox": load}, at=now - 4)
    sandbox.reset_calls()
    ran = farmctl("status", "sandbox")
    assert sandbox.calls() == calls
    (line,) = [each for each in ran.out.splitlines() if each.startswith("Kept by ")]
    assert line.startswith("Kept by farmctl serve on keeper (process 12), heard ")
    assert "24 slots of work wait, 3 run, queue seen" in line
    assert line.endswith("nodes are held back (farmctl explain)")
    (farm,) = farmctl("status", "--json").json["farms"]
    assert farm["daemon"]["waiting_slots"] == 24
    assert farm["daemon"]["held_back"] is True


def test_a_daemon_that_is_silent_is_said_to_be(sandbox, farmctl):
    beat(sandbox, {"sandbox": Load()}, at=time.time() - 600)
    out = farmctl("status", "sandbox").out
    assert "Was kept by farmctl serve on keeper (process 12), which is silent" in out
