"""What is read from a real slurmctld's answers (22.05.8, recorded)."""

import json
from dataclasses import replace

import pytest
import replayed
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.batch.slurm import Slurm
from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    BatchRefusedError,
    WrongBatchError,
)
from farmctl.model.guests import Ran
from farmctl.model.sample import Drainer, NodeState, Sample

NOW = 1_795_400_000.0
LOOK = replayed.recorded("slurm-22.05")
EMPTY = replayed.recorded("slurm-22.05-no-node")


def sampled(look, version="slurm-wlm 22.05.8\n") -> Sample:
    return system(look, version)[0].sample()


def system(look, version="slurm-wlm 22.05.8\n"):
    replay = replayed.Replay(
        lambda words: version if words[-1] == "--version" else look
    )
    return Slurm(replay, now=lambda: NOW), replay


def waits(sample, job):
    return next(each for each in sample.waiting if each.job == job)


def test_one_look_is_one_command():
    slurm, replay = system(LOOK)
    slurm.sample()
    slurm.sample()
    assert [words[0] for words in replay.ran] == ["scontrol", "sh", "sh"]


def test_the_sample_says_what_was_asked_and_when():
    sample = sampled(LOOK)
    assert sample.taken == NOW
    assert sample.system == "Slurm 22.05.8, cluster farm"
    assert 0 < NOW - sample.up_since < 86_400


def test_nodes_show_their_shape_their_work_and_whose_drain_they_carry():
    one, two, three = sampled(LOOK).nodes
    assert (one.name, one.slots, one.memory_mib) == ("wn-001", 4, 4000)
    assert one.features == {"el9", "fast"}
    assert one.queues == {"batch", "short", "few"}
    assert [(n.state, n.drained_by) for n in (one, two, three)] == [
        (NodeState.READY, Drainer.NOBODY),
        (NodeState.DRAINING, Drainer.US),
        (NodeState.ASIDE, Drainer.OTHERS),
    ]
    assert (two.reason, three.reason) == ("farmctl: nothing waits", "bad disk")
    assert [node.told_by for node in (one, two, three)] == ["", "root", "root"]
    assert [(w.job, w.slots) for w in one.work] == [("3", 4)]
    assert [(w.job, w.slots) for w in two.work] == [("3", 2), ("4_1", 1), ("4_2", 1)]
    assert (one.claimed, two.claimed, three.claimed) == (4, 4, 3)
    assert not any(node.empty for node in (one, two, three))


def test_work_without_a_limit_has_no_latest_end():
    assert sampled(LOOK).nodes[0].work[0].latest is None


@pytest.mark.parametrize(
    ("job", "slots", "count", "together", "apart"),
    [
        ("11", 4, 1, 1, False),  # -c4
        ("12", 1, 8, 8, False),  # -n8: Slurm's guess of nodes is no wish
        ("13", 1, 2, 2, True),  # -N2
        ("14", 3, 2, 2, True),  # -N2-4 --ntasks-per-node=3
        ("31", 64, 1, 1, False),  # -c64
        ("34+0", 2, 1, 1, False),  # the parts of a heterogeneous job
        ("34+1", 1, 4, 4, False),
        ("36", 2, 3, 3, False),  # -n3 -c2
        ("37", 1, 7, 7, True),  # -N7
        ("39", 3, 1, 1, False),  # --mincpus=3
        ("40", 2, 3, 3, True),  # -n6 --ntasks-per-node=2
        ("41", 4, 1, 1, False),  # -N1 -n4
    ],
)
def test_a_job_is_laid_out_in_pieces_for_nodes(job, slots, count, together, apart):
    work = waits(sampled(LOOK), job)
    assert (work.slots, work.count) == (slots, count)
    assert (work.together, work.apart) == (together, apart)


def test_memory_is_that_of_one_piece():
    sample = sampled(LOOK)
    assert waits(sample, "11").memory_mib == 2048  # --mem=2G
    assert waits(sample, "12").memory_mib == 200  # --mem-per-cpu=200
    assert waits(sample, "36").memory_mib == 500  # --mem=500, whatever falls together
    assert waits(sample, "41").memory_mib == 400  # four times the default per CPU


def test_whole_nodes_are_asked_for_by_exclusive_and_by_all_memory():
    sample = sampled(LOOK)
    assert waits(sample, "10").whole  # --exclusive -N3
    assert waits(sample, "38").whole  # --mem=0
    assert not waits(sample, "11").whole


def test_constraints_are_sets_of_features_of_which_one_must_be_there():
    sample = sampled(LOOK)
    either = {frozenset({"fast"}), frozenset({"slow"})}
    assert waits(sample, "19").features == (frozenset({"fast", "el9"}),)
    assert set(waits(sample, "20").features) == either
    assert set(waits(sample, "21").features) == either


def test_what_no_node_helps_is_held_with_its_reason():
    held = {each.job: (each.count, each.why) for each in sampled(LOOK).held}
    assert held == {
        "4": (995, "JobArrayTaskLimit"),
        "15": (1, "JobHeldUser"),
        "16": (1, "BeginTime"),
        "17": (1, "DependencyNeverSatisfied"),
        "18": (1, "Dependency"),
        "23": (1, "PartitionTimeLimit"),
        "26": (3, "PartitionMaxNodes"),
        "29": (1, "ReqNodeList"),
    }


def test_alike_jobs_are_counted_together_under_the_oldest():
    alike = waits(sampled(LOOK), "27")
    # Seven tasks of `1,3,5-9`, nine of `0-40:5`, three single jobs.
    assert (alike.count, alike.jobs) == (19, 19)


def test_an_empty_cluster_waits_for_nodes_and_lets_an_array_begin_as_far_as_it_may():
    sample = sampled(EMPTY)
    assert sample.nodes == ()
    assert [(w.slots, w.count, w.why) for w in sample.waiting] == [
        (4, 1, "PartitionConfig"),
        (1, 7, "PartitionConfig"),
    ]
    assert [(w.count, w.why) for w in sample.held] == [(493, "JobArrayTaskLimit")]


def test_a_later_slurms_numbers_and_lists_say_the_same():
    now = sampled(LOOK)
    later = sampled(replayed.as_later(LOOK), "slurm 24.05.2\n")
    assert later.system == "Slurm 24.05.2, cluster farm"
    assert replace(later, system=now.system) == now


def test_a_later_slurm_is_asked_through_scontrol():
    slurm, replay = system(replayed.as_later(LOOK), "slurm 23.11.4\n")
    slurm.sample()
    assert replay.ran[-1][-1] == "scontrol --all show nodes"


def changed(look=LOOK, part=4, **change):
    """Return a look with fields of its first job, or node, changed."""
    parts = replayed.split(look)
    document = json.loads(parts[part])
    document["jobs" if part == 4 else "nodes"][0].update(change)
    parts[part] = json.dumps(document)
    return replayed.joined(parts)


@pytest.mark.parametrize("state", ["SUSPENDED", "COMPLETING", "CONFIGURING", "NEW_ONE"])
def test_a_job_in_any_state_but_an_ended_one_holds_its_nodes(state):
    look = changed(job_state=state, nodes="wn-001", job_id=999, array_job_id=0)
    assert "999" in [work.job for work in sampled(look).nodes[0].work]


@pytest.mark.parametrize("state", ["COMPLETED", "CANCELLED", "NODE_FAIL", "TIMEOUT"])
def test_a_job_that_has_ended_holds_nothing(state):
    look = changed(job_state=state, nodes="wn-001", job_id=999, array_job_id=0)
    assert "999" not in [work.job for work in sampled(look).nodes[0].work]


def test_a_job_that_runs_on_a_node_slurm_does_not_list_is_shown_there():
    sample = sampled(changed(EMPTY, job_state="RUNNING", nodes="wn-[007-008]", cpus=2))
    assert [(n.name, n.state, n.empty) for n in sample.nodes] == [
        ("wn-007", NodeState.ASIDE, False),
        ("wn-008", NodeState.ASIDE, False),
    ]


@pytest.mark.parametrize(
    ("state", "flags", "seen"),
    [
        ("idle", [], NodeState.READY),
        ("idle", ["NOT_RESPONDING"], NodeState.READY),
        ("idle", ["PLANNED"], NodeState.READY),
        ("mixed", ["COMPLETING"], NodeState.READY),
        ("down", ["NOT_RESPONDING"], NodeState.ASIDE),
        ("idle", ["POWERING_UP"], NodeState.BOOTING),
        ("idle", ["POWERED_DOWN"], NodeState.ENDING),
        ("idle", ["MAINTENANCE"], NodeState.ASIDE),
        ("idle", ["RESERVED"], NodeState.ASIDE),
        ("unknown", [], NodeState.ASIDE),
        ("error", [], NodeState.ASIDE),
    ],
)
def test_states_of_nodes_are_told_apart(state, flags, seen):
    sample = sampled(changed(part=3, state=state, state_flags=flags))
    assert sample.nodes[0].state is seen


def test_a_node_that_is_only_foreseen_is_not_there():
    names = [n.name for n in sampled(changed(part=3, state="future")).nodes]
    # Its work is still shown: nothing that runs is ever left out.
    assert names == ["wn-001", "wn-002", "wn-003"]
    assert sampled(changed(part=3, state="future")).nodes[0].state is NodeState.ASIDE


def test_a_node_whose_memory_is_all_taken_has_no_cores_to_spare():
    node = sampled(changed(part=3, alloc_memory=4000, alloc_cpus=1, cpus=6)).nodes[0]
    assert (node.slots, node.busy) == (6, 6)


@given(st.integers(min_value=0, max_value=len(LOOK) - 1))
@settings(max_examples=60, deadline=None)
def test_an_answer_that_was_cut_off_is_an_error(length):
    with pytest.raises(BatchAnswerError):
        sampled(LOOK[:length])


@pytest.mark.parametrize("part", [3, 4])
@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "null", '{"jobs": null, "nodes": null}',
        '{"jobs": [1], "nodes": [1]}',
        '{"errors": [{"error": "x"}], "jobs": [], "nodes": []}',
        '{"jobs": [{}], "nodes": [{}]}',
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_and_not_an_empty_queue(part, text):
    parts = replayed.split(LOOK)
    parts[part] = text
    with pytest.raises(BatchAnswerError):
        sampled(replayed.joined(parts))


def test_two_nodes_of_one_name_are_an_error():
    with pytest.raises(BatchAnswerError, match="wn-002 twice"):
        sampled(changed(part=3, name="wn-002"))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Unable to contact slurm controller (connect failure)", BatchAwayError),
        ("sh: 1: sinfo: not found", WrongBatchError),
        ("slurm_load_jobs error: Invalid user id", BatchRefusedError),
    ],
)
def test_a_command_that_fails_is_told_by_its_cause(said, error):
    with pytest.raises(error):
        sampled(Ran(status=1, out="", err=said))


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("slurm 20.11.4\n", "Slurm 20.11.4|20.11.4 is too old"),
        ("SGE 8.1.9\n", "too old|no version"),
        ("\n", "no version of Slurm"),
    ],
)
def test_another_batch_system_or_an_old_version_is_refused(version, says):
    with pytest.raises(WrongBatchError, match=says):
        sampled(LOOK, version)


def test_a_user_who_sees_only_own_jobs_is_refused():
    parts = replayed.split(LOOK)
    parts[0] = "ann"
    parts[1] = parts[1].replace(
        "PrivateData             = none", "PrivateData             = jobs,nodes"
    )
    with pytest.raises(BatchRefusedError, match="shows ann only its own jobs"):
        sampled(replayed.joined(parts))
    parts[0] = "root"
    assert sampled(replayed.joined(parts)).nodes
