"""Nodes that are gone leave the batch system's list, whatever came in between."""

from dataclasses import replace

import pytest
from insides import Insides
from rig import Record, farm_of, problems, settled

from farmctl.model.steps import ChangeRouter
from farmctl.reconcile import Options, Result, apply, make_plan, scale
from farmctl.spec import canonical, from_canonical

CONSENT = Options(interrupt=True)


def with_forward(farm):
    body = canonical(farm)
    forward = {"name": "web", "port": 8443, "to": "head", "to_port": 443}
    body["farm"]["router"]["forwards"] = [{**forward, "from": ["192.0.2.0/24"]}]
    return from_canonical(body)


@pytest.fixture
def insides(tmp_path):
    return Insides(tmp_path)


@pytest.fixture
def inside(make_world, own, insides):
    return make_world(own, record=Record(), guests=insides)


def test_while_the_head_is_away_the_router_goes_on_knowing_who_is_to_be_struck_off(
    inside, insides
):
    apply(inside, farm_of("alice"))
    scale(inside, "alice", "wn", 3)
    insides.break_("retire", "slurmctld is away")
    outcome = scale(inside, "alice", "wn", 2, CONSENT)
    (kept,) = outcome.of(Result.SKIPPED)
    assert isinstance(kept.step, ChangeRouter)
    assert kept.reason == (
        "It goes on knowing alice-wn-003, not struck off yet: slurmctld is away"
    )
    assert all(e.result is Result.DONE for e in outcome.steps if e is not kept)
    assert insides.listed("alice") == {"alice-wn-001", "alice-wn-002", "alice-wn-003"}
    insides.mend()
    outcome = apply(inside, farm_of("alice"))
    assert problems(outcome) == []
    assert [type(each.step) for each in outcome.steps] == [ChangeRouter]
    assert insides.listed("alice") == {"alice-wn-001", "alice-wn-002"}
    assert settled(inside, "alice", size=2) == []


def test_a_forward_changes_whether_or_not_the_head_answers(inside, insides):
    apply(inside, farm_of("alice"))
    scale(inside, "alice", "wn", 3)
    insides.break_("retire", "slurmctld is away")
    scale(inside, "alice", "wn", 2, CONSENT)
    outcome = apply(inside, with_forward(farm_of("alice")))
    assert problems(outcome) == []
    assert [note.message for note in outcome.notes] == [
        "alice-wn-003: not struck off its lists: slurmctld is away"
    ]


def test_what_an_earlier_run_left_on_the_list_goes_with_the_next_that_works_on_workers(
    inside, insides
):
    apply(inside, farm_of("alice"))
    insides.join("alice", "alice-wn-009")
    assert problems(scale(inside, "alice", "wn", 3)) == []
    assert insides.listed("alice") == {"alice-wn-001", "alice-wn-002", "alice-wn-003"}


def test_a_list_that_cannot_be_read_after_a_run_is_a_note(inside, insides):
    apply(inside, farm_of("alice"))
    insides.break_("retire", "slurmctld is away")
    outcome = scale(inside, "alice", "wn", 3)
    assert problems(outcome) == []
    assert [note.message for note in outcome.notes] == [
        "Nothing was struck off its lists: slurmctld is away"
    ]


class Forgetful:
    """The cloud, whose looks after the second do not show some VMs."""

    def __init__(self, cloud, hidden):
        self.cloud, self.hidden, self.looks = cloud, hidden, 0

    def __getattr__(self, name):
        return getattr(self.cloud, name)

    def look(self):
        self.looks += 1
        seen = self.cloud.look()
        if self.looks <= 2:
            return seen
        shown = tuple(vm for vm in seen.vms if vm.name not in self.hidden)
        return replace(seen, vms=shown)


@pytest.mark.parametrize("lost", [1, 3])
def test_a_look_that_lost_nodes_strikes_nobody_off(inside, insides, lost):
    apply(inside, farm_of("alice", size=4))
    hidden = {f"alice-wn-{number:03d}" for number in range(1, lost + 1)}
    world = replace(inside, cloud=Forgetful(inside.cloud, hidden))
    scale(world, "alice", "wn", 5)
    listed = {f"alice-wn-{number:03d}" for number in range(1, 5)}
    assert insides.listed("alice") >= listed


def test_a_farm_that_is_as_it_should_be_asks_nobody(inside, insides):
    apply(inside, farm_of("alice"))
    insides.break_("retire", "slurmctld is away")
    outcome = apply(inside, farm_of("alice"))
    assert (outcome.steps, outcome.notes) == ((), ())
    assert make_plan(inside, farm_of("alice")).changes_nothing
