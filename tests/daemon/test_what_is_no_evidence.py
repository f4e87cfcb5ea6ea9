"""Looks that failed, show nothing or lost a part: no node goes on them."""

import time

import pytest
from farms import until
from proxy import Proxy


def settled(bench, name, queue, count):
    """Wait until there are so many nodes, all known to the batch system."""
    until(
        lambda: (
            len(bench.workers(name)) == count and len(queue.state["nodes"]) == count
        ),
        what="nodes join",
    )


@pytest.mark.parametrize("fault", ["away", "empty", "few", "aside", "no jobs"])
def test_no_node_with_a_job_goes_on_a_wrong_look(bench, name, fault):
    queue = bench.make(name)
    queue.submit(4, seconds=6.0)
    with bench.serving() as daemon:
        settled(bench, name, queue, 4)
        until(
            lambda: name in daemon._told and daemon._told[name].running == 4,
            what="the daemon sees them work",
        )
        queue.set(fault=fault)
        time.sleep(2.0)
        assert len(bench.workers(name)) == 4
        assert not any(node["drained"] for node in queue.state["nodes"].values())
        queue.set(fault="")
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
    state = queue.state
    assert [job["ran"] for job in state["jobs"]] == [1] * 4
    assert state["killed"] == []
    assert bench.said(name, "the queue is not believed") or fault == "few"


def test_idle_nodes_stay_while_the_queue_cannot_be_seen(bench, name):
    queue = bench.make(name)
    queue.submit(3, seconds=0.5)
    with bench.serving():
        settled(bench, name, queue, 3)
        queue.set(fault="away")
        until(lambda: bench.said(name, "the queue is not believed"))
        time.sleep(3.0)
        assert len(bench.workers(name)) == 3
        queue.set(fault="")
        until(lambda: not bench.workers(name), what="all nodes go")


def test_a_node_that_is_killed_is_struck_off_and_its_job_runs_elsewhere(bench, name):
    queue = bench.make(name)
    queue.submit(3, seconds=3.0)
    with bench.serving():
        settled(bench, name, queue, 3)
        victim = bench.workers(name)[0]
        bench.here.cloud.end(victim.id)
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
        until(lambda: not queue.state["nodes"], what="none is on the list")
    state = queue.state
    assert [job["ran"] for job in state["jobs"]] == [1] * 3
    assert [each["node"] for each in state["killed"]] == [victim.name]


def test_a_drain_is_taken_back_when_work_comes(bench, name):
    queue = bench.make(name, count="{min: 0, max: 1}")
    queue.submit(1, seconds=0.3)
    with bench.serving():
        settled(bench, name, queue, 1)
        until(lambda: any(n["drained"] for n in queue.state["nodes"].values()))
        queue.submit(1, seconds=0.3)
        until(lambda: not queue.left, what="the work is done")
    assert queue.state["killed"] == []


def test_a_node_that_another_drained_by_hand_goes_when_it_is_empty(bench, name):
    queue = bench.make(name, count="{min: 1, max: 2}")
    queue.submit(1, seconds=2.0)
    with bench.serving():
        settled(bench, name, queue, 1)
        (node,) = bench.workers(name)
        bench.drain(name, node.name)
        until(lambda: queue.state["nodes"][node.name]["drained"], what="it is drained")
        until(lambda: not queue.left, what="the job ends there")
        until(
            lambda: (
                [vm for vm in bench.workers(name) if vm.id != node.id]
                and node.id not in {vm.id for vm in bench.workers(name)}
            ),
            what="it goes, and another comes in its place",
        )
    assert queue.state["killed"] == []


def test_while_opennebula_is_away_nothing_is_done_and_work_goes_on(
    bench, name, opennebula
):
    queue = bench.make(name)
    queue.submit(2, seconds=3.0)
    with (
        Proxy(opennebula.endpoint) as proxy,
        bench.serving(endpoint=proxy.endpoint),
    ):
        settled(bench, name, queue, 2)
        proxy.down()
        time.sleep(1.5)
        queue.submit(2, seconds=0.3)
        time.sleep(0.5)
        proxy.up()
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
    assert queue.state["killed"] == []
    assert [job["ran"] for job in queue.state["jobs"]] == [1] * 4
