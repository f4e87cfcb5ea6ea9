import pytest

from farmctl.elastic.terms import Pool
from farmctl.model.sample import (
    Drain,
    Drainer,
    End,
    Keep,
    NodeState,
    Park,
    Start,
    Undrain,
    Wake,
)


def test_waiting_work_starts_nodes_at_once(scaler, sample):
    verdict = scaler().decide(sample(0, waiting=9))
    (start,) = verdict.decisions
    assert isinstance(start, Start)
    assert (start.pool, start.count) == ("wn", 3)
    assert start.because.startswith("9 slots of work wait, 0 slots are on their way")


def test_booting_capacity_counts_until_it_joins(scaler, sample, node):
    booting = node("wn-1", state=NodeState.BOOTING, joined=0.0, since=0.0)
    core = scaler()
    assert isinstance(core.decide(sample(5, booting, waiting=4)).decisions[0], Keep)
    (start,) = core.decide(sample(700, booting, waiting=5)).decisions
    assert isinstance(start, Start)
    assert start.count == 1


def test_nothing_to_do_is_explained(scaler, sample):
    (keep,) = scaler().decide(sample(0)).decisions
    assert keep == Keep(because="0 slots work, 0 nodes are empty")


def test_the_least_is_kept_without_any_work(scaler, sample, node):
    core = scaler(pools=(Pool(name="wn", slots=4, least=2, most=5),))
    (start,) = core.decide(sample(0)).decisions
    assert start == Start(pool="wn", count=2, because="0 nodes, and the least is 2")
    idle = (node("wn-1"), node("wn-2"))
    (keep,) = core.decide(sample(1e6, *idle)).decisions
    assert isinstance(keep, Keep)


def test_the_most_bounds_a_start_and_is_named(scaler, sample, node):
    core = scaler(pools=(Pool(name="wn", slots=4, most=2),))
    (start,) = core.decide(sample(0, node("wn-1", busy=4), waiting=40)).decisions
    assert isinstance(start, Start)
    assert start.count == 1
    assert "wn has 1 of at most 2 nodes" in start.because


def test_the_quota_bounds_a_start_and_is_named(scaler, sample):
    (start,) = scaler(quota=11).decide(sample(0, waiting=40)).decisions
    assert isinstance(start, Start)
    assert start.count == 2
    assert "0 of 11 slots of the quota are used" in start.because


def test_the_ramp_and_the_unproven_bound_a_start(scaler, sample, node):
    booting = [node(f"b{at}", state=NodeState.BOOTING, joined=0.0) for at in range(3)]
    (start,) = scaler(ramp=2).decide(sample(0, waiting=40)).decisions
    assert isinstance(start, Start)
    assert start.count == 2
    (start,) = scaler(unproven=5).decide(sample(1, *booting, waiting=40)).decisions
    assert isinstance(start, Start)
    assert start.count == 2
    assert "3 of at most 5 nodes are booting" in start.because


def test_an_empty_node_is_held_for_the_break_even_time_then_drained(
    scaler, sample, node
):
    core = scaler(price=1.0)
    empty = node("wn-1", now=100.0)
    assert isinstance(core.decide(sample(101, empty)).decisions[0], Keep)
    assert isinstance(core.decide(sample(100 + 629, empty)).decisions[0], Keep)
    (drain,) = core.decide(sample(100 + 631, empty)).decisions
    assert isinstance(drain, Drain)
    assert "break-even 630 s" in drain.because


def test_the_break_even_time_counts_only_until_bursts_are_known(scaler, sample, node):
    core = scaler(price=1.0)
    core.arrivals.bursts = 2
    empty = node("wn-1", now=100.0)
    assert isinstance(core.decide(sample(100 + 69, empty)).decisions[0], Keep)
    (drain,) = core.decide(sample(100 + 71, empty)).decisions
    assert isinstance(drain, Drain)


def test_a_higher_price_of_waiting_holds_longer(scaler, sample, node):
    core = scaler(price=20.0)
    empty = node("wn-1", now=0.0)
    assert isinstance(core.decide(sample(6300, empty)).decisions[0], Keep)
    assert isinstance(core.decide(sample(6331, empty)).decisions[0], Drain)


def test_the_youngest_empty_node_goes_first(scaler, sample, node):
    core = scaler()
    old = node("wn-1", joined=10.0, now=100.0)
    young = node("wn-2", joined=20.0, now=50.0)
    verdict = core.decide(sample(50 + 640, old, young))
    assert [decision.node for decision in verdict.decisions] == ["wn-2"]


def test_a_drained_and_empty_node_ends(scaler, sample, node):
    drained = node("wn-1", state=NodeState.DRAINING)
    (end,) = scaler().decide(sample(10, drained)).decisions
    assert end == End(node="wn-1", because="drained and empty")


def test_a_draining_node_with_work_is_left_alone(scaler, sample, node):
    draining = node("wn-1", state=NodeState.DRAINING, busy=1)
    (keep,) = scaler().decide(sample(10, draining)).decisions
    assert isinstance(keep, Keep)


def test_a_drain_is_taken_back_when_work_returns(scaler, sample, node):
    draining = node("wn-1", state=NodeState.DRAINING, busy=1)
    (undrain,) = scaler().decide(sample(10, draining, waiting=2)).decisions
    assert undrain == Undrain(
        node="wn-1", because="2 slots of work wait, and it has 3 free"
    )


def test_a_stale_node_is_drained_when_empty_and_its_drain_is_not_taken_back(
    scaler, sample, node
):
    core = scaler()
    stale = node("wn-1", stale=True)
    (drain,) = core.decide(sample(1, stale)).decisions
    assert drain == Drain(node="wn-1", because="empty, and its image is old")
    draining = node("wn-1", stale=True, state=NodeState.DRAINING, busy=1)
    (start,) = core.decide(sample(2, draining, waiting=1)).decisions
    assert isinstance(start, Start)


def test_a_sick_node_counts_as_nothing(scaler, sample, node):
    sick = node("wn-1", state=NodeState.ASIDE)
    (start,) = scaler().decide(sample(1, sick, waiting=4)).decisions
    assert isinstance(start, Start)
    assert start.count == 1


def test_work_that_fits_no_pool_starts_nothing_and_is_counted(scaler, sample):
    (keep,) = scaler().decide(sample(1, waiting=3, slots=8)).decisions
    assert keep.because.endswith("3 pieces of work fit no pool of this farm")


def test_a_node_on_standby_is_woken_before_one_is_booted(scaler, sample, node):
    core = scaler(pools=(Pool(name="wn", slots=4, standby=2),))
    parked = node("wn-1", state=NodeState.STANDBY)
    found = core.decide(sample(1, parked, waiting=8)).decisions
    assert [type(decision) for decision in found] == [Wake, Start]
    assert found[1].count == 1


def test_an_empty_drained_node_is_parked_while_there_is_room(scaler, sample, node):
    core = scaler(pools=(Pool(name="wn", slots=4, standby=1),))
    drained = node("wn-1", state=NodeState.DRAINING)
    assert isinstance(core.decide(sample(1, drained)).decisions[0], Park)
    parked = node("wn-2", state=NodeState.STANDBY)
    assert isinstance(core.decide(sample(2, drained, parked)).decisions[0], End)


def test_short_work_waits_for_slots_that_free_up_when_waiting_is_cheap(
    scaler, sample, node
):
    core = scaler(price=1.0)
    for at in range(2):
        core.runtimes.ended("ann", 60.0 + at)
    working = node("wn-1", busy=4, now=0.0)
    (keep,) = core.decide(sample(1, working, waiting=4)).decisions
    assert isinstance(keep, Keep)
    assert "4 slots of work wait" in keep.because


def test_owners_who_mix_minutes_and_days_are_waited_for_by_how_often_each_comes(
    scaler, sample, node
):
    day, working = 86_400.0, [node(f"wn-{at}", busy=4) for at in range(5)]

    def decided(*runs):
        core = scaler(price=1.0)
        for seconds in runs:
            core.runtimes.ended("ann", seconds)
        (found,) = core.decide(sample(1, *working, waiting=12)).decisions
        return type(found)

    # Of twenty slots most are free in a minute, or few.
    assert decided(*[60.0] * 18, day, day) is Keep
    assert decided(*[day] * 18, 60.0, 60.0) is Start


def boots(core, sample, node, *took):
    """Let nodes boot one after the other, each in so many seconds."""
    for at, seconds in enumerate(took):
        name, start = f"wn-{at}", 10_000.0 * at
        booting = node(name, state=NodeState.BOOTING, since=start, joined=0.0)
        core.decide(sample(start, booting, waiting=1))
        done = start + seconds
        core.decide(sample(done, node(name, since=done, joined=done, now=done)))


def test_boot_times_are_learned_from_what_nodes_took(scaler, sample, node):
    core = scaler(boot=300.0)
    assert core.learned.times().boot == 300.0
    boots(core, sample, node, *[100.0] * 60)
    assert core.learned.times().boot == pytest.approx(100.0)


@pytest.mark.parametrize("real", [10.0, 900.0])
def test_the_first_boot_that_was_measured_replaces_the_guess(
    real, scaler, sample, node
):
    core = scaler(boot=300.0)
    boots(core, sample, node, real)
    assert core.learned.times().boot == real


def test_an_odd_first_boot_is_outvoted_by_the_next_ones(scaler, sample, node):
    core = scaler(boot=300.0)
    boots(core, sample, node, 900.0, 100.0, 100.0, 100.0)
    assert core.learned.times().boot == 300.0
    again = scaler(boot=60.0)
    assert again.recall(core.remember())
    boots(again, sample, node, 50.0)
    assert again.learned.times().boot == 250.0


def test_of_many_boots_the_last_twenty_count(scaler, sample, node):
    core = scaler(boot=300.0)
    boots(core, sample, node, *[100.0] * 20, *[200.0] * 10)
    assert core.learned.times().boot == pytest.approx(165.13, abs=0.01)


def test_a_budget_bounds_a_start_until_midnight(scaler, sample, node):
    core = scaler(budget=30.0)
    working = [node(f"wn-{at}", busy=4, now=0.0) for at in range(5)]
    core.decide(sample(0, *working, waiting=40))
    (start,) = core.decide(sample(3600, *working, waiting=41)).decisions
    assert isinstance(start, Start)
    assert start.count == 2
    assert "10 of 30 core-h of today are left" in start.because
    (keep,) = core.decide(sample(7200, *working, waiting=42)).decisions
    assert isinstance(keep, Keep)
    (start,) = core.decide(sample(86_400, *working, waiting=43)).decisions
    assert isinstance(start, Start)
    assert start.count == 7


def test_a_working_node_that_is_to_go_is_drained_when_its_work_fits_elsewhere(
    scaler, sample, node
):
    old = node("wn-1", busy=2, stale=True, now=0.0)
    leaving = node("wn-2", busy=3, unwanted=True, now=0.0)
    full = node("wn-3", busy=4, now=0.0)
    (keep,) = scaler().decide(sample(1, old, leaving, full)).decisions
    assert isinstance(keep, Keep)
    empty = node("wn-4", now=0.0)
    (drain,) = scaler().decide(sample(1, old, leaving, full, empty)).decisions
    assert drain == Drain(
        node="wn-2",
        because="its hypervisor is emptied, and 4 free slots elsewhere can take its "
        "work",
    )


def test_a_node_that_somebody_else_drained_is_left_alone(scaler, sample, node):
    theirs = node("wn-1", state=NodeState.DRAINING, drained_by=Drainer.OTHERS)
    (keep,) = scaler().decide(sample(1, theirs)).decisions
    assert isinstance(keep, Keep)
    (start,) = scaler().decide(sample(2, theirs, waiting=4)).decisions
    assert isinstance(start, Start)


def test_slots_that_the_batch_system_claims_keep_a_node(scaler, sample, node):
    claimed = node("wn-1", claimed=2, now=0.0)
    (keep,) = scaler().decide(sample(1e5, claimed)).decisions
    assert isinstance(keep, Keep)
    draining = node("wn-1", claimed=2, state=NodeState.DRAINING)
    (keep,) = scaler().decide(sample(1e5, draining)).decisions
    assert isinstance(keep, Keep)


def test_a_node_on_standby_ends_when_its_place_cost_more_than_its_boot(
    scaler, sample, node
):
    core = scaler(price=1.0, parked_price=0.05)
    parked = node("wn-1", state=NodeState.STANDBY, since=0.0)
    assert isinstance(core.decide(sample(9500, parked)).decisions[0], Keep)
    (end,) = core.decide(sample(9600, parked)).decisions
    assert isinstance(end, End)
    assert end.because.startswith("on standby, and its memory and disk cost more")
