"""Short runs for whoever watches a farm: what goes, what stays, what costs no call."""

import time
from dataclasses import replace

import pytest
from rig import farm_of

from farmctl.model.nodes import Mark, Role, VmState
from farmctl.model.steps import CreateNode, RemoveNode, StartNode
from farmctl.reconcile import (
    Options,
    Wish,
    apply,
    mark_draining,
    scale,
    set_aside,
    tend,
)


@pytest.fixture
def farm(world, name):
    assert apply(world, farm_of(name, size=0)).complete
    assert scale(world, name, "wn", 3).complete
    return name


def workers(world, name):
    found = world.cloud.look().farm(name).vms
    return {vm.tag.ordinal: vm for vm in found if vm.tag and vm.tag.role is Role.WORKER}


def tended(world, name, **wish):
    return tend(world, name, world.cloud.look(), Wish(**wish), Options())


def test_a_farm_that_needs_nothing_costs_no_call_and_no_lock(world, own, farm, request):
    cloud = request.getfixturevalue("opennebula")
    view = world.cloud.look()
    cloud.reset_calls()
    outcome = tend(world, farm, view, Wish(sizes={"wn": 3}), Options())
    assert outcome.complete
    assert outcome.steps == ()
    assert cloud.calls() == {}


def test_a_smaller_size_ends_nobody(world, farm):
    outcome = tended(world, farm, sizes={"wn": 1})
    assert outcome.complete
    assert sorted(workers(world, farm)) == [1, 2, 3]


def test_what_goes_ends_without_consent_and_is_not_made_anew(world, farm):
    gone = workers(world, farm)[2]
    outcome = tended(world, farm, sizes={"wn": 2}, going={gone.id: "drained and empty"})
    assert outcome.complete, outcome
    assert [
        step.because for step in outcome.plan.steps if isinstance(step, RemoveNode)
    ] == ["drained and empty"]
    assert sorted(workers(world, farm)) == [1, 3]


def test_a_node_apart_counts_as_nothing_and_another_is_made(world, farm):
    apart = workers(world, farm)[1]
    outcome = tended(world, farm, sizes={"wn": 3}, apart=frozenset({apart.id}))
    assert outcome.complete, outcome
    assert sorted(workers(world, farm)) == [1, 2, 3, 4], outcome
    assert workers(world, farm)[1].id == apart.id


def test_no_more_nodes_are_made_than_may_be(world, farm):
    outcome = tended(world, farm, sizes={"wn": 8}, most={"wn": 2})
    made = [step for step in outcome.plan.steps if isinstance(step, CreateNode)]
    assert len(made) == 2
    assert sorted(workers(world, farm)) == [1, 2, 3, 4, 5]
    assert outcome.complete


def test_as_many_nodes_are_made_as_there_is_room_for_and_the_rest_is_said(
    world, own, name
):
    large = farm_of(name, size=0, worker="cpus: 20, memory: 1GiB")
    assert apply(world, large).complete
    outcome = tended(world, name, sizes={"wn": 40})
    made = [step for step in outcome.plan.steps if isinstance(step, CreateNode)]
    assert 0 < len(made) < 40
    (note,) = [note for note in outcome.plan.notes if note.subject == "room"]
    assert note.message.startswith(f"{len(made)} of 40 new nodes fit: ")


def test_a_stale_worker_stays_until_it_is_released(world, farm):
    changed = farm_of(farm, size=0, worker="cpus: 1, memory: 300MiB")
    outcome = tended(world, farm, declared=changed, sizes={"wn": 3})
    assert outcome.complete, outcome
    assert {vm.memory_mib for vm in workers(world, farm).values()} == {256}
    old = workers(world, farm)[1]
    tended(world, farm, sizes={"wn": 3}, going={old.id: "its image is old"})
    assert sorted(vm.memory_mib for vm in workers(world, farm).values()) == [
        256,
        256,
        300,
    ]


def test_a_changed_head_waits_for_a_person(world, farm):
    changed = farm_of(farm, size=0).model_copy(deep=True)
    head = changed.head.model_copy(update={"memory": 1024})
    changed = changed.model_copy(update={"head": head})
    before = {vm.id for vm in world.cloud.look().farm(farm).vms}
    assert tended(world, farm, declared=changed, sizes={"wn": 3}).complete
    assert {vm.id for vm in world.cloud.look().farm(farm).vms} == before


def test_a_node_is_put_aside_with_its_reason(world, farm):
    sick = workers(world, farm)[2]
    failed = set_aside(world, farm, {sick.id: "it never joined"}, Options())
    assert failed == {}
    assert workers(world, farm)[2].mark == replace(
        Mark(), aside=True, reason="it never joined"
    )


def test_a_drain_by_hand_is_noted_and_taken_back(world, farm):
    full = mark_draining(world, farm, "wn-002", Options(), draining=True)
    assert full == f"{farm}-wn-002"
    assert workers(world, farm)[2].mark.draining
    mark_draining(world, farm, full, Options(), draining=False)
    assert not workers(world, farm)[2].mark.draining


def until_off(world, vm_id):
    ends = time.monotonic() + 10
    while world.cloud.vms([vm_id])[0].state is not VmState.OFF:
        assert time.monotonic() < ends


def test_an_old_node_that_is_off_is_started_so_that_it_can_be_drained(
    world, own, farm, request
):
    changed = farm_of(farm, size=0, worker="cpus: 1, memory: 300MiB")
    changed = changed.model_copy(update={"batch": "htcondor"})  # whose pools never roll
    assert tended(world, farm, declared=changed, sizes={"wn": 3}).complete
    old = workers(world, farm)[1]
    request.getfixturevalue("opennebula").call("one.vm.action", "poweroff-hard", old.id)
    until_off(world, old.id)
    (step,) = tended(world, farm, sizes={"wn": 3}).plan.steps
    assert isinstance(step, StartNode)
