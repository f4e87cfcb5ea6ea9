"""What nodes cost beside their work is counted when they have gone."""

import pytest

from farmctl.elastic.beside import Beside
from farmctl.elastic.terms import Times
from farmctl.model.sample import NodeState, Work

TIMES = Times(boot=300.0, stop=30.0, resume=60.0)


def life(sample, node, account, *, slots):
    work = (Work(job="1", owner="ann", slots=1, began=400.0),)
    base = {"slots": slots, "since": 0.0}
    account.see(sample(0.0, node(state=NodeState.BOOTING, **base)))
    account.see(sample(400.0, node(joined=300.0, work=work, **base)))
    account.see(sample(4_000.0, node(joined=300.0, idle_since=4_000.0, **base)))
    account.see(sample(5_000.0))


def test_free_slots_beside_work_count_and_empty_nodes_do_not(sample, node):
    account = Beside()
    life(sample, node, account, slots=4)
    assert (account.free, account.slots) == (3 * 3_600, 4)
    assert account.factor(TIMES, 4) == pytest.approx(1 + 10_800 / (4 * 44 * 330))


def test_nodes_of_one_slot_have_nothing_beside_work(sample, node):
    account = Beside()
    life(sample, node, account, slots=1)
    assert account.free == 0.0
    assert account.factor(TIMES, 1) == 1.0


def test_a_node_that_stays_counts_for_nothing(sample, node):
    account = Beside()
    account.see(sample(0.0, node(state=NodeState.READY, slots=4)))
    account.see(sample(9_000.0, node(state=NodeState.READY, slots=4)))
    assert account.factor(TIMES, 4) == 1.0
