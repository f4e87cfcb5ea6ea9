"""What is read from a real qmaster's answers (8.1.9, recorded)."""

import pytest
import replayed
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.batch.gridengine import GridEngine
from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    BatchRefusedError,
    WrongBatchError,
)
from farmctl.model.guests import Ran
from farmctl.model.sample import Drainer, NodeState

LOOK = replayed.recorded("gridengine-8.1.9")


def grid(look, now=1_795_400_000.0):
    return GridEngine(replayed.Replay(lambda _: look), now=lambda: now)


def test_hosts_show_their_slots_their_work_and_whose_drain_they_carry():
    sample = grid(LOOK).sample()
    assert sample.system == "GridEngine 8.1.9"
    assert [
        (n.name, n.slots, n.claimed, n.busy, n.state, n.drained_by)
        for n in sample.nodes
    ] == [
        ("wn-001", 4, 4, 4, NodeState.READY, Drainer.NOBODY),
        ("wn-002", 4, 3, 3, NodeState.ASIDE, Drainer.OTHERS),
        ("wn-003", 4, 3, 3, NodeState.DRAINING, Drainer.US),
    ]
    assert [(w.job, w.slots) for w in sample.nodes[0].work] == [("1", 4)]
    assert [w.job for w in sample.nodes[1].work] == ["2_1", "13_2", "13_8"]


def test_waiting_jobs_are_laid_out_by_their_parallel_environments():
    work = {each.job: each for each in grid(LOOK).sample().waiting}
    assert {
        job: (each.slots, each.count, each.together, each.apart)
        for job, each in work.items()
    } == {
        "3": (1, 6, 6, False),  # mpi, $fill_up
        "4": (16, 1, 1, False),  # smp, $pe_slots
        "5": (2, 3, 3, True),  # pairs, two on each
        "10": (3, 1, 1, False),
        "13": (1, 4, 1, False),  # what is left of 2-20:3
    }
    assert work["10"].memory_mib == 6144  # h_vmem=2G for each of three
    assert work["10"].features == (frozenset({"arch=sol"}),)


def test_what_no_node_helps_is_held_with_its_reason():
    held = {each.job: (each.count, each.why) for each in grid(LOOK).sample().held}
    assert held == {
        "2": (17, "TaskLimit"),
        "6": (1, "Hold"),
        "7": (1, "BeginTime"),
        "8": (1, "Dependency"),
        "11": (1, "HostByName"),
    }


def test_since_when_a_host_is_idle_is_remembered_from_look_to_look():
    idle = LOOK.replace("<job name", "<was name").replace("</job>", "</was>")
    for used in ("4", "3"):
        idle = idle.replace(f"name='slots_used'>{used}<", "name='slots_used'>0<")
    times = iter([100.0, 200.0, 300.0])
    looks = iter([idle, idle, LOOK])
    system = GridEngine(replayed.Replay(lambda _: next(looks)), now=lambda: next(times))
    assert [system.sample().nodes[0].idle_since for _ in range(3)] == [100, 100, None]


@given(st.integers(min_value=0, max_value=len(LOOK) - 1))
@settings(max_examples=60, deadline=None)
def test_an_answer_that_was_cut_off_is_an_error(length):
    with pytest.raises((BatchAnswerError, WrongBatchError)):
        grid(LOOK[:length]).sample()


@pytest.mark.parametrize("part", [3, 4, 5])
@pytest.mark.parametrize("text", ["", "<", "<other/>", "error: no", "<!DOCTYPE a>"])
def test_an_answer_that_is_none_is_an_error_and_not_an_empty_queue(part, text):
    parts = replayed.split(LOOK)
    parts[part] = text
    with pytest.raises(BatchAnswerError):
        grid(replayed.joined(parts)).sample()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("unable to send message to qmaster using port 6444", BatchAwayError),
        ("sh: 1: qconf: not found", WrongBatchError),
        ('denied: host "head" is no admin host', BatchRefusedError),
    ],
)
def test_a_command_that_fails_is_told_by_its_cause(said, error):
    with pytest.raises(error):
        grid(Ran(status=1, out="", err=said)).sample()


def test_another_batch_system_is_refused():
    parts = replayed.split(LOOK)
    parts[0] = "slurm 22.05.8"
    with pytest.raises(WrongBatchError, match="no version of GridEngine"):
        grid(replayed.joined(parts)).sample()
