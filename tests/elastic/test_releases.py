"""Where slots become free later than was guessed, the next guess is taken for less."""

import pytest

from farmctl.elastic.outlook import Outlook
from farmctl.elastic.releases import Releases
from farmctl.model.sample import Start, Work

KNOWN = 10 * 300


def see(account, now, *, ended, queued=2, first=50.0):
    out = Outlook(now=now, queued=queued, freeing=[(0.0, 1), (900.0, 2), (first, 4)])
    account.see(out, ended=ended, boot=300.0)


def wait(account, since, until, *, ended, **rest):
    """Look every five seconds; the last look is another's."""
    now = since
    while now < until:
        see(account, now, ended=ended, **rest)
        now += 5.0


def test_the_first_slot_of_those_that_work_is_held_against_the_next_end():
    account = Releases()
    assert account.stretch(300.0) == 1.0
    wait(account, 0.0, 500.0, ended=7)
    assert account.stretch(300.0) == 1.0
    see(account, 500.0, ended=8)
    assert account.stretch(300.0) == pytest.approx((500 + KNOWN) / (50 + KNOWN))
    see(account, 510.0, ended=9)
    expected = pytest.approx((510 + KNOWN) / (100 + KNOWN), rel=1e-4)
    assert account.stretch(300.0) == expected


def test_slots_that_come_sooner_count_as_well():
    account = Releases()
    see(account, 0.0, ended=7, first=800.0)
    see(account, 10.0, ended=8)
    assert account.stretch(300.0) == pytest.approx((10 + KNOWN) / (800 + KNOWN))


def test_a_queue_that_has_gone_tells_only_what_is_overdue():
    account = Releases()
    see(account, 0.0, ended=7)
    see(account, 40.0, ended=7, queued=0)
    assert account.stretch(300.0) == 1.0
    see(account, 100.0, ended=7)
    see(account, 160.0, ended=7, queued=0)
    assert account.stretch(300.0) == pytest.approx((60 + KNOWN) / (50 + KNOWN))


@pytest.mark.parametrize("later", [301.0, 600_000.0, -1.0])
def test_what_ended_while_nobody_looked_or_the_clock_was_put_back_tells_nothing(later):
    account = Releases()
    see(account, 1_000.0, ended=7)
    see(account, 1_000.0 + later, ended=8)
    assert account.stretch(300.0) == 1.0


@pytest.mark.parametrize(("first", "took", "stretch"), [(1, 3_000, 10), (900, 5, 0.1)])
def test_no_farm_takes_slots_to_be_later_or_sooner_by_more_than_ten(
    first, took, stretch
):
    account, now = Releases(), 0.0
    for at in range(150):
        wait(account, now, now + took, ended=at, first=first)
        now += took
    assert account.stretch(300.0) == stretch


def test_what_was_learned_fades():
    account = Releases()
    wait(account, 0.0, 3_000.0, ended=7)
    see(account, 3_000.0, ended=8, queued=0)
    assert account.took == 3_000
    later = 8 * 604_800.0
    see(account, later, ended=8)
    see(account, later + 50.0, ended=9)
    assert account.stretch(300.0) == pytest.approx(1.0, abs=1e-3)


def test_a_farm_that_learned_so_does_not_wait_for_slots_that_come_late(
    scaler, sample, node
):
    work = tuple(
        Work(job=f"j-{at}", owner="ann", slots=1, began=9_500.0) for at in range(4)
    )
    look = sample(10_000.0, node(work=work, idle_since=None), waiting=3)
    patient, burnt = scaler(price=1.0), scaler(price=1.0)
    for core in (patient, burnt):
        core.runtimes.heard("ann", [600.0] * 8)
    burnt.releases.took, burnt.releases.upto = 1e6, 10_000.0
    assert not any(isinstance(each, Start) for each in patient.decide(look).decisions)
    (start,) = burnt.decide(look).decisions
    assert isinstance(start, Start)
    assert start.count == 1


def test_a_farm_whose_nodes_had_much_free_beside_work_waits_for_longer(
    scaler, sample, node
):
    work = tuple(
        Work(job=f"j-{at}", owner="ann", slots=1, began=9_000.0) for at in range(4)
    )
    look = sample(10_000.0, node(work=work, idle_since=None), waiting=1)
    new, burnt = scaler(price=1.0), scaler(price=1.0)
    for core in (new, burnt):
        core.runtimes.heard("ann", [3_000.0] * 8)
    burnt.beside.free = burnt.beside.guessed = 1e6
    burnt.beside.upto = 10_000.0
    (start,) = new.decide(look).decisions
    assert isinstance(start, Start)
    assert not any(isinstance(each, Start) for each in burnt.decide(look).decisions)
