from pathlib import Path

import pytest

from farmctl.simulate.bounds import zero_wait
from farmctl.simulate.reading import read
from farmctl.simulate.synthetic import sessions, small_batch

TRACES = Path(__file__).parent / "traces"


@pytest.mark.parametrize(
    ("name", "jobs", "core_hours"),
    [
        ("nasa-interactive", 9886, 31_197),
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


def test_made_up_workloads_come_from_their_seed():
    assert small_batch(1) == small_batch(1)
    assert small_batch(1).jobs != small_batch(2).jobs
    assert sessions(3) == sessions(3)
    assert len(sessions(3).jobs) > 500
