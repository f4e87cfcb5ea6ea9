"""A changed playbook is tried on one worker; the others follow, or stay as they are."""

import pytest
from farms import until
from insides import Insides

from farmctl.plan.document import TRIAL


@pytest.fixture
def inside(bench, tmp_path):
    (tmp_path / "inside").mkdir()
    bench.guests = Insides(tmp_path / "inside")
    return bench.guests


def carried(bench, name):
    """Return how many workers carry which configuration."""
    found = [vm.mark.configured for vm in bench.workers(name) if not vm.mark.aside]
    return {digest: found.count(digest) for digest in set(found)}


def noted(bench, name):
    """Return on which workers it failed, as the farm's document says."""
    body = bench.here.cloud.look().farm(name).document.body
    return body.get(TRIAL, {}).get("failed", {})


def configured(inside):
    """Return the workers that were configured, in this order."""
    return [line for line in inside.lines if line.startswith("configured")]


def test_one_worker_gets_it_first_and_the_others_once_it_is_well(bench, name, inside):
    bench.make(name, count="3")
    with bench.serving():
        until(lambda: carried(bench, name) == {"one": 3}, what="all are configured")
        assert inside.lines
        inside.digest = "two"
        until(lambda: carried(bench, name) == {"two": 3}, what="all are anew")
    order = [line for line in configured(inside) if "-wn-" in line]
    assert len(order) == 3
    said = [why for _, why in bench.said(name, "changed playbook")]
    assert said == [
        f"it is tried on {name}-wn-001 first",
        "it works on one worker; the others follow",
    ]


def test_after_two_failures_the_others_keep_what_they_have_until_it_changes(
    bench, name, inside
):
    bench.make(name, count="4")
    with bench.serving():
        until(lambda: carried(bench, name) == {"one": 4}, what="all are configured")
        for number in range(1, 5):
            inside.break_(f"{name}-wn-00{number}", "slurm.conf is wrong")
        inside.digest = "two"
        until(lambda: bench.said(name, "changed playbook stopped"), what="it stops")
        assert carried(bench, name) == {"one": 4}
        failed = [
            (event, why)
            for event, why in bench.said(name)
            if event.startswith("changed playbook failed on ")
        ]
        assert len(failed) == 2
        assert {why for _, why in failed} == {"install slurm: slurm.conf is wrong"}
        until(lambda: len(noted(bench, name)) == 2, what="the document has it")
    inside.mend()
    with bench.serving(name="two"):
        until(
            lambda: bench.said(name, "changed playbook stopped", journal="two"),
            what="another daemon knows of it",
        )
        assert carried(bench, name) == {"one": 4}
        inside.digest = "three"
        until(lambda: carried(bench, name) == {"three": 4}, what="all are anew")


def test_new_workers_get_it_while_it_is_tried(bench, name, inside):
    queue = bench.make(name, count="{min: 2, max: 3}")
    with bench.serving():
        until(lambda: carried(bench, name) == {"one": 2}, what="both are configured")
        for number in (1, 2):
            inside.break_(f"{name}-wn-00{number}", "there is no room")
        inside.digest = "two"
        until(lambda: bench.said(name, "changed playbook stopped"), what="it stops")
        queue.submit(6, seconds=1.0)
        until(lambda: carried(bench, name).get("two"), what="a new one has it")
        until(lambda: not queue.left, what="all jobs end")
    assert queue.state["killed"] == []


def test_nobody_who_may_work_gets_it_while_the_queue_is_away(bench, name, inside):
    queue = bench.make(name, count="3")
    with bench.serving():
        until(lambda: carried(bench, name) == {"one": 3}, what="all are configured")
        queue.set(fault="away")
        until(lambda: bench.said(name, "the queue is not believed"), what="away")
        assert inside.lines
        inside.digest = "two"
        until(
            lambda: f"configured {name}-head" in configured(inside),
            what="the head, that it may come back",
        )
        assert carried(bench, name) == {"one": 3}
        queue.set(fault="")
        until(lambda: carried(bench, name) == {"two": 3}, what="all are anew")
    order = [line for line in configured(inside) if "-wn-" in line]
    first = next(why for _, why in bench.said(name, "changed playbook"))
    assert first == f"it is tried on {name}-wn-001 first"
    assert len(order) == 3
