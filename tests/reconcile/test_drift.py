"""Somebody changed the cloud by hand: what is ours is mended, the rest left alone."""

import pytest
from rig import farm_of, gone, problems, settled

from farmctl.model.attributes import Kind
from farmctl.model.nodes import VmState
from farmctl.model.steps import AwaitNode, Cause
from farmctl.reconcile import Options, Result, apply, destroy, make_plan
from farmctl.reconcile.items import Item


@pytest.fixture
def whole(world):
    """A farm that is as it should be, and its world."""
    assert problems(apply(world, farm_of("alice"))) == []
    return world


def vm_of(world, name):
    (found,) = [vm for vm in world.cloud.look().vms if vm.name == name]
    return found


def drifted(world):
    plan = make_plan(world, farm_of("alice"))
    return [(step.cause, step.because) for step in plan.steps]


def test_a_vm_that_was_terminated_is_made_anew(whole):
    whole.cloud.end(vm_of(whole, "alice-wn-001").id)
    while any(vm.name == "alice-wn-001" for vm in whole.cloud.look().vms):
        pass
    assert drifted(whole)
    assert problems(apply(whole, farm_of("alice"))) == []
    assert settled(whole, "alice", size=2) == []


def test_a_vm_that_was_powered_off_is_started(whole, opennebula):
    vm = vm_of(whole, "alice-head")
    opennebula.call("one.vm.action", "poweroff-hard", vm.id)
    while vm_of(whole, "alice-head").state is not VmState.OFF:
        pass
    assert drifted(whole) == [(Cause.DRIFT, "powered off by hand")]
    assert problems(apply(whole, farm_of("alice"))) == []
    assert vm_of(whole, "alice-head").id == vm.id


@pytest.mark.parametrize(
    ("action", "ready"),
    [("poweroff-hard", False), ("undeploy-hard", False), ("suspend", True)],
)
def test_what_a_guest_said_before_it_was_turned_off_does_not_count(
    whole, opennebula, action, ready
):
    vm = vm_of(whole, "alice-head")
    opennebula.call("one.vm.action", action, vm.id)
    while vm_of(whole, "alice-head").state is not VmState.OFF:
        pass
    with opennebula.fault("boot", effect="never_ready", name="alice-head"):
        apply(whole, farm_of("alice"), Options(wait=False))
        while vm_of(whole, "alice-head").state is not VmState.RUNNING:
            pass
        assert vm_of(whole, "alice-head").reported_ready is ready


def test_a_worker_that_worked_once_is_not_made_anew_for_booting_late(whole, opennebula):
    vm = vm_of(whole, "alice-wn-001")
    opennebula.call("one.vm.action", "poweroff-hard", vm.id)
    while vm_of(whole, "alice-wn-001").state is not VmState.OFF:
        pass
    with opennebula.fault("boot", effect="never_ready", name="alice-wn-001"):
        apply(whole, farm_of("alice"), Options(wait=False))
        while vm_of(whole, "alice-wn-001").state is not VmState.RUNNING:
            pass
        (step,) = make_plan(whole, farm_of("alice")).steps
        assert isinstance(step, AwaitNode)
        assert step.worked
        assert not Item.of(step, now=0.0).fresh
    assert vm_of(whole, "alice-wn-001").id == vm.id


def test_a_vm_that_was_undeployed_is_deployed_again(whole, opennebula):
    vm = vm_of(whole, "alice-head")
    opennebula.call("one.vm.action", "undeploy-hard", vm.id)
    while vm_of(whole, "alice-head").state is not VmState.OFF:
        pass
    assert problems(apply(whole, farm_of("alice"))) == []
    assert vm_of(whole, "alice-head").id == vm.id


def test_a_changed_rule_of_a_security_group_is_changed_back(whole, opennebula):
    group = next(
        each for each in whole.cloud.look().farm("alice").groups if "lan" in each.name
    )
    opennebula.call(
        "one.secgroup.update",
        group.id,
        'RULE=[PROTOCOL="TCP",RULE_TYPE="inbound",RANGE="1:65535"]',
        1,
    )
    assert len(drifted(whole)) == 1
    assert problems(apply(whole, farm_of("alice"))) == []
    assert settled(whole, "alice", size=2) == []


def test_a_changed_and_a_deleted_template_are_mended(whole, opennebula):
    templates = whole.cloud.look().farm("alice").templates
    opennebula.call("one.template.update", templates[0].id, 'MEMORY="64"', 1)
    whole.cloud.delete(Kind.TEMPLATE, templates[1].id)
    assert len(drifted(whole)) == 2
    assert problems(apply(whole, farm_of("alice"))) == []
    assert settled(whole, "alice", size=2) == []


def test_a_deleted_document_is_written_anew(whole):
    (document,) = whole.cloud.documents()
    whole.cloud.delete(Kind.DOCUMENT, document.id)
    outcome = apply(whole, farm_of("alice"))
    assert problems(outcome) == []
    assert settled(whole, "alice", size=2) == []


@pytest.fixture
def stranger(whole, opennebula):
    """Somebody's VM in the farm's network."""
    network = whole.cloud.look().farm("alice").network
    made = opennebula.call(
        "one.vm.allocate",
        f'NAME="guest"\nCPU="1"\nMEMORY="64"\nNIC=[NETWORK_ID="{network.id}"]',
        True,
    )
    return made, network


def test_a_stranger_in_the_network_is_named_and_never_touched(whole, stranger):
    plan = make_plan(whole, farm_of("alice"))
    assert plan.changes_nothing
    assert any("guest" in note.subject + note.message for note in plan.notes)
    assert problems(apply(whole, farm_of("alice", size=3))) == []
    assert vm_of(whole, "guest").state is VmState.HELD


def test_destroy_says_that_a_stranger_keeps_the_network_and_completes_later(
    whole, stranger, opennebula
):
    outcome = destroy(whole, "alice")
    assert not outcome.complete
    assert "guest" in " ".join(note.message for note in outcome.left)
    assert outcome.advice == "See to what is left, then: farmctl destroy alice"
    farm = whole.cloud.look().farm("alice")
    assert (len(farm.vms), len(farm.networks), len(farm.documents)) == (0, 1, 1)
    assert farm.document.lock is None
    assert vm_of(whole, "guest").state is VmState.HELD
    opennebula.call("one.vm.action", "terminate-hard", stranger[0])
    while any(vm.name == "guest" for vm in whole.cloud.look().vms):
        pass
    assert problems(destroy(whole, "alice")) == []
    assert gone(whole, "alice") == []


def test_destroy_says_which_vm_is_locked_and_keeps_what_it_needs(whole, opennebula):
    vm = vm_of(whole, "alice-wn-001")
    opennebula.call("one.vm.lock", vm.id, 1, True)
    outcome = destroy(whole, "alice")
    assert [each.subject for each in outcome.of(Result.FAILED)] == ["alice-wn-001"]
    assert "locked" in outcome.of(Result.FAILED)[0].reason
    assert not outcome.complete
    farm = whole.cloud.look().farm("alice")
    assert (len(farm.vms), len(farm.networks), len(farm.documents)) == (1, 1, 1)
    opennebula.call("one.vm.unlock", vm.id)
    assert problems(destroy(whole, "alice")) == []
    assert gone(whole, "alice") == []


def test_a_surplus_document_and_network_go_and_the_first_ones_stay(whole):
    before = whole.cloud.look().farm("alice")
    whole.cloud.create(Kind.DOCUMENT, "alice", before.document.tag, {})
    assert problems(apply(whole, farm_of("alice"))) == []
    after = whole.cloud.look().farm("alice")
    assert [each.id for each in after.documents] == [before.document.id]


def test_a_ready_worker_is_not_ended_because_its_image_is_old(whole):
    farm = farm_of("alice", worker="cpus: 2, memory: 256MiB")
    outcome = apply(whole, farm)
    assert problems(outcome) == []
    assert outcome.advice.startswith("No daemon keeps this farm: start one")
    assert vm_of(whole, "alice-wn-001").cpus == 1
    assert problems(apply(whole, farm, Options(interrupt=True))) == []
    assert vm_of(whole, "alice-wn-001").cpus == 2
