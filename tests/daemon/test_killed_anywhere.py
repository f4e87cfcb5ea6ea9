"""A daemon that dies of SIGKILL at any changing call; another goes on from there."""

import signal
import time

import pytest
from farms import SITE, serve, until
from proxy import Mode, Proxy

from farmctl.model.nodes import VmState


def order_of(bench, endpoint):
    return {
        "folder": str(bench.folder),
        "truth": bench.cloud.endpoint,
        "endpoint": endpoint,
        "auth_file": str(bench.cloud.auth_file),
        "site": SITE,
    }


def begun(forking, order):
    process = forking.Process(target=serve, args=(order,))
    process.start()
    return process


def ended(process):
    process.terminate()
    process.join(15)
    if process.is_alive():
        process.kill()
        process.join(5)
    process.close()


def whole(bench, name, queue, jobs):
    """Say what is wrong after all work is done and all nodes are gone."""
    view = bench.here.cloud.look()
    farm = view.farm(name)
    wrong = [f"{vm.name} is {vm.state}" for vm in farm.vms if vm.state != "running"]
    if len(farm.vms) != 2:
        wrong.append(f"{[vm.name for vm in farm.vms]} are there")
    if len(farm.documents) != 1 or len(farm.networks) != 1:
        wrong.append("documents or networks")
    state = queue.state
    if [job["ran"] for job in state["jobs"]] != [1] * jobs:
        wrong.append(f"jobs ran {[job['ran'] for job in state['jobs']]} times")
    if state["killed"]:
        wrong.append(f"killed: {state['killed']}")
    return wrong


@pytest.mark.parametrize("mode", [Mode.KILL_BEFORE, Mode.KILL_AFTER])
@pytest.mark.parametrize("at", [1, 2, 4, 6, 8, 11, 15, 20])
def test_the_next_daemon_goes_on_whatever_call_the_first_died_at(
    bench, name, forking, at, mode
):
    queue = bench.make(name, count="{min: 0, max: 3}")
    queue.submit(4, seconds=0.4)
    with Proxy(bench.cloud.endpoint, at=at, mode=mode) as proxy:
        first = begun(forking, order_of(bench, proxy.endpoint))
        proxy.kill_this(first.pid)
        until(
            lambda: not first.is_alive() or not (queue.left or bench.workers(name)),
            what="it dies",
        )
        assert proxy.hit.is_set(), f"call {at} was never made"
        first.kill()
        first.join(10)
        first.close()
    second = begun(forking, order_of(bench, bench.cloud.endpoint))
    try:
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
    finally:
        ended(second)
    assert whole(bench, name, queue, 4) == []


def test_a_dead_daemons_farms_are_taken_over_by_the_other(bench, name, forking):
    names = [f"{name}-{letter}" for letter in "abcd"]
    queues = {each: bench.make(each, count="{min: 0, max: 1}") for each in names}
    two = [begun(forking, order_of(bench, bench.cloud.endpoint)) for _ in range(2)]
    try:
        until(
            lambda: len(daemons(bench)) == 2,
            what="both daemons say that they live",
        )
        two[0].kill()
        two[0].join(10)
        killed = time.monotonic()
        for queue in queues.values():
            queue.submit(1, seconds=0.3)
        until(lambda: not any(q.left for q in queues.values()), what="all work is done")
        assert time.monotonic() - killed < 60
        until(lambda: not any(bench.workers(each) for each in names))
        until(lambda: len(daemons(bench)) == 1, what="the dead one's name goes")
    finally:
        for each in two:
            ended(each)
    assert [len(queue.state["killed"]) for queue in queues.values()] == [0] * 4
    assert daemons(bench) == []


def test_sigterm_ends_a_daemon_within_seconds_and_gives_all_locks_back(
    bench, name, forking
):
    queue = bench.make(name)
    queue.submit(8, seconds=2.0)
    process = begun(forking, order_of(bench, bench.cloud.endpoint))
    until(lambda: bench.workers(name), what="nodes come")
    began = time.monotonic()
    process.terminate()
    process.join(15)
    assert time.monotonic() - began < 12
    assert process.exitcode == 0, signal.Signals(-(process.exitcode or 0))
    process.close()
    document = bench.here.cloud.look().farm(name).document
    assert document.lock is None
    assert daemons(bench) == []
    assert all(vm.state is not VmState.ENDING for vm in bench.workers(name))


def daemons(bench):
    found = bench.here.cloud.documents()
    return [each.name for each in found if each.name.startswith("farmctl-daemon-")]
