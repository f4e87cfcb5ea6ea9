"""Work waits beside free slots: until the batch system looks, or because it cannot."""

from dataclasses import replace

import pytest
from placing import BOOT, LOOK, Site

from farmctl.elastic.outlook import futures, look
from farmctl.elastic.terms import Pool
from farmctl.elastic.unused import Unused
from farmctl.model.sample import (
    Drain,
    Keep,
    NodeState,
    Sample,
    Start,
    Undrain,
    Waiting,
    Work,
)

POOLS = (Pool(name="wn", slots=4),)


@pytest.mark.parametrize("price", [1.0, 5.0])
@pytest.mark.parametrize("period", [30.0, 60.0, 65.0])
def test_a_batch_system_that_looks_once_a_minute_needs_one_node_for_a_burst(
    price, period, scaler, node
):
    site, bursts = Site(scaler(price=price), period=period), 30
    for _ in range(bursts):
        site.submit(4)
        for _ in range(500):
            site.look()
        for _ in range(20):
            site.look(after=600.0)
    assert len(site.waits) == 4 * bursts
    assert max(site.waits) <= BOOT + period + 2 * LOOK
    assert site.drained_beside_work == 0
    assert len(site.starts) <= bursts


def test_a_node_that_is_left_alone_for_a_boot_is_no_longer_waited_for(
    scaler, sample, node
):
    core = scaler(price=1.0)
    core.arrivals.bursts = 20
    empty = node("wn-1", now=1_000.0)
    for at in (0.0, 100.0, 299.0):
        (keep,) = core.decide(sample(1_000.0 + at, empty, waiting=4)).decisions
        assert isinstance(keep, Keep)
    start, *_ = core.decide(sample(1_300.0, empty, waiting=4)).decisions
    assert isinstance(start, Start)
    assert start.count == 1


def test_a_stale_node_is_not_awaited(scaler, sample, node):
    empty = node("wn-1", now=1_000.0, stale=True)
    found = scaler().decide(sample(1_001.0, empty, waiting=1)).decisions
    assert [type(each) for each in found] == [Start]


def test_an_empty_node_that_will_take_the_work_spares_the_undrain(scaler, sample, node):
    empty = node("wn-1", now=1_000.0)
    draining = node("wn-2", state=NodeState.DRAINING, busy=1)
    found = scaler().decide(sample(1_001.0, empty, draining, waiting=4)).decisions
    assert not [each for each in found if isinstance(each, Undrain)]
    found = scaler().decide(sample(1_001.0, empty, draining, waiting=5)).decisions
    assert [each.node for each in found if isinstance(each, Undrain)] == ["wn-2"]


def test_fragments_are_none_for_wide_work(scaler, sample, node):
    core = scaler(price=1.0)
    core.runtimes.heard("ann", [90_000.0] * 8)
    nodes = [node(f"wn-{at}", busy=3, now=1_000.0) for at in range(4)]
    (start,) = core.decide(sample(1_001.0, *nodes, waiting=1, slots=2)).decisions
    assert isinstance(start, Start)
    assert isinstance(
        scaler(price=1.0).decide(sample(1_001.0, *nodes, waiting=1)).decisions[0], Keep
    )


def test_wide_work_does_not_wait_for_ever_for_slots_that_free_up_one_by_one(
    scaler, sample, node
):
    core = scaler(price=1.0)
    core.runtimes.heard("ann", [60.0] * 8)
    full = node("wn-1", busy=4, now=9_990.0)
    seen = sample(10_000.0, full, waiting=1, slots=4)
    assert isinstance(core.decide(seen).decisions[0], Keep)
    (piece,) = seen.waiting
    late = replace(seen, waiting=(replace(piece, since=10_000.0 - 331.0),))
    assert isinstance(core.decide(late).decisions[0], Start)


def test_free_slots_count_from_when_the_node_last_changed(sample, node):
    unused = Unused()

    def see(now, *nodes, waiting=1):
        return unused.see(sample(now, *nodes, waiting=waiting), POOLS, BOOT)

    part, more = node("wn-1", busy=2), node("wn-1", busy=3)
    assert see(0.0, part, node("wn-2", busy=4)) == set()
    assert see(300.0, part, node("wn-2", busy=4)) == {"wn-1"}
    assert see(310.0, more) == set()
    assert see(610.0, more) == {"wn-1"}
    assert see(620.0, more, waiting=0) == set()
    assert see(630.0, more) == set()
    assert see(600.0, more) == set()
    assert see(899.0, more) == set()
    assert see(900.0, more) == {"wn-1"}


def test_work_that_fits_no_pool_tells_nothing(sample, node):
    unused = Unused()
    for now in (0.0, 1_000.0):
        seen = sample(now, node("wn-1", now=0.0), waiting=1, slots=5)
        assert unused.see(seen, POOLS, BOOT) == set()


def test_all_futures_hold_the_same_slots(scaler, sample, node):
    core = scaler()
    core.runtimes.heard("ann", [60.0, 90_000.0] * 8)
    told = Work(job="1", owner="ann", slots=1, began=0.0, ends=500.0)
    guessed = Work(job="2", owner="ann", slots=2, began=0.0)
    part = node("wn-1", work=(told, guessed), idle_since=None)
    seen = sample(0.0, part, waiting=1)
    out = look(seen, core.terms, core.learned.times(), core.runtimes)
    assert out.room == 1
    found = futures(out, core.runtimes, 2.0)
    ends = [sorted(slots for slots in each if slots[1] == 2) for each in found]
    assert {left for ((left, _),) in ends} == {120.0, 180_000.0}
    for each in found:
        assert sorted(slots for slots in each if slots[1] == 1) == [(0, 1), (1_000, 1)]


def test_fragments_that_are_too_narrow_are_not_left_alone(sample, node):
    unused = Unused()
    part = node("wn-1", busy=3)
    for now in (0.0, 1_000.0):
        assert unused.see(sample(now, part, waiting=1, slots=2), POOLS, BOOT) == set()


def test_a_node_whose_work_comes_and_goes_is_not_left_alone(sample, node):
    unused = Unused()
    for now in (0.0, 200.0, 400.0):
        busy = node("wn-1", busy=2, now=now)
        assert unused.see(sample(now, busy, waiting=1), POOLS, BOOT) == set()


def test_an_old_wide_piece_ends_the_patience_of_no_other(scaler, node):
    core = scaler(price=1.0)
    core.runtimes.heard("ann", [60.0] * 8)
    full = tuple(node(f"wn-{at}", busy=4, now=99_990.0) for at in range(50))
    narrow = Waiting(owner="ann", slots=1, count=60, since=99_990.0)
    wide = Waiting(owner="ann", slots=2, count=1, since=10_000.0)
    seen = Sample(taken=100_000.0, waiting=(narrow,), nodes=full)
    assert isinstance(core.decide(seen).decisions[0], Keep)
    both = replace(seen, waiting=(narrow, wide))
    (start,) = core.decide(both).decisions
    assert isinstance(start, Start)
    assert start.count == 1


@pytest.mark.parametrize("price", [1.0, 5.0])
def test_work_that_is_tied_to_a_pool_keeps_that_pool_s_node(price, scaler, node):
    pools = (Pool(name="big", slots=8), Pool(name="small", slots=4))
    core = scaler(price=price, pools=pools)
    nodes = (
        node("big-1", pool="big", slots=8, now=0.0),
        node("small-1", pool="small", now=0.0),
    )
    tied = Waiting(
        owner="ann", slots=1, count=1, since=20_000.0, pools=frozenset({"small"})
    )
    for now in (20_001.0, 20_006.0, 20_290.0):
        found = core.decide(Sample(taken=now, waiting=(tied,), nodes=nodes)).decisions
        assert [each.node for each in found if isinstance(each, Drain)] == ["big-1"]
        assert not [each for each in found if isinstance(each, Start)]
