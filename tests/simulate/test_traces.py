from pathlib import Path

import pytest

from farmctl.simulate.bounds import zero_wait
from farmctl.simulate.reading import read
from farmctl.simulate.synthetic import KINDS, SEED

TRACES = Path(__file__).parent / "traces"


@pytest.mark.parametrize(
    ("name", "jobs", "core_hours"),
    [
        ("nasa-interactive", 9886, 31_197),
        ("nasa-sessions", 2006, 44_456),
        ("lcg2005-torino", 1657, 186),
        ("lcg2005-cnaf", 8241, 47_782),
    ],
)
def test_the_shipped_traces_are_read(name, jobs, core_hours):
    trace = read(TRACES / f"{name}.csv.gz")
    assert len(trace.jobs) == jobs
    assert trace.core_seconds / 3600 == pytest.approx(core_hours, abs=0.5)


@pytest.mark.parametrize(
    ("name", "days", "slots", "bound"),
    [
        ("lcg2005-torino", 28, 4, 482),
        ("lcg2005-cnaf", 28, 4, 904),
        ("lcg2005-cnaf", 28, 1, 508),
        ("nasa-interactive", 28, 8, 3379),
    ],
)
def test_the_zero_wait_bound_is_the_published_one(name, days, slots, bound):
    trace = read(TRACES / f"{name}.csv.gz").window(0, days)
    assert zero_wait(trace, slots=slots, turn=330) == pytest.approx(bound, rel=0.001)


def test_a_window_starts_at_its_own_midnight():
    trace = read(TRACES / "nasa-interactive.csv.gz")
    window = trace.window(28, 28)
    assert len(window.jobs) == 2877
    assert 0 <= window.jobs[0].submit < 86_400


def test_shuffled_weeks_hold_the_same_work():
    trace = read(TRACES / "nasa-interactive.csv.gz")
    shuffled = trace.shuffled(1)
    assert shuffled.core_seconds == pytest.approx(trace.core_seconds)
    assert shuffled.jobs != trace.jobs
    assert [job.submit for job in shuffled.jobs] == sorted(
        job.submit for job in shuffled.jobs
    )


def test_a_window_without_an_end_holds_all_that_came_later():
    trace = read(TRACES / "lcg2005-torino.csv.gz")
    late = trace.window(3)
    assert len(late.jobs) == 1277
    assert late.name == "lcg2005-torino days 3-"


def test_shifted_work_is_nearly_the_same_and_comes_from_its_seed():
    trace = read(TRACES / "lcg2005-torino.csv.gz")
    shifted = trace.shifted(4)
    assert shifted == trace.shifted(4)
    assert shifted.jobs != trace.shifted(5).jobs
    before = {job.name: job for job in trace.jobs}
    for job in shifted.jobs:
        assert abs(job.submit - before[job.name].submit) <= 120
        assert abs(job.run / before[job.name].run - 1) <= 0.03


@pytest.mark.parametrize(
    ("kind", "jobs", "core_hours"),
    [
        ("ramps", 13_402, 4_466.52),
        ("steady", 10_032, 3_380.49),
        ("daynight", 13_463, 3_111.87),
        ("heavy", 4_710, 3_486.47),
        ("wide", 2_497, 4_220.17),
        ("batch", 4_412, 3_100.79),
        ("sessions", 1_510, 1_984.74),
        ("chains", 6_588, 2_139.82),
        ("cron", 11_704, 3_343.92),
        ("quiet", 355, 148.71),
    ],
)
def test_a_made_up_kind_is_the_work_that_the_documentation_measures(
    kind, jobs, core_hours
):
    trace = KINDS[kind].make(SEED)
    assert len(trace.jobs) == jobs
    assert trace.core_seconds / 3600 == pytest.approx(core_hours, abs=0.005)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_made_up_work_comes_from_its_seed(kind):
    make = KINDS[kind].make
    trace = make(3)
    assert trace == make(3)
    assert trace.jobs != make(4).jobs
    assert [job.submit for job in trace.jobs] == sorted(j.submit for j in trace.jobs)
    assert trace.jobs[0].submit >= 0
    assert all(job.run >= 1 for job in trace.jobs)
    widest = max(job.cores for job in trace.jobs)
    assert not trace.whole or widest <= KINDS[kind].slots
