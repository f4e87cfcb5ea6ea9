"""Where slots become free later than was guessed, the next guess is taken for less."""

import pytest

from farmctl.elastic.outlook import Outlook
from farmctl.elastic.releases import Releases
from farmctl.model.sample import Start, Work

KNOWN = 10 * 300


def see(account, now, *, ended, queued=2, first=50.0):
    out = Outlook(now=now, queued=queued, freeing=[(0.0, 1), (900.0, 2), (first, 4)])
    account.see(out, ended=ended, boot=300.0)


def test_the_first_slot_of_those_that_work_is_held_against_the_next_end():
    account = Releases()
    assert account.stretch(300.0) == 1.0
    see(account, 0.0, ended=7)
    see(account, 200.0, ended=7)
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
    see(account, 1_000.0, ended=7)
    see(account, 1_060.0, ended=7, queued=0)
    assert account.stretch(300.0) == pytest.approx((60 + KNOWN) / (50 + KNOWN))


def test_a_pause_of_days_and_a_clock_that_jumps_back_are_not_believed():
    account = Releases()
    see(account, 0.0, ended=7)
    see(account, 600_000.0, ended=8)
    assert account.stretch(300.0) == pytest.approx((3_000 + KNOWN) / (50 + KNOWN))
    see(account, 300_000.0, ended=9)
    assert account.stretch(300.0) == pytest.approx((3_000 + KNOWN) / (100 + KNOWN))


def test_no_farm_takes_slots_to_be_later_than_by_a_factor_of_ten():
    account = Releases()
    for at in range(100):
        see(account, 3_000.0 * at, ended=at, first=1.0)
    assert account.stretch(300.0) == 10.0


def test_what_was_learned_fades():
    account = Releases()
    see(account, 0.0, ended=7)
    see(account, 3_000.0, ended=8, queued=0)
    assert account.took == 3_000
    see(account, 8 * 604_800.0, ended=8)
    see(account, 8 * 604_800.0 + 50.0, ended=9)
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
