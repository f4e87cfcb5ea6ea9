"""A pool that rolls: one first, then as many as may be, and never fewer that work."""

from dataclasses import replace

import pytest

from farmctl.elastic.proofs import Proofs, masked, pace
from farmctl.elastic.rolling import decide
from farmctl.elastic.turns import NO_ROOM, Turn, vacated
from farmctl.model.rolling import Roll
from farmctl.model.sample import (
    Drain,
    Drainer,
    Keep,
    NodeSample,
    NodeState,
    Sample,
    Start,
    Undrain,
    Work,
)

NOW = 100_000.0
ROLL = Roll(old="old", new="new", began=NOW - 1000)
PACE = pace(least=0, most=4, surge=None, boot=300.0)
JOB = Work(job="1", owner="ann", slots=1, began=NOW - 60)


def node(number, image="old", *, state=NodeState.READY, work=(JOB,), **more):
    drained = state is NodeState.DRAINING
    return NodeSample(
        name=f"f-wn-{number:03d}",
        pool="wn",
        slots=1,
        state=state,
        since=NOW - 500,
        joined=0.0 if state is NodeState.BOOTING else more.pop("joined", NOW - 500),
        work=() if state is NodeState.BOOTING else work,
        idle_since=None if work else NOW - 400,
        image=image,
        stale=image == "old",
        drained_by=Drainer.US if drained else Drainer.NOBODY,
        reason="farmctl: rolled: it is old" if drained else "",
        **more,
    )


def turn(*nodes, roll=ROLL, proven=(), **more):
    known = dict(enumerate(nodes, start=1))
    new = {key: each for key, each in known.items() if each.image == roll.new}
    proofs = Proofs().see(new, now=NOW)
    good = frozenset(key for key, each in known.items() if each.name[-3:] in proven)
    proofs = replace(proofs, ended=proofs.ended | good)
    given = {"waiting": True, "pace": PACE, "sick": {}, **more}
    return Turn(pool="wn", roll=roll, now=NOW, nodes=known, proofs=proofs, **given)


def of(found, kind):
    return [each for each in found.decisions if isinstance(each, kind)]


def test_one_canary_is_started_and_no_old_node_touched():
    found = decide(turn(*[node(n) for n in range(1, 5)]))
    assert of(found, Start) == [
        Start(
            pool="wn",
            count=1,
            because="rolled: one node of the new make, to prove itself",
        )
    ]
    assert of(found, Drain) == []
    assert found.more == 1


def test_while_the_canary_boots_nothing_more_is_made_of_the_new_make():
    booting = node(5, "new", state=NodeState.BOOTING)
    found = decide(turn(*[node(n) for n in range(1, 5)], booting))
    assert [type(each) for each in found.decisions] == [Keep]
    assert found.more == 0
    assert found.unproven == {"f-wn-005"}
    assert found.because == "rolled: f-wn-005 has to prove itself first"


def test_a_proven_canary_lets_one_old_node_go_and_the_one_that_ends_first():
    old = [node(n) for n in range(1, 5)]
    found = decide(
        turn(
            *old,
            node(5, "new"),
            proven=["005"],
            surging=frozenset({"f-wn-005"}),
            left={1: 900.0, 2: 30.0, 3: 500.0, 4: 900.0},
        )
    )
    assert [each.node for each in of(found, Drain)] == ["f-wn-002"]
    assert of(found, Start) == []
    assert found.news is not None
    assert found.news.roll.proven == NOW
    assert found.surging == frozenset()


@pytest.mark.parametrize(
    ("work", "joined", "proven"),
    [((), NOW - 299, False), ((), NOW - 301, True), ((JOB,), NOW - 2999, False),
     ((JOB,), NOW - 3001, True)],
)  # fmt: skip
def test_a_node_proves_itself_by_time_without_trouble(work, joined, proven):
    canary = replace(node(5, "new", work=work, joined=joined), idle_since=joined)
    canary = replace(canary, idle_since=None) if work else canary
    found = decide(turn(node(1), canary))
    assert bool(found.news) is proven


def test_a_node_proves_itself_by_work_that_ended_there():
    working = node(5, "new", joined=NOW - 20)
    proofs = Proofs().see({5: working}, now=NOW - 5)
    assert proofs.good(5, working, PACE, now=NOW) == ""
    after = replace(working, work=(replace(JOB, job="2"),))
    proofs = proofs.see({5: after}, now=NOW)
    assert proofs.good(5, after, PACE, now=NOW) == "has ended work"


def test_work_lost_with_its_node_proves_nothing():
    working = node(5, "new", joined=NOW - 20)
    proofs = Proofs().see({5: working}, now=NOW - 5)
    down = replace(working, state=NodeState.ASIDE, work=())
    proofs = proofs.see({5: down}, now=NOW)
    assert proofs.good(5, down, PACE, now=NOW) == ""


PROVEN = replace(ROLL, proven=NOW - 10)


def test_an_old_node_that_drains_holds_the_next_start_back():
    found = decide(
        turn(
            *[node(n) for n in (1, 2)],
            node(3, state=NodeState.DRAINING),
            node(4, "new"),
            node(5, "new"),
            roll=PROVEN,
            proven=["004", "005"],
        )
    )
    assert of(found, Start) == []
    assert of(found, Drain) == []


def test_when_it_has_gone_the_next_one_is_started_beyond_the_most():
    found = decide(
        turn(*[node(n) for n in (1, 2, 3)], node(5, "new"), roll=PROVEN, proven=["005"])
    )
    assert [each.count for each in of(found, Start)] == [1]


def test_more_at_a_time_where_the_farm_says_so():
    wide = pace(least=0, most=40, surge=None, boot=300.0)
    assert wide.surge == 4
    found = decide(
        turn(
            *[node(n) for n in range(1, 20)],
            node(20, "new"),
            roll=PROVEN,
            proven=["020"],
            pace=wide,
        )
    )
    assert [each.count for each in of(found, Start)] == [4]


def test_a_restarted_daemon_does_not_stay_with_one_node_too_many():
    """It does not know whom the fifth node lets go; that there are too many it sees."""
    found = decide(
        turn(
            *[node(n) for n in range(1, 5)],
            node(5, "new"),
            roll=PROVEN,
            proven=["005"],
            surging=None,
        )
    )
    assert len(of(found, Drain)) == 1


def test_without_room_one_old_node_goes_first():
    found = decide(turn(*[node(n) for n in (1, 2)], room="no hypervisor has room"))
    assert [each.node for each in of(found, Drain)] == ["f-wn-001"]
    leaving = node(1, state=NodeState.DRAINING)
    found = decide(turn(leaving, node(2), room="no hypervisor has room"))
    assert of(found, Drain) == []
    found = decide(turn(node(2), room="no hypervisor has room", ending=1))
    assert of(found, Drain) == []


def test_where_others_take_the_room_that_is_freed_no_further_node_goes_for_it():
    nodes = [node(n) for n in (1, 2, 3)]
    found = decide(turn(*nodes, room="no hypervisor has room"))
    assert found.news is not None
    roll = found.news.roll
    assert roll.freed == "f-wn-001"
    gone = turn(*nodes[1:], roll=roll, room="no hypervisor has room")
    found = decide(gone)
    assert of(found, Drain) == []
    assert found.news is None
    assert found.because == (
        "rolled: no room for a new node before an old one has gone; "
        "others have what f-wn-001 had"
    )
    found = decide(turn(*nodes[1:], roll=roll))
    assert [each.count for each in of(found, Start)] == [1]


def test_room_that_was_freed_is_waited_for_until_a_new_node_has_a_place():
    freed = replace(ROLL, freed="f-wn-001", placed=(5,))
    gone = turn(node(2), roll=freed)
    assert vacated(gone, freed) == freed
    assert vacated(replace(gone, placed=frozenset({5})), freed) == freed
    assert vacated(replace(gone, placed=frozenset({5, 6})), freed) == ROLL
    assert vacated(turn(node(1), roll=freed), freed) == ROLL


def test_room_that_is_being_freed_is_known_again_by_the_drains_reason():
    """A daemon killed after the drain has not written down for whom it was."""
    said = f"farmctl: rolled: {NO_ROOM}"
    leaving = replace(node(1, state=NodeState.DRAINING), reason=said)
    found = decide(turn(leaving, node(2), room="no hypervisor has room"))
    assert of(found, Drain) == []
    assert found.news is not None
    assert found.news.roll.freed == "f-wn-001"
    other = replace(leaving, reason="farmctl: rolled: it is of the old make")
    assert decide(turn(other, node(2))).news is None


def test_a_canary_that_is_out_for_now_is_waited_for_and_no_other_one_started():
    aside = node(5, "new", state=NodeState.ASIDE, work=())
    found = decide(turn(node(1), aside, out=frozenset({2})))
    assert [type(each) for each in found.decisions] == [Keep]
    assert found.because == "rolled: f-wn-005 has to prove itself first"
    found = decide(turn(node(1), aside))
    assert len(of(found, Start)) == 1


def test_a_spent_budget_starts_and_drains_nothing():
    found = decide(turn(node(1), held="0 of 10 core-h of today are left"))
    assert found.decisions == (
        Keep(because="rolled: 0 of 10 core-h of today are left"),
    )


def test_where_nothing_works_or_waits_the_next_node_is_the_canary():
    found = decide(turn(*[node(n, work=()) for n in (1, 2)], waiting=False))
    assert [type(each) for each in found.decisions] == [Keep]
    assert found.more == 1


def test_empty_old_nodes_go_once_the_canary_is_proven_down_to_the_least():
    least = replace(PACE, least=2)
    found = decide(
        turn(
            *[node(n, work=()) for n in (1, 2, 3)],
            node(4, "new", work=()),
            roll=PROVEN,
            proven=["004"],
            waiting=False,
            pace=least,
            surging=frozenset(),
        )
    )
    assert len(of(found, Drain)) == 2
    after = decide(
        turn(
            node(3, work=()),
            node(4, "new", work=()),
            roll=PROVEN,
            proven=["004"],
            waiting=False,
            pace=least,
        )
    )
    assert [each.count for each in of(after, Start)] == [1]


def test_two_failed_canaries_end_the_roll_with_their_reasons():
    first = decide(turn(node(1), sick={8: "it never joined"}))
    assert first.news is not None
    assert dict(first.news.roll.failed) == {8: NOW}
    assert [each.count for each in of(first, Start)] == [1]
    once = replace(ROLL, failed={8: NOW - 50})
    second = decide(turn(node(1), roll=once, sick={9: "it never joined"}))
    assert second.news is not None
    assert second.news.refused == (
        "2 canaries failed, and none has proven itself: it never joined"
    )
    assert second.more == 0


def test_where_nothing_is_kept_to_go_back_to_what_the_roll_drained_goes_on():
    drained = node(2, state=NodeState.DRAINING)
    found = decide(turn(node(1), drained, roll=PROVEN, refused=True))
    assert found.decisions == (
        Undrain(node="f-wn-002", because="rolled back: no other one comes for it"),
    )
    assert found.more == 0
    assert found.because == (
        "rolled: its new make is refused, and what was before is not kept: "
        "nothing is made"
    )


def test_a_failure_before_a_node_that_is_good_counts_no_more():
    roll = replace(PROVEN, failed={8: NOW - 900, 9: NOW - 800})
    found = decide(turn(node(1), node(2, "new"), roll=roll, proven=["002"]))
    assert found.news is not None
    assert dict(found.news.roll.failed) == {}


def test_one_that_failed_before_a_good_node_is_not_counted_again_while_it_is_kept():
    roll = replace(PROVEN, failed={8: NOW - 900, 9: NOW - 800})
    sick = {8: "it never joined", 9: "it never joined"}
    for _ in range(2):
        found = decide(
            turn(
                *[node(n) for n in (1, 3)],
                node(2, "new"),
                roll=roll,
                proven=["002"],
                sick={**sick, 10: "it never joined"},
            )
        )
        roll = found.news.roll if found.news else roll
        assert found.news is None or not found.news.refused
        assert dict(roll.failed) == {8: NOW - 900, 9: NOW - 800, 10: NOW}


def test_going_back_drains_the_bad_and_takes_back_the_good():
    back = Roll(old="new", new="old", began=NOW, proven=NOW, back=True)
    found = decide(
        turn(
            node(1),
            node(2, state=NodeState.DRAINING),
            node(3, "new"),
            roll=back,
        )
    )
    assert [each.node for each in of(found, Drain)] == ["f-wn-003"]
    assert [each.node for each in of(found, Undrain)] == ["f-wn-002"]
    over = decide(turn(node(1), roll=back))
    assert over.news is not None
    assert over.news.over


def test_the_roll_is_over_when_no_old_node_is_left():
    found = decide(turn(node(1, "new"), roll=PROVEN, proven=["001"]))
    assert found.news is not None
    assert found.news.over


def test_work_that_should_have_ended_is_told_and_its_node_is_not_ended():
    late = replace(JOB, latest=NOW - 700)
    stuck = node(1, state=NodeState.DRAINING, work=(late,))
    found = decide(turn(stuck, node(2, "new"), roll=PROVEN, proven=["002"]))
    assert found.stuck == (
        "f-wn-001 is drained, and its work should have ended 700 s ago",
    )


def test_the_scaler_takes_back_no_node_that_the_roll_has_drained():
    drained = node(1, state=NodeState.DRAINING)
    idle = replace(drained, reason="farmctl: empty for 300 s")
    sample = Sample(taken=NOW, nodes=(drained, replace(idle, name="b"), node(3)))
    shown = masked(sample, {"wn": ROLL})
    assert [each.stale for each in shown.nodes] == [True, False, False]


def test_a_queue_that_is_empty_for_a_moment_costs_no_more_than_one_node():
    moment = [replace(node(n, work=()), idle_since=NOW - 3) for n in (1, 2, 3)]
    found = decide(
        turn(
            *moment,
            node(4, "new", work=()),
            roll=PROVEN,
            proven=["004"],
            waiting=False,
        )
    )
    assert len(of(found, Drain)) == 1
