from dataclasses import replace

import pytest

from farmctl.check import clouds, expect, routers
from farmctl.context import bundle, digests
from farmctl.model.nodes import Mark, Readiness, Role, Tag, VmState
from farmctl.model.sample import NodeSample, NodeState, Sample
from farmctl.model.steps import AwaitNode, NodeSpec, Note, Plan
from farmctl.model.target import Placement

FILES = bundle.pack({"dnsmasq.conf": "x\n", "hosts": "y\n"})
ROUTER = {
    "status": f"confirmed {digests.digest('debian', FILES)}",
    "forwarding": "1",
    "dnsmasq": "17",
    "table": "1",
    "loaded": "same",
    "lan": "172.16.1.254",
    "hosts": "3",
    "redirects": "2",
}


def told(findings):
    return [
        (each.subject, f"{each.verdict.value}: {each.message}") for each in findings
    ]


@pytest.fixture
def with_files(draw):
    return draw(**{"alice-router": {"router_files": FILES}})


def test_a_plan_that_changes_nothing_is_good():
    plan = Plan(
        farm="alice", kind="batch", site="t", endpoint="", version="", seen_at=0
    )
    assert told(clouds.plan(replace(plan, keeps={"wn": 3}))) == [
        ("", "good: 3 objects and nodes are as declared")
    ]
    note = Note(subject="public", message="lets everything in")
    assert told(clouds.plan(replace(plan, notes=(note,))))[0][1].startswith("good")


def test_each_step_that_is_left_is_a_fault():
    node = NodeSpec(
        name="alice-head",
        role=Role.HEAD,
        address="172.16.1.253",
        template="alice-head",
        tag=Tag(farm="alice"),
        attributes={},
        cpus=1,
        memory_mib=1,
        placement=Placement(hypervisor_class="service", requires="", datastore=""),
        readiness=Readiness.ONEGATE,
    )
    step = AwaitNode(vm_id=1, node=node, because="it boots")
    plan = Plan(
        farm="alice",
        kind="batch",
        site="t",
        endpoint="",
        version="",
        seen_at=0,
        waves=((step,),),
    )
    (found,) = clouds.plan(plan)
    assert found.verdict.value == "fault"


def test_nodes_that_are_not_ready_and_strangers_are_faults(draw, view):
    expected = draw(
        **{
            "alice-wn-001": {"reported_ready": False},
            "alice-wn-002": {"mark": Mark(aside=True, reason="its disk is full")},
            "alice-head": {"state": VmState.FAILED, "error": "no space"},
        }
    )
    found = dict(told(clouds.ready(expected)))
    assert found == {
        "router": "good: ready",
        "head": "fault: is failed: no space",
        "wn-001": "fault: is booting",
        "wn-002": "fault: was put aside: its disk is full",
    }
    stranger = replace(view.vms[3], id=9, name="spy", tag=None)
    expected = draw(vms=(*view.vms, stranger))
    assert dict(told(clouds.ready(expected)))["spy"] == (
        "fault: VM 9 is none of the farm's, and has an address in its network"
    )


def sample(*nodes):
    return Sample(taken=0.0, nodes=nodes, system="Slurm 22.05.8")


def worker(name, **more):
    return NodeSample(
        **{
            "name": name,
            "pool": "",
            "slots": 2,
            "state": NodeState.READY,
            "since": 0.0,
            "memory_mib": 3600,
            "shown": "IDLE",
            **more,
        }
    )


def test_workers_are_in_the_batch_system_as_they_were_declared(draw):
    expected = draw(**{"alice-wn-002": {"mark": Mark(draining=True)}})
    draining = worker(
        "alice-wn-002", state=NodeState.DRAINING, shown="IDLE+DRAIN", slots=2
    )
    assert told(clouds.batch(expected, sample(worker("alice-wn-001"), draining))) == [
        ("wn-001", "good: IDLE, 2 slots"),
        ("wn-002", "good: IDLE+DRAIN, drained by us, 2 slots"),
    ]


def test_a_batch_system_that_disagrees_is_a_fault(expected):
    odd = worker("alice-wn-001", slots=1, memory_mib=900)
    gone = worker("alice-wn-007")
    found = dict(told(clouds.batch(expected, sample(odd, gone))))
    assert found == {
        "wn-001": "fault: has 1 slots there, not 2 and has 900 MiB there, of 4096 "
        "declared",
        "wn-002": "fault: Slurm 22.05.8 does not know it",
        "wn-007": "fault: is in the batch system's list, and there is no such node",
    }
    (hint,) = [
        e.hint for e in clouds.batch(expected, sample(gone)) if "007" in e.subject
    ]
    assert hint.startswith("Is it really gone? Then: farmctl ssh alice head 'scontrol")
    assert hint.endswith("scontrol delete nodename=alice-wn-007'")
    down = worker(
        "alice-wn-001", state=NodeState.ASIDE, shown="DOWN", reason="Not responding"
    )
    found = dict(told(clouds.batch(expected, sample(down, worker("alice-wn-002")))))
    assert found["wn-001"] == "fault: takes no work, it is DOWN: Not responding"


def test_a_router_in_order_has_no_fault(with_files):
    assert [
        text.partition(":")[0] for _, text in told(routers.judge(with_files, ROUTER))
    ] == [
        "good",
        "good",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dnsmasq": ""}, "dnsmasq does not run"),
        ({"forwarding": "0"}, "forwards no packets"),
        ({"table": "0"}, "its firewall is not loaded"),
        (
            {"loaded": "missing: accept; added: drop;"},
            "its firewall is not that of its files (missing: accept; added: drop)",
        ),
        ({"hosts": "2"}, "it knows 2 nodes, not 3"),
        ({"redirects": "1"}, "it has 1 forwards in force, not 2"),
        ({"lan": ""}, "its address in the farm is unset"),
    ],
)
def test_a_service_that_is_not_as_drawn_is_a_fault(with_files, change, message):
    found = dict(told(routers.judge(with_files, ROUTER | change)))["services"]
    assert found.startswith("fault: ")
    assert message in found


def test_openwrt_has_a_redirect_for_each_source(with_files):
    values, farm = with_files.values, with_files.farm
    first, second = values.forwards
    many = replace(
        first, protocols=("tcp", "udp"), sources=("192.0.2.0/24", "10.0.0.1")
    )
    expected = replace(
        with_files,
        farm=farm.model_copy(
            update={"router": farm.router.model_copy(update={"flavour": "openwrt"})}
        ),
        values=replace(values, forwards=(many, second)),
    )
    said = ROUTER | {"redirects": "3", "check": "", "wan": '{"up": true}'}
    found = dict(told(routers.judge(expected, said)))
    assert found["services"].startswith("good: ")
    found = dict(told(routers.judge(expected, said | {"redirects": "2"})))
    assert "it has 2 forwards in force, not 3" in found["services"]


def test_the_rules_that_could_not_be_loaded_elsewhere_are_no_fault(with_files):
    found = dict(told(routers.judge(with_files, ROUTER | {"loaded": ""})))
    assert found["services"].startswith("good: ")


@pytest.mark.parametrize(
    ("status", "verdict", "message"),
    [
        ("confirmed 0123456789abcdef", "fault", "it has files 0123456789ab"),
        ("waiting 0123456789abcdef", "fault", "waits to be confirmed"),
        ("", "not checked", "farmctl-router says: nothing"),
        ("sh: not found", "not checked", "says: sh: not found"),
    ],
)
def test_files_that_are_not_those_of_the_context_are_told(
    with_files, status, verdict, message
):
    found = dict(told(routers.judge(with_files, ROUTER | {"status": status})))["files"]
    assert found.startswith(f"{verdict}: ")
    assert message in found


def test_a_router_without_files_in_its_context_is_a_fault(expected):
    found = dict(told(routers.judge(expected, ROUTER)))["files"]
    assert found == "fault: the router's context carries no files"


def test_openwrt_is_asked_for_its_firewall_and_its_public_interface(
    site, farm, view, draw
):
    router = farm.router.model_copy(update={"flavour": "openwrt"})
    expected = expect(site, farm.model_copy(update={"router": router}), view)
    said = ROUTER | {"check": "Section x [!] unknown", "wan": '{"up": false}'}
    found = dict(told(routers.judge(expected, said)))
    assert found["fw4"].startswith("fault: fw4 warns")
    assert found["wan"] == "fault: the public interface is down"
    said = ROUTER | {"check": "fine", "wan": '{"up": true}'}
    found = dict(told(routers.judge(expected, said)))
    assert found["fw4"].startswith("good: ")
    assert found["wan"].startswith("good: ")
