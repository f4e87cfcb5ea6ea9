import threading

import pytest

from farmctl.cli.board import FarmBoard
from farmctl.model.attributes import Kind
from farmctl.model.guests import GuestProgress
from farmctl.model.nodes import Phase, Readiness, Role, Tag
from farmctl.model.steps import CreateNode, CreateObject, NodeSpec, Plan, RemoveNode
from farmctl.model.target import Placement
from farmctl.model.view import Holder
from farmctl.reconcile import (
    CloudAway,
    LockTakenOver,
    NodePhase,
    PlanMade,
    Retrying,
    StepDone,
    StepFailed,
    StepStarted,
    WaitingForLock,
    WaveStarted,
)


def node(name):
    return CreateNode(
        node=NodeSpec(
            name=name,
            role=Role.WORKER,
            pool="wn",
            ordinal=1,
            address="172.16.40.1",
            template="taf-wn",
            tag=Tag(farm="taf"),
            attributes={},
            cpus=1,
            memory_mib=1024,
            placement=Placement(
                hypervisor_class="worker", requires="", datastore="lvm"
            ),
            readiness=Readiness.ONEGATE,
        ),
        because="is missing",
    )


OBJECT = CreateObject(
    kind=Kind.NETWORK,
    name="taf",
    tag=Tag(farm="taf"),
    attributes={},
    because="is new",
)
HOLDER = Holder(
    host="ui", boot="b", pid=42, started="1", nonce="n", beat=0, command="farmctl x"
)


class Turned:
    at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def now():
    return Turned()


@pytest.fixture
def said():
    return []


@pytest.fixture
def board(now, said):
    def remark(text, style):
        said.append(text)

    return FarmBoard("taf", now=now, remark=remark, chatty=True)


def begin(board, *steps):
    plan = Plan(
        farm="taf",
        kind="plain",
        site="torino",
        endpoint="http://one",
        version="7.4.0",
        seen_at=0.0,
        waves=(steps,),
    )
    board.tell(PlanMade(plan=plan))
    board.tell(WaveStarted(number=1, waves=1, steps=steps))


def test_a_node_goes_its_way(board, now, said):
    step = node("taf-wn-001")
    begin(board, OBJECT, step)
    board.tell(StepStarted(step=step, subject="taf-wn-001"))
    now.at += 2
    board.tell(
        NodePhase(name="taf-wn-001", phase=Phase.BOOTING, host="wrk-01", seconds=2.0)
    )
    shot = board.snapshot()
    assert (shot.steps, shot.done, shot.wave, shot.waves) == (2, 0, 1, 1)
    assert shot.phases == {Phase.BOOTING: 1}
    (moving,) = shot.moving
    assert (moving.name, moving.host, moving.began) == ("taf-wn-001", "wrk-01", 100.0)
    board.tell(NodePhase(name="taf-wn-001", phase=Phase.READY, host="", seconds=3.0))
    board.tell(StepDone(step=step, subject="taf-wn-001", seconds=3.0))
    shot = board.snapshot()
    assert shot.done == 1
    assert shot.moving == ()
    assert shot.phases == {Phase.READY: 1}
    assert said == ["taf-wn-001 ready on wrk-01 after 3.0 s"]


def test_objects_are_busy_while_they_are_made(board, said):
    begin(board, OBJECT)
    board.tell(StepStarted(step=OBJECT, subject="network taf"))
    assert board.snapshot().busy == ("network taf",)
    board.tell(StepDone(step=OBJECT, subject="network taf", seconds=0.2))
    assert board.snapshot().busy == ()
    assert said == ["network taf made after 0.2 s"]


def test_what_is_done_in_guests_is_shown_and_failures_stay(board, said):
    begin(board, OBJECT)
    board.tell(GuestProgress(name="taf-wn-001", task="slurm_worker : install"))
    board.tell(GuestProgress(name="taf-wn-002", task="base : packages"))
    assert board.snapshot().busy == (
        "taf-wn-001: slurm_worker : install",
        "taf-wn-002: base : packages",
    )
    board.tell(GuestProgress(name="taf-wn-001", task="done", over=True))
    broken = GuestProgress(
        name="taf-wn-002", task="base : packages", over=True, failure="no such package"
    )
    board.tell(broken)
    assert board.snapshot().busy == ()
    assert said == [
        "taf-wn-001 configured",
        "taf-wn-002 not configured: no such package",
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("failed", "taf-wn-001 failed: no room"),
        ("aside", "taf-wn-001 was put aside: no room"),
        ("skipped", "taf-wn-001 was left as it is: no room"),
    ],
)
def test_failures_are_told_at_once(board, said, result, words):
    step = node("taf-wn-001")
    begin(board, step)
    board.tell(StepStarted(step=step, subject="taf-wn-001"))
    board.tell(
        StepFailed(
            step=step, subject="taf-wn-001", result=result, reason="no room", seconds=1
        )
    )
    assert said == [words]
    shot = board.snapshot()
    assert shot.failed == 1
    assert shot.phases == {Phase.FAILED: 1}


def test_waiting_is_told_once_and_over_with_the_next_step(board, said):
    for seconds in (0.0, 1.0, 2.0):
        board.tell(WaitingForLock(holder=HOLDER, since=0, seconds=seconds))
    assert said == ["taf: Waiting for `farmctl x` (process 42 on ui)"]
    assert board.snapshot().waiting == "Waiting for `farmctl x` (process 42 on ui)"
    board.tell(Retrying(subject="network taf", reason="taken"))
    assert board.snapshot().waiting == ""
    assert said[-1] == "network taf is tried again: taken"


def test_the_cloud_and_the_lock_are_told_of(board, said):
    board.tell(CloudAway(reason="connection refused"))
    board.tell(LockTakenOver(holder=HOLDER, because="it is gone"))
    assert said == [
        "taf: OpenNebula does not answer: connection refused",
        "Took over the farm from `farmctl x` (process 42 on ui): it is gone",
    ]


def test_a_removal_is_no_node_on_its_way(board):
    step = RemoveNode(
        vm_id=1,
        name="taf-wn-001",
        role=Role.WORKER,
        pool="wn",
        may_work=False,
        because="too many",
    )
    begin(board, step)
    board.tell(StepStarted(step=step, subject="taf-wn-001"))
    shot = board.snapshot()
    assert shot.phases == {}
    assert shot.busy == ("taf-wn-001",)


def test_many_threads_tell_at_once(board):
    steps = [node(f"taf-wn-{number:03d}") for number in range(1, 101)]
    begin(board, *steps)

    def go(step):
        name = step.node.name
        board.tell(StepStarted(step=step, subject=name))
        board.tell(NodePhase(name=name, phase=Phase.READY, host="h", seconds=1.0))
        board.tell(StepDone(step=step, subject=name, seconds=1.0))

    threads = [threading.Thread(target=go, args=(step,)) for step in steps]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    shot = board.snapshot()
    assert shot.done == 100
    assert shot.phases == {Phase.READY: 100}


def test_one_reason_for_many_nodes_is_told_once(board, said):
    steps = [node(f"taf-wn-{number:03d}") for number in range(1, 98)]
    begin(board, *steps)
    for step in steps:
        name = step.node.name
        board.tell(StepStarted(step=step, subject=name))
        board.tell(
            StepFailed(
                step=step,
                subject=name,
                result="skipped",
                reason="it may work",
                seconds=1,
            )
        )
    assert said == [
        "taf-wn-001 was left as it is: it may work",
        "taf-wn-002 was left as it is too, and maybe more of them",
    ]
    assert board.snapshot().failed == 97
