from hypothesis import given
from hypothesis import strategies as st

from farmctl.elastic.stages import Coming, Stage, Stages

LIMITS = {Stage.RUNNING: 300.0, Stage.READY: 600.0, Stage.JOINED: 900.0}


def at(vm_id, stage, image="i"):
    return Coming(vm_id=vm_id, image=image, stage=stage)


def test_a_node_is_late_when_its_stage_has_taken_longer_than_the_site_allows():
    known = Stages().see([at(1, Stage.RUNNING)], [], now=100.0)
    assert known.late(LIMITS, now=400.0) == {}
    assert known.late(LIMITS, now=401.0) == {1: "its VM did not run within 300 s"}


def test_each_stage_counts_from_when_it_was_first_seen():
    known = Stages().see([at(1, Stage.RUNNING)], [], now=0.0)
    known = known.see([at(1, Stage.READY)], [], now=290.0)
    assert known.late(LIMITS, now=600.0) == {}
    assert known.late(LIMITS, now=891.0) == {
        1: "it ran, and its guest did not report that it is ready within 600 s"
    }


def test_three_nodes_teach_how_long_a_stage_takes():
    known = Stages().see([at(n, Stage.READY) for n in range(3)], [], now=0.0)
    known = known.see([], range(3), now=40.0)
    known = known.see([at(7, Stage.READY)], [], now=100.0)
    assert known.late(LIMITS, now=259.0) == {}
    assert set(known.late(LIMITS, now=261.0)) == {7}


def test_two_nodes_teach_nothing_yet():
    known = Stages().see([at(n, Stage.READY) for n in range(2)], [], now=0.0)
    known = known.see([], range(2), now=40.0)
    known = known.see([at(7, Stage.READY)], [], now=100.0)
    assert known.late(LIMITS, now=690.0) == {}


def test_no_deadline_is_shorter_than_a_minute():
    known = Stages().see([at(n, Stage.READY) for n in range(5)], [], now=0.0)
    known = known.see([], range(5), now=1.0)
    assert known.deadline(at(9, Stage.READY), LIMITS) == 60.0


def test_a_node_that_vanishes_teaches_nothing_and_is_not_late():
    known = Stages().see([at(1, Stage.READY)], [], now=0.0).see([], [], now=10.0)
    assert known.means == {}
    assert known.late(LIMITS, now=1e6) == {}


def test_one_image_says_nothing_of_another():
    known = Stages().see([at(n, Stage.READY) for n in range(3)], [], now=0.0)
    known = known.see([], range(3), now=40.0)
    assert known.deadline(at(9, Stage.READY, "other"), LIMITS) == 600.0


looks = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 5), st.sampled_from(Stage), max_size=6),
        st.sets(st.integers(0, 5)),
        st.floats(0, 500),
    ),
    max_size=12,
)


@given(looks)
def test_no_node_is_late_before_a_minute_nor_after_the_sites_deadline(seen):
    known, now = Stages(), 0.0
    for stages, through, pause in seen:
        now += pause
        nodes = [at(vm_id, stage) for vm_id, stage in stages.items()]
        known = known.see(nodes, through - set(stages), now=now)
        late = known.late(LIMITS, now=now)
        for vm_id, (node, since) in known.since.items():
            if now - since > LIMITS[node.stage]:
                assert vm_id in late
            if now - since <= 60.0:
                assert vm_id not in late
