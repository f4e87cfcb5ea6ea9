import itertools
from dataclasses import replace

import pytest

from farmctl.elastic.joining import PoolFacts, join
from farmctl.model.nodes import Mark, Readiness, Role, Tag, VmState
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample, Work
from farmctl.model.view import FarmView, Vm

FACTS = {
    "wn": PoolFacts(
        slots=6, memory_mib=15360, digest="new", readiness=Readiness.ONEGATE
    )
}


def vm(ordinal=1, *, state=VmState.RUNNING, ready=True, digest="new", **rest):
    values = {
        "id": 100 + ordinal,
        "name": f"f-wn-{ordinal:03d}",
        "owner_id": 0,
        "tag": Tag(
            farm="f", role=Role.WORKER, pool="wn", digest=digest, ordinal=ordinal
        ),
        "state": state,
        "reported_ready": ready,
        "since": 50,
        "host": "wrk-00",
        "cpus": 6,
    }
    return Vm(**{**values, **rest})


def told(ordinal=1, *, state=NodeState.READY, busy=0, **rest):
    return NodeSample(
        name=f"f-wn-{ordinal:03d}",
        pool="",
        slots=6,
        state=state,
        since=90.0,
        joined=rest.pop("joined", 80.0),
        work=tuple(
            Work(job=str(n), owner="ann", slots=1, began=85.0) for n in range(busy)
        ),
        **rest,
    )


def joined(vms, nodes, **given):
    view = FarmView(farm="f", vms=tuple(vms))
    return join(Sample(taken=100.0, nodes=tuple(nodes)), view, FACTS, **given)


def one(vms, nodes, **given):
    (node,) = joined(vms, nodes, **given).sample.nodes
    return node


def test_a_node_that_both_know_is_as_the_batch_system_says_of_the_clouds_pool():
    node = one([vm()], [told(busy=2)])
    assert (node.pool, node.image, node.state, node.busy) == (
        "wn",
        "new",
        NodeState.READY,
        2,
    )
    assert not node.stale
    assert not node.unwanted


@pytest.mark.parametrize(
    ("state", "ready"),
    [
        (VmState.PENDING, False),
        (VmState.HELD, False),
        (VmState.PLACING, False),
        (VmState.STARTING, False),
        (VmState.RUNNING, False),
        (VmState.RUNNING, True),
        (VmState.OFF, True),
    ],
)
def test_a_node_that_the_batch_system_does_not_know_is_booting_since_it_was_asked_for(
    state, ready
):
    node = one([vm(state=state, ready=ready)], [])
    assert (node.state, node.since, node.slots) == (NodeState.BOOTING, 50.0, 6)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (vm(state=VmState.ENDING), NodeState.ENDING),
        (vm(state=VmState.FAILED), NodeState.ASIDE),
        (vm(state=VmState.UNKNOWN), NodeState.ASIDE),
        (vm(mark=Mark(aside=True)), NodeState.ASIDE),
    ],
)
def test_what_the_cloud_says_of_an_end_or_a_sickness_counts(found, state):
    assert one([found], [told(busy=1)]).state is state
    assert one([found], []).state is state


def test_what_an_earlier_node_of_the_name_has_left_is_no_sickness_of_the_new_one():
    left = told(state=NodeState.ASIDE, joined=10.0)
    assert one([vm()], [left]).state is NodeState.BOOTING
    assert one([vm(ready=False)], [told(state=NodeState.ASIDE)]).state is (
        NodeState.BOOTING
    )


def test_a_drain_that_is_older_than_the_vm_is_an_earlier_nodes_and_is_taken_back():
    drained = {"state": NodeState.DRAINING, "drained_by": Drainer.US, "reason": "old"}
    fresh = vm(since=92)
    before = joined([fresh], [told(joined=80.0, **drained)])
    assert before.sample.nodes[0].state is NodeState.BOOTING
    assert before.inherited == frozenset()
    after = joined([fresh], [told(joined=95.0, **drained)])
    assert after.sample.nodes[0].state is NodeState.BOOTING
    assert after.inherited == {"f-wn-001"}
    own = joined([vm()], [told(joined=80.0, **drained)])
    assert own.sample.nodes[0].state is NodeState.DRAINING
    assert own.inherited == frozenset()
    working = joined([fresh], [told(joined=80.0, busy=1, **drained)])
    assert working.sample.nodes[0].state is NodeState.DRAINING


def test_a_node_that_somebody_else_drained_is_aside():
    drained = told(state=NodeState.ASIDE, drained_by=Drainer.OTHERS, joined=10.0)
    assert one([vm()], [drained]).state is NodeState.ASIDE


def test_a_node_that_is_off_with_work_on_it_counts_as_nothing():
    assert one([vm(state=VmState.OFF)], [told(busy=1)]).state is NodeState.ASIDE


def test_an_old_digest_is_stale_and_so_is_a_pool_that_is_declared_no_longer():
    assert one([vm(digest="old")], [told()]).stale
    gone = vm(tag=Tag(farm="f", role=Role.WORKER, pool="big", ordinal=1, digest="x"))
    node = one([gone], [])
    assert (node.stale, node.pool, node.slots) == (True, "big", 6)


def test_a_drain_by_hand_and_a_hypervisor_to_be_emptied_make_a_node_unwanted():
    assert one([vm(mark=Mark(draining=True))], [told()]).unwanted
    assert one([vm()], [told()], emptied={"wrk-00"}).unwanted
    assert not one([vm()], [told()], emptied={"wrk-01"}).unwanted


def test_a_node_behind_which_no_vm_stands_is_lost_and_not_in_the_sample():
    found = joined([vm(1)], [told(1), told(2), replace(told(3), name="login")])
    assert [node.name for node in found.sample.nodes] == ["f-wn-001"]
    assert found.lost == ("f-wn-002",)


def test_router_head_and_strangers_are_no_nodes_of_the_sample():
    others = [
        vm(tag=Tag(farm="f", role=Role.ROUTER)),
        vm(tag=Tag(farm="f", role=Role.HEAD)),
        vm(tag=None),
        vm(state=VmState.GONE),
    ]
    assert joined(others, []).sample.nodes == ()


def test_of_two_vms_of_one_name_the_one_that_ends_does_not_hide_the_other():
    found = joined([vm(1), vm(1, id=200, state=VmState.ENDING)], [told()])
    assert found.vms["f-wn-001"].id == 101


def test_every_combination_gives_one_node_for_each_vm_and_never_frees_a_sick_one():
    free = {NodeState.READY, NodeState.DRAINING}
    for state, ready, aside, shown, busy in itertools.product(
        VmState, (True, False), (True, False), (None, *NodeState), (0, 1)
    ):
        nodes = [] if shown is None else [told(state=shown, busy=busy)]
        found = joined(
            [vm(state=state, ready=ready, mark=Mark(aside=aside))], nodes
        ).sample.nodes
        if state is VmState.GONE:
            assert found == ()
            continue
        (node,) = found
        sick = aside or state in {VmState.FAILED, VmState.UNKNOWN}
        up = state in {VmState.RUNNING, VmState.MOVING}
        if node.state in free:
            assert shown in free
            assert up
            assert not sick
        if busy and node.state is not NodeState.ENDING:
            assert node.work or shown is None
