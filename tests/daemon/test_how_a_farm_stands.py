"""What the daemon tells of why a farm is as it is: where, how often, how much."""

import json
import time
from dataclasses import replace

from farms import FAST, until

from farmctl.journal import Journal
from farmctl.model.keeping import kept_by
from farmctl.model.standing import KEY, LARGEST, VERDICT, from_json

OFTEN = replace(FAST, retell=0.2)


def verdicts(bench, name):
    kept = Journal(bench.folder / "journal", now=time.time, warn=print)
    found = [each for each in kept.read(name) if each.event == VERDICT]
    return [from_json(each.values[KEY]) for each in found]


def lines(bench, name):
    kept = Journal(bench.folder / "journal", now=time.time, warn=print)
    return sum(1 for _ in kept.read(name))


def test_who_waits_what_limits_and_what_can_never_run_is_told(bench, name):
    queue = bench.make(name, count="{min: 0, max: 2}")
    queue.submit(9, seconds=60)
    queue.submit(1, seconds=60, slots=8, owner="bob")
    with bench.serving(settings=OFTEN):
        until(
            lambda: any(
                each.running == 2 and each.never for each in verdicts(bench, name)
            ),
            what="two work, the others wait",
        )
        load = until(
            lambda: (
                (found := kept_by(bench.here.cloud.look().documents).get(name))
                and found.load
                and found.load.running == 2
                and found.load
            ),
            what="the beat tells of it",
        )
    last = verdicts(bench, name)[-1]
    (pool,) = last.pools
    assert (pool.size, pool.most, last.waiting) == (2, 2, 7)
    assert pool.limit == "7 more would pay: wn has 2 of at most 2 nodes"
    assert [(each.owner, each.slots, each.count) for each in last.queue] == [
        ("ann", 1, 7)
    ]
    said = "1 job of bob can never run here: it asks for 8 cores on one node, and "
    assert last.never == (f"{said}a node has 1",)
    assert last.less == "2 of 2 work"
    assert (load.waiting, load.limited) == (7, True)
    assert load.truth > time.time() - 60


def rests(bench, name):
    """Tell whether a second goes by in which nothing is written."""
    before = lines(bench, name)
    time.sleep(1.0)
    return lines(bench, name) == before


def test_a_farm_in_which_nothing_happens_writes_nothing(bench, name):
    bench.make(name, count="{min: 1, max: 2}")
    settings = replace(FAST, poll=0.1, write=0.5, retell=0.2)
    with bench.serving(settings=settings):
        until(lambda: verdicts(bench, name), what="the first verdict")
        until(
            lambda: (
                bench.here.cloud.look().farm(name).document.body.get(KEY) is not None
            ),
            what="it is in the document",
        )
        until(lambda: rests(bench, name), what="all that happened is written")
        before = lines(bench, name)
        bench.cloud.reset_calls()
        began = time.monotonic()
        time.sleep(1.5)
        assert lines(bench, name) == before
        calls = bench.cloud.calls()
        assert calls["one.vmpool.infoextended"] >= 3
        beats = (time.monotonic() - began) / FAST.beat + 2
        assert calls.get("one.document.update", 0) <= beats


def test_a_queue_that_is_away_is_told_with_the_last_truth(bench, name):
    queue = bench.make(name, count="{min: 0, max: 2}")
    queue.submit(4, seconds=60)
    with bench.serving(settings=OFTEN):
        until(
            lambda: any(each.running == 2 for each in verdicts(bench, name)),
            what="two work",
        )
        queue.set(fault="away")
        until(lambda: verdicts(bench, name)[-1].doubt, what="the doubt is told")
    last = verdicts(bench, name)[-1]
    assert last.doubt == "slurmctld does not answer."
    assert (last.running, last.waiting) == (2, 2)
    assert last.pools[0].states == {"ready": 2}
    assert last.less == "nothing is drained or ended while the queue is not believed"
    assert 0 < last.truth <= last.doubted


def test_boots_that_fail_are_told_with_the_hypervisor_and_until_when(bench, name):
    queue = bench.make(name, count="{min: 0, max: 6}")
    queue.submit(6, seconds=60)
    with bench.cloud.fault("boot"), bench.serving(settings=OFTEN):
        until(
            lambda: any(
                "boots of its image failed in a row" in pool.limit
                for each in verdicts(bench, name)
                for pool in each.pools
            ),
            what="the breaker is told",
        )
    found = next(
        pool
        for each in verdicts(bench, name)
        for pool in each.pools
        if "failed in a row" in pool.limit
    )
    assert " on wrk-0" in found.limit
    assert found.until > 0
    again = [
        due.what
        for each in verdicts(bench, name)
        for due in each.next
        if due.at == found.until
    ]
    assert again[0] == "a node of wn may be asked for again"


def test_opennebula_that_is_away_is_in_each_farms_journal(bench, name):
    bench.make(name, kind="plain", count="1")
    with bench.serving(settings=OFTEN):
        until(lambda: verdicts(bench, name), what="a first round")
        with bench.cloud.fault("one.vmpool.infoextended", effect="refuse_connections"):
            until(lambda: bench.said(name, "OpenNebula is away"), what="it is told")
        until(lambda: bench.said(name, "OpenNebula answers again"), what="and its end")


def test_what_is_written_of_a_farm_is_small(bench, name):
    queue = bench.make(name, count="{min: 0, max: 3}")
    for user in range(30):
        queue.submit(2, seconds=60, owner=f"a-user-with-a-long-name-{user:03d}")
    with bench.serving(settings=OFTEN):
        until(lambda: verdicts(bench, name), what="a verdict")
    kept = Journal(bench.folder / "journal", now=time.time, warn=print)
    sizes = [
        len(json.dumps(each.values[KEY], separators=(",", ":")))
        for each in kept.read(name)
        if each.event == VERDICT
    ]
    assert max(sizes) <= LARGEST
    assert verdicts(bench, name)[0].more == 22
