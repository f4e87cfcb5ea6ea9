"""Free slots beside work are guessed from its owners' runs, and measured."""

import pytest

from farmctl.elastic.beside import Beside
from farmctl.elastic.queueing import beside
from farmctl.elastic.runtimes import Runtimes
from farmctl.elastic.terms import Times
from farmctl.model.sample import NodeState, Work

TIMES = Times(boot=300.0, stop=30.0, resume=60.0)
UNKNOWN = 10 * 4 * 330


def life(sample, node, account, *, slots, run=3_600.0):
    runtimes = Runtimes()
    runtimes.heard("ann", [run] * 4)
    work = (Work(job="1", owner="ann", slots=1, began=400.0),)
    base = {"slots": slots, "since": 0.0}
    for look in (
        sample(0.0, node(state=NodeState.BOOTING, **base)),
        sample(400.0, node(joined=300.0, work=work, **base)),
        sample(4_000.0, node(joined=300.0, idle_since=4_000.0, **base)),
        sample(5_000.0),
    ):
        account.see(look, runtimes)


def test_free_slots_beside_work_count_and_empty_nodes_do_not(sample, node):
    account = Beside()
    life(sample, node, account, slots=4)
    assert (account.free, account.guessed) == (3 * 3_600, 3 * 3_600)
    assert account.share(TIMES, 4) == pytest.approx(10_800 / (10_800 + UNKNOWN))


def test_work_that_goes_on_for_longer_than_guessed_makes_the_next_guess_count_more(
    sample, node
):
    account = Beside()
    life(sample, node, account, slots=4, run=1_800.0)
    assert account.share(TIMES, 4) == pytest.approx(10_800 / (5_400 + UNKNOWN))


def test_nodes_of_one_slot_have_nothing_beside_work(sample, node):
    account = Beside()
    life(sample, node, account, slots=1)
    assert (account.free, account.guessed) == (0.0, 0.0)


def test_a_node_that_stays_or_never_works_counts_for_nothing(sample, node):
    account, runtimes = Beside(), Runtimes()
    account.see(sample(0.0, node(state=NodeState.READY, slots=4)), runtimes)
    booting = node("wn-2", state=NodeState.BOOTING, slots=4)
    account.see(
        sample(9_000.0, node(state=NodeState.READY, slots=4), booting), runtimes
    )
    account.see(sample(9_900.0, node(state=NodeState.READY, slots=4)), runtimes)
    assert account.share(TIMES, 4) == 0.0
    assert account.guessed == 0.0


def test_a_node_that_is_filled_beyond_its_slots_has_none_free(sample, node):
    account = Beside()
    runtimes = Runtimes()
    runtimes.heard("ann", [3_600.0] * 4)
    work = tuple(
        Work(job=f"{at}", owner="ann", slots=4, began=400.0) for at in range(2)
    )
    account.see(sample(0.0, node(state=NodeState.BOOTING)), runtimes)
    account.see(sample(400.0, node(work=work, idle_since=None)), runtimes)
    account.see(sample(4_000.0), runtimes)
    assert (account.free, account.guessed) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("tasks", "count", "slots", "free"),
    [
        ([(9, 100.0)], 4, 4, 0.0),
        ([(9, 100.0)], 1, 4, 300.0),
        # Of two, one of three quarters ends last after 300 s.
        ([(2, 300.0), (2, 100.0)], 2, 2, 2 * (0.25 * 100 + 0.75 * 300) - 2 * 200),
        ([], 4, 4, 0.0),
    ],
)
def test_what_a_node_has_free_until_its_last_work_ends(tasks, count, slots, free):
    assert beside(tasks, count, slots) == pytest.approx(free)
