"""Work that some pool fits, and work that none ever could."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmctl.model.matching import NodeShape, sort_out
from farmctl.model.sample import Sample, Waiting

WN = NodeShape(
    pool="wn", slots=6, memory_mib=15_360, disk_mib=100_000, most=40,
    features=frozenset({"el9"}), queues=frozenset({"batch"}),
)  # fmt: skip
BIG = NodeShape(pool="big", slots=32, memory_mib=65_536, most=2)


def work(**values):
    return Waiting(**{"owner": "ann", "slots": 1, "count": 1, "since": 0.0, **values})


def never(*shapes, **values):
    found = sort_out(Sample(taken=1.0, waiting=(work(**values),)), shapes)
    return found.never[0].because if found.never else ""


@pytest.mark.parametrize(
    ("values", "because"),
    [
        ({}, ""),
        ({"slots": 32}, ""),
        ({"slots": 33}, "it asks for 33 cores on one node, and a node has 32"),
        ({"memory_mib": 65_537}, "it asks for 65537MiB, and a node has 64GiB"),
        ({"slots": 6, "memory_mib": 65_536}, ""),
        ({"devices": frozenset({"gpu:2"})}, "it asks for gpu:2, and no pool has that"),
        (
            {"features": (frozenset({"el8"}), frozenset({"el7", "avx"}))},
            "it asks for nodes with avx&el7 or el8, and no pool has them",
        ),
        ({"features": (frozenset({"el8"}), frozenset({"el9"}))}, ""),
        (
            {"slots": 20, "features": (frozenset({"el9"}),)},
            "no one pool has all that it asks for",
        ),
        ({"together": 40, "apart": True}, ""),
        ({"pools": frozenset({"big"}), "slots": 99}, ""),
        ({"pools": frozenset(), "why": "matches nothing"}, "matches nothing"),
    ],
)
def test_work_is_held_against_every_shape(values, because):
    assert never(WN, BIG, **values) == because


def test_more_at_once_than_a_pool_may_have_never_runs():
    assert never(WN, together=41, apart=True) == (
        "it asks for 41 pieces of 1 cores at once, and a pool has at most 40 nodes"
    )
    assert never(WN, together=240) == ""
    assert never(WN, together=241) != ""


def test_a_queue_that_no_pool_joins_is_named():
    assert never(WN, queues=frozenset({"gpu"})) == "no pool's nodes join gpu"
    assert never(BIG, queues=frozenset({"gpu"})) == ""


def test_a_farm_without_pools_says_so():
    assert never() == "the farm has no pool"


def test_a_whole_node_counts_with_all_slots_of_the_smallest_that_fits():
    sample = Sample(taken=1.0, waiting=(work(whole=True), work(whole=True, slots=9)))
    found = sort_out(sample, (BIG, WN)).sample.waiting
    assert [each.slots for each in found] == [6, 32]


def test_the_owner_and_the_job_are_named():
    sample = Sample(taken=1.0, waiting=(work(slots=64, jobs=2, job="12"),))
    (never_,) = sort_out(sample, (WN,)).never
    assert str(never_) == (
        "2 jobs of ann (12) can never run here: "
        "it asks for 64 cores on one node, and a node has 6"
    )


@given(st.lists(st.builds(work, slots=st.integers(1, 64), whole=st.booleans())))
def test_no_work_is_lost_and_none_is_counted_twice(waiting):
    sample = Sample(taken=1.0, waiting=tuple(waiting))
    found = sort_out(sample, (WN, BIG))
    assert len(found.sample.waiting) + len(found.never) == len(waiting)
    again = sort_out(found.sample, (WN, BIG))
    assert again.sample.waiting == found.sample.waiting
    assert again.never == ()
