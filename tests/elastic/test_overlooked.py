"""Work that is left alone beside empty nodes is tried with ever less."""

from dataclasses import replace
from math import inf

import pytest
from placing import BOOT, Site

from farmctl.elastic.overlooked import LONGEST, Overlooked
from farmctl.elastic.terms import Pool
from farmctl.model.sample import NodeState, Sample, Start, Waiting, Work

DAY, HOUR = 86_400.0, 3_600.0
POOLS = (Pool(name="wn", slots=4),)
PRICES = pytest.mark.parametrize("price", [1.0, 20.0])


@PRICES
def test_work_that_is_never_placed_gets_a_node_ever_more_seldom(price, scaler):
    site = Site(scaler(price=price), look=15.0, limits={"ann": 0})
    site.submit(1)
    site.goes_on(DAY)
    pauses = [
        later - start
        for start, later in zip(site.starts, site.starts[1:], strict=False)
    ]
    assert pauses == sorted(pauses)
    assert pauses[-1] > LONGEST * BOOT
    assert len(site.starts) == 12
    assert site.slot_seconds < 4 * len(site.starts) * 2 * (1 + price) * BOOT


@PRICES
def test_a_limit_that_nobody_tells_is_found_with_few_nodes(price, scaler):
    site = Site(scaler(price=price), look=15.0, run=HOUR, limits={"ann": 20})
    site.submit(300)
    site.goes_on(DAY)
    assert len(site.waits) == 300
    assert sum(site.waits) / 300 < 7.2 * HOUR  # As the limit has it.
    assert len(site.starts) < 100
    assert site.slot_seconds < price**0.5 * 2 * 300 * HOUR


def test_a_limit_that_is_lifted_is_noticed_within_the_pause(scaler):
    site = Site(scaler(), look=15.0, run=HOUR, limits={"ann": 0})
    site.submit(100)
    site.goes_on(3 * HOUR)
    assert len(site.starts) < 40
    site.limits = {}
    site.goes_on(9 * HOUR)
    assert not site.queue
    assert max(site.waits) < 3 * HOUR + LONGEST * BOOT


def test_one_owner_s_limit_holds_back_no_other(scaler):
    site = Site(scaler(), limits={"ann": 0})
    site.submit(100)
    site.goes_on(HOUR)
    before = len(site.starts)
    site.submit(12, owner="bob")
    site.goes_on(BOOT + site.period + 2 * site.step)
    assert len(site.starts) == before + 3
    assert [owner for _, owner in site.queue] == ["ann"] * 100


def test_work_that_is_placed_by_and_by_is_not_held_back(scaler):
    site = Site(scaler(), period=200.0)
    for _ in range(20):
        site.submit(8)
        site.goes_on(HOUR)
    assert not site.queue
    assert max(site.waits) <= BOOT + 200 + 2 * site.step
    assert site.core.overlooked.limits == {}


def test_what_is_held_back_is_said(scaler):
    site = Site(scaler(), limits={"ann": 0})
    site.submit(3)
    site.goes_on(4 * BOOT + 60)
    held = "ann's work of 1 slots gets no empty node; it is held back for 300 s"
    assert [held in each for each in site.said] == [True, True]
    again = site.look().look_again
    assert site.now < again <= site.now + BOOT


def test_what_is_tried_doubles_when_it_is_taken_up(sample, node):
    core = Overlooked()

    def shown(now, *nodes, empty=()):
        seen = sample(now, *nodes, waiting=100)
        beside = {each.name: (each.joined, each) for each in empty}
        found = core.see(seen, beside, POOLS, BOOT)
        return sum(work.count for work in found.waiting)

    first, second = node("wn-1", joined=1.0), node("wn-2", joined=601.0)
    assert shown(1.0, first, empty=[first]) == 100
    assert shown(300.0, first, empty=[first]) == 100
    assert shown(301.0, first, empty=[first]) == 4, "another node, as that may be odd"
    assert shown(602.0, first, second, empty=[first, second]) == 4
    assert shown(901.0, first, second, empty=[first, second]) == 0
    assert core.again == 1_201.0
    assert shown(1_200.0) == 0
    assert shown(1_201.0) == 4
    work = Work(job="1", owner="ann", slots=1, began=1_501.0)
    third = node("wn-3", joined=1_501.0, work=(work,), idle_since=None)
    assert shown(1_501.0, third) == 8
    assert shown(1_506.0, third) == 8
    fourth = node("wn-4", joined=1_550.0)
    assert shown(1_550.0, third, fourth, empty=[fourth]) == 8
    assert shown(1_555.0, third, replace(fourth, work=(work,))) == 16
    fifth = node("wn-5", joined=1_600.0)
    assert shown(1_900.0, fifth, empty=[fifth]) == 0
    assert shown(2_499.0, fifth, empty=[fifth]) == 0
    assert shown(2_500.0, fifth, empty=[fifth]) == 4
    assert shown(1_600.0) == 4, "the clock went back"
    assert core.again == inf


def test_work_that_flows_through_busy_nodes_is_shown_more_of(sample, node):
    core, empty = Overlooked(), node("wn-1", joined=1.0)
    for now in (1.0, 301.0):
        seen = sample(now, empty, waiting=100)
        found = core.see(seen, {"wn-1": (1.0, empty)}, POOLS, BOOT)
    assert found.waiting[0].count == 4
    for began, count in ((301.0, 4), (302.0, 8), (303.0, 8)):
        work = tuple(
            Work(job=f"{at}", owner="ann", slots=1, began=began) for at in range(4)
        )
        old = node("wn-0", joined=0.0, work=work, idle_since=None)
        seen = sample(began + 1, old, waiting=100)
        assert core.see(seen, {}, POOLS, BOOT).waiting[0].count == count


def test_all_of_it_is_shown_once_as_much_is_tried(sample, node):
    core, first, second = Overlooked(), node("wn-1"), node("wn-2")
    for now in (0.0, 300.0):
        seen = sample(now, first, waiting=3)
        assert core.see(seen, {"wn-1": (0.0, first)}, POOLS, BOOT) == seen
    seen = sample(600.0, second, waiting=3)
    found = core.see(seen, {"wn-2": (300.0, second)}, POOLS, BOOT)
    assert found.waiting == ()
    later = sample(900.0, waiting=3)
    assert core.see(later, {}, POOLS, BOOT) == later
    assert core.limits == {}


def test_work_that_begins_at_once_is_left_alone_beside_enough_nodes_only(node):
    pieces = Waiting(owner="ann", slots=4, count=3, since=0.0, together=3, apart=True)
    here = {name: node(name) for name in ("wn-0", "wn-1")}
    booting = node("wn-2", state=NodeState.BOOTING)

    def left(*nodes, empty):
        core = Overlooked()
        for now in (0.0, 300.0, 600.0):
            since = max(0.0, now - BOOT)
            beside = {name: (since, each) for name, each in empty.items()}
            seen = Sample(taken=now, waiting=(pieces,), nodes=(*empty.values(), *nodes))
            found = core.see(seen, beside, POOLS, BOOT)
        return not found.waiting

    assert not left(booting, empty=here)
    assert left(empty=here), "and none is on its way"
    assert left(booting, empty={**here, "wn-3": node("wn-3")})


def test_wide_work_that_does_not_fit_is_not_left_alone(sample, node):
    core, narrow = Overlooked(), node("wn-1", slots=2)
    pools = (*POOLS, Pool(name="narrow", slots=2))
    for now in (0.0, 300.0):
        seen = sample(now, narrow, waiting=1, slots=4)
        assert core.see(seen, {"wn-1": (0.0, narrow)}, pools, BOOT) is seen


def test_boots_are_not_held_back_where_they_are_short(scaler, sample, node):
    core = scaler(boot=20.0, stop=2.0)
    empty = node("wn-1")
    for now in (0.0, 60.0, 119.0):
        core.decide(sample(now, empty, waiting=8))
    assert core.overlooked.limits == {}
    assert isinstance(core.decide(sample(119.0, waiting=8)).decisions[0], Start)
