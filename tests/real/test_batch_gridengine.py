"""The same port on another batch system: a real GridEngine with real jobs."""

from pathlib import Path
from tempfile import TemporaryDirectory

import batchnodes
import gridrig
import pytest
from batchnodes import until

from farmctl.errors import BatchAwayError
from farmctl.model.matching import NodeShape, sort_out
from farmctl.model.sample import Drainer, NodeState

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("batch-gridengine"),
    pytest.mark.skipif(
        bool(batchnodes.missing(gridrig.PROGRAMS)),
        reason=f"a real GridEngine {batchnodes.missing(gridrig.PROGRAMS)}",
    ),
]

LONG = ("sleep", "60")


@pytest.fixture(scope="module")
def rig():
    """One GridEngine for all tests; each leaves it without jobs and without hosts.

    Its daemons become another user, who has no way into pytest's own folders.
    """
    with TemporaryDirectory(prefix="gridengine-") as folder:
        Path(folder).chmod(0o755)
        made = gridrig.GridRig(Path(folder), workers=4)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def grid(rig):
    yield rig.system()
    rig.do("qdel", "-u", "nobody")
    until(lambda: not rig.do("qstat", "-u", "*").strip(), what="an empty queue")
    for number, machine in list(rig.nodes.items()):
        rig.system().drain([machine.name], "the test is over")
        assert rig.system().forget([machine.name]) == {machine.name: ""}
        rig.end(number)


def node(sample, name="wn-001"):
    return next(each for each in sample.nodes if each.name == name)


def test_an_empty_farm_has_no_nodes_and_says_what_it_is(grid):
    assert grid.check() == "GridEngine 8.1.9"
    sample = grid.sample()
    assert (sample.nodes, sample.waiting, sample.held) == ((), (), ())


def test_waiting_work_is_laid_out_by_its_parallel_environment(grid, rig):
    plain = rig.submit("-l", "mem_free=2G,h_rt=600")
    smp = rig.submit("-pe", "smp", "3")
    mpi = rig.submit("-pe", "mpi", "5")
    pairs = rig.submit("-pe", "pairs", "4")
    array = rig.submit("-t", "1-1000:2")
    work = {each.job: each for each in grid.sample().waiting}
    assert {
        job: (each.slots, each.count, each.together, each.apart)
        for job, each in work.items()
    } == {
        plain: (1, 1, 1, False),
        smp: (3, 1, 1, False),
        mpi: (1, 5, 5, False),
        pairs: (2, 2, 2, True),
        array: (1, 500, 1, False),
    }
    assert (work[plain].memory_mib, work[plain].limit) == (2048, 600.0)
    assert work[plain].owner == "nobody"


def test_running_work_is_shown_with_its_slots(grid, rig):
    rig.join(1)
    job = rig.submit("-pe", "smp", "3", run=LONG)
    until(lambda: node(grid.sample()).work, what="the job's start")
    seen = node(grid.sample())
    assert [(w.job, w.owner, w.slots) for w in seen.work] == [(job, "nobody", 3)]
    assert (seen.slots, seen.claimed, seen.idle_since) == (4, 3, None)
    assert seen.state is NodeState.READY


def test_what_waits_for_something_else_asks_for_no_node(grid, rig):
    rig.join(1)
    array = rig.submit("-t", "1-50", "-tc", "2", run=LONG)
    until(lambda: node(grid.sample()).busy == 2, what="two tasks that run")
    first = rig.submit("-h")
    late = rig.submit("-a", "203001010000")
    after = rig.submit("-hold_jid", first)
    sample = grid.sample()
    assert sample.waiting == ()
    assert {each.job: (each.count, each.why) for each in sample.held} == {
        array: (48, "TaskLimit"),
        first: (1, "Hold"),
        late: (1, "BeginTime"),
        after: (1, "Dependency"),
    }


def test_work_that_no_pool_can_run_is_named(grid, rig):
    wide = rig.submit("-pe", "smp", "16")
    strange = rig.submit("-l", "arch=sol")
    could = rig.submit("-pe", "smp", "4")
    found = sort_out(grid.sample(), [NodeShape(pool="wn", slots=4, most=4)])
    assert [each.job for each in found.sample.waiting] == [could]
    assert {each.waiting.job: each.because for each in found.never} == {
        wide: "it asks for 16 cores on one node, and a node has 4",
        strange: "it asks for nodes with arch=sol, and no pool has them",
    }


def test_a_drain_is_ours_an_admins_is_not(grid, rig):
    rig.join(1)
    rig.join(2)
    rig.do("qmod", "-d", "all.q@wn-002")
    assert grid.drain(["wn-001", "wn-002", "wn-009"], "x") == {
        "wn-001": "",
        "wn-002": "disabled already, and not by us",
        "wn-009": "GridEngine does not know it, or it is in no queue",
    }
    assert grid.drain(["wn-001"], "x") == {"wn-001": ""}
    sample = grid.sample()
    assert (node(sample).state, node(sample).drained_by) == (
        NodeState.DRAINING,
        Drainer.US,
    )
    assert node(sample, "wn-002").state is NodeState.ASIDE
    assert node(sample, "wn-002").drained_by is Drainer.OTHERS
    assert grid.undrain(["wn-001", "wn-002"]) == {
        "wn-001": "",
        "wn-002": "disabled by somebody else",
    }
    assert node(grid.sample()).state is NodeState.READY
    rig.do("qmod", "-e", "all.q@wn-002")


def test_a_drained_node_ends_its_work_and_then_leaves_the_list(grid, rig):
    rig.join(1)
    job = rig.submit(run=("sleep", "15"))
    until(lambda: node(grid.sample()).work, what="the job's start")
    assert grid.drain(["wn-001"], "x") == {"wn-001": ""}
    assert grid.forget(["wn-001"]) == {"wn-001": f"works: job {job} of nobody"}
    waits = rig.submit(run=LONG)
    until(lambda: node(grid.sample()).empty, what="the job's end")
    assert [each.job for each in grid.sample().waiting] == [waits]
    assert grid.forget(["wn-001", "wn-009"]) == {"wn-001": "", "wn-009": ""}
    assert grid.forget(["wn-001"]) == {"wn-001": ""}
    assert grid.sample().nodes == ()
    rig.end(1)


def test_a_worker_that_was_killed_is_forgotten_and_its_job_waits_again(grid, rig):
    rig.join(1)
    job = rig.submit("-r", "y", run=LONG)
    until(lambda: node(grid.sample()).work, what="the job's start")
    rig.end(1)
    until(
        lambda: grid.forget(["wn-001"], ended=True) == {"wn-001": ""},
        what="the host's leave",
    )
    assert grid.sample().nodes == ()
    assert [each.job for each in grid.sample().waiting] == [job]


def test_a_node_that_is_not_heard_is_put_aside(grid, rig):
    rig.join(1)
    rig.end(1)
    until(lambda: node(grid.sample()).state is NodeState.ASIDE, what="the silence")
    assert grid.forget(["wn-001"]) == {"wn-001": ""}


def test_a_qmaster_that_is_away_is_an_error_and_no_empty_queue(grid, rig):
    rig.submit("-t", "1-20")
    rig.stop_master()
    try:
        with pytest.raises(BatchAwayError):
            grid.sample()
        with pytest.raises(BatchAwayError):
            grid.drain(["wn-001"], "x")
    finally:
        rig.start_master()
    assert [each.count for each in grid.sample().waiting] == [20]
