"""The peers' rules against figures that were measured with another replay."""

import importlib.util
from pathlib import Path

import pytest

from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import replay
from farmctl.simulate.farm import Farm
from farmctl.simulate.peers.catalogue import PEERS
from farmctl.simulate.peers.timeouts import IdleTimeout
from farmctl.simulate.reading import read
from farmctl.simulate.trace import Job

DOCS = Path(__file__).parents[2] / "docs"
TRACES = Path(__file__).parent / "traces"
SPEC = importlib.util.spec_from_file_location("figures", DOCS / "figures.py")
figures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(figures)

DIFFERENT = {
    # What differs by more than 10 %; docs/explanation/simulation.md says why.
    ("lcg2005-torino", "react"): {"under"},
    ("lcg2005-torino", "hist"): {"waste", "starts", "c1", "over"},
    ("nasa-interactive", "adapt"): {"starts"},
    ("nasa-interactive", "hist"): {"starts"},
    ("lcg2005-cnaf", "hist"): {"wait_mean", "wait_p95", "starts"},
    ("lcg2005-cnaf", "oneflow-25"): {"wait_p95"},
    ("lcg2005-cnaf", "cobald-supply"): {"wait_mean"},
}


@pytest.mark.parametrize(
    "row",
    [pytest.param(r, id=f"{r['trace']}-{r['rule']}") for r in figures.published()],
)
def test_a_peers_rule_gives_the_published_figures(row):
    measures = figures.theirs(row)
    found = figures.figures(row, measures)
    differ = {figure.name for figure in found if not figure.agrees}
    assert differ == DIFFERENT.get((row["trace"], row["rule"]), set())
    page = (DOCS / "explanation/simulation.md").read_text()
    assert figures.their_row(row, measures) in page, "run: python docs/figures.py peers"


@pytest.mark.parametrize(
    ("found", "published", "agrees"),
    [
        (109.9, "100", True),
        (110.1, "100", False),
        (1.4, "1", True),
        (1.6, "1", False),
        (9_040.0, "9.0k", True),
        (0.0, "0", True),
        (0.6, "0", False),
    ],
)
def test_ten_per_cent_or_what_rounding_took_is_agreement(found, published, agrees):
    figure = figures.Figure(name="waste", found=found, published=published)
    assert figure.agrees is agrees


@pytest.mark.parametrize("rule", sorted(PEERS))
def test_every_rule_serves_a_day_of_work(rule):
    work = read(TRACES / "lcg2005-torino.csv.gz").window(0, 1)
    farm = replay(work, PEERS[rule](), cloud=CloudModel(), pools={"wn": 4})
    assert farm.ledger.tasks == len(work.jobs)
    assert farm.ledger.busy_seconds == pytest.approx(work.core_seconds)


def test_pods_that_come_together_are_started_for_together():
    rule = IdleTimeout(name="x", period=1, hold=0, settle=1, settle_most=10)
    farm = Farm(CloudModel(), {"wn": 4})

    def started(now: float, cores: int) -> int:
        farm.now = now
        if cores:
            job = Job(name=str(now), submit=now, run=50, cores=cores)
            farm.submit(job, whole=False)
        rule.act(farm)
        return farm.ledger.starts

    assert [started(second, 1) for second in range(5)] == [0] * 5
    assert started(5, 0) == 2
    assert [started(20 + second, 1) for second in range(14)] == [2] * 13 + [5]
