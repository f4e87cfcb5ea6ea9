from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmctl.elastic.evidence import Care, Evidence
from farmctl.model.sample import (
    Drainer,
    NodeSample,
    NodeState,
    Sample,
    Waiting,
    Work,
)

CARE = Care(apart=8.0, restart=300.0, settles=900.0)


def worker(name, *, busy=0, state=NodeState.READY, ours=False, claimed=0):
    return NodeSample(
        name=name,
        pool="wn",
        slots=4,
        state=NodeState.DRAINING if ours else state,
        since=0.0,
        joined=1.0,
        claimed=claimed or busy,
        work=tuple(
            Work(job=f"{name}-{n}", owner="ann", slots=1, began=0.0)
            for n in range(busy)
        ),
        drained_by=Drainer.US if ours else Drainer.NOBODY,
    )


def looked(taken, *nodes, waiting=0, up_since=0.0):
    queue = (Waiting(owner="ann", slots=1, count=waiting, since=0.0),)
    return Sample(
        taken=float(taken),
        nodes=nodes,
        waiting=queue if waiting else (),
        up_since=up_since,
    )


def after(*samples, running=None):
    known = Evidence(care=CARE)
    for sample in samples:
        names = {node.name for node in sample.nodes} if running is None else running
        known = known.see(sample, now=sample.taken, running=names)
    return known


FOUR = tuple(worker(name, busy=2) for name in "abcd")


def test_a_first_look_is_believed_and_ends_nothing():
    known = after(looked(0, worker("a", ours=True)))
    assert known.doubt == ""
    assert not known.may_end("a")


def test_two_looks_apart_that_show_a_node_drained_by_us_and_empty_end_it():
    known = after(looked(0, worker("a", ours=True)), looked(8, worker("a", ours=True)))
    assert known.may_end("a")


def test_two_looks_too_soon_after_each_other_are_one():
    known = after(looked(0, worker("a", ours=True)), looked(7, worker("a", ours=True)))
    assert not known.may_end("a")


@pytest.mark.parametrize(
    "other",
    [
        worker("a"),
        worker("a", ours=True, busy=1),
        worker("a", ours=True, claimed=1),
        replace(worker("a", ours=True), drained_by=Drainer.OTHERS),
        replace(worker("a"), state=NodeState.ASIDE),
        worker("b", ours=True),
    ],
)
def test_a_node_that_one_of_two_looks_shows_otherwise_stays(other):
    sure = worker("a", ours=True)
    assert not after(looked(0, other), looked(10, sure)).may_end("a")
    assert not after(looked(0, sure), looked(10, other)).may_end("a")


def test_a_look_between_that_shows_work_keeps_the_node():
    known = after(
        looked(0, worker("a", ours=True)),
        looked(4, worker("a", ours=True, busy=1)),
        looked(9, worker("a", ours=True)),
    )
    assert not known.may_end("a")


def test_a_failed_look_is_no_evidence_until_one_is_believed_again():
    sure = [looked(t, worker("a", ours=True)) for t in (0, 10)]
    failed = after(*sure).failed("slurmctld does not answer", now=20.0)
    assert failed.doubt == "slurmctld does not answer"
    assert not failed.may_end("a")
    again = failed.see(looked(30, worker("a", ours=True)), now=30.0, running={"a"})
    assert again.doubt == ""
    assert again.may_end("a")


def test_a_look_that_shows_no_node_where_some_run_is_not_believed():
    known = after(looked(0, *FOUR), looked(10), running=set("abcd"))
    assert known.doubt == (
        "it shows none of the 4 nodes that it knew and that the cloud shows running"
    )


def test_nodes_that_are_gone_in_the_cloud_as_well_are_no_doubt():
    known = after(looked(0, worker("a")), looked(10), running=set())
    assert known.doubt == ""


def test_a_look_that_lost_a_third_at_once_is_not_believed():
    known = after(looked(0, *FOUR), looked(10, *FOUR[:2]), running=set("abcd"))
    assert known.doubt == "it lost 2 of the 4 nodes at once"


def test_one_node_of_four_may_be_lost():
    known = after(looked(0, *FOUR), looked(10, *FOUR[:3]), running=set("abcd"))
    assert known.doubt == ""


def test_an_empty_queue_is_believed_when_a_second_look_agrees():
    idle = tuple(worker(name) for name in "abcd")
    known = after(looked(0, *FOUR), looked(10, *idle))
    assert known.doubt == "it shows no work at all, and showed 8 pieces a moment ago"
    assert after(looked(0, *FOUR), looked(10, *idle), looked(20, *idle)).doubt == ""


def test_an_empty_queue_of_nodes_that_count_slots_as_taken_is_not_believed():
    taken = tuple(worker(name, claimed=4) for name in "abcd")
    looks = [looked(t, *taken) for t in range(10, 100, 10)]
    known = after(looked(0, *FOUR), *looks)
    assert known.doubt == "its nodes count 16 slots as taken, and it lists no work"


def test_what_doubted_looks_agree_on_for_long_enough_is_believed():
    looks = [looked(t) for t in range(10, 1000, 10)]
    known = after(looked(0, worker("a")), *looks, running={"a"})
    assert known.doubt == ""
    assert not known.may_end("a")


def test_a_server_that_restarted_is_no_witness_against_a_node_for_a_while():
    sure = worker("a", ours=True)
    looks = [looked(t, sure, up_since=1.0 if t < 100 else 95.0) for t in (80, 90, 100)]
    known = after(*looks)
    assert known.restarting == (
        "its server restarted 5 s ago: for 300 s it is no witness against a node"
    )
    assert not known.may_end("a")
    later = [looked(t, sure, up_since=95.0) for t in (390, 400)]
    assert after(*looks, *later).may_end("a")


def test_a_clock_that_jumps_ahead_or_back_is_not_believed():
    ahead = Evidence(care=CARE).see(looked(1000), now=100.0, running=())
    assert ahead.doubt == "its look is of 900 s ahead: a clock has jumped"
    back = after(looked(1000, worker("a")), looked(500, worker("a")))
    assert back.doubt == "the clock went back by 500 s"


def test_a_sick_node_that_two_looks_do_not_know_is_idle_and_one_that_works_is_not():
    assert after(looked(0), looked(10)).is_idle("a")
    down = replace(worker("a", busy=1), state=NodeState.ASIDE)
    assert not after(looked(0, down), looked(10, down)).is_idle("a")


NAMES = "abcdef"
nodes = st.builds(
    worker,
    st.sampled_from(NAMES),
    busy=st.integers(0, 2),
    state=st.sampled_from((NodeState.READY, NodeState.ASIDE, NodeState.BOOTING)),
    ours=st.booleans(),
    claimed=st.integers(0, 1),
)
looks = st.lists(
    st.tuples(
        st.floats(0.1, 400),
        st.lists(nodes, max_size=6, unique_by=lambda node: node.name),
        st.sampled_from(("look", "fails")),
        st.integers(0, 3),
    ),
    max_size=15,
)


@given(looks)
def test_no_node_may_end_that_one_of_the_last_two_believed_looks_shows_working(seen):
    known, now = Evidence(care=CARE), 0.0
    believed = []
    for pause, shown, what, waiting in seen:
        now += pause
        if what == "fails":
            known = known.failed("away", now=now)
            assert not any(known.may_end(name) for name in NAMES)
            continue
        sample = looked(now, *shown, waiting=waiting)
        known = known.see(sample, now=now, running=set(NAMES))
        if known.doubt:
            assert not any(known.may_end(name) for name in NAMES)
            continue
        believed.append(sample)
        for name in NAMES:
            if not known.may_end(name):
                continue
            assert len(believed) > 1
            for look in believed[-2:]:
                (node,) = [each for each in look.nodes if each.name == name]
                assert node.drained_by is Drainer.US
                assert not node.work
                assert not node.claimed


@given(looks)
def test_two_looks_that_agree_are_far_enough_apart(seen):
    known, now = Evidence(care=CARE), 0.0
    for pause, shown, _, waiting in seen:
        now += pause
        sample = looked(now, *shown, waiting=waiting)
        known = known.see(sample, now=now, running=set(NAMES))
        times = [each.taken for each in known.believed]
        assert times == sorted(times)
        if known.twice:
            assert times[-1] - times[0] >= CARE.apart
            assert all(times[-1] - each < CARE.apart for each in times[1:])


def test_a_look_with_work_on_a_node_that_it_does_not_list_is_not_believed():
    ghost = replace(worker("a", busy=2, state=NodeState.ASIDE), listed=False)
    first = after(looked(0, ghost, worker("b")))
    assert first.doubt == (
        "it lists work on a, which the cloud shows running, and not the node itself"
    )
    gone = after(looked(0, ghost), running=set())
    assert gone.doubt == ""


def test_a_server_that_restarted_before_the_first_look_is_no_witness_either():
    idle = worker("a", ours=True)
    fresh = after(looked(100, idle, up_since=90.0), looked(110, idle, up_since=90.0))
    assert fresh.restarting.startswith("its server restarted 20 s ago")
    assert not fresh.may_end("a")
    old = after(looked(900, idle, up_since=90.0), looked(910, idle, up_since=90.0))
    assert old.may_end("a")
