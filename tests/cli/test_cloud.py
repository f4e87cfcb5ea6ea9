"""The `cloud` group, and the embedded cloud that starts when it is needed."""

import pytest


@pytest.fixture
def ended(farmctl):
    yield
    farmctl("cloud", "reset", "--yes")


def test_the_embedded_cloud_through_its_commands(farmctl, folder, ended):
    ran = farmctl("cloud", "status")
    assert ran.status == 1
    assert ran.out == "It does not run.\n"

    ran = farmctl("cloud", "start", "--port", "0", "--onegate-port", "0")
    assert ran.status == 0
    assert "The embedded cloud has started." in ran.err
    assert "  export ONE_XMLRPC=http://127.0.0.1:" in ran.out

    ran = farmctl("cloud", "start")
    assert ran.status == 0
    assert "The embedded cloud runs already." in ran.err

    found = farmctl("cloud", "status", "--json").json
    assert set(found) == {
        "format",
        "command",
        "running",
        "driver",
        "endpoint",
        "onegate",
        "auth_file",
        "directory",
        "pid",
        "hosts",
        "vms",
        "farms",
    }
    assert (found["running"], found["vms"], found["farms"]) == (True, 0, 0)
    assert found["driver"] == "dummy"

    ran = farmctl("cloud", "start", "--driver", "netns")
    assert ran.status == 1
    assert "The embedded cloud runs with driver dummy." in ran.err
    assert "Forget it and all that it holds first: farmctl cloud reset." in ran.err

    assert farmctl("cloud", "stop").status == 0
    ran = farmctl("cloud", "start", "--public-network", "198.51.100.0/24")
    assert ran.status == 1
    assert "made with driver dummy and public network 203.0.113.0/24" in ran.err
    ran = farmctl("cloud", "enter", "alice-head")
    assert ran.status == 1
    assert "No node is called 'alice-head'.\nThere run: none." in ran.err
    ran = farmctl("cloud", "stop", "--json")
    assert ran.status == 0
    assert ran.json["running"] is False

    ran = farmctl("cloud", "reset")
    assert ran.status == 2
    assert "Add --yes" in ran.err


def test_it_starts_when_nothing_else_is_named(farmctl, folder, ended):
    ran = farmctl("plan", "sandbox.yaml")
    assert ran.status == 3
    assert "No OpenNebula is named: starting the embedded cloud." in ran.err
    ran = farmctl("plan", "sandbox.yaml")
    assert ran.status == 3
    assert "starting" not in ran.err


def test_mistakes_start_no_cloud(farmctl, folder):
    (folder / "sandbox.yaml").write_text("farm: sandbox\n")
    assert farmctl("plan", "sandbox.yaml").status == 2
    assert farmctl("cloud", "status").status == 1


def test_it_is_not_started_to_complete_a_name(farmctl, folder, monkeypatch):
    monkeypatch.setenv("COMP_WORDS", "farmctl status sa")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_FARMCTL_COMPLETE", "bash_complete")
    ran = farmctl()
    assert ran.out.strip() == ""
    monkeypatch.delenv("_FARMCTL_COMPLETE")
    assert farmctl("cloud", "status").status == 1
