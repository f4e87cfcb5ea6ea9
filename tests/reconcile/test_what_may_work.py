"""What may still be working is not ended because nobody hears of it."""

from dataclasses import replace

import pytest
from rig import farm_of, problems

from farmctl.model.nodes import VmState
from farmctl.reconcile import Options, Result, apply, scale
from farmctl.reconcile.evidence import doubt

HASTY = "deadlines: {running: 2s, ready: 2s}"


@pytest.fixture
def hasty(make_world, own):
    """A world whose patience with a node is short."""
    site = own.site.replace("deadlines: {running: 60s, ready: 60s}", HASTY)
    assert HASTY in site
    return make_world(own, site=site)


def vms_of(world, name):
    return {vm.name: vm for vm in world.cloud.look().farm(name).vms}


def test_a_head_whose_hypervisor_is_silent_waits_for_consent(world, opennebula):
    assert apply(world, farm_of("alice")).complete
    head = vms_of(world, "alice")["alice-head"]
    opennebula.kill_host(head.host)
    opennebula.turn(60)
    outcome = apply(world, farm_of("alice"))
    (skipped,) = [each for each in outcome.steps if each.subject == "alice-head"]
    assert skipped.result is Result.SKIPPED
    assert "(--interrupt)" in skipped.reason
    assert vms_of(world, "alice")["alice-head"].id == head.id
    assert problems(apply(world, farm_of("alice"), Options(interrupt=True))) == []
    assert vms_of(world, "alice")["alice-head"].id != head.id


def test_a_batch_worker_that_ran_before_is_not_ended_for_being_late(
    world, hasty, opennebula
):
    with opennebula.fault("boot", effect="never_ready", name="alice-wn-001"):
        apply(world, farm_of("alice"), Options(timeout=5.0))
    silent = vms_of(world, "alice")["alice-wn-001"]
    outcome = apply(hasty, farm_of("alice"))
    (late,) = outcome.of(Result.FAILED)
    assert late.subject == "alice-wn-001"
    assert "It is left as it is." in late.reason
    assert vms_of(world, "alice")["alice-wn-001"].id == silent.id


def test_a_vm_that_is_no_longer_shown_is_not_waited_for_for_ever(
    hasty, opennebula, monkeypatch
):
    assert apply(hasty, farm_of("alice")).complete
    shown = type(hasty.cloud).vms

    def hidden(cloud, ids):
        return [vm for vm in shown(cloud, ids) if vm.name != "alice-wn-003"]

    monkeypatch.setattr(type(hasty.cloud), "vms", hidden)
    with opennebula.fault("boot", effect="never_ready", name="alice-wn-003"):
        outcome = scale(hasty, "alice", "wn", 3)
    (lost,) = outcome.of(Result.FAILED)
    assert lost.subject == "alice-wn-003"
    assert "no longer shows the VM" in lost.reason


def test_a_head_with_its_queue_is_made_anew_only_by_consent(world):
    farm = farm_of("alice")
    assert apply(world, farm).complete
    before = vms_of(world, "alice")
    told = farm.model_copy(update={"variables": {"LEVEL": "debug"}})
    for outcome in (apply(world, told), scale(world, "alice", "wn", 3)):
        (skipped,) = outcome.of(Result.SKIPPED)[:1]
        assert skipped.subject == "alice-head"
        assert "The queue, with all jobs in it, is on its disk" in skipped.reason
        assert vms_of(world, "alice")["alice-head"].id == before["alice-head"].id
    assert problems(apply(world, told, Options(interrupt=True))) == []
    assert vms_of(world, "alice")["alice-head"].id != before["alice-head"].id


def test_a_head_that_is_off_keeps_its_queue_too(world, opennebula):
    farm = farm_of("alice")
    assert apply(world, farm).complete
    head = vms_of(world, "alice")["alice-head"]
    opennebula.call("one.vm.action", "poweroff-hard", head.id)
    opennebula.turn(5)
    told = farm.model_copy(update={"variables": {"LEVEL": "debug"}})
    outcome = apply(world, told)
    assert "alice-head" in {each.subject for each in outcome.of(Result.SKIPPED)}
    assert vms_of(world, "alice")["alice-head"].id == head.id


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (VmState.RUNNING, "OpenNebula shows 2 of 5 nodes no longer, all at once."),
        (VmState.ENDING, ""),
    ],
)
def test_of_nodes_that_are_shown_no_longer_those_that_were_leaving_are_not_missed(
    world, state, said
):
    assert apply(world, farm_of("alice", size=3)).complete
    view = world.cloud.look()
    assert len(view.vms) == 5
    left = [replace(vm, state=state) for vm in view.vms[:2]]
    before = replace(view, vms=(*left, *view.vms[2:]))
    after = replace(view, vms=view.vms[2:])
    assert doubt("alice", before, after).startswith(said)
    assert bool(doubt("alice", before, after)) == bool(said)
