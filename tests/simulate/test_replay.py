"""Small scenarios of which every figure can be worked out by hand."""

import pytest

from farmctl.simulate.bounds import bounds
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.compare import compare
from farmctl.simulate.engine import StuckError, replay
from farmctl.simulate.farm import Farm
from farmctl.simulate.measures import measure
from farmctl.simulate.own import own
from farmctl.simulate.peers.timeouts import IdleTimeout
from farmctl.simulate.report import html
from farmctl.simulate.trace import Job, Trace

HOUR = 3600


def job(submit: float, run: float, cores: int = 1, user: str = "ann") -> Job:
    return Job(name=f"{submit}", submit=submit, run=run, cores=cores, user=user)


def trace(*jobs: Job, whole: bool = False) -> Trace:
    return Trace(name="small", jobs=jobs, whole=whole)


def test_one_job_boots_one_node_and_pays_for_boot_stop_and_free_slots():
    rule = IdleTimeout(name="now", period=10, hold=0)
    farm = replay(
        trace(job(0, HOUR, 2)),
        rule,
        cloud=CloudModel(boot=360, stop=36),
        pools={"wn": 4},
    )
    figures = measure("now", farm)
    assert figures.work == pytest.approx(2)
    assert figures.boots == pytest.approx(4 * (360 + 36) / HOUR)
    assert figures.part == pytest.approx(2)
    assert figures.waste == pytest.approx(2 + 0.44)
    assert (figures.wait_mean, figures.wait_p95, figures.starts) == (360, 360, 1)
    assert figures.cost(5) == pytest.approx(figures.waste + 5 * 0.2)


def test_an_idle_node_is_charged_until_its_time_is_over():
    rule = IdleTimeout(name="held", period=10, hold=600)
    farm = replay(
        trace(job(0, 100, 4), job(2000, 100, 4)),
        rule,
        cloud=CloudModel(boot=300, stop=30),
        pools={"wn": 4},
    )
    figures = measure("held", farm)
    assert figures.empty == pytest.approx(4 * 600 / HOUR)
    assert figures.starts == 2
    assert figures.lifetime_p10 == 300 + 100 + 600


def test_work_goes_to_the_fullest_node():
    rule = IdleTimeout(name="now", period=10, hold=1e9)
    farm = replay(
        trace(job(0, 5000, 7), job(1000, 100, 1), job(1010, 100, 1)),
        rule,
        cloud=CloudModel(),
        pools={"wn": 4},
    )
    assert farm.ledger.starts == 3


def test_a_quota_is_never_exceeded():
    rule = IdleTimeout(name="now", period=10, hold=0)
    farm = replay(
        trace(job(0, 100, 40)), rule, cloud=CloudModel(quota=9), pools={"wn": 4}
    )
    assert farm.ledger.peak == 8


def test_failed_boots_are_paid_and_tried_again():
    rule = IdleTimeout(name="now", period=10, hold=0)
    cloud = CloudModel(failures=0.5, seed=3)
    farm = replay(trace(job(0, 100, 40)), rule, cloud=cloud, pools={"wn": 4})
    assert farm.ledger.failures > 0
    assert farm.ledger.tasks == 40


def test_work_that_no_node_fits_is_told_instead_of_waiting_for_ever():
    with pytest.raises(StuckError, match="8 slots of work wait for ever"):
        replay(
            trace(job(0, 100, 8), whole=True),
            own(1.0, cloud=CloudModel(), pools={"wn": 4}),
            cloud=CloudModel(),
            pools={"wn": 4},
        )


def test_whole_jobs_wait_for_a_node_with_room_for_all_their_cores():
    farm = replay(
        trace(job(0, 100, 3), job(0, 100, 3), whole=True),
        own(1.0, cloud=CloudModel(), pools={"wn": 4}),
        cloud=CloudModel(),
        pools={"wn": 4},
    )
    assert farm.ledger.tasks == 2
    assert farm.ledger.waits == {300.0: 2}


def test_the_bounds_of_two_distant_jobs_are_two_boots():
    found = bounds(trace(job(0, 100), job(10_000, 100)), slots=1, turn=330)
    assert found.lower == pytest.approx(2 * 330 / HOUR)
    assert found.upper == pytest.approx(2 * 330 / HOUR)


def test_the_bounds_of_two_close_jobs_hold_the_node_between_them():
    found = bounds(trace(job(0, 100), job(200, 100)), slots=1, turn=330)
    assert found.lower == pytest.approx((330 + 100) / HOUR)
    assert found.upper == pytest.approx((330 + 100) / HOUR)


def test_a_policy_that_polls_ends_at_the_next_poll_what_it_drained():
    cloud = CloudModel()
    farm = replay(
        trace(job(0, 100, 4), job(50_000, 100, 4)),
        own(1.0, cloud=cloud, pools={"wn": 4}, period=10.0),
        cloud=cloud,
        pools={"wn": 4},
    )
    assert farm.ledger.starts == 2
    assert farm.ledger.drained_seconds == 4 * 10


@pytest.mark.parametrize(("standby", "poll"), [(0, 5.0), (8, 1.0)])
def test_unless_told_otherwise_our_policy_looks_each_sixtieth_of_a_boot(standby, poll):
    cloud, work = CloudModel(standby=standby), trace(job(0.5, 100), job(9_000.5, 100))
    waits = [
        compare(
            work, cloud=cloud, pools={"wn": 4}, prices=(1,), peers=(), period=period
        )
        .runs[0]
        .measures.waiting
        for period in (None, poll, 0.0)
    ]
    assert waits[0] == waits[1] == pytest.approx(waits[2] + 2 * (poll - 0.5) / HOUR)


def test_the_same_seed_gives_the_same_replay():
    work = trace(*(job(100 * at, 50 + at, 3) for at in range(50)))
    cloud = CloudModel(spread=0.5, failures=0.1, seed=7)
    costs = {
        measure(
            "x",
            replay(
                work,
                own(5.0, cloud=cloud, pools={"wn": 4}),
                cloud=cloud,
                pools={"wn": 4},
            ),
        ).cost(5)
        for _ in range(2)
    }
    assert len(costs) == 1


def test_the_report_is_one_page_that_fetches_nothing_and_escapes_names():
    work = Trace(name="<b>&", jobs=tuple(job(500 * at, 300, 3) for at in range(20)))
    page = html(compare(work, cloud=CloudModel(), pools={"wn": 4}, peers=["clues"]))
    assert page.startswith("<!doctype html>")
    assert "Replay of &lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "http" not in page
    assert "<script" not in page
    assert page.count("<svg viewBox") == 4 + 2
    assert "farmctl at 20" in page
    assert "CLUES" in page


def test_the_bounds_of_a_ladder_are_those_of_nodes_that_its_shapes_are_made_of():
    work = trace(job(0, HOUR))
    turn = 330 / HOUR

    def found(**pools: int) -> tuple[float, float | None]:
        asked = compare(
            work, cloud=CloudModel(), pools=pools, own_policy=False, peers=["clues"]
        )
        return asked.bounds.lower, asked.bounds.upper

    assert found(wn=4) == pytest.approx((4 * turn + 3, 4 * turn + 3))
    assert found(big=8, small=2) == pytest.approx((2 * turn + 1, 2 * turn + 1))
    assert found(big=8, small=3) == pytest.approx((turn, 3 * turn + 2))


def test_on_a_ladder_demand_and_size_are_compared_in_its_smallest_steps():
    class Small:
        name, period = "small", 0.0

        def act(self, farm: Farm) -> float:
            farm.start(farm.queued - farm.booting_slots, "small")
            return float("inf")

    farm = replay(
        trace(job(0, 1000, 3)),
        Small(),
        cloud=CloudModel(),
        pools={"big": 8, "small": 1},
    )
    assert (max(farm.ledger.demands), max(farm.ledger.supplies)) == (3, 3)
    figures = measure("small", farm)
    assert figures.under == pytest.approx(100 * 300 / 1300)
    assert figures.over == 0


def test_a_job_has_waited_when_the_last_of_its_tasks_starts():
    farm = replay(
        trace(job(0, 1000, 6), job(0, 50, 2)),
        IdleTimeout(name="now", period=10, hold=0),
        cloud=CloudModel(quota=4),
        pools={"wn": 4},
    )
    assert farm.ledger.waits == {300.0: 4, 1300.0: 4}
    assert farm.ledger.job_waits == {1300.0: 2}
    assert measure("now", farm).job_wait_p95 == 1300


def test_a_rule_of_others_under_which_work_waits_for_ever_is_left_out_and_named():
    found = compare(
        trace(*(job(100 * at, 50) for at in range(5))),
        cloud=CloudModel(),
        pools={"wn": 4},
        prices=(1,),
        peers=["elastiq-example", "clues"],
    )
    assert [run.measures.policy for run in found.runs] == ["farmctl at 1", "CLUES"]
    assert len(found.stuck) == 1
    assert f"Left out, since some work waits for ever there: {found.stuck[0]}" in html(
        found
    )
