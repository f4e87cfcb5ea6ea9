"""The peers' rules against figures that were measured with another replay."""

from pathlib import Path

import pytest

from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import replay
from farmctl.simulate.measures import Measures, measure
from farmctl.simulate.peers.catalogue import PEERS
from farmctl.simulate.reading import read

TRACES = Path(__file__).parent / "traces"
SLOTS = {"lcg2005-torino": 4, "lcg2005-cnaf": 4, "nasa-interactive": 8}

FIGURES = [
    # trace, rule, waste in core-hours, C20
    ("lcg2005-torino", "elastiq", 962, 1038),
    ("lcg2005-torino", "elastiq-example", 875, 5672),
    ("lcg2005-torino", "cloudscheduler", 488, 1760),
    ("lcg2005-torino", "clues", 861, 1025),
    ("lcg2005-torino", "slurm", 666, 1291),
    ("lcg2005-torino", "karpenter", 428, 1929),
    ("lcg2005-torino", "oneflow", 948, 1033),
    ("lcg2005-torino", "hpa", 977, 1015),
    ("lcg2005-torino", "react", 2054, 2061),
    ("lcg2005-torino", "adapt", 2216, 2229),
    ("lcg2005-torino", "reg", 612, 1485),
    ("nasa-interactive", "elastiq", 18_140, 35_800),
    ("nasa-interactive", "elastiq-example", 17_431, 43_400),
    ("nasa-interactive", "cloudscheduler", 5_174, 75_300),
    ("nasa-interactive", "clues", 13_302, 33_600),
    ("nasa-interactive", "slurm", 8_500, 42_000),
    ("nasa-interactive", "karpenter", 5_782, 78_100),
    ("nasa-interactive", "karpenter-30", 5_876, 73_700),
    ("nasa-interactive", "hpa", 12_614, 39_600),
    ("nasa-interactive", "oneflow", 8_401, 305_000),
    ("nasa-interactive", "oneflow-25", 8_042, 285_000),
    ("nasa-interactive", "cobald-slow", 8_554, 265_000),
    ("nasa-interactive", "react", 14_200, 58_000),
    ("nasa-interactive", "reg", 6_289, 61_000),
    ("lcg2005-cnaf", "elastiq", 8_768, 14_400),
    ("lcg2005-cnaf", "elastiq-example", 7_984, 16_000),
    ("lcg2005-cnaf", "cloudscheduler", 6_165, 16_300),
    ("lcg2005-cnaf", "clues", 7_308, 10_900),
    ("lcg2005-cnaf", "slurm", 6_351, 10_200),
    ("lcg2005-cnaf", "karpenter", 6_032, 10_100),
    ("lcg2005-cnaf", "karpenter-30", 5_830, 9_860),
    ("lcg2005-cnaf", "react", 6_316, 9_110),
    ("lcg2005-cnaf", "reg", 5_869, 10_000),
    ("lcg2005-cnaf", "conpaas", 6_062, 9_900),
    ("lcg2005-cnaf", "adapt", 6_774, 9_800),
    ("lcg2005-cnaf", "hpa", 17_430, 71_500),
    ("lcg2005-cnaf", "oneflow", 14_882, 222_000),
    ("lcg2005-cnaf", "cobald-slow", 13_251, 131_000),
]


def figures(trace: str, rule: str) -> Measures:
    work = read(TRACES / f"{trace}.csv.gz").window(0, 28)
    pools = {"wn": SLOTS[trace]}
    policy = PEERS[rule]()
    return measure(rule, replay(work, policy, cloud=CloudModel(), pools=pools))


@pytest.mark.slow
@pytest.mark.parametrize(("trace", "rule", "waste", "cost"), FIGURES)
def test_a_peers_rule_gives_the_published_figures(trace, rule, waste, cost):
    found = figures(trace, rule)
    assert found.waste == pytest.approx(waste, rel=0.10)
    assert found.cost(20) == pytest.approx(cost, rel=0.10)


@pytest.mark.parametrize("rule", sorted(PEERS))
def test_every_rule_serves_a_day_of_work(rule):
    work = read(TRACES / "lcg2005-torino.csv.gz").window(0, 1)
    farm = replay(work, PEERS[rule](), cloud=CloudModel(), pools={"wn": 4})
    assert farm.ledger.tasks == len(work.jobs)
    assert farm.ledger.busy_seconds == pytest.approx(work.core_seconds)
