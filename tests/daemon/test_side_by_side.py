"""Many farms and more than one daemon: none is in another's way."""

import asyncio
import threading
import time
from dataclasses import replace

from farms import FAST, farm_text, until

from farmctl.daemon import Meters
from farmctl.daemon.peers import whose


def test_a_farm_whose_head_hangs_slows_no_other(bench, name):
    slow, quick = f"{name}-slow", f"{name}-quick"
    hanging = bench.make(slow, count="{min: 0, max: 1}")
    queue = bench.make(quick, count="{min: 0, max: 2}")
    hanging.set(fault="hang", hangs=6.0)
    meters = Meters()
    with bench.serving(meters=meters):
        time.sleep(0.5)
        queue.submit(2, seconds=0.3)
        began = time.monotonic()
        until(lambda: not queue.left, what="the other farm's work is done")
        assert time.monotonic() - began < 6.0
        hanging.set(fault="")


def test_two_daemons_share_the_farms_and_no_job_runs_twice(bench, name):
    names = [f"{name}-{letter}" for letter in "abcdef"]
    queues = [bench.make(each, count="{min: 0, max: 2}") for each in names]
    with bench.serving(name="one"), bench.serving(name="two"):
        for queue in queues:
            queue.submit(3, seconds=0.4)
        until(lambda: not any(queue.left for queue in queues), what="all work is done")
        until(lambda: not any(bench.workers(each) for each in names))
    for queue in queues:
        state = queue.state
        assert [job["ran"] for job in state["jobs"]] == [1, 1, 1]
        assert state["killed"] == []


def test_of_the_living_each_farm_has_one_and_a_death_moves_no_other_farm():
    living = ["ann", "bob", "eve"]
    farms = [f"farm-{n}" for n in range(300)]
    before = {farm: whose(farm, living) for farm in farms}
    after = {farm: whose(farm, living[1:]) for farm in farms}
    assert all(50 < list(before.values()).count(each) < 150 for each in living)
    assert all(
        after[farm] == daemon for farm, daemon in before.items() if daemon != "ann"
    )


def test_farms_with_nothing_to_do_cost_a_constant_number_of_calls(bench, name):
    for number in range(6):
        bench.make(f"{name}-{number}", count="{min: 1, max: 2}", kind="plain")
    calls = []
    for most in (3, 6):
        if most == 6:
            for number in range(6, 12):
                bench.make(f"{name}-{number}", count="{min: 1, max: 2}", kind="plain")
        settings = replace(FAST, poll=0.4, beat=1000.0)
        with bench.serving(settings=settings):
            until(lambda: changes_nothing(bench), what="nothing is left to do")
            bench.cloud.reset_calls()
            until(lambda: looks(bench) >= 3, what="three looks")
            # The calls of a look go side by side: the last one may not be counted yet.
            until(lambda: min(bench.cloud.calls().values()) >= 3, what="all calls")
            told = bench.cloud.calls()
        calls.append(told)
    for told in calls:
        assert set(told.values()) <= {3, 4, 5}
        assert len(told) == 8


def test_farms_that_all_change_in_one_round_share_their_looks(bench, name):
    for number in range(12):
        bench.make(f"{name}-{number}", count="{min: 0, max: 2}")
    daemon = bench.daemon()
    bench.cloud.reset_calls()
    asyncio.run(daemon.run(once=True))
    assert bench.cloud.calls()["one.document.lock"] == 12
    own = looks(bench) - 12  # each of these queues looks once itself
    # Each for itself would look under its lock and at its end: 25 in all.
    assert own <= 12


def changes_nothing(bench):
    """Tell whether two rounds in a row made no other calls than those of a look."""
    bench.cloud.reset_calls()
    until(lambda: looks(bench) >= 3, what="three looks")
    return len(bench.cloud.calls()) == 8


def looks(bench):
    return bench.cloud.calls().get("one.vmpool.infoextended", 0)


def test_a_file_is_applied_when_it_changes_and_a_wrong_one_changes_nothing(bench, name):
    path = bench.folder / "farm.yaml"
    path.write_text(farm_text(name, kind="plain", count="1"))
    with bench.serving(files=[path]):
        until(lambda: len(bench.workers(name)) == 1, what="the farm is made")
        path.write_text("farm: [")
        time.sleep(0.6)
        path.write_text(farm_text(name, kind="plain", count="3"))
        until(lambda: len(bench.workers(name)) == 3, what="the change is applied")
        path.unlink()
        time.sleep(0.6)
        assert len(bench.workers(name)) == 3


def test_a_lease_is_told_before_and_ends_its_farm(bench, name):
    path = bench.folder / "farm.yaml"
    path.write_text(
        farm_text(name, kind="plain", count="1", more="lease: {expires_in: 5s}\n")
    )
    with bench.serving(files=[path]):
        until(lambda: bench.workers(name), what="the farm is made")
        path.unlink()
        until(lambda: bench.said(name, "lease ends soon"), what="its end is told")
        until(lambda: bench.said(name, "farm ended"), what="it ends")
        until(lambda: bench.here.cloud.look().farm(name).empty, what="nothing is left")


def test_the_metrics_show_sizes_work_and_ages(bench, name):
    queue = bench.make(name, count="{min: 1, max: 2}")
    meters = Meters()
    with bench.serving(meters=meters):
        until(lambda: queue.state["nodes"], what="the node joins")
        until(
            lambda: (
                meters.registry.get_sample_value(
                    "farmctl_nodes", {"farm": name, "pool": "wn", "state": "ready"}
                )
                == 1.0
            )
        )
        read = meters.registry.get_sample_value
        assert read("farmctl_size", {"farm": name, "pool": "wn"}) == 1.0
        assert read("farmctl_opennebula_away") == 0.0
        assert read("farmctl_farms") == 1.0
        assert read("farmctl_daemons") == 1.0
        until(
            lambda: read("farmctl_age_of_truth_seconds", {"farm": name}) is not None,
            what="the age of truth is shown",
        )


def test_nothing_is_left_behind_by_a_daemon_that_is_stopped(bench, name):
    bench.make(name, kind="plain", count="1")
    before = threading.active_count()
    with bench.serving():
        time.sleep(0.8)
    until(lambda: threading.active_count() <= before, what="all threads end")
    found = [each.name for each in bench.here.cloud.documents()]
    assert found == [name]
