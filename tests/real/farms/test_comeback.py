"""What dies comes back: by itself where it can, else by the next `farmctl apply`."""

import os
import signal

import pytest
from farmland import until

pytestmark = pytest.mark.xdist_group("farms")

WORKERS = ("alice-big-001", "alice-wn-001", "alice-wn-002")


def kill(land, node):
    """Cut a node's power."""
    farm = node.partition("-")[0]
    os.kill(land.cloud.node(node), signal.SIGKILL)
    until(lambda: land.status(farm)[node]["phase"] == "off", what=f"{node} is off")


def queue(land):
    lines = land.inside("alice-head", "squeue -h -o '%i %T'").splitlines()
    return dict(line.split() for line in lines)


def submit(land, words):
    return land.inside("alice-head", f"sbatch --parsable -o /dev/null {words}")


def works(land):
    told = land.inside("alice-head", "srun -t1 -N2 -p wn hostname", timeout=90)
    assert sorted(told.split()) == ["alice-wn-001", "alice-wn-002"]


def test_a_worker_that_was_killed_works_again_after_apply(land):
    kill(land, "alice-wn-002")
    before = land.place("alice-head")
    land.apply("alice")
    land.idle(*WORKERS)
    works(land)
    assert land.place("alice-head") == before
    assert land.steps("alice") == []


def test_a_head_that_reboots_keeps_its_queue_and_its_workers(land):
    first = land.cloud.node("alice-head")
    running = submit(land, "-p wn --wrap 'sleep 6'")
    held = submit(land, "-H --wrap true")
    until(lambda: queue(land) == {running: "RUNNING", held: "PENDING"}, 60, "it runs")
    land.inside("alice-head", "reboot")
    until(lambda: land.booted("alice-head", after=first), 90, "it boots")
    until(lambda: land.works("alice-head", "squeue"), 90, "slurmctld answers")
    assert held in queue(land)
    until(lambda: land.steps("alice") == [], 60, "nothing is left to do")
    until(lambda: queue(land) == {held: "PENDING"}, 90, "what ran ends")
    land.inside("alice-head", f"scontrol release {held}")
    until(lambda: queue(land) == {}, 90, "what was held ends")
    land.idle(*WORKERS)
    works(land)


def test_a_head_that_lost_its_power_finds_its_workers_again(land):
    """What Slurm had not written down is lost, but no worker is."""
    kill(land, "alice-head")
    for file in ("node_state", "node_state.old"):
        vm = land.status("alice")["alice-head"]["vm_id"]
        state = f"nodes/{vm}/disk-0/upper/var/lib/slurm"
        (land.settings.directory / state / "slurmctld" / file).unlink(missing_ok=True)
    land.apply("alice")
    land.idle(*WORKERS, seconds=180)
    works(land)
    assert land.steps("alice") == []


def test_a_router_that_was_killed_comes_back_with_what_it_ran(land):
    """Also with what was changed in place since it was made."""
    changed = land.alice().replace("theirs, port: 8081", "theirs, port: 9081")
    land.write("alice", changed)
    land.apply("alice")
    ran = land.inside("alice-router", "nft list ruleset | grep -v counter")
    kill(land, "alice-router")
    assert not land.works("alice-wn-001", "ping -c 1 -W 1 172.16.0.254")
    land.apply("alice")
    now = land.inside("alice-router", "nft list ruleset | grep -v counter")
    assert now == ran
    assert "dport 9081" in now
    assert land.works("alice-wn-001", f"curl -sf -m 3 http://{land.outside}/")
    assert land.works("alice-wn-002", "getent hosts alice-head")
    assert land.host("alice-wn-001").check_output("hostname") == "alice-wn-001"
    land.write("alice", land.alice())
    land.apply("alice")
    assert land.steps("alice") == []
    works(land)


def test_workers_of_a_dead_hypervisor_are_made_anew_elsewhere(land):
    lost = land.status("alice")["alice-wn-001"]["hypervisor"]
    there = {
        name: each
        for farm in ("alice", "bob")
        for name, each in land.status(farm).items()
        if each["hypervisor"] == lost
    }
    assert "alice-wn-001" in there
    land.cloud.kill_host(lost)
    try:
        until(lambda: land.status("alice")["alice-wn-001"]["phase"] == "unknown")
        # They may have jobs, and the hypervisor may be away for us alone.
        told = land.run("apply", "--yes", "alice.yaml")
        assert "you consent to interrupting it" in told.stdout
        assert land.status("alice")["alice-wn-001"]["phase"] == "unknown"
        land.farmctl("apply", "--yes", "--interrupt", "alice.yaml", "bob.yaml")
        now = land.status("alice") | land.status("bob")
        for name in there:
            assert now[name]["phase"] == "ready"
            assert now[name]["hypervisor"] != lost
        land.idle(*WORKERS, seconds=180)
        works(land)
    finally:
        land.cloud.revive_host(lost)
    assert land.steps("alice") == []
    assert land.steps("bob") == []
