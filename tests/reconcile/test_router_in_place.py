"""A router that runs is changed in place: over SSH first, in its context then."""

from dataclasses import replace

import pytest
from insides import LOCKED, OUT, Insides
from proxy import Mode, Proxy
from rig import Record, farm_of, problems, settled

from farmctl.context import bundle
from farmctl.model.nodes import Role, VmState
from farmctl.model.steps import ChangeRouter
from farmctl.plan import lines, saved
from farmctl.reconcile import Options, Result, apply, make_plan, scale
from farmctl.reconcile.progress import StepDone
from farmctl.spec import canonical, from_canonical

CALLS_OF_A_LOOK = 8


@pytest.fixture
def insides(tmp_path):
    return Insides(tmp_path, digest="")


@pytest.fixture
def inside(make_world, own, insides):
    """A world that may log in, on a cloud of the test's own."""
    return make_world(own, record=Record(), guests=insides)


def with_forward(farm, port=8443):
    body = canonical(farm)
    forward = {"name": "web", "port": port, "to": "head", "to_port": 443}
    body["farm"]["router"]["forwards"] = [{**forward, "from": ["192.0.2.0/24"]}]
    return from_canonical(body)


def router_in(world, farm="alice"):
    vms = world.cloud.look().farm(farm).vms
    return next(vm for vm in vms if vm.tag.role is Role.ROUTER)


def firewall_of(vm):
    return bundle.unpack(vm.router_files)["firewall"]


def test_a_forward_opens_on_the_router_that_runs_and_in_its_context(inside, insides):
    apply(inside, farm_of("alice"))
    before = router_in(inside)
    farm = with_forward(farm_of("alice"))
    plan = make_plan(inside, farm)
    shown = [f"{each.subject} {each.what}, {each.effect}" for each in lines.lines(plan)]
    expected = (
        "router forward 8443 -> head:443 added, from 192.0.2.0/24, "
        "in place, no interruption"
    )
    assert shown == [expected]
    outcome = apply(inside, farm)
    assert problems(outcome) == []
    after = router_in(inside)
    assert after.id == before.id
    assert "option src_dport '8443'" in firewall_of(after)
    assert insides.files_of(after.id) == after.router_files
    public = next(nic.address for nic in after.nics if nic.network == "public")
    assert insides.lines == [f"changed alice-router at {public}"]
    assert apply(inside, farm).steps == ()
    assert insides.lines == []


def test_a_second_apply_asks_nobody_and_makes_the_calls_of_one_look(
    inside, insides, opennebula
):
    apply(inside, with_forward(farm_of("alice")))
    opennebula.reset_calls()
    assert apply(inside, with_forward(farm_of("alice"))).steps == ()
    assert sum(opennebula.calls().values()) == CALLS_OF_A_LOOK
    assert insides.lines == []


def test_nothing_else_in_the_context_is_touched(inside, opennebula):
    apply(inside, farm_of("alice"))
    before = opennebula.call("one.vm.info", router_in(inside).id)
    apply(inside, with_forward(farm_of("alice")))
    after = opennebula.call("one.vm.info", router_in(inside).id)
    assert contexts_differ(before, after) == {"FARMCTL_ROUTER_BASE64"}


def contexts_differ(one, other):
    def texts(shown):
        start, end = shown.index("<CONTEXT>"), shown.index("</CONTEXT>")
        parts = shown[start:end].split("</")
        pairs = [part.rpartition("<![CDATA[")[::2] for part in parts]
        return {name.rpartition("<")[2].rstrip(">"): text for name, text in pairs}

    first, second = texts(one), texts(other)
    assert first.keys() == second.keys()
    return {key for key in first if first[key] != second[key]}


def test_who_may_not_log_in_leaves_it_to_the_image(world):
    apply(world, farm_of("alice"))
    outcome = apply(world, with_forward(farm_of("alice")))
    assert problems(outcome) == []
    assert "option src_dport '8443'" in firewall_of(router_in(world))


def test_a_router_that_does_not_answer_keeps_its_files_and_holds_nobody_up(
    inside, insides
):
    apply(inside, farm_of("alice"))
    old = router_in(inside).router_files
    insides.break_("router", "out")
    outcome = apply(inside, with_forward(farm_of("alice", size=4)))
    (failed,) = outcome.of(Result.FAILED)
    assert failed.subject == "alice-router"
    assert OUT in failed.reason
    assert "Its context keeps the old files" in failed.reason
    assert f"onevm terminate --hard {router_in(inside).id}" in failed.reason
    assert outcome.failed
    assert not outcome.stopped
    assert [(each.subject, each.message) for each in outcome.left] == [
        ("alice-router", failed.reason)
    ]
    assert router_in(inside).router_files == old
    assert len(inside.cloud.look().farm("alice").vms) == 6, (
        "the nodes came all the same"
    )
    insides.mend()
    assert problems(apply(inside, with_forward(farm_of("alice", size=4)))) == []


@pytest.mark.parametrize("how", ["locked", "refused"])
def test_what_the_router_takes_back_does_not_come_with_a_reboot(inside, insides, how):
    apply(inside, farm_of("alice"))
    old = router_in(inside).router_files
    insides.break_("router", how)
    outcome = apply(inside, with_forward(farm_of("alice")))
    (failed,) = outcome.of(Result.FAILED)
    said = {"locked": LOCKED, "refused": "nftables refuses the ruleset."}
    assert failed.reason.startswith(said[how])
    assert router_in(inside).router_files == old
    assert outcome.failed


def test_a_run_that_died_before_the_context_is_undone_by_the_old_file(
    make_world, own, inside, insides
):
    apply(inside, farm_of("alice"))
    old = router_in(inside).router_files
    assert insides.files_of(router_in(inside).id) == ""

    class DeadError(RuntimeError):
        """Stands for the end of the process, right after the router took it."""

    class Dying(Insides):
        def change_router(self, farm, router, files):
            super().change_router(farm, router, files)
            raise DeadError

    dying = make_world(own, guests=Dying(insides.folder, digest=""))
    with pytest.raises(DeadError):
        apply(dying, with_forward(farm_of("alice")))
    router = router_in(inside)
    assert router.router_files == old != insides.files_of(router.id)
    plan = make_plan(inside, farm_of("alice"))
    (step,) = [step for step in plan.steps if isinstance(step, ChangeRouter)]
    assert step.because == "it may run other files than its context has"
    assert problems(apply(inside, farm_of("alice"))) == []
    assert insides.files_of(router.id) == old
    assert apply(inside, farm_of("alice")).steps == ()


def test_a_router_that_is_off_takes_its_files_from_its_context(
    inside, insides, opennebula
):
    apply(inside, farm_of("alice"))
    opennebula.call("one.vm.action", "poweroff-hard", router_in(inside).id)
    wait_for(inside, VmState.OFF)
    assert problems(apply(inside, with_forward(farm_of("alice")))) == []
    assert "option src_dport '8443'" in firewall_of(router_in(inside))
    assert insides.lines == []


def wait_for(world, state):
    while router_in(world).state is not state:
        world.clock.sleep(0.05)


def ready(opennebula, world):
    opennebula.call("one.vm.update", router_in(world).id, 'READY="YES"', 1)


def test_a_router_that_boots_while_its_files_change_gets_them_when_it_is_up(
    inside, insides, opennebula
):
    with opennebula.fault("boot", effect="never_ready", name="alice-router"):
        apply(inside, farm_of("alice"), Options(wait=False))
        wait_for(inside, VmState.RUNNING)

    def hear(event):
        if isinstance(event, StepDone) and isinstance(event.step, ChangeRouter):
            ready(opennebula, inside)

    inside.progress.hear = hear
    assert problems(apply(inside, with_forward(farm_of("alice")))) == []
    router = router_in(inside)
    assert "option src_dport '8443'" in firewall_of(router)
    assert insides.files_of(router.id) == router.router_files
    assert apply(inside, with_forward(farm_of("alice"))).steps == ()


def test_a_router_that_nobody_waited_for_is_looked_after_by_the_next_plan(
    inside, insides, opennebula
):
    with opennebula.fault("boot", effect="never_ready", name="alice-router"):
        apply(inside, farm_of("alice"), Options(wait=False))
        wait_for(inside, VmState.RUNNING)
        apply(inside, with_forward(farm_of("alice")), Options(wait=False))
    assert insides.lines == []
    ready(opennebula, inside)
    plan = make_plan(inside, with_forward(farm_of("alice")))
    (step,) = [step for step in plan.steps if isinstance(step, ChangeRouter)]
    assert step.because == "it may run other files than its context has"
    apply(inside, with_forward(farm_of("alice")))
    assert insides.files_of(router_in(inside).id) == router_in(inside).router_files
    assert apply(inside, with_forward(farm_of("alice"))).steps == ()


def test_a_suspended_router_is_started_and_then_changed(inside, insides, opennebula):
    apply(inside, farm_of("alice"))
    opennebula.call("one.vm.action", "suspend", router_in(inside).id)
    wait_for(inside, VmState.OFF)
    outcome = apply(inside, with_forward(farm_of("alice")))
    assert problems(outcome) == []
    assert "option src_dport '8443'" in firewall_of(router_in(inside))


def test_names_follow_the_nodes_up_and_down(inside, insides):
    apply(inside, farm_of("alice"))
    assert problems(scale(inside, "alice", "wn", 4)) == []
    dhcp = bundle.unpack(router_in(inside).router_files)["dhcp"]
    assert "option name 'alice-wn-004'" in dhcp
    for gone in ("alice-wn-003", "alice-wn-004"):
        insides.join("alice", gone)
    outcome = scale(inside, "alice", "wn", 2, Options(interrupt=True))
    assert problems(outcome) == []
    dhcp = bundle.unpack(router_in(inside).router_files)["dhcp"]
    assert "option name 'alice-wn-003'" not in dhcp
    assert settled(inside, "alice", size=2) == []
    retired, changed = insides.lines[-2:]
    assert retired == "retired alice-wn-003 alice-wn-004"
    assert changed.startswith("changed alice-router")


def test_a_node_that_may_work_keeps_its_name(inside):
    apply(inside, farm_of("alice"))
    scale(inside, "alice", "wn", 4)
    outcome = scale(inside, "alice", "wn", 2)
    (kept,) = [
        each
        for each in outcome.of(Result.SKIPPED)
        if isinstance(each.step, ChangeRouter)
    ]
    assert kept.reason.startswith("It goes on knowing what is still there: alice-wn-00")
    dhcp = bundle.unpack(router_in(inside).router_files)["dhcp"]
    assert "option name 'alice-wn-004'" in dhcp


class Forgetful:
    """The cloud, whose second look does not show some VMs."""

    def __init__(self, cloud, hidden):
        self.cloud, self.hidden, self.looks = cloud, hidden, 0

    def __getattr__(self, name):
        return getattr(self.cloud, name)

    def look(self):
        self.looks += 1
        seen = self.cloud.look()
        if self.looks != 2:
            return seen
        shown = tuple(vm for vm in seen.vms if vm.name not in self.hidden)
        return replace(seen, vms=shown)


def test_a_look_that_lost_many_nodes_at_once_makes_no_router_forget_them(
    inside, insides
):
    apply(inside, farm_of("alice", size=4))
    old = router_in(inside).router_files
    hidden = {"alice-head", "alice-wn-001", "alice-wn-002", "alice-wn-003"}
    world = replace(inside, cloud=Forgetful(inside.cloud, hidden))
    lost = with_forward(farm_of("alice", size=1))
    outcome = apply(world, lost, Options(interrupt=True))
    kept = [e for e in outcome.steps if isinstance(e.step, ChangeRouter)]
    assert {each.result for each in kept} == {Result.SKIPPED}
    assert "shows 4 of 6 nodes no longer, all at once" in kept[0].reason
    assert router_in(inside).router_files == old
    assert insides.lines == []


def test_a_saved_plan_carries_the_files(inside, insides):
    apply(inside, farm_of("alice"))
    plan = saved.load(saved.dump(make_plan(inside, with_forward(farm_of("alice")))))
    assert problems(apply(inside, plan)) == []
    assert "option src_dport '8443'" in firewall_of(router_in(inside))


def test_what_others_do_to_the_context_is_put_back(inside, opennebula):
    apply(inside, farm_of("alice"))
    router = router_in(inside)
    spoiled = 'CONTEXT=[FARMCTL_ROUTER_BASE64="bm8gdGFy"]'
    opennebula.call("one.vm.updateconf", router.id, spoiled, 1)
    outcome = apply(inside, farm_of("alice"))
    assert [type(each.step).__name__ for each in outcome.steps] == ["ChangeRouter"]
    assert router_in(inside).router_files == router.router_files


def test_a_lost_answer_of_the_context_is_asked_for_again(make_world, own, insides):
    apply(make_world(own, guests=insides), farm_of("alice"))
    with Proxy(own.endpoint) as counting:
        quiet = make_world(own, endpoint=counting.endpoint, guests=insides)
        apply(quiet, with_forward(farm_of("alice"), port=8001))
        at = counting.calls.index("one.vm.updateconf") + 1
    with Proxy(own.endpoint, at=at, mode=Mode.LOSE_ANSWER) as losing:
        disturbed = make_world(own, endpoint=losing.endpoint, guests=insides)
        outcome = apply(disturbed, with_forward(farm_of("alice"), port=8002))
    assert losing.hit.is_set()
    assert problems(outcome) == []


def test_a_node_whose_name_was_changed_by_hand_keeps_its_own_in_dns(inside, opennebula):
    apply(inside, farm_of("alice"))
    router = router_in(inside)
    opennebula.call("one.vm.rename", router.id, "gateway")
    assert make_plan(inside, farm_of("alice")).changes_nothing
