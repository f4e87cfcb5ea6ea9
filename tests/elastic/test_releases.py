"""Where slots become free later than was guessed, the next guess is taken for less."""

import pytest

from farmctl.elastic.outlook import Outlook, futures
from farmctl.elastic.releases import Releases
from farmctl.elastic.runtimes import Runtimes, place_of
from farmctl.elastic.terms import Pool
from farmctl.model.sample import Keep, NodeState, Start, Work

KNOWN = 3 * 300


def see(account, now, *, queued=2, first=50.0):
    out = Outlook(now=now, queued=queued, freeing=[(0.0, 1), (900.0, 2), (first, 4)])
    account.see(out, 300.0)


def wait(account, since, until, **rest):
    """Look every five seconds, the last time just before `until`."""
    now = since
    while now < until:
        see(account, now, **rest)
        now += 5.0


def stretch(account):
    return pytest.approx(account.stretch(300.0), rel=1e-3)


def test_the_first_slot_of_those_that_work_is_held_against_the_next_end():
    account = Releases()
    assert account.stretch(300.0) == 1.0
    wait(account, 0.0, 500.0)
    assert account.stretch(300.0) == 1.0
    account.ended(-900.0)
    see(account, 500.0)
    assert stretch(account) == (500 + KNOWN) / (50 + KNOWN)
    account.ended(-900.0)
    see(account, 510.0)
    assert stretch(account) == (510 + KNOWN) / (100 + KNOWN)


def test_ends_of_work_that_began_after_the_guess_tell_nothing_of_it():
    account = Releases()
    wait(account, 0.0, 100.0)
    account.ended(60.0)
    wait(account, 100.0, 500.0)
    assert account.stretch(300.0) == 1.0


def test_slots_that_come_sooner_count_as_well():
    account = Releases()
    see(account, 0.0, first=800.0)
    account.ended(0.0)
    see(account, 10.0)
    assert stretch(account) == (10 + KNOWN) / (800 + KNOWN)


def test_a_guess_is_due_at_the_look_that_could_first_show_it():
    account = Releases()
    for at in range(50):
        see(account, 5.0 * at, first=1.0)
        account.ended(5.0 * at)
    assert account.took > 0
    assert account.stretch(300.0) == 1.0


def test_a_queue_that_has_gone_tells_only_what_is_overdue():
    account = Releases()
    see(account, 0.0)
    see(account, 40.0, queued=0)
    assert account.stretch(300.0) == 1.0
    see(account, 100.0)
    see(account, 150.0)
    see(account, 160.0, queued=0)
    assert stretch(account) == (60 + KNOWN) / (50 + KNOWN)


@pytest.mark.parametrize("later", [301.0, 600_000.0, -1.0])
def test_what_ended_while_nobody_looked_or_the_clock_was_put_back_tells_nothing(later):
    account = Releases()
    see(account, 1_000.0)
    account.ended(0.0)
    see(account, 1_000.0 + later)
    assert account.stretch(300.0) == 1.0


@pytest.mark.parametrize(
    ("first", "took", "most"), [(1, 9_000, 10.0), (90_000, 5, 0.1)]
)
def test_no_farm_takes_slots_to_be_later_or_sooner_by_more_than_ten(first, took, most):
    account, now = Releases(), 0.0
    for _ in range(50):
        wait(account, now, now + took, first=first)
        account.ended(now)
        now += took
        see(account, now, first=first)
    assert max(account.took, account.guessed) <= 50 * 3_000
    assert account.stretch(300.0) == most


def test_what_was_learned_fades():
    account = Releases()
    wait(account, 0.0, 3_000.0)
    account.ended(0.0)
    see(account, 3_000.0, queued=0)
    assert account.took == 3_000
    see(account, 8 * 604_800.0, queued=0)
    assert account.stretch(300.0) == pytest.approx(1.0, abs=3e-3)


@pytest.fixture
def starts(scaler, sample, node):
    """Tell how many nodes a farm of one full node starts for jobs of so many seconds.

    `teach` is given the farm's core before it looks.
    """

    def decide(run, *, ago, waiting, teach=lambda core: None):
        core = scaler(price=1.0)
        core.runtimes.heard("ann", [run] * 8)
        teach(core)
        full = node("wn-1", busy=4, now=10_000.0 - ago)
        found = core.decide(sample(10_000.0, full, waiting=waiting)).decisions
        return sum(each.count for each in found if isinstance(each, Start))

    return decide


def test_a_farm_that_learned_so_does_not_wait_for_slots_that_come_late(starts):
    def late(core):
        core.releases.took, core.releases.upto = 1e6, 10_000.0

    assert starts(600.0, ago=500.0, waiting=3) == 0
    assert starts(600.0, ago=500.0, waiting=3, teach=late) == 1


def test_a_farm_whose_nodes_had_much_free_beside_work_waits_for_longer(starts):
    def much(core):
        core.beside.free = core.beside.guessed = 1e6
        core.beside.upto = 10_000.0

    assert starts(3_000.0, ago=2_500.0, waiting=1) == 1
    assert starts(3_000.0, ago=2_500.0, waiting=1, teach=much) == 0


def test_work_that_may_last_is_not_waited_for_though_its_end_is_guessed_soon(
    scaler, sample, node
):
    core = scaler(price=1.0)
    core.runtimes.heard("ann", [60.0, 90_000.0] * 8)
    work = next(
        Work(job=f"{at}", owner="ann", slots=4, began=1_000.0)
        for at in range(20)
        if core.runtimes.on("ann", 0.0, place_of(f"{at}")) < 300.0
    )
    full = node("wn-1", busy=4, work=(work,))
    (start,) = core.decide(sample(1_000.0, full, waiting=4)).decisions
    assert isinstance(start, Start)
    assert start.count == 1


def test_work_that_is_sure_to_end_soon_is_waited_for(scaler, sample, node):
    core = scaler(price=1.0)
    core.runtimes.heard("ann", [60.0] * 16)
    full = node("wn-1", busy=4, now=1_000.0)
    assert isinstance(core.decide(sample(1_000.0, full, waiting=4)).decisions[0], Keep)


@pytest.mark.parametrize(
    ("jobs", "many"), [(1, 5), (400, 5), (401, 4), (1_001, 1), (5_000, 1)]
)
def test_futures_are_as_many_as_can_be_weighed(jobs, many, runtimes):
    work = [Work(job=f"{at}", owner="ann", slots=1, began=0.0) for at in range(jobs)]
    freeing = [(runtimes.on("ann", 0.0, place_of(each.job)), 1) for each in work]
    out = Outlook(now=0.0, freeing=freeing, guessed=work)
    found = futures(out, runtimes, 2.0)
    assert len(found) == many
    assert found[0] == [(2 * left, slots) for left, slots in freeing]


def test_futures_differ_in_what_is_guessed_and_in_nothing_else(runtimes):
    work = Work(job="1", owner="ann", slots=3, began=0.0)
    told = [(0.0, 1), (500.0, 2)]
    guess = (runtimes.on("ann", 0.0, place_of("1")), 3)
    out = Outlook(now=0.0, freeing=[*told, guess], told=told, guessed=[work])
    found = futures(out, runtimes, 1.0)
    assert all(set(told) < {*each} for each in found)
    lasts = {left for each in found for left, slots in each if slots == 3}
    assert lasts == {60.0, 90_000.0}


@pytest.fixture
def runtimes():
    """Half of ann's work runs for a minute, half of it for a day."""
    known = Runtimes()
    known.heard("ann", [60.0, 90_000.0] * 8)
    return known


@pytest.mark.parametrize(
    ("state", "learns"), [(NodeState.READY, True), (NodeState.DRAINING, False)]
)
def test_only_ends_on_nodes_that_take_work_free_a_slot(
    state, learns, scaler, sample, node
):
    there = node("wn-1", busy=4, now=500.0)
    other = node("wn-2", busy=4, now=500.0, state=state)
    fewer = node("wn-2", busy=3, now=500.0, state=state)
    core = scaler(pools=(Pool(name="wn", slots=4, most=2),))
    core.decide(sample(1_000.0, there, other, waiting=5))
    core.decide(sample(1_100.0, there, fewer, waiting=5))
    assert (core.releases.took > 0) is learns
