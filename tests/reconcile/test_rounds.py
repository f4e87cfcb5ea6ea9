"""Apply, scale, status and destroy from end to end, when nothing goes wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from rig import Record, farm_of, gone, place_of, problems, settled

from farmctl.clock import SystemClock
from farmctl.errors import (
    ExhaustedError,
    FarmLockedError,
    NotPossibleError,
    PlanOutdatedError,
)
from farmctl.model.nodes import Phase
from farmctl.model.steps import CreateNode, RemoveNode
from farmctl.reconcile import (
    NodePhase,
    Options,
    Result,
    Retrying,
    apply,
    declared,
    destroy,
    make_plan,
    scale,
    status,
)
from farmctl.spec import Count


def test_apply_makes_the_farm_and_a_second_apply_makes_eight_calls(world, opennebula):
    first = apply(world, farm_of("alice"))
    assert problems(first) == []
    assert settled(world, "alice", size=2) == []
    opennebula.reset_calls()
    second = apply(world, farm_of("alice"))
    assert second.complete
    assert second.steps == ()
    assert sum(opennebula.calls().values()) == 8


def test_the_hypervisors_are_read_once_and_the_cloud_before_under_and_after_the_lock(
    world, opennebula
):
    opennebula.reset_calls()
    assert apply(world, farm_of("alice"), Options(wait=False)).complete
    calls = opennebula.calls()
    assert calls["one.hostpool.info"] == 1
    assert calls["one.datastorepool.info"] == 1
    assert calls["one.vmpool.infoextended"] == 3


class Waiting(SystemClock):
    """A clock that is moved on by whoever waits."""

    ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead


class SlowLock:
    """A cloud that takes ten seconds to give a lock."""

    def __init__(self, cloud, clock):
        self._cloud, self._clock = cloud, clock

    def lock(self, document_id):
        self._clock.ahead += 10.0
        return self._cloud.lock(document_id)

    def __getattr__(self, name):
        return getattr(self._cloud, name)


def test_hypervisors_are_read_again_where_the_lock_was_long_in_coming(
    world, opennebula
):
    clock = Waiting()
    slow = replace(world, clock=clock, cloud=SlowLock(world.cloud, clock))
    opennebula.reset_calls()
    assert apply(slow, farm_of("alice"), Options(wait=False)).complete
    assert opennebula.calls()["one.hostpool.info"] == 2


def test_progress_shows_each_node_on_its_way_to_ready(world):
    apply(world, farm_of("alice"))
    ready = {
        event.name
        for event in world.progress.of(NodePhase)
        if event.phase is Phase.READY
    }
    assert ready == {"alice-router", "alice-head", "alice-wn-001", "alice-wn-002"}


def test_the_journal_says_why_each_step_was_taken(world):
    apply(world, farm_of("alice"))
    written = {
        values["subject"]: (event, because)
        for event, because, values in world.journal.written
        if "subject" in values
    }
    assert written["alice-wn-002"][0] == "CreateNode done"
    assert written["network alice"] == ("CreateObject done", "is new")
    assert world.journal.written[-1][0] == "run complete"


def test_destroy_leaves_nothing_and_a_second_destroy_finds_nothing(world):
    apply(world, farm_of("alice"))
    assert problems(destroy(world, "alice")) == []
    assert gone(world, "alice") == []
    again = destroy(world, "alice")
    assert again.complete
    assert again.steps == ()


def test_a_pool_is_scaled_without_the_file_and_keeps_its_size(world):
    apply(world, farm_of("alice"))
    assert problems(scale(world, "alice", "wn", 5)) == []
    assert settled(world, "alice", size=5) == []
    assert apply(world, farm_of("alice")).steps == (), "the file says min 2, not 2"
    assert declared(world, "alice").pools["wn"].count.max == 40


def test_a_fixed_count_set_by_hand_holds_until_the_file_is_applied(world):
    fixed = farm_of("alice").model_copy(deep=True)
    pool = fixed.pools["wn"].model_copy(update={"count": Count(min=2, max=2)})
    fixed = fixed.model_copy(update={"pools": {"wn": pool}})
    apply(world, fixed)
    assert problems(scale(world, "alice", "wn", 3)) == []
    by_hand = declared(world, "alice")
    assert by_hand.pools["wn"].count == Count(min=3, max=3)
    assert make_plan(world, by_hand).changes_nothing
    assert len(world.cloud.look().farm("alice").vms) == 5
    assert problems(apply(world, fixed, Options(interrupt=True))) == []
    assert len(world.cloud.look().farm("alice").vms) == 4
    with pytest.raises(NotPossibleError, match="the most is 252"):
        scale(world, "alice", "wn", 300)


def test_scaling_what_is_not_there_or_beyond_its_limits_is_refused(world):
    apply(world, farm_of("alice"))
    with pytest.raises(NotPossibleError, match=r"pools\.wn\.count\.max is 40"):
        scale(world, "alice", "wn", 41)
    with pytest.raises(NotPossibleError, match="Did you mean 'wn'"):
        scale(world, "alice", "wm", 3)
    with pytest.raises(NotPossibleError, match="Did you mean 'alice'"):
        scale(world, "alise", "wn", 3)


def test_workers_that_may_be_working_are_left_unless_somebody_consents(world):
    apply(world, farm_of("alice"))
    scale(world, "alice", "wn", 4)
    kept = scale(world, "alice", "wn", 2)
    assert {each.subject for each in kept.of(Result.SKIPPED)} == {
        "alice-wn-003",
        "alice-wn-004",
        "alice-router",
    }
    assert "may be working" in kept.of(Result.SKIPPED)[0].reason
    assert not kept.complete
    assert not kept.failed
    assert len(world.cloud.look().farm("alice").vms) == 6
    assert problems(scale(world, "alice", "wn", 2, Options(interrupt=True))) == []
    assert settled(world, "alice", size=2) == []


def test_without_waiting_apply_returns_while_nodes_are_on_their_way(world, opennebula):
    with opennebula.fault("boot", effect="slow", seconds=2.0):
        outcome = apply(world, farm_of("alice"), Options(wait=False))
    assert {each.result for each in outcome.steps} == {Result.DONE, Result.WAITING}
    assert outcome.complete
    assert outcome.advice == "See how it goes on with: farmctl status alice --watch"
    assert problems(apply(world, farm_of("alice"))) == []


def test_a_timeout_ends_the_waiting_and_says_what_was_not_ready(world, opennebula):
    with opennebula.fault("boot", effect="slow", seconds=30.0, name="alice-head"):
        outcome = apply(world, farm_of("alice"), Options(timeout=2.0))
    (late,) = [
        each
        for each in outcome.of(Result.WAITING)
        if each.subject == "alice-head"  # on a busy machine others are late as well
    ]
    assert late.reason == "It was not ready when 2 s were over."
    assert not outcome.complete


def test_a_saved_plan_is_carried_out_as_it_stands(world):
    plan = make_plan(world, farm_of("alice"))
    assert problems(apply(world, plan)) == []
    assert settled(world, "alice", size=2) == []


def test_a_saved_plan_is_refused_when_the_cloud_has_moved_on(world):
    apply(world, farm_of("alice"))
    plan = make_plan(world, farm_of("alice", size=3))
    victim = world.cloud.look().farm("alice").vms[0]
    world.cloud.end(victim.id)
    with pytest.raises(PlanOutdatedError) as error:
        apply(world, plan)
    assert any(victim.name in line for line in error.value.moved)


def test_too_little_room_is_named_before_anything_is_changed(make_world, own):
    world = make_world(own)
    farm = farm_of("alice", size=40, worker="cpus: 32, memory: 1GiB")
    notes = [note.message for note in make_plan(world, farm).notes]
    assert any("No place for" in note or "Needs" in note for note in notes)
    with pytest.raises(NotPossibleError, match="There is no room for what alice needs"):
        apply(world, farm)
    assert world.cloud.look().farm("alice").empty


def test_a_first_apply_that_is_refused_under_the_lock_leaves_no_document(world):
    drawn = []

    def contexts(site, farm):
        drawn.append(farm.name)
        if len(drawn) > 2:
            raise NotPossibleError("The template is gone.")
        return world.contexts(site, farm)

    with pytest.raises(NotPossibleError, match="The template is gone"):
        apply(replace(world, contexts=contexts), farm_of("alice"))
    assert len(drawn) == 3
    assert world.cloud.look().farm("alice").empty


def test_a_refused_apply_keeps_the_document_that_was_there(world):
    apply(world, farm_of("alice"))
    drawn = []

    def contexts(site, farm):
        drawn.append(farm.name)
        if len(drawn) > 2:
            raise NotPossibleError("The template is gone.")
        return world.contexts(site, farm)

    with pytest.raises(NotPossibleError, match="The template is gone"):
        apply(replace(world, contexts=contexts), farm_of("alice", size=3))
    assert world.cloud.look().farm("alice").document.lock is None
    assert settled(world, "alice", size=2) == []


def test_every_quota_that_is_too_small_is_named_and_nothing_is_changed(
    make_world, own, opennebula, tmp_path
):
    user = opennebula.call("one.user.allocate", "tina", "secret", "core", [0])
    opennebula.call(
        "one.user.quota",
        user,
        'VM=[VMS="3",CPU="3",MEMORY="-1",RUNNING_VMS="-1",RUNNING_CPU="-1",'
        'RUNNING_MEMORY="-1",SYSTEM_DISK_SIZE="-1"]',
    )
    opennebula.call("one.user.chgrp", user, 1)
    opennebula.call(
        "one.acl.addrule", hex(0x100000000 + user), "0x109B400000000", "0xF"
    )
    auth = tmp_path / "tina_auth"
    auth.write_text("tina:secret")
    auth.chmod(0o600)
    world = make_world(type(own)(own.endpoint, str(auth), own.site))
    notes = [note.message for note in make_plan(world, farm_of("alice")).notes]
    assert "Needs 4 VMs, the quota of user tina leaves 3." in " ".join(notes)
    with pytest.raises(NotPossibleError, match="Needs 4 cores, the quota of user tina"):
        apply(world, farm_of("alice"))
    assert world.cloud.look().farm("alice").empty


def test_used_up_public_addresses_are_an_error_before_the_first_step(
    make_world, opennebula_with
):
    cloud = opennebula_with(public_addresses=1)
    world = make_world(place_of(cloud))
    assert apply(world, farm_of("alice")).complete
    with pytest.raises(ExhaustedError, match="public network public is used up"):
        apply(world, farm_of("bob"))
    assert world.cloud.look().farm("bob").empty
    assert apply(world, farm_of("bob", public="none")).complete
    cloud.stop()


def test_status_tells_nodes_addresses_and_sizes(world):
    apply(world, farm_of("alice"))
    (farm,) = status(world).farms
    assert (farm.farm, farm.kind, farm.cidr) == ("alice", "batch", "172.30.0.0/24")
    assert farm.sizes == {"wn": 2}
    assert farm.counts == {Phase.READY: 4}
    assert farm.lock is None
    assert [(node.name, node.address) for node in farm.nodes] == [
        ("alice-router", "172.30.0.254"),
        ("alice-head", "172.30.0.253"),
        ("alice-wn-001", "172.30.0.1"),
        ("alice-wn-002", "172.30.0.2"),
    ]
    assert farm.nodes[0].public_address.startswith("203.0.113.")
    with pytest.raises(NotPossibleError, match="There is no farm 'bob' at test"):
        status(world, "bob")


def test_two_applies_of_one_farm_at_once_make_it_once(make_world, own):
    worlds = [make_world(own) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(
            pool.map(
                lambda world: apply(world, farm_of("alice"), Options(lock_wait=60)),
                worlds,
            )
        )
    assert [problems(outcome) for outcome in outcomes] == [[], [], []]
    made = [
        sum(isinstance(each.step, CreateNode) for each in outcome.steps)
        for outcome in outcomes
    ]
    assert sorted(made) == [0, 0, 4]
    assert settled(worlds[0], "alice", size=2) == []


def test_a_second_apply_that_does_not_wait_is_told_who_changes_the_farm(
    make_world, own, opennebula
):
    world, other = make_world(own), make_world(own)
    with (
        opennebula.fault("boot", effect="slow", seconds=2.0),
        ThreadPoolExecutor(1) as pool,
    ):
        options = Options(command="farmctl apply alice.yaml")
        first = pool.submit(apply, world, farm_of("alice"), options)
        while not (shown := other.cloud.documents()) or shown[0].holder is None:
            pass
        with pytest.raises(FarmLockedError, match="'farmctl apply alice"):
            apply(other, farm_of("alice"), Options(lock_wait=0.1))
        (farm,) = status(other).farms
        assert farm.lock.holder.command == "farmctl apply alice.yaml"
        assert problems(first.result()) == []


def test_a_run_that_is_asked_to_stop_says_what_it_did_not_do(
    make_world, own, opennebula
):
    stop = threading.Event()
    world = make_world(own)
    with (
        opennebula.fault("boot", effect="slow", seconds=2.0),
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(apply, world, farm_of("alice"), Options(stop=stop))
        while len(world.cloud.look().farm("alice").vms) < 4:
            pass
        stop.set()
        outcome = running.result()
    assert outcome.stopped == "It was asked to stop."
    assert outcome.failed
    assert world.cloud.documents()[0].lock is None
    assert problems(apply(world, farm_of("alice"))) == []


@pytest.mark.slow
def test_fifty_farms_at_once_each_get_a_class_c_and_a_public_address(make_world, own):
    records = [Record() for _ in range(50)]
    worlds = [make_world(own, record=record) for record in records]
    start = threading.Barrier(50)

    def go(numbered):
        number, world = numbered
        start.wait()
        return apply(world, farm_of(f"farm{number}", size=0), Options(lock_wait=60))

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(go, enumerate(worlds)))
    assert [problems(outcome) for outcome in outcomes] == [[]] * 50
    view = worlds[0].cloud.look()
    class_cs = {
        farm.network.attributes["NETWORK_ADDRESS"] for farm in view.farms.values()
    }
    assert len(class_cs) == 50
    public = [
        nic.address
        for vm in view.vms
        for nic in vm.nics
        if nic.network == "public" and nic.address
    ]
    assert len(public) == len(set(public)) == 50
    again = sum(len(record.of(Retrying)) for record in records)
    assert again < 50, "those who lose spread, and seldom lose twice"


def test_only_steps_of_a_scale_down_end_vms(world):
    apply(world, farm_of("alice"))
    outcome = scale(world, "alice", "wn", 3)
    assert not any(isinstance(each.step, RemoveNode) for each in outcome.steps)


def test_a_plan_tells_of_a_pool_that_no_hypervisor_could_hold_a_node_of(world, name):
    farm = farm_of(name, size=0)
    pool = farm.pools["wn"].model_copy(
        update={"cpus": 500, "count": Count.model_validate({"min": 0, "max": 3})}
    )
    plan = make_plan(world, farm.model_copy(update={"pools": {"wn": pool}}))
    (note,) = [note.message for note in plan.notes if note.subject == "room"]
    assert note.startswith("A node of wn has 500 cores and")
    assert note.endswith("Make the nodes smaller.")
