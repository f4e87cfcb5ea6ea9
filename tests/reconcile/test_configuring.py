"""Nodes are configured once they are ready, once, and each failure stays its own."""

import threading
from dataclasses import replace

import pytest
from insides import Insides
from rig import Record, farm_of, problems, settled

from farmctl.model.guests import GuestProgress
from farmctl.model.steps import ConfigureNodes
from farmctl.reconcile import (
    Options,
    Result,
    Wish,
    apply,
    destroy,
    make_plan,
    scale,
    status,
    tend,
    tending,
)

ALL = ["alice-head", "alice-router", "alice-wn-001", "alice-wn-002"]


@pytest.fixture
def insides(tmp_path):
    return Insides(tmp_path)


@pytest.fixture
def inside(make_world, own, insides):
    """A world whose farms are configured, on a cloud of the test's own."""
    return make_world(own, record=Record(), guests=insides)


def configured(world, name="alice"):
    """Return what each node was configured with last."""
    vms = world.cloud.look().farm(name).vms
    return {vm.name: vm.mark.configured for vm in vms}


def done_to(insides):
    return sorted(
        line.removeprefix("configured ")
        for line in insides.lines
        if line.startswith("configured ")
    )


def test_a_new_farm_is_configured_when_it_is_up_and_never_again(
    inside, insides, opennebula
):
    outcome = apply(inside, farm_of("alice"))
    assert problems(outcome) == []
    assert done_to(insides) == ALL
    assert set(configured(inside).values()) == {"one"}
    told = [event.name for event in inside.progress.of(GuestProgress) if event.over]
    assert sorted(told) == ALL
    opennebula.reset_calls()
    assert apply(inside, farm_of("alice")).steps == ()
    assert sum(opennebula.calls().values()) == 8
    assert insides.lines == []
    assert settled(inside, "alice", size=2) == []


def test_only_new_nodes_are_configured_and_gone_ones_are_struck_off(inside, insides):
    apply(inside, farm_of("alice"))
    assert done_to(insides) == ALL
    assert problems(scale(inside, "alice", "wn", 3)) == []
    assert done_to(insides) == ["alice-wn-003"]
    assert problems(scale(inside, "alice", "wn", 2, Options(interrupt=True))) == []
    assert "retired alice-wn-003" in insides.lines


def test_a_changed_playbook_goes_to_all_nodes(inside, insides):
    apply(inside, farm_of("alice"))
    insides.lines  # noqa: B018 - begin again
    insides.digest = "two"
    outcome = apply(inside, farm_of("alice"))
    assert [each.subject for each in outcome.steps] == ["configuration"]
    assert done_to(insides) == ALL
    assert set(configured(inside).values()) == {"two"}


def test_a_new_worker_that_fails_is_put_aside_and_made_anew_by_the_next_apply(
    inside, insides
):
    insides.break_("alice-wn-002", "no such package")
    outcome = apply(inside, farm_of("alice"))
    (step,) = outcome.of(Result.ASIDE)
    assert step.reason.startswith(
        "alice-wn-002: install slurm: no such package. The VM "
    )
    assert outcome.failed
    vms = {vm.name: vm for vm in inside.cloud.look().farm("alice").vms}
    sick = vms["alice-wn-002"]
    assert (sick.mark.aside, sick.mark.configured) == (True, "")
    assert sick.mark.reason == "install slurm: no such package"
    assert configured(inside)["alice-wn-001"] == "one"
    insides.mend()
    again = apply(inside, farm_of("alice"), Options(interrupt=True))
    assert problems(again) == []
    vms = {vm.name: vm for vm in inside.cloud.look().farm("alice").vms}
    assert vms["alice-wn-002"].id != sick.id
    assert set(configured(inside).values()) == {"one"}


def test_a_head_that_fails_is_left_and_tried_again(inside, insides):
    insides.break_("alice-head", "slurmctld does not start")
    outcome = apply(inside, farm_of("alice"))
    (step,) = outcome.of(Result.FAILED)
    assert step.reason == "alice-head: install slurm: slurmctld does not start"
    vms = {vm.name: vm for vm in inside.cloud.look().farm("alice").vms}
    assert not vms["alice-head"].mark.aside
    insides.mend()
    insides.lines  # noqa: B018 - begin again
    assert problems(apply(inside, farm_of("alice"))) == []
    assert done_to(insides) == ["alice-head"]


def test_a_worker_that_was_configured_before_is_not_put_aside(inside, insides):
    apply(inside, farm_of("alice"))
    insides.digest = "two"
    insides.break_("alice-wn-001")
    outcome = apply(inside, farm_of("alice"))
    (step,) = outcome.of(Result.FAILED)
    assert "alice-wn-001" in step.reason
    vms = {vm.name: vm for vm in inside.cloud.look().farm("alice").vms}
    assert not vms["alice-wn-001"].mark.aside
    assert vms["alice-wn-001"].mark.configured == "one"


def test_a_playbook_that_fails_everywhere_costs_no_node(inside, insides):
    apply(inside, farm_of("alice", size=2))
    for number in (3, 4, 5, 6):
        insides.break_(f"alice-wn-00{number}", "syntax error")
    outcome = scale(inside, "alice", "wn", 6)
    (step,) = outcome.of(Result.FAILED)
    assert "what configures them is at fault, so none was put aside" in step.reason
    assert not [vm for vm in inside.cloud.look().farm("alice").vms if vm.mark.aside]


def test_a_worker_whose_head_is_not_ready_is_not_put_aside(
    make_world, own, insides, opennebula
):
    brief = "deadlines: {running: 1s, ready: 1s}"
    site = own.site.replace("deadlines: {running: 60s, ready: 60s}", brief)
    world = make_world(own, site=site, guests=insides)
    insides.break_("alice-wn-002", "alice-head did not give its munge key")
    with opennebula.fault("boot", effect="never_ready", name="alice-head"):
        outcome = apply(world, farm_of("alice"))
    (step,) = [e for e in outcome.steps if isinstance(e.step, ConfigureNodes)]
    assert step.result is Result.FAILED
    assert step.reason.endswith("The head is not ready, so no worker was put aside.")
    aside = [vm.name for vm in world.cloud.look().farm("alice").vms if vm.mark.aside]
    assert aside == ["alice-head"]


def test_a_watched_farm_is_configured_a_few_nodes_at_a_time_its_head_first(
    inside, insides, monkeypatch
):
    monkeypatch.setattr(tending, "AT_ONCE", 3)
    apply(inside, farm_of("alice"))
    insides.lines  # noqa: B018 - begin again
    insides.digest = "two"
    wish = Wish(sizes={"wn": 2})
    runs = []
    for _ in range(3):
        tend(inside, "alice", inside.cloud.look(), wish, Options())
        runs += filter(None, [done_to(insides)])
    assert [len(run) for run in runs] == [3, 1]
    assert "alice-head" in runs[0]
    assert sorted(name for run in runs for name in run) == ALL
    assert tend(inside, "alice", inside.cloud.look(), wish, Options()).steps == ()


def test_a_run_is_not_filled_with_those_that_may_not_be_in_it(
    inside, insides, monkeypatch
):
    monkeypatch.setattr(tending, "AT_ONCE", 1)
    apply(inside, farm_of("alice"))
    (new,) = [
        vm for vm in inside.cloud.look().farm("alice").vms if vm.name == "alice-wn-002"
    ]
    inside.cloud.mark(new.id, replace(new.mark, configured=""))
    insides.lines  # noqa: B018 - begin again
    insides.digest = "two"
    wish = Wish(sizes={"wn": 2}, trial=frozenset())
    for _ in range(2):  # what is decided is written down first
        tend(inside, "alice", inside.cloud.look(), wish, Options())
    assert done_to(insides) == ["alice-wn-002"]


def test_what_changed_after_it_was_looked_at_is_given_to_new_nodes_only(
    inside, insides
):
    apply(inside, farm_of("alice"))
    (new,) = [
        vm for vm in inside.cloud.look().farm("alice").vms if vm.name == "alice-wn-002"
    ]
    inside.cloud.mark(new.id, replace(new.mark, configured=""))
    insides.lines  # noqa: B018 - begin again
    insides.digest = "two"
    for tried in ("one", "two"):
        wish = Wish(sizes={"wn": 2}, tried=tried)
        for _ in range(2):  # what is decided is written down first
            tend(inside, "alice", inside.cloud.look(), wish, Options())
        done = done_to(insides)
        assert ("alice-wn-002" in done) == (tried == "one")
        assert ("alice-wn-001" in done) == (tried == "two")


def test_what_others_marked_meanwhile_stays(make_world, own, tmp_path):
    class Draining(Insides):
        def configure(self, farm, guests, targets, report, give_up):
            vm = next(
                vm
                for vm in world.cloud.look().farm("alice").vms
                if vm.name == "alice-wn-001"
            )
            world.cloud.mark(vm.id, replace(vm.mark, draining=True))
            return super().configure(farm, guests, targets, report, give_up)

    world = make_world(own, guests=Draining(tmp_path))
    apply(world, farm_of("alice"))
    marks = {vm.name: vm.mark for vm in world.cloud.look().farm("alice").vms}
    assert marks["alice-wn-001"].draining
    assert {mark.configured for mark in marks.values()} == {"one"}


def test_when_nobody_can_be_configured_the_nodes_are_there_all_the_same(
    inside, insides
):
    insides.break_("all")
    outcome = apply(inside, farm_of("alice"))
    (step,) = outcome.of(Result.FAILED)
    assert step.subject == "configuration"
    assert step.reason.startswith("The router on the way does not answer.")
    assert not outcome.stopped
    assert len(configured(inside)) == 4
    insides.mend()
    assert problems(apply(inside, farm_of("alice"))) == []


def test_who_does_not_wait_is_told_that_nothing_was_configured(inside, insides):
    outcome = apply(inside, farm_of("alice"), Options(wait=False))
    (step,) = [e for e in outcome.steps if isinstance(e.step, ConfigureNodes)]
    assert step.result is Result.WAITING
    assert step.reason == "Nobody waits for the nodes: the next apply configures them."
    assert not outcome.failed
    assert insides.lines == []
    assert problems(apply(inside, farm_of("alice"))) == []
    assert done_to(insides) == ALL


def test_a_stop_is_heeded_while_guests_are_configured(inside, insides):
    insides.break_("hang")
    stop = threading.Event()

    def tell(event):
        if getattr(event, "subject", "") == "configuration":
            stop.set()

    inside.progress.hear = tell
    outcome = apply(inside, farm_of("alice"), Options(stop=stop))
    assert outcome.stopped
    assert set(configured(inside).values()) == {""}
    insides.mend()
    assert problems(apply(inside, farm_of("alice"))) == []


def test_a_timeout_ends_the_configuring(inside, insides):
    apply(inside, farm_of("alice"))
    insides.digest = "two"
    insides.break_("hang")
    outcome = apply(inside, farm_of("alice"), Options(timeout=0.5))
    (step,) = outcome.of(Result.WAITING)
    assert step.reason.startswith("It took too long. Not configured: alice-router")


def test_status_says_which_nodes_are_not_configured(inside, insides):
    apply(inside, farm_of("alice"))
    insides.digest = "two"
    (farm,) = status(inside).farms
    assert {node.reason for node in farm.nodes} == {"not configured as declared"}
    assert {node.configured for node in farm.nodes} == {False}
    assert {node.phase.value for node in farm.nodes} == {"ready"}


def test_status_says_that_a_routers_files_are_outdated(inside, opennebula):
    apply(inside, farm_of("alice"))
    (farm,) = status(inside).farms
    assert [node.reason for node in farm.nodes] == ["", "", "", ""]
    router = farm.nodes[0]
    assert (router.outdated, router.configured) == (0, True)
    spoiled = 'CONTEXT=[FARMCTL_ROUTER_BASE64="bm8gdGFy"]'
    opennebula.call("one.vm.updateconf", router.vm_id, spoiled, 1)
    (farm,) = status(inside).farms
    router = farm.nodes[0]
    assert router.outdated > 100
    assert router.reason.startswith("its files are outdated: ")


def test_destroying_asks_no_guest(inside, insides):
    apply(inside, farm_of("alice"))
    insides.lines  # noqa: B018 - begin again
    assert problems(destroy(inside, "alice")) == []
    assert insides.lines == []
    assert make_plan(inside, farm_of("alice")).steps


def test_what_changes_is_tried_on_one_worker_and_the_others_keep_what_they_have(
    inside, insides
):
    assert problems(apply(inside, farm_of("alice"))) == []
    insides.digest = "two"
    insides.break_("alice-wn-001", "slurm.conf is wrong")
    outcome = apply(inside, farm_of("alice"))
    (failed,) = outcome.of(Result.FAILED)
    assert failed.reason.splitlines() == [
        "alice-wn-001: install slurm: slurm.conf is wrong",
        "alice-wn-002: it keeps what it has, as alice-wn-001, tried first, failed",
    ]
    assert configured(inside)["alice-wn-002"] == "one"
    insides.mend()
    assert problems(apply(inside, farm_of("alice"))) == []
    assert set(configured(inside).values()) == {"two"}
