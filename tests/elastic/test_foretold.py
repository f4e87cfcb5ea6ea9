"""What nodes started on forecast have brought decides how far it is trusted."""

import pytest

from farmctl.elastic.foretold import Foretold
from farmctl.model.sample import NodeState

SPARES = 20 * 300
"""Slot-seconds that a boot's wait of one task is worth here."""


@pytest.fixture
def expect():
    def expect(accounts, now=0.0, woken=(), started=0):
        accounts.expect(now, woken, started, price=20.0, boot=300.0, lost=330.0)

    return expect


@pytest.fixture
def started(sample, node, expect):
    """Accounts with one node of four slots, started at 0 on forecast, ready at 300."""
    accounts = Foretold()
    expect(accounts, started=1)
    accounts.see(sample(1.0, node("wn-1", state=NodeState.BOOTING, joined=0.0)))
    accounts.see(sample(300.0, node("wn-1", joined=300.0, now=300.0)))
    return accounts


@pytest.fixture
def moved(started):
    """Return by how much of all that it could spare the node moved the trust."""
    first = started.level
    return lambda: (started.level - first) * 4 * SPARES


def about(amount):
    return pytest.approx(amount, rel=0.02, abs=1)


def test_a_guess_counts_half_at_first_and_one_node_may_be_out():
    accounts = Foretold()
    assert accounts.trust == pytest.approx(0.5)
    assert accounts.more == 1


def test_no_other_node_is_started_before_the_first_has_paid(started, sample, node):
    assert started.more == 0
    started.see(sample(400.0, node("wn-1", joined=300.0, busy=4, now=400.0)))
    started.see(sample(701.0, node("wn-1", joined=300.0, busy=4, now=701.0)))
    assert started.trust > 1
    assert started.more == 3


def test_work_that_no_other_slot_was_free_for_was_spared_a_boot(
    started, moved, sample, node
):
    started.see(sample(400.0, node("wn-1", joined=300.0, busy=2, now=400.0)))
    started.see(sample(700.0, node("wn-1", joined=300.0, busy=2, now=700.0)))
    assert moved() == about(2 * SPARES - 4 * 100)


def test_work_that_follows_within_a_boot_was_spared_the_rest_of_it(
    started, moved, sample, node
):
    started.see(sample(400.0, node("wn-1", joined=300.0, busy=2, now=400.0)))
    started.see(sample(600.0, node("wn-1", joined=300.0, busy=4, now=600.0)))
    started.see(sample(900.0, node("wn-1", joined=300.0, busy=4, now=900.0)))
    assert moved() == about(2 * SPARES + 2 * 20 * 100 - 4 * 100)


def test_work_that_came_while_it_booted_was_spared_half_a_boot(
    started, moved, sample, node
):
    started.see(sample(310.0, node("wn-1", joined=300.0, busy=4, now=310.0)))
    started.see(sample(900.0, node("wn-1", joined=300.0, busy=4, now=900.0)))
    assert moved() == about(4 * SPARES / 2 - 4 * 10)


def test_work_that_others_had_room_for_was_spared_nothing(started, moved, sample, node):
    roomy = node("wn-0", busy=1, joined=0.0)
    started.see(sample(400.0, roomy, node("wn-1", joined=300.0, busy=3, now=400.0)))
    started.see(sample(900.0, roomy, node("wn-1", joined=300.0, busy=3, now=900.0)))
    assert moved() == 0
    started.see(
        sample(1300.0, roomy, node("wn-1", joined=300.0, state=NodeState.DRAINING))
    )
    assert moved() == about(-4 * 330 - 4 * 600)


def test_a_node_that_goes_without_work_has_lost(started, moved, sample, node):
    started.see(sample(900.0, node("wn-1", joined=300.0, now=900.0)))
    started.see(sample(900.0, node("wn-1", joined=300.0, state=NodeState.DRAINING)))
    assert moved() == about(-4 * 330 - 4 * 600)
    assert started.more == 1


def test_a_node_that_never_joins_has_lost(started, moved, sample):
    started.see(sample(300.0))
    assert moved() == about(-4 * 330)


def test_what_was_asked_for_counts_until_it_should_have_come(sample, expect):
    accounts = Foretold()
    expect(accounts, started=1)
    assert accounts.more == 0
    accounts.see(sample(299.0))
    assert accounts.more == 0
    accounts.see(sample(301.0))
    assert accounts.more == 1


def test_only_the_last_node_of_a_start_moves_the_trust(sample, node, expect):
    accounts = Foretold()
    expect(accounts, started=2)
    boots = [
        node(name, state=NodeState.BOOTING, joined=0.0) for name in ("wn-1", "wn-2")
    ]
    accounts.see(sample(1.0, *boots))
    first = accounts.level
    used = node("wn-1", joined=300.0, busy=4, now=400.0)
    accounts.see(sample(300.0, *(node(each.name, joined=300.0) for each in boots)))
    accounts.see(sample(400.0, used, node("wn-2", joined=300.0, now=400.0)))
    accounts.see(sample(701.0, used, node("wn-2", joined=300.0, now=701.0)))
    assert accounts.level == pytest.approx(first, abs=0.01)
    accounts.see(sample(702.0, used))
    assert accounts.level < first - 0.1


def test_nodes_of_others_are_no_concern(sample, node, expect):
    accounts = Foretold()
    expect(accounts)
    accounts.see(sample(1.0, node("wn-1", busy=4)))
    accounts.see(sample(9.0))
    assert accounts.trust == pytest.approx(0.5)


def test_what_was_learned_fades(started, sample, node, expect):
    first = started.level
    started.see(sample(900.0, node("wn-1", joined=300.0, now=900.0)))
    started.see(sample(900.0, node("wn-1", joined=300.0, state=NodeState.DRAINING)))
    lost = started.level - first
    expect(started, 900.0, ["wn-2"])
    started.see(sample(900.0 + 604_800, node("wn-2", state=NodeState.BOOTING)))
    assert started.level - first == pytest.approx(lost / 2.71828, rel=1e-2)


def test_a_loss_fades_while_no_node_is_out_so_that_it_is_tried_again(
    started, sample, node
):
    first = started.level
    started.see(sample(900.0, node("wn-1", joined=300.0, now=900.0)))
    started.see(sample(900.0, node("wn-1", joined=300.0, state=NodeState.DRAINING)))
    lost = started.level - first
    assert lost < -0.1
    started.see(sample(900.0 + 604_800))
    assert started.level - first == pytest.approx(lost / 2.71828, rel=1e-2)
