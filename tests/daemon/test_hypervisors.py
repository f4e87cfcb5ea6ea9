"""Hypervisors that an admin disables are emptied; one in error ends nothing."""

import time
from dataclasses import replace

import farms
import pytest
from farms import FAST, until

SETTINGS = replace(FAST, hypervisors=0.3)
ENABLE, DISABLE = 0, 1


@pytest.fixture
def mine(opennebula_with, tmp_path):
    """A cloud of the test's own: its hypervisors are nobody else's."""
    made = farms.Bench(opennebula_with(worker_hosts=2), tmp_path)
    yield made
    made.close()


def test_the_nodes_of_a_disabled_hypervisor_move_when_their_jobs_have_ended(mine, name):
    queue = mine.make(name)
    queue.submit(4, seconds=5.0)
    with mine.serving(settings=SETTINGS):
        until(lambda: len(queue.state["nodes"]) == 4, what="four nodes join")
        host = mine.workers(name)[0]
        there = {vm.name for vm in mine.workers(name) if vm.host == host.host}
        assert 0 < len(there) < 4
        mine.cloud.call("one.host.status", host.host_id, DISABLE)
        until(
            lambda: (
                {n for n, node in queue.state["nodes"].items() if node["drained"]}
                == there
            ),
            what="its nodes are drained, and no others",
        )
        queue.submit(6, seconds=1.0)
        until(lambda: not queue.left, what="all jobs end")
        until(
            lambda: not any(vm.host == host.host for vm in mine.workers(name)),
            what="it is empty",
        )
    assert queue.state["killed"] == []
    assert [job["ran"] for job in queue.state["jobs"]] == [1] * 10
    said = f"its hypervisor {host.host} is disabled"
    assert {why for _, why in mine.said(name, "node drained")} >= {said}


def test_a_hypervisor_that_is_enabled_again_keeps_its_nodes(mine, name):
    queue = mine.make(name, count="{min: 0, max: 2}")
    queue.submit(2, seconds=4.0)
    with mine.serving(settings=SETTINGS):
        until(lambda: len(queue.state["nodes"]) == 2, what="two nodes join")
        vms = mine.workers(name)
        mine.cloud.call("one.host.status", vms[0].host_id, DISABLE)
        until(
            lambda: any(node["drained"] for node in queue.state["nodes"].values()),
            what="a node is drained",
        )
        mine.cloud.call("one.host.status", vms[0].host_id, ENABLE)
        queue.submit(2, seconds=4.0)
        until(
            lambda: not any(node["drained"] for node in queue.state["nodes"].values()),
            what="the drain is taken back",
        )
        assert {vm.id for vm in mine.workers(name)} == {vm.id for vm in vms}


def test_a_hypervisor_in_error_ends_nothing(mine, name):
    queue = mine.make(name, count="{min: 0, max: 4}")
    queue.submit(4, seconds=120.0)
    with mine.serving(settings=SETTINGS):
        until(lambda: len(queue.state["nodes"]) == 4, what="four nodes join")
        vms = mine.workers(name)
        mine.cloud.kill_host(vms[0].host)
        until(
            lambda: any(
                host.state_name == "ERROR" for host in mine.here.cloud.capacity().hosts
            ),
            what="OpenNebula has noticed",
        )
        time.sleep(2.0)
        there = {vm.id for vm in mine.workers(name)}
        assert there >= {vm.id for vm in vms}
        assert not any(node["drained"] for node in queue.state["nodes"].values())
        assert not mine.said(name, "node ended")
