"""Things go wrong: the rest of the farm comes up, and a later apply completes it."""

import threading
import time
from dataclasses import replace

import pytest
from proxy import Proxy
from rig import FAST, Record, farm_of, problems, settled

from farmctl.errors import InputError, UnreachableError
from farmctl.model.nodes import Phase
from farmctl.reconcile import (
    CloudAway,
    NodePhase,
    Options,
    Result,
    Retrying,
    apply,
    destroy,
    scale,
    status,
)

HASTY = "deadlines: {running: 2s, ready: 2s}"


@pytest.fixture
def hasty(own):
    """A site whose patience with a node is short."""
    return own.site.replace("deadlines: {running: 60s, ready: 60s}", HASTY)


def first_host_of_workers(world, name="probe"):
    """Return the hypervisor that the first worker of a farm is put on."""
    apply(world, farm_of(name))
    found = {vm.name: vm.host for vm in world.cloud.look().farm(name).vms}
    assert destroy(world, name).complete
    return found[f"{name}-wn-001"]


def test_a_node_that_fails_on_one_hypervisor_is_made_anew_on_another(world, opennebula):
    host = first_host_of_workers(world)
    with opennebula.fault("boot", host=host, message="no such bridge"):
        outcome = apply(world, farm_of("alice"))
    assert problems(outcome) == []
    assert settled(world, "alice", size=2) == []
    retried = [event.subject for event in world.progress.of(Retrying)]
    assert len(retried) == 1
    hosts = {vm.host for vm in world.cloud.look().farm("alice").vms}
    assert host not in hosts
    (why,) = [row for row in world.journal.written if row[0] == "node made anew"]
    assert "BOOT_FAILURE" in why[1]


def test_a_broken_image_stops_nothing_else_and_is_not_tried_for_ever(world, opennebula):
    farm = farm_of("alice", size=20)
    with opennebula.fault("prolog", image="wn-el9*", message="bad magic"):
        outcome = apply(world, farm)
    up = {
        event.name for event in world.progress.of(NodePhase) if event.phase == "ready"
    }
    assert up == {"alice-router", "alice-head"}
    assert outcome.failed
    assert not outcome.complete
    bad = (Result.ASIDE, Result.SKIPPED, Result.FAILED)
    assert sum(len(outcome.of(result)) for result in bad) == 20
    reason = outcome.of(Result.ASIDE)[0].reason
    assert "put aside" in reason
    assert any("none got ready" in each.reason for each in outcome.of(Result.ASIDE))
    made = opennebula.call("one.vmpool.infoextended", -2, -1, -1, -2, "").count("<VM>")
    assert made <= 2 + 20 + 16, "one boot each, and no second row of boots"
    (shown,) = status(world, "alice").farms
    assert shown.counts == {Phase.READY: 2}
    assert "PROLOG_FAILURE" in shown.nodes[-1].reason
    assert problems(apply(world, farm)) == []
    assert status(world, "alice").farms[0].counts == {Phase.READY: 22}


def test_a_node_that_hangs_in_its_boot_is_made_anew_when_its_time_is_over(
    make_world, own, hasty, opennebula
):
    world = make_world(own, site=hasty, record=Record())
    with opennebula.fault("boot", effect="hang", name="alice-wn-002", count=1):
        outcome = apply(world, farm_of("alice"))
    assert problems(outcome) == []
    assert settled(world, "alice", size=2) == []
    (event,) = world.progress.of(Retrying)
    assert event.subject == "alice-wn-002"
    assert "after 2 s" in event.reason


def test_a_guest_that_never_reports_is_put_aside_and_replaced_later(
    make_world, own, hasty, opennebula
):
    world = make_world(own, site=hasty)
    with opennebula.fault("boot", effect="never_ready", name="alice-wn-001"):
        outcome = apply(world, farm_of("alice"))
    (aside,) = outcome.of(Result.ASIDE)
    assert aside.subject == "alice-wn-001"
    assert "was not ready after 2 s" in aside.reason
    assert len(outcome.of(Result.DONE)) == len(outcome.steps) - 1
    (shown,) = status(world, "alice").farms
    (sick,) = [node for node in shown.nodes if node.aside]
    assert (sick.name, sick.attempts) == ("alice-wn-001", 1)
    assert problems(apply(world, farm_of("alice"))) == []
    assert settled(world, "alice", size=2) == []


def test_a_hypervisor_that_dies_in_the_middle_is_left_behind(
    make_world, own, hasty, opennebula
):
    world = make_world(own, site=hasty, record=Record())
    host = first_host_of_workers(world)
    with opennebula.fault("boot", effect="slow", seconds=0.5, host=host):
        dying = threading.Timer(0.6, opennebula.kill_host, (host,))
        dying.start()
        outcome = apply(world, farm_of("alice"))
        dying.join()
    opennebula.turn(60)
    assert outcome.of(Result.FAILED) == ()
    after = apply(world, farm_of("alice"), Options(interrupt=True))
    assert problems(after) == []
    assert host not in {vm.host for vm in world.cloud.look().farm("alice").vms}


def test_addresses_that_the_network_does_not_give_are_passed_over(world, opennebula):
    apply(world, farm_of("alice"))
    network = world.cloud.look().farm("alice").network
    for address in ("172.30.0.3", "172.30.0.4"):
        opennebula.call("one.vn.hold", network.id, f'LEASES=[IP="{address}"]')
    assert problems(scale(world, "alice", "wn", 4)) == []
    addresses = {vm.nics[0].address for vm in world.cloud.look().farm("alice").vms}
    assert {"172.30.0.5", "172.30.0.6"} <= addresses


def test_opennebula_away_for_a_while_is_waited_for(make_world, own):
    with Proxy(own.endpoint) as proxy:
        world = make_world(own, endpoint=proxy.endpoint, patience=30)
        apply(world, farm_of("warm"))
        proxy.calls.clear()

        def outage():
            while len(proxy.calls) < 8:
                time.sleep(0.01)
            proxy.down()
            time.sleep(2)
            proxy.up()

        away = threading.Thread(target=outage)
        away.start()
        outcome = apply(world, farm_of("alice"))
        away.join()
        assert problems(outcome) == []
        assert settled(world, "alice", size=2) == []


def test_opennebula_away_for_too_long_ends_the_run_and_the_next_completes_it(
    make_world, own, opennebula
):
    world = make_world(own)
    with Proxy(own.endpoint) as proxy:
        record = Record()
        cut = make_world(own, endpoint=proxy.endpoint, patience=0.5, record=record)

        def outage():
            while len(proxy.calls) < 9:
                time.sleep(0.01)
            proxy.down()

        away = threading.Thread(target=outage)
        away.start()
        with opennebula.fault("prolog", effect="slow", seconds=1.5):
            outcome = apply(cut, farm_of("alice"))
        away.join()
    assert outcome.stopped
    assert outcome.failed
    assert "the same command completes it" in outcome.advice
    assert record.of(CloudAway)
    assert outcome.of(Result.UNTRIED) or outcome.of(Result.WAITING)
    assert problems(apply(world, farm_of("alice"))) == []
    assert settled(world, "alice", size=2) == []


def test_an_endpoint_that_is_down_is_an_error_and_nothing_else(make_world, own):
    with Proxy(own.endpoint) as proxy:
        world = make_world(own, endpoint=proxy.endpoint, patience=0.2)
        proxy.down()
        with pytest.raises(UnreachableError):
            apply(world, farm_of("alice"))


def test_a_class_without_hypervisors_is_a_mistake_in_the_files(make_world, own):
    world = make_world(own, site=own.site.replace('"worker"', '"workers"'))
    with pytest.raises(InputError, match="no hypervisor is of the class worker"):
        apply(world, farm_of("alice"))
    assert world.cloud.look().farm("alice").empty


def test_where_deploying_is_left_to_the_scheduler_farms_come_up_too(make_world, own):
    world = make_world(own, site=own.site + "placement: scheduler\n")
    assert problems(apply(world, farm_of("alice"))) == []
    assert settled(world, "alice", size=2) == []


def test_the_scheduler_is_asked_for_another_hypervisor_after_a_failure(
    make_world, own, opennebula
):
    site = own.site + "placement: scheduler\n"
    world = make_world(own, site=site, record=Record())
    with opennebula.fault("boot", name="alice-wn-001", count=1):
        assert problems(apply(world, farm_of("alice"))) == []
    (failed,) = world.progress.of(Retrying)
    assert failed.subject == "alice-wn-001"
    (anew,) = [row for row in world.journal.written if row[0] == "node made anew"]
    hosts = {vm.name: vm.host for vm in world.cloud.look().farm("alice").vms}
    assert hosts["alice-wn-001"] != anew[2]["host"]


def test_a_run_that_was_taken_over_changes_nothing_more(make_world, own, opennebula):
    world = make_world(own, tempo=replace(FAST, beat=0.1))
    thief = make_world(own)
    with opennebula.fault("boot", effect="slow", seconds=8.0):
        running = {}

        def go():
            running["outcome"] = apply(world, farm_of("alice"))

        thread = threading.Thread(target=go)
        thread.start()
        while len(thief.cloud.look().farm("alice").vms) < 4:
            pass
        (document,) = thief.cloud.documents()
        other = replace(document.holder, nonce="another", host="ui02", boot="x")
        while thread.is_alive():  # a beat that is under way may write over it once
            thief.cloud.write_document(document.id, dict(document.body), other)
            thread.join(0.05)
    assert running["outcome"].stopped == "Another process has taken alice over."
    (document,) = thief.cloud.documents()
    assert document.holder.nonce == "another"
    assert document.lock is not None
