"""What was learned goes through JSON and back, stays small, and is never half used."""

import json

import pytest

from farmctl.elastic.memory import LARGEST
from farmctl.model.sample import NodeState
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import replay
from farmctl.simulate.own import own
from farmctl.simulate.synthetic import sessions, small_batch
from farmctl.simulate.trace import merge


@pytest.fixture(scope="module")
def taught():
    cloud = CloudModel(spread=0.3, failures=0.1)
    policy = own(20.0, cloud=cloud, pools={"wn": 8})
    work = merge("both", [sessions(1, days=9), small_batch(1, days=3)])
    replay(work, policy, cloud=cloud, pools={"wn": 8})
    return policy.scaler


def test_what_was_learned_survives_json(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    again = scaler()
    assert again.recall(value)
    assert again.remember() == value
    assert value["version"] == 3
    assert again.arrivals.bursts == taught.arrivals.bursts > 100
    assert again.runtimes.guess("u1") == pytest.approx(
        taught.runtimes.guess("u1"), rel=1e-3
    )
    for place in (0.0, 0.5, 0.99):
        assert again.runtimes.on("u1", 9, place) == pytest.approx(
            taught.runtimes.on("u1", 9, place), rel=1e-3
        )
    assert again.learned.times().boot == pytest.approx(
        taught.learned.times().boot, rel=1e-3
    )


def test_the_value_stays_small_however_many_owners_there_are(scaler, sample, node):
    core = scaler()
    core.decide(sample(0.0))
    for at in range(400):
        now = 100.0 * at
        core.arrivals.see(now, f"owner-{at}", before=0, burst=at, after=at)
        core.arrivals.see(now + 9, f"owner-{at}", before=at, burst=0, after=0)
        core.runtimes.ended(f"owner-{at}", 1234.5678 * at)
    value = core.remember()
    size = len(json.dumps(value, separators=(",", ":")))
    assert LARGEST * 0.9 < size <= LARGEST
    assert "owner-399" in value["owners"]
    assert "owner-0" not in value["owners"]


@pytest.mark.parametrize(
    "crooked",
    [
        None,
        7,
        [],
        {},
        {"version": 4},
        {"version": [3]},
        {"version": 3},
        {"version": 3, "arrivals": 3},
    ],
)
def test_a_value_that_cannot_be_used_means_to_begin_anew(crooked, scaler):
    core = scaler()
    core.runtimes.ended("ann", 10.0)
    assert not core.recall(crooked)
    assert core.remember() == scaler().remember()


@pytest.mark.parametrize(
    "part",
    [
        "arrivals",
        "runs",
        "times",
        "base",
        "spent",
        "foretold",
        "beside",
        "releases",
    ],
)
def test_one_crooked_part_spoils_the_whole(part, taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    value[part] = ["x"]
    core = scaler()
    assert not core.recall(value)
    assert core.remember() == scaler().remember()


def test_a_bin_of_ages_that_there_is_not_spoils_the_whole(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    name = next(name for name, entry in value["owners"].items() if len(entry) > 1)
    value["owners"][name][2] = [26, 1, 1]
    core = scaler()
    assert not core.recall(value)
    assert core.remember() == scaler().remember()


def test_the_last_two_runs_that_an_earlier_version_wrote_are_taken_up(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    value["owners"]["u1"][0] = [60, 120]
    core = scaler()
    assert core.recall(value)
    assert core.runtimes.guess("u1") == 90


def test_what_the_version_before_learned_is_taken_up(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    value["version"], value["beside"] = 2, [5000, 4, 9]
    del value["releases"]
    core = scaler()
    assert core.recall(value)
    assert core.foretold.trust == pytest.approx(taught.foretold.trust, rel=1e-3)
    assert (core.beside.free, core.beside.guessed) == (0.0, 0.0)
    assert core.releases.stretch(300.0) == 1.0


def test_what_an_early_version_learned_of_ages_is_taken_up(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    value["version"], value["foretold"] = 1, [-5000, 9]
    coarse = [5, *range(10, 22), 7]
    value["arrivals"]["events"] = value["arrivals"]["exposed"] = [coarse, coarse]
    name = next(name for name, entry in value["owners"].items() if len(entry) > 1)
    value["owners"] = {name: value["owners"][name]}
    value["owners"][name][2] = [0, 3, 8, 2, 10, 300, 13, 1, 50]
    core = scaler()
    assert core.recall(value)
    assert core.foretold.trust == pytest.approx(0.5)
    for row in (*core.arrivals.events, *core.arrivals.exposed):
        assert (row[0], row[-1]) == (5, 7)
        assert [
            one + two for one, two in zip(row[1:-1:2], row[2:-1:2], strict=True)
        ] == (pytest.approx(coarse[1:-1]))
        # The rates stay: each half has of both what its length is of the whole.
        assert row[1] / row[2] == pytest.approx(2**-0.5)
    owner = core.arrivals.owners[name]
    assert sum(owner.bursts) == pytest.approx(3 + 10 + 1)
    assert (owner.exposed[0], owner.exposed[-1]) == (8, 50)
    assert owner.exposed[3] + owner.exposed[4] == pytest.approx(300)


def test_times_that_an_earlier_version_wrote_count_as_settled(taught, scaler):
    value = json.loads(json.dumps(taught.remember()))
    value["times"]["boots"] = [each[:3] for each in value["times"]["boots"]]
    core = scaler()
    assert core.recall(value)
    assert [each.count for each in core.learned.boots.values()] == [10]


def test_work_that_was_there_before_a_restart_is_no_new_burst(scaler, sample, node):
    core = scaler()
    core.decide(sample(1000.0, node("wn-1", busy=3), waiting=2))
    assert core.arrivals.bursts == 0
    core.decide(sample(1010.0, node("wn-1", busy=3), waiting=5))
    assert core.arrivals.bursts == 1


def test_a_pause_is_no_silence(scaler, sample):
    core = scaler()
    core.decide(sample(0.0))
    core.decide(sample(10.0, waiting=1))
    core.decide(sample(20.0))
    again = scaler()
    assert again.recall(core.remember())
    again.decide(sample(1e6))
    again.decide(sample(1e6 + 60))
    assert sum(again.arrivals.exposed[0]) == pytest.approx(60, abs=1)


def test_boots_that_fail_make_a_boot_dearer(scaler, sample, node):
    core = scaler(boot=300.0)
    for at in range(60):
        core.decide(sample(at * 1000.0, node("x", state=NodeState.BOOTING, joined=0.0)))
        core.decide(sample(at * 1000.0 + 900))
    assert core.learned.failures["", ""] > 0.95
    assert core.learned.times().boot == 1200.0
