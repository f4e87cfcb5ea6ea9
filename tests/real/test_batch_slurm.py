"""The Slurm adapter against a real Slurm, with real jobs on machines of their own."""

import shlex
import time
from dataclasses import replace

import batchnodes
import pytest
import slurmrig
from batchnodes import until

from farmctl.check import clouds
from farmctl.errors import BatchAwayError, BatchError
from farmctl.model.matching import NodeShape, sort_out
from farmctl.model.sample import Drainer, NodeState
from farmctl.spec import reading

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("batch-slurm"),
    pytest.mark.skipif(
        bool(batchnodes.missing(slurmrig.PROGRAMS)),
        reason=f"a real Slurm {batchnodes.missing(slurmrig.PROGRAMS)}",
    ),
]

SHAPE = NodeShape(
    pool="wn", slots=slurmrig.CORES, memory_mib=slurmrig.MEMORY, most=8,
    features=frozenset({"el9"}), queues=frozenset({"batch", "short", "few"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One Slurm for all tests; each leaves it without jobs and without nodes."""
    made = slurmrig.SlurmRig(tmp_path_factory.mktemp("slurm"), workers=9)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def slurm(rig):
    yield rig.system()
    rig.do("scancel", "--user=root")
    until(lambda: not rig.do("squeue", "-h").strip(), what="an empty queue")
    for number, machine in list(rig.nodes.items()):
        rig.end(number)
        rig.system().forget([machine.name], ended=True)
    until(lambda: not rig.do("sinfo", "-hN").strip(), what="an empty farm")


def node(sample, name):
    return next(each for each in sample.nodes if each.name == name)


def why(sample):
    return {each.job: each.why for each in sample.waiting + sample.held}


def settled(rig):
    """Wait until Slurm has looked at every job once."""
    until(
        lambda: "None" not in rig.do("squeue", "-h", "-t", "PD", "-o", "%r"),
        what="a reason for each job",
    )


def test_an_empty_farm_has_no_nodes_and_says_what_it_is(slurm):
    assert slurm.check().startswith("Slurm ")
    sample = slurm.sample()
    assert (sample.nodes, sample.waiting, sample.held) == ((), (), ())
    assert 0 <= time.time() - sample.up_since < 600


def test_work_for_which_no_node_is_there_asks_for_nodes(slurm, rig):
    job = rig.submit("-c2", "--mem=500", "--time=5")
    settled(rig)
    (work,) = slurm.sample().waiting
    assert (work.job, work.slots, work.count, work.memory_mib) == (job, 2, 1, 500)
    assert (work.owner, work.limit, work.together) == ("root", 300.0, 1)
    rig.join(1)
    until(lambda: not slurm.sample().waiting, what="the job's start")


def test_running_work_is_shown_on_each_of_its_nodes_with_its_latest_end(slurm, rig):
    rig.join(1)
    rig.join(2)
    job = rig.submit("-N2", "-n6", "--time=10", wrap="srun sleep 60")
    until(lambda: len(slurm.sample().nodes[0].work), what="the job's start")
    sample = slurm.sample()
    assert sum(each.busy for each in sample.nodes) == 6
    assert [each.claimed for each in sample.nodes] == [e.busy for e in sample.nodes]
    for each in sample.nodes:
        (work,) = each.work
        assert (work.job, work.owner) == (job, "root")
        assert work.latest is not None
        assert abs(work.latest - work.began - 600) < 2
        assert each.idle_since is None


def test_an_array_counts_what_may_begin_and_holds_the_rest(slurm, rig):
    rig.join(1)
    array = rig.submit("--array=1-1000%10", wrap="sleep 60")
    until(lambda: slurm.sample().nodes[0].busy == 4, what="four tasks that run")
    settled(rig)
    sample = slurm.sample()
    assert [(w.job, w.count) for w in sample.waiting] == [(array, 6)]
    assert [(w.why, w.count) for w in sample.held] == [("JobArrayTaskLimit", 990)]
    assert {work.job.split("_")[0] for work in sample.nodes[0].work} == {array}


def test_a_large_ragged_array_is_counted_in_full(slurm, rig):
    ragged = ",".join(str(number) for number in range(0, 900, 2)) + ",901-1000"
    rig.submit(f"--array={ragged}")
    settled(rig)
    assert sum(each.count for each in slurm.sample().waiting) == 450 + 100


def test_what_waits_for_something_else_asks_for_no_node(slurm, rig):
    rig.join(1)
    first = rig.submit("-c4", "--licenses=matlab:1", wrap="sleep 60")
    jobs = {
        rig.submit("--hold"): "JobHeldUser",
        rig.submit("--begin=now+1hour"): "BeginTime",
        rig.submit(f"--dependency=afterok:{first}"): "Dependency",
        rig.submit("--partition=short", "--time=60"): "PartitionTimeLimit",
        rig.submit("--partition=few", "-N3"): "PartitionMaxNodes",
        rig.submit("--nodelist=wn-001"): "ReqNodeList",
    }
    settled(rig)
    sample = slurm.sample()
    assert sample.waiting == ()
    assert why(sample) == jobs


def test_work_that_no_pool_can_run_is_named_with_its_owner_and_starts_nothing(
    slurm, rig
):
    rig.join(1)
    rig.submit("--exclusive", wrap="sleep 60")
    never = {
        rig.submit("-c64"): "it asks for 64 cores on one node, and a node has 4",
        rig.submit("-N9"): "it asks for 9 pieces of 1 cores at once, and a pool has at "
        "most 8 nodes",
    }
    could = rig.submit("-c4")
    settled(rig)
    found = sort_out(slurm.sample(), [SHAPE])
    assert [work.job for work in found.sample.waiting] == [could]
    assert {each.waiting.job: each.because for each in found.never} == never
    assert {each.waiting.owner for each in found.never} == {"root"}


def test_a_drain_lets_work_end_takes_no_more_and_can_be_taken_back(slurm, rig):
    rig.join(1)
    runs = rig.submit("-c2", wrap="sleep 3")
    until(lambda: slurm.sample().nodes[0].work, what="the job's start")
    assert slurm.drain(["wn-001"], "nothing waits") == {"wn-001": ""}
    assert slurm.drain(["wn-001"], "nothing waits") == {"wn-001": ""}
    waits = rig.submit("-c1", wrap="sleep 30")
    drained = node(slurm.sample(), "wn-001")
    assert (drained.state, drained.drained_by) == (NodeState.DRAINING, Drainer.US)
    assert drained.reason == "farmctl: nothing waits"
    until(lambda: node(slurm.sample(), "wn-001").empty, what=f"the end of {runs}")
    settled(rig)
    sample = slurm.sample()
    assert [work.job for work in sample.waiting] == [waits]
    assert node(sample, "wn-001").idle_since is not None
    assert slurm.undrain(["wn-001"]) == {"wn-001": ""}
    assert slurm.undrain(["wn-001"]) == {"wn-001": ""}
    until(lambda: node(slurm.sample(), "wn-001").work, what="the next job's start")
    assert node(slurm.sample(), "wn-001").drained_by is Drainer.NOBODY


def test_an_admins_drain_is_left_alone(slurm, rig):
    rig.join(1)
    rig.do("scontrol", "update", "nodename=wn-001", "state=drain", "reason=bad disk")
    assert slurm.drain(["wn-001"], "x") == {
        "wn-001": "drained already, and not by us: bad disk"
    }
    assert slurm.undrain(["wn-001"]) == {"wn-001": "drained by somebody else: bad disk"}
    seen = node(slurm.sample(), "wn-001")
    assert (seen.state, seen.drained_by) == (NodeState.ASIDE, Drainer.OTHERS)
    assert seen.reason == "bad disk"


def test_a_node_leaves_the_list_only_without_work(slurm, rig):
    rig.join(1)
    job = rig.submit(wrap="sleep 4")
    until(lambda: slurm.sample().nodes[0].work, what="the job's start")
    assert slurm.forget(["wn-001"]) == {"wn-001": f"works: job {job} of root"}
    slurm.drain(["wn-001"], "its image is old")
    until(lambda: node(slurm.sample(), "wn-001").empty, what="the job's end")
    assert slurm.forget(["wn-001", "wn-009"]) == {"wn-001": "", "wn-009": ""}
    assert slurm.forget(["wn-001"]) == {"wn-001": ""}
    assert slurm.sample().nodes == ()


def test_a_worker_that_was_killed_is_forgotten_and_its_job_waits_again(slurm, rig):
    rig.join(1)
    job = rig.submit(wrap="sleep 60")
    until(lambda: slurm.sample().nodes[0].work, what="the job's start")
    rig.end(1)
    assert slurm.forget(["wn-001"], ended=True) == {"wn-001": ""}
    sample = slurm.sample()
    assert sample.nodes == ()
    assert list(why(sample)) == [job]


def test_the_command_that_a_check_names_strikes_a_gone_node_off_with_its_work(
    slurm, rig
):
    for number in (1, 2):
        rig.join(number)
    job = rig.submit("-N2", wrap="sleep 60")
    until(lambda: slurm.sample().nodes[0].work, what="the job's start")
    rig.end(1)
    farm = reading.parse_farm(
        "farm: alice\nkind: batch\nrouter: {image: r}\nbatch: slurm\n"
        "head: {image: h, cpus: 1, memory: 1GiB}\n"
    )
    command = clouds.strike_off(farm, "wn-001").partition("Then: ")[2]
    assert command.startswith("farmctl ssh alice head ")
    rig.do("sh", "-c", shlex.split(command)[-1])
    sample = slurm.sample()
    assert [each.name for each in sample.nodes] == ["wn-002"]
    assert list(why(sample)) == [job]


def test_a_name_that_was_forgotten_can_join_again(slurm, rig):
    rig.join(1)
    rig.end(1)
    assert slurm.forget(["wn-001"], ended=True) == {"wn-001": ""}
    rig.join(1)
    assert node(slurm.sample(), "wn-001").state is NodeState.READY


def test_a_controller_that_is_away_is_an_error_and_what_waited_is_there_again(
    slurm, rig
):
    rig.submit("--array=1-50")
    settled(rig)
    before = slurm.sample()
    rig.stop_controller()
    try:
        with pytest.raises(BatchAwayError):
            slurm.sample()
        # sinfo lists no nodes then, and exits with 0: only its `errors` tell.
        with pytest.raises(BatchError):
            slurm.drain(["wn-001"], "x")
    finally:
        rig.start_controller()
    settled(rig)
    after = slurm.sample()
    # A slurmctld that starts sets anew since when jobs could have begun.
    assert [replace(w, why="", since=0.0) for w in after.waiting] == [
        replace(w, why="", since=0.0) for w in before.waiting
    ]
    assert after.up_since > before.up_since
