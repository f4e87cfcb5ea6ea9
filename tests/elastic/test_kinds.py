"""Work that is tied to some of a farm's pools: no other pool is grown for it."""

from dataclasses import replace

import pytest

from farmctl.elastic.terms import Pool
from farmctl.model.sample import Drain, Drainer, NodeState, Start, Undrain, Waiting

WN = Pool(name="wn", slots=2, most=4, memory_mib=600)
BIG = Pool(name="big", slots=4, most=2, memory_mib=1500)


@pytest.fixture
def starts(scaler, sample):
    """Decide about waiting work; give what is started, by pool."""

    def decided(*waiting, nodes=()):
        core = scaler(pools=(WN, BIG))
        shown = replace(sample(0, *nodes), waiting=waiting)
        found = core.decide(shown).decisions
        return {each.pool: each.count for each in found if isinstance(each, Start)}

    return decided


def work(count, slots=1, *, pools=None, memory_mib=100):
    tied = None if pools is None else frozenset(pools)
    return Waiting(
        owner="ann", slots=slots, count=count, since=0.0, pools=tied,
        memory_mib=memory_mib,
    )  # fmt: skip


def test_work_tied_to_a_pool_starts_nodes_of_that_pool(starts):
    assert starts(work(4, pools={"big"})) == {"big": 1}


def test_each_kind_gets_its_own_and_what_is_free_to_choose_the_smallest(starts):
    found = starts(work(4, pools={"big"}), work(6))
    assert found == {"big": 1, "wn": 3}


def test_work_that_only_a_large_node_holds_does_not_make_the_others_large(starts):
    assert starts(work(1, 4), work(4)) == {"big": 1, "wn": 2}


def test_what_a_tied_kind_leaves_free_is_used_by_the_rest(starts):
    assert starts(work(1, pools={"big"}), work(3)) == {"big": 1}


def test_where_the_smallest_pool_has_its_most_the_next_grows(starts, node):
    full = [node(f"wn-{n}", slots=2, busy=2) for n in range(4)]
    assert starts(work(4), nodes=full) == {"big": 1}


def test_work_that_a_full_pool_alone_could_run_grows_no_other(starts, node):
    full = [node(f"wn-{n}", slots=2, busy=2) for n in range(4)]
    tied = work(20, pools={"wn"})
    assert starts(tied, nodes=full) == {}
    assert starts(tied, work(1), nodes=full) == {"big": 1}
    # As long as the pool grows, what is on its way there is shared.
    assert starts(tied, work(1), nodes=full[:1]) == {"wn": 3, "big": 1}
    assert starts(work(3, pools={"wn"}), work(1)) == {"wn": 2}


def test_a_sick_node_takes_no_other_nodes_place(starts, node):
    sick = [node(f"wn-{n}", slots=2, state=NodeState.ASIDE) for n in range(4)]
    assert starts(work(4), nodes=sick) == {"wn": 2}


def test_a_drain_is_not_taken_back_for_work_that_the_node_cannot_run(
    scaler, sample, node
):
    drained = node("wn-1", slots=2, state=NodeState.DRAINING, drained_by=Drainer.US)
    shown = replace(sample(0, drained), waiting=(work(4, pools={"big"}), work(1)))
    found = scaler(pools=(WN, BIG)).decide(shown).decisions
    assert [each for each in found if isinstance(each, Undrain)] != []
    tied = replace(shown, waiting=(work(4, pools={"big"}),))
    found = scaler(pools=(WN, BIG)).decide(tied).decisions
    assert [type(each) for each in found] == [Start]


def test_of_too_many_nodes_only_those_beyond_the_most_are_drained(scaler, sample, node):
    core = scaler(pools=(WN,))
    idle = [node(f"wn-{n}", slots=2, joined=float(n)) for n in range(1, 7)]
    found = core.decide(sample(6, *idle)).decisions
    gone = [each.node for each in found if isinstance(each, Drain)]
    assert gone == ["wn-6", "wn-5"]


def test_a_drain_is_not_taken_back_beyond_the_most(scaler, sample, node):
    core = scaler(pools=(WN,))
    busy = [node(f"wn-{n}", slots=2, busy=2) for n in range(1, 4)]
    drained = [
        node(f"wn-{n}", slots=2, state=NodeState.DRAINING, drained_by=Drainer.US)
        for n in (4, 5, 6)
    ]
    found = core.decide(sample(5, *busy, *drained, waiting=9)).decisions
    assert [each.node for each in found if isinstance(each, Undrain)] == ["wn-4"]
