import pytest

from farmctl.elastic.foretold import Foretold
from farmctl.model.sample import NodeState


@pytest.fixture
def started(sample, node):
    """Accounts with one node of four slots, started at 0 on forecast."""
    accounts = Foretold()
    accounts.expect(0.0, [], 1, saves=6000.0, lost=330.0)
    accounts.see(sample(1.0, node("wn-1", state=NodeState.BOOTING, joined=0.0)))
    return accounts


def test_a_node_that_works_in_time_has_won(started, sample, node):
    started.see(sample(300.0, node("wn-1", joined=300.0, now=300.0)))
    started.see(sample(400.0, node("wn-1", joined=300.0, busy=2, now=400.0)))
    assert started.score == 2 * 6000 - 4 * 100


def test_a_node_that_goes_without_work_has_lost(started, sample, node):
    started.see(sample(300.0, node("wn-1", joined=300.0, now=300.0)))
    drained = node("wn-1", joined=300.0, state=NodeState.DRAINING)
    started.see(sample(900.0, drained))
    assert started.score == -4 * 330 - 4 * 600
    assert started.pays(4000.0)
    assert not started.pays(3000.0)


def test_nodes_of_others_are_no_concern(sample, node):
    accounts = Foretold()
    accounts.expect(0.0, [], 0, saves=6000.0, lost=330.0)
    accounts.see(sample(1.0, node("wn-1", busy=4)))
    accounts.see(sample(9.0))
    assert accounts.score == 0


def test_what_was_lost_fades(started, sample, node):
    started.see(sample(300.0, node("wn-1", joined=300.0, now=300.0)))
    started.see(sample(300.0, node("wn-1", joined=300.0, state=NodeState.DRAINING)))
    lost = started.score
    started.expect(300.0, ["wn-2"], 0, saves=1.0, lost=1.0)
    started.see(sample(300.0 + 604_800, node("wn-2", state=NodeState.BOOTING)))
    assert started.score == pytest.approx(lost / 2.71828, rel=1e-3)
