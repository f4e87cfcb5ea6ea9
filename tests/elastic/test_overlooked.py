"""Work that is left alone beside empty nodes is tried with ever less."""

from dataclasses import replace

import pytest
from placing import BOOT, Site

from farmctl.elastic.overlooked import LONGEST, NAMED, ROUND, Overlooked
from farmctl.elastic.terms import Pool
from farmctl.model.sample import Sample, Start, Waiting, Work

DAY, HOUR = 86_400.0, 3_600.0
POOLS = (Pool(name="wn", slots=4),)
PRICES = pytest.mark.parametrize("price", [1.0, 20.0])


@PRICES
def test_work_that_is_never_placed_gets_a_node_ever_more_seldom(price, scaler):
    site = Site(scaler(price=price), look=15.0, limits={"ann": 0})
    site.submit(1)
    site.goes_on(DAY)
    assert len(site.starts) < 24
    late = [each for each in site.starts if each > site.now - 6 * HOUR]
    assert len(late) <= 4
    assert site.slot_seconds < 4 * len(site.starts) * 2 * (1 + price) * BOOT


@PRICES
@pytest.mark.parametrize(("run", "starts"), [(HOUR, 100), (600.0, 180)])
def test_a_limit_that_nobody_tells_is_found_with_few_nodes(run, starts, price, scaler):
    site = Site(scaler(price=price), look=15.0, run=run, limits={"ann": 20})
    site.submit(300)
    site.goes_on(DAY)
    assert len(site.waits) == 300
    assert max(site.waits) < 300 / 20 * (run + site.period + site.step) + BOOT
    assert len(site.starts) < starts


def test_a_limit_that_is_lifted_is_noticed_within_the_pause(scaler):
    site = Site(scaler(), look=15.0, run=HOUR, limits={"ann": 0})
    site.submit(100)
    site.goes_on(3 * HOUR)
    assert len(site.starts) < 65
    site.limits = {}
    site.goes_on(6 * HOUR)
    assert not site.queue
    assert max(site.waits) < 6 * HOUR


def test_one_owner_s_limit_holds_back_no_other(scaler):
    site = Site(scaler(), limits={"ann": 0})
    site.submit(100)
    site.goes_on(HOUR)
    site.submit(12, owner="bob")
    site.goes_on(BOOT + site.period + 2 * site.step)
    assert [owner for _, owner in site.queue] == ["ann"] * 100


@PRICES
def test_a_piece_that_is_never_placed_holds_back_nothing_that_comes_later(
    price, scaler
):
    site = Site(scaler(price=price), look=15.0, limits={"stuck": 0})
    site.submit(1, owner="stuck")
    core, see = site.core.overlooked, site.core.overlooked.see
    core.see = lambda sample, *rest: see(_of_one_owner(sample), *rest)
    for _ in range(6):
        site.goes_on(2 * HOUR)
        site.submit(100)
        site.goes_on(HOUR)
    assert len(site.waits) == 600
    assert max(site.waits) <= BOOT + site.period + 2 * site.step


def _of_one_owner(sample):
    """Return a sample in which what is placed and what is not is of one owner."""
    if not sample.waiting:
        return sample
    since = min(work.since for work in sample.waiting)
    count = sum(work.count for work in sample.waiting)
    one = replace(sample.waiting[0], owner="ann", since=since, count=count)
    return replace(sample, waiting=(one,))


@pytest.mark.parametrize("price", [1.0, 5.0, 100.0])
@pytest.mark.parametrize(("boot", "period"), [(20.0, 300.0), (60.0, 600.0)])
def test_a_batch_system_that_looks_seldom_is_waited_for(boot, period, price, scaler):
    core = scaler(price=price, boot=boot, stop=2.0)
    site = Site(core, boot=boot, period=period, look=15.0)
    for _ in range(6):
        site.submit(60)
        site.goes_on(HOUR)
        assert core.overlooked.limits == {}
    assert not site.queue
    assert max(site.waits) <= period + boot + 2 * site.step


def test_what_is_held_back_is_said(scaler):
    site = Site(scaler(), limits={"ann": 0})
    site.submit(3)
    said = set()
    for _ in range(int(6 * ROUND / site.step)):
        site.look()
        said |= set(site.core.overlooked.limits.values())
        assert all(any(each in line for line in site.said) for each in site.said)
    left = "3 slots of ann's work were left alone beside empty nodes"
    assert f"{left}; 1 more may be tried" in said
    assert f"{left} again, and are tried after 600 s" in said
    assert f"{left} again, and are tried after 1200 s" in said


def test_of_much_that_is_held_back_some_is_named(node):
    core, empty = Overlooked(), node("wn-1")
    works = tuple(
        Waiting(owner=f"u{at}", slots=1, count=1, since=0.0) for at in range(NAMED + 2)
    )
    for now in range(0, 1_300, 100):
        seen = Sample(taken=float(now), waiting=works, nodes=(empty,))
        core.see(seen, {"wn-1": (0.0, empty)}, POOLS, BOOT)
    (said,) = core.limits.values()
    assert said.count("left alone") == NAMED
    assert said.endswith("; and 2 kinds more")


class Looks:
    """Looks at a hundred pieces of ann's, each with what is empty and what works."""

    def __init__(self, step=50.0):
        self.core, self.now, self.step = Overlooked(), 0.0, step

    def until(self, when, *nodes, empty=(), count=100, together=1, apart=False):
        """Look until then; return how many pieces are shown at last."""
        beside = {each.name: (each.joined, each) for each in empty}
        work = Waiting(
            owner="ann", slots=1, count=count, since=0.0, together=together, apart=apart
        )
        while self.now < when:
            self.now = min(when, self.now + self.step)
            seen = Sample(taken=self.now, waiting=(work,), nodes=(*nodes, *empty))
            found = self.core.see(seen, beside, POOLS, BOOT)
        return sum(each.count for each in found.waiting)


def busy(node, name, joined, *, began=None):
    began = joined if began is None else began
    work = Work(job=name, owner="ann", slots=1, began=began)
    return node(name, joined=joined, work=(work,), idle_since=None)


def test_what_is_tried_doubles_when_it_is_taken_up(node):
    looks, first = Looks(), node("wn-1", joined=1.0)
    assert looks.until(600.0, empty=[first]) == 100
    assert looks.until(650.0, empty=[first]) == 4, "the node may be odd: one more"
    second = node("wn-2", joined=1_000.0)
    assert looks.until(1_600.0, empty=[first, second]) == 0
    assert looks.until(2_150.0) == 0
    assert looks.until(2_200.0) == 4
    third = busy(node, "wn-3", 2_460.0)
    assert looks.until(2_500.0, third) == 8
    assert looks.until(2_550.0, third) == 8
    fourth = node("wn-4", joined=2_610.0)
    assert looks.until(2_650.0, third, empty=[fourth]) == 8
    assert looks.until(2_700.0, third, busy(node, "wn-4", 2_610.0)) == 16
    fifth = node("wn-5", joined=2_710.0)
    assert looks.until(3_300.0, empty=[fifth]) == 16
    assert looks.until(3_350.0, empty=[fifth]) == 0, "twice as long"
    assert looks.until(4_500.0, empty=[fifth]) == 0
    assert looks.until(4_550.0, empty=[fifth]) == 4


def test_nothing_is_held_back_once_as_much_was_taken_up(node):
    looks, first = Looks(), node("wn-1", joined=1.0)
    assert looks.until(650.0, empty=[first], count=8) == 4
    assert looks.until(700.0, busy(node, "wn-2", 690.0), count=8) == 8
    assert looks.core.limits == {}
    assert looks.until(1_300.0, empty=[node("wn-3", joined=701.0)], count=8) == 8


def test_what_comes_later_is_shown_until_it_is_left_alone_too(node):
    looks, first = Looks(), node("wn-1", joined=1.0)
    assert looks.until(650.0, empty=[first], count=1) == 1
    second = node("wn-2", joined=651.0)
    assert looks.until(1_300.0, empty=[second], count=1) == 0
    assert looks.until(1_350.0, count=101) == 100
    assert looks.until(1_900.0, count=101) == 101
    third = node("wn-3", joined=1_901.0)
    assert looks.until(2_550.0, empty=[third], count=101) == 0
    assert looks.until(2_600.0, count=201) == 0


def test_other_work_that_begins_tells_sooner(node):
    looks, empty = Looks(), node("wn-1", joined=1.0)
    other = Work(job="1", owner="bob", slots=1, began=1.0)
    full = node("wn-0", joined=0.0, work=(other,), idle_since=None)
    assert looks.until(250.0, full, empty=[empty]) == 100
    later = replace(full, work=(replace(other, job="2", began=255.0),))
    assert looks.until(300.0, later, empty=[empty]) == 100
    assert looks.until(350.0, later, empty=[empty]) == 4


def test_what_comes_beside_nodes_that_are_long_empty_is_not_judged_by_that(node):
    core, empty = Overlooked(), node("wn-1", joined=1.0)
    work = Waiting(owner="bob", slots=1, count=1, since=5_000.0)
    other = Work(job="1", owner="eve", slots=1, began=5_001.0)
    full = node("wn-0", joined=0.0, work=(other,), idle_since=None)
    for now in range(5_000, 5_300, 50):
        seen = Sample(taken=float(now), waiting=(work,), nodes=(empty, full))
        assert core.see(seen, {"wn-1": (1.0, empty)}, POOLS, BOOT) is seen


def test_work_that_flows_through_busy_nodes_is_shown_more_of(node):
    looks, empty = Looks(), node("wn-1", joined=1.0)
    assert looks.until(650.0, empty=[empty]) == 4
    works = tuple(
        Work(job=f"{at}", owner="ann", slots=1, began=660.0) for at in range(4)
    )
    full = node("wn-0", joined=0.0, work=works, idle_since=None)
    assert looks.until(700.0, full) == 8
    assert looks.until(750.0, full) == 8


def test_work_that_begins_at_once_is_left_alone_beside_enough_nodes_only(node):
    rest = {"count": 3, "together": 3, "apart": True}
    two = [node(f"wn-{at}", joined=1.0) for at in range(2)]
    assert Looks().until(2_000.0, empty=two, **rest) == 3
    three = [*two, node("wn-2", joined=500.0)]
    looks = Looks()
    assert looks.until(1_150.0, empty=three, **rest) == 3
    more = [node(f"wn-{at}", joined=1_151.0) for at in range(3, 6)]
    assert looks.until(2_000.0, empty=more, **rest) == 0


def test_memory_counts_for_what_fits_a_node(node):
    core, empty = Overlooked(), node("wn-1", memory_mib=4_000)
    work = Waiting(
        owner="ann", slots=1, count=4, since=0.0, memory_mib=3_000, together=4
    )
    for now in range(0, 5_000, 50):
        seen = Sample(taken=float(now), waiting=(work,), nodes=(empty,))
        assert core.see(seen, {"wn-1": (0.0, empty)}, POOLS, BOOT) is seen


def test_wide_work_that_does_not_fit_is_not_left_alone(sample, node):
    core, narrow = Overlooked(), node("wn-1", slots=2)
    for now in range(0, 5_000, 50):
        seen = sample(float(now), narrow, waiting=1, slots=4)
        assert core.see(seen, {"wn-1": (0.0, narrow)}, POOLS, BOOT) is seen


def test_a_pool_that_does_not_get_it_leaves_it_to_the_others(scaler, node):
    pools = (Pool(name="odd", slots=4), Pool(name="good", slots=8))
    core = scaler(pools=pools)
    work = Waiting(owner="ann", slots=4, count=1, since=0.0)
    started, nodes = set(), {}
    for now in range(0, 4_000, 50):
        seen = Sample(taken=float(now), waiting=(work,), nodes=tuple(nodes.values()))
        for each in core.decide(seen).decisions:
            if isinstance(each, Start):
                started.add(each.pool)
                name = f"{each.pool}-{now}"
                up = {"joined": float(now), "now": float(now), "pool": each.pool}
                nodes[name] = node(name, slots=4, **up)
        if "good" in started:
            break
    assert started == {"odd", "good"}
    assert len(nodes) < 6


def test_a_clock_that_goes_back_ends_no_pause_later(node):
    looks, first = Looks(), node("wn-1", joined=100_000.0)
    looks.now = 100_000.0
    assert looks.until(100_650.0, empty=[first]) == 4
    second = node("wn-2", joined=100_700.0)
    assert looks.until(101_400.0, empty=[second]) == 0
    looks.now = 50_000.0
    assert looks.until(50_600.0) == 0
    assert looks.until(50_700.0) == 4


def test_pauses_have_an_end(node):
    looks = Looks()
    for _ in range(12):
        empty = node("wn-1", joined=looks.now + 1)
        looks.until(looks.now + 2 * ROUND, empty=[empty])
        looks.until(looks.now + LONGEST * ROUND)
    assert looks.until(looks.now + 50) == 4
