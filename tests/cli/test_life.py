"""A farm's life through the commands, on an embedded cloud."""

import json
import os
import signal
import threading
import time

import pytest

FACTS = ("farm", "phase", "address", "hypervisor")


@pytest.fixture
def sandbox(cloud, folder, farmctl):
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 0, ran.err
    return cloud


def test_plan_apply_apply_destroy(cloud, folder, farmctl):
    ran = farmctl("plan", "sandbox.yaml")
    assert ran.status == 3
    assert "  +  wn-001…002 " in ran.out
    assert "9 additions. No running job is interrupted. Needs 1 of " in ran.out
    assert ran.err == "Next: farmctl apply sandbox.yaml\n"

    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 0
    last = ran.out.splitlines()[-1]
    assert last.startswith("sandbox  done after ")
    assert "3 nodes made" in last
    assert "sandbox-router ready on " in ran.err

    ran = farmctl("plan", "sandbox.yaml")
    assert ran.status == 0
    assert ran.out.endswith("Nothing to do: as declared.\n")
    assert ran.err == ""

    ran = farmctl("apply", "sandbox.yaml")
    assert ran.status == 0
    assert ran.out.endswith("Nothing to do: as declared.\n")

    ran = farmctl("destroy", "--yes", "sandbox")
    assert ran.status == 0
    assert "sandbox  gone after " in ran.out
    assert farmctl("status", "--json").json["farms"] == []

    ran = farmctl("destroy", "--yes", "sandbox")
    assert ran.status == 0
    assert ran.out.endswith("Nothing is there.\n")


def test_a_second_apply_makes_the_calls_of_one_look(sandbox, folder, farmctl):
    sandbox.reset_calls()
    assert farmctl("apply", "sandbox.yaml").status == 0
    calls = sandbox.calls()
    assert sum(calls.values()) <= 8, calls


def test_nothing_is_changed_without_consent(cloud, folder, farmctl):
    ran = farmctl("apply", "sandbox.yaml")
    assert ran.status == 2
    assert "Nobody is here to be asked, and nothing was changed." in ran.err
    assert farmctl("status", "--json").json["farms"] == []


def test_destroy_asks_too(sandbox, folder, farmctl):
    ran = farmctl("destroy", "sandbox")
    assert ran.status == 2
    assert "  -  router" in ran.out
    assert farmctl("status", "sandbox").status == 0


def test_several_farms_side_by_side(cloud, folder, farmctl):
    text = (folder / "sandbox.yaml").read_text()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(text.replace("sandbox", name))
    ran = farmctl("apply", "--yes", "one.yaml", "two.yaml", "sandbox.yaml")
    assert ran.status == 0
    found = farmctl("status", "--json").json["farms"]
    assert [each["farm"] for each in found] == ["one", "sandbox", "two"]
    assert len({each["network"] for each in found}) == 3


def test_one_farm_that_cannot_be_planned_stops_no_other(cloud, folder, farmctl):
    text = (folder / "sandbox.yaml").read_text()
    wish = text.replace("kind: plain", "kind: plain\nnetwork: 172.16.9.0/24")
    (folder / "one.yaml").write_text(wish.replace("sandbox", "one"))
    (folder / "two.yaml").write_text(wish.replace("sandbox", "two"))
    assert farmctl("apply", "--yes", "one.yaml").status == 0
    ran = farmctl("plan", "two.yaml", "sandbox.yaml")
    assert ran.status == 1
    assert "two: " in ran.err
    assert "172.16.9.0/24" in ran.err
    ran = farmctl("apply", "--yes", "two.yaml", "sandbox.yaml")
    assert ran.status == 1
    assert "sandbox  done after " in ran.out
    found = farmctl("status", "--json").json["farms"]
    assert [each["farm"] for each in found] == ["one", "sandbox"]


def test_plan_as_json(cloud, folder, farmctl):
    ran = farmctl("plan", "--json", "sandbox.yaml")
    assert ran.status == 3
    assert ran.err == ""
    assert ran.json["format"] == 1
    assert ran.json["command"] == "plan"
    (plan,) = ran.json["plans"]
    assert {
        "farm",
        "kind",
        "site",
        "endpoint",
        "opennebula",
        "seen_at",
        "network",
        "destroys",
        "changes_nothing",
        "summary",
        "steps",
        "notes",
        "keeps",
        "rolls",
    } == set(plan)
    assert plan["summary"]["additions"] == 9
    nodes = [each["node"] for each in plan["steps"] if "node" in each]
    assert [each["name"] for each in nodes] == [
        "sandbox-router",
        "sandbox-wn-001",
        "sandbox-wn-002",
    ]
    assert nodes[1]["memory_mib"] == 1024


def test_apply_as_json(cloud, folder, farmctl):
    ran = farmctl("apply", "--yes", "--json", "sandbox.yaml")
    assert ran.status == 0
    assert set(ran.json) == {
        "format",
        "command",
        "ok",
        "plans",
        "outcomes",
        "refused",
    }
    assert ran.json["ok"] is True
    (outcome,) = ran.json["outcomes"]
    assert set(outcome) == {
        "farm",
        "seconds",
        "complete",
        "failed",
        "stopped",
        "advice",
        "steps",
        "left",
        "notes",
    }
    assert (outcome["complete"], outcome["failed"], outcome["left"]) == (
        True,
        False,
        [],
    )
    assert {each["result"] for each in outcome["steps"]} == {"done"}
    again = farmctl("apply", "--json", "sandbox.yaml")
    assert again.status == 0
    assert again.json["outcomes"] == []
    assert again.json["plans"][0]["changes_nothing"] is True


def test_status_as_json(sandbox, folder, farmctl):
    ran = farmctl("status", "sandbox", "--json")
    assert ran.status == 0
    (farm,) = ran.json["farms"]
    assert set(farm) == {
        "farm",
        "kind",
        "network",
        "sizes",
        "phases",
        "lock",
        "nodes",
        "notes",
        "rolling",
        "daemon",
        "refused",
    }
    assert farm["sizes"] == {"wn": 2}
    assert farm["phases"] == {"ready": 3}
    node = farm["nodes"][1]
    assert set(node) == {
        "name",
        "vm_id",
        "role",
        "pool",
        "phase",
        "address",
        "public_address",
        "hypervisor",
        "since_at",
        "draining",
        "aside",
        "attempts",
        "reason",
        "configured",
        "outdated_lines",
    }
    assert node["name"] == "sandbox-wn-001"
    assert node["address"] == "172.16.0.1"
    assert node["hypervisor"].startswith("wrk-")


def test_status_shows_all_farms_or_one(sandbox, folder, farmctl):
    ran = farmctl("status")
    assert ran.status == 0
    assert "torino (OpenNebula 7.4.0), as seen " in ran.out
    assert ran.out.splitlines()[-1].split() == [
        "sandbox",
        "plain",
        "172.16.0.0/24",
        "3",
        "ready",
        "3",
    ]
    ran = farmctl("status", "sandbox")
    assert "sandbox-wn-002  ready  172.16.0.2 " in ran.out


def test_an_unknown_farm_is_an_error_that_names_those_there_are(
    sandbox, folder, farmctl
):
    for command in ("status", "explain"):
        ran = farmctl(command, "sandbux")
        assert ran.status == 1
        assert "There is no farm 'sandbux' at torino." in ran.err
        assert "'sandbox'" in ran.err
    ran = farmctl("status", "sandbux", "--json")
    assert ran.json["error"]["kind"] == "NotPossible"


def test_scale_sets_a_size_that_holds(sandbox, folder, farmctl):
    ran = farmctl("scale", "sandbox", "wn", "4", "--yes")
    assert ran.status == 0
    assert "  +  wn-003…004 " in ran.out
    assert farmctl("status", "sandbox", "--json").json["farms"][0]["sizes"] == {"wn": 4}
    assert farmctl("plan", "sandbox.yaml").status == 0


def test_scale_keeps_to_the_limits(sandbox, folder, farmctl):
    ran = farmctl("scale", "sandbox", "wn", "6", "--yes")
    assert ran.status == 1
    assert "pools.wn.count.max is 5" in ran.err
    ran = farmctl("scale", "sandbox", "nodes", "3", "--yes")
    assert ran.status == 1
    assert "sandbox has no pool 'nodes'." in ran.err


def test_a_saved_plan_is_carried_out(cloud, folder, farmctl):
    ran = farmctl("plan", "sandbox.yaml", "--out", "change.plan")
    assert ran.status == 3
    assert ran.err == "Next: farmctl apply change.plan\n"
    ran = farmctl("apply", "--yes", "change.plan")
    assert ran.status == 0
    assert farmctl("plan", "sandbox.yaml").status == 0


def test_a_saved_plan_is_refused_when_the_cloud_has_moved_on(sandbox, folder, farmctl):
    text = (folder / "sandbox.yaml").read_text().replace("min: 2", "min: 3")
    (folder / "sandbox.yaml").write_text(text)
    farmctl("plan", "sandbox.yaml", "--out", "change.plan")
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0
    ran = farmctl("apply", "--yes", "change.plan")
    assert ran.status == 1
    assert "The cloud has moved on since the plan of sandbox was made" in ran.out + (
        ran.err
    )


def test_a_plan_is_no_farm_file_and_rubbish_is_neither(cloud, folder, farmctl):
    farmctl("plan", "sandbox.yaml", "--out", "change.plan")
    ran = farmctl("plan", "change.plan")
    assert ran.status == 2
    assert "this is a saved plan, not a farm file." in ran.err
    (folder / "change.plan").write_text('{"half": ')
    ran = farmctl("apply", "--yes", "change.plan")
    assert ran.status == 2
    assert "change.plan:1:" in ran.err
    (folder / "change.plan").write_bytes(b"{\xff")
    ran = farmctl("apply", "--yes", "change.plan")
    assert ran.status == 2
    assert "change.plan  this is no plan: the byte at 1 is not UTF-8." in ran.err


def test_no_wait_ends_once_all_is_asked_for(cloud, folder, farmctl):
    cloud.fault("boot", effect="slow", seconds=20.0)
    ran = farmctl("apply", "--yes", "--no-wait", "sandbox.yaml")
    assert ran.status == 0
    assert "farmctl status sandbox --watch" in ran.out
    (farm,) = farmctl("status", "--json").json["farms"]
    assert {node["phase"] for node in farm["nodes"]} <= {"placing", "booting"}


def test_a_node_that_fails_is_told_with_what_to_do(cloud, folder, farmctl):
    cloud.fault("boot", name="sandbox-wn-002")
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 1
    assert "sandbox  not finished after " in ran.out
    assert "aside: sandbox-wn-002: " in ran.out
    assert "sandbox-wn-002 is tried again: " in ran.err
    cloud.clear_faults()
    shown = farmctl("explain", "sandbox")
    assert "sandbox-wn-002 (VM " in shown.out
    assert "is aside, out of the counts: " in shown.out
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0
    assert farmctl("plan", "sandbox.yaml").status == 0


def test_what_has_no_room_is_refused_before_anything(cloud, folder, farmctl):
    text = (folder / "sandbox.yaml").read_text()
    text = text.replace("cpus: 1", "cpus: 32").replace("max: 5", "max: 50")
    (folder / "sandbox.yaml").write_text(text.replace("min: 2", "min: 50"))
    shown = farmctl("plan", "sandbox.yaml")
    assert shown.status == 3
    assert "  !  room  Needs 1600 cores on worker hypervisors, " in shown.out
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 1
    assert "There is no room for what sandbox needs; nothing was changed." in ran.err
    assert farmctl("status", "--json").json["farms"] == []


def test_farms_that_have_room_alone_and_not_together_are_told_apart(
    cloud, folder, farmctl
):
    text = (folder / "sandbox.yaml").read_text()
    text = text.replace("cpus: 1", "cpus: 32").replace("max: 5", "max: 15")
    text = text.replace("min: 2", "min: 15")
    (folder / "sandbox.yaml").write_text(text)
    (folder / "other.yaml").write_text(text.replace("farm: sandbox", "farm: other"))
    ran = farmctl("plan", "sandbox.yaml", "other.yaml")
    assert "  !  room  Together with sandbox: Needs 960 cores on worker" in ran.out
    ran = farmctl("apply", "--yes", "--no-wait", "sandbox.yaml", "other.yaml")
    assert ran.status == 1
    assert "There is no room for what other needs; nothing was changed." in ran.err
    farms = farmctl("status", "--json").json["farms"]
    assert [each["farm"] for each in farms] == ["sandbox"]


def test_explain_tells_of_sizes_limits_and_what_comes_next(sandbox, folder, farmctl):
    ran = farmctl("explain", "sandbox")
    assert ran.status == 0
    assert (
        "wn has 2 nodes as it should: pools.wn.count.min is 2 (sandbox.yaml:5), and "
        "nothing has asked for more." in ran.out
    )
    assert "Why not more? Nothing asks for it; up to 5 may be set." in ran.out
    assert "The next apply would change nothing: all is as declared." in ran.out
    assert "farmctl" in ran.out.splitlines()[-1]
    assert "3 nodes made" in ran.out.splitlines()[-1]


def test_explain_names_the_hand_that_set_a_size(sandbox, folder, farmctl):
    farmctl("scale", "sandbox", "wn", "5", "--yes")
    ran = farmctl("explain", "sandbox")
    assert "5 were decided by hand, within pools.wn.count." in ran.out
    assert "Why not more? The limit: pools.wn.count.max is 5" in ran.out
    found = farmctl("explain", "sandbox", "--json").json
    (pool,) = found["pools"]
    assert (pool["wanted"], pool["decided"], pool["min"], pool["max"]) == (5, 5, 2, 5)
    assert "  Set at " in ran.out
    assert isinstance(pool["decided_at"], float)
    past = farmctl("explain", "sandbox", "--at", "now")
    assert "wn had been set to 5 by hand." in past.out


def test_explain_tells_of_drift(sandbox, folder, farmctl):
    dumped = farmctl("status", "sandbox", "--json").json["farms"][0]["nodes"]
    stray = next(each for each in dumped if each["name"] == "sandbox-wn-001")
    sandbox.kill_host(stray["hypervisor"])
    sandbox.turn(60)
    ran = farmctl("explain", "sandbox")
    assert ran.status == 0
    assert "sandbox-wn-001 (VM " in ran.out
    assert "is unknown on " in ran.out


def test_explain_tells_of_the_past_from_the_journal(sandbox, folder, farmctl):
    time.sleep(0.01)
    ran = farmctl("explain", "sandbox", "--at", "now")
    assert ran.status == 0
    assert "It had 3 nodes: sandbox-router, sandbox-wn-001 and sandbox-wn-002." in (
        ran.out
    )
    found = farmctl("explain", "sandbox", "--at", "now", "--json").json
    assert found["journal_holds"] is True
    assert found["nodes"] == ["sandbox-router", "sandbox-wn-001", "sandbox-wn-002"]
    ran = farmctl("explain", "sandbox", "--at", "2020-01-01")
    assert ran.status == 1
    assert "The journal knows nothing of sandbox before " in ran.err
    ran = farmctl("explain", "nowhere", "--at", "now")
    assert ran.status == 1
    assert "has nothing about 'nowhere'" in ran.err


def test_explain_of_a_farm_that_is_gone_points_at_the_journal(sandbox, folder, farmctl):
    farmctl("destroy", "--yes", "sandbox")
    ran = farmctl("explain", "sandbox")
    assert ran.status == 1
    assert "What it was: farmctl explain sandbox --at now" in ran.err


def test_losing_the_journal_loses_no_state(sandbox, folder, farmctl, tmp_path):
    (journal,) = (tmp_path / "state").rglob("*.jsonl")
    journal.unlink()
    assert farmctl("plan", "sandbox.yaml").status == 0
    ran = farmctl("explain", "sandbox")
    assert ran.status == 0
    assert "The journal on this machine has nothing about it." in ran.out


def test_a_journal_that_cannot_be_written_is_said_once(
    cloud, folder, farmctl, tmp_path
):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "farmctl").write_text("")
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    assert ran.status == 0
    assert ran.err.count("The journal cannot be written") == 1


def test_watching_as_json_is_a_document_a_line(sandbox, folder, farmctl, monkeypatch):
    looks = []

    def stop_after_two(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop_after_two)
    ran = farmctl("status", "sandbox", "--watch", "--json", "--interval", "0.5")
    assert ran.status == 130
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert [each["farms"][0]["farm"] for each in documents] == ["sandbox", "sandbox"]


def test_ctrl_c_in_the_middle_gives_the_farm_back(cloud, folder, farmctl):
    cloud.fault("boot", effect="slow", seconds=1.0)

    def press():
        while cloud.calls().get("one.vm.deploy", 0) < 3:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    ran = farmctl("apply", "--yes", "sandbox.yaml")
    finger.join()
    assert ran.status == 130
    assert "sandbox  not finished after " in ran.out
    assert "Stopping: " in ran.err
    (farm,) = farmctl("status", "--json").json["farms"]
    assert farm["lock"] is None
    cloud.clear_faults()
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0
