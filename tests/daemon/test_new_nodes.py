"""Which new nodes of a roll count as failed, and which are only out for now."""

from dataclasses import replace

import pytest

from farmctl.daemon.faring import Faring, kinds
from farmctl.model.nodes import Mark, VmState
from farmctl.model.rolling import Roll
from farmctl.model.sample import Drainer, NodeSample, NodeState
from farmctl.model.view import Vm

NOW = 100_000.0
ROLL = Roll(old="old", new="new", began=NOW - 1_000)
RUNS = Vm(id=5, name="f-wn-005", owner_id=0, state=VmState.RUNNING, since=99_500)
READY = NodeSample(
    name="f-wn-005",
    pool="wn",
    slots=1,
    state=NodeState.READY,
    since=NOW - 400,
    joined=NOW - 400,
    image="new",
)
DOWN = replace(READY, state=NodeState.ASIDE, shown="DOWN", reason="Not responding")
BLANK = replace(READY, state=NodeState.BOOTING, joined=0.0)
FAILED = {5: "the batch system took it out: Not responding"}


def see(known, node, at, *, vm=RUNS, good=(), restarting=False, others=()):
    return known.see(
        {vm.id: (vm, node)},
        ROLL,
        good=frozenset(good),
        restarting=restarting,
        lasts=300.0,
        now=NOW + at,
        elsewhere=kinds(others),
    )


def test_a_node_that_is_out_has_failed_once_that_has_lasted():
    fares = see(Faring(), DOWN, 0)
    assert (fares.sick, fares.out) == ({}, {5})
    fares = see(fares, DOWN, 299)
    assert (fares.sick, fares.out) == ({}, {5})
    fares = see(fares, DOWN, 300)
    assert (fares.sick, fares.out) == (FAILED, frozenset())


def test_one_that_is_back_in_between_is_looked_at_anew():
    fares = see(see(Faring(), DOWN, 0), READY, 200)
    assert (fares.sick, fares.out) == ({}, frozenset())
    assert see(see(fares, DOWN, 250), DOWN, 400).sick == {}


@pytest.mark.parametrize(
    "node",
    [
        replace(DOWN, shown="IDLE+MAINT+RESERVED", reason=""),
        replace(DOWN, shown="IDLE+RESERVED", reason=""),
        replace(DOWN, shown="IDLE+DRAIN", reason="disk", drained_by=Drainer.OTHERS),
    ],
)
def test_what_a_person_does_to_a_node_is_no_failure_however_long(node):
    fares = see(see(Faring(), node, 0), node, 50_000)
    assert (fares.sick, fares.out) == ({}, {5})


DRAINED = replace(DOWN, shown="IDLE+DRAIN", drained_by=Drainer.OTHERS)


@pytest.mark.parametrize(
    ("reason", "told_by", "after"),
    [
        ("NHC: check_fs_mount: /data not mounted", "root", 300),
        ("NHC: check_hw_ib: no IB port", "monitor", 300),
        ("Low RealMemory (reported:480 < 100.00% of configured:600)", "slurm", 300),
        ("Kill task failed", "slurm", 300),
        ("site check: no CernVM-FS", "root", 3_600),
    ],
)
def test_a_new_node_that_a_check_drains_has_failed_after_a_while(
    reason, told_by, after
):
    node = replace(DRAINED, reason=reason, told_by=told_by)
    fares = see(see(Faring(), node, 0), node, after - 1)
    assert (fares.sick, fares.out) == ({}, {5})
    fares = see(fares, node, after)
    assert fares.sick == {5: f"it was drained by {told_by}: {reason}"}


@pytest.mark.parametrize("told_by", ["ann", ""])
def test_a_drain_by_a_persons_account_is_waited_for(told_by):
    node = replace(DRAINED, reason="I look into it", told_by=told_by)
    fares = see(see(Faring(), node, 0), node, 50_000)
    assert (fares.sick, fares.out) == ({}, {5})


def test_a_drain_that_nodes_of_other_makes_have_as_well_is_of_no_make():
    node = replace(DRAINED, reason="NHC: load 91", told_by="root")
    other = replace(node, name="f-wn-002", image="old", reason="NHC: load 87")
    fares = see(Faring(), node, 0, others=[other])
    assert see(fares, node, 50_000, others=[other]).sick == {}
    ours = replace(other, state=NodeState.DRAINING, drained_by=Drainer.US)
    assert see(see(Faring(), node, 0), node, 300, others=[ours]).sick


def test_a_check_that_drains_a_node_that_was_proven_is_no_failure_of_its_make():
    node = replace(DRAINED, reason="NHC: disk", told_by="root")
    fares = see(see(Faring(), READY, 0, good=[5]), node, 10)
    assert see(fares, node, 50_000).sick == {}


def test_while_the_server_restarts_no_time_counts():
    fares = see(see(Faring(), DOWN, 0), DOWN, 400, restarting=True)
    assert (fares.sick, fares.out) == ({}, {5})
    fares = see(fares, DOWN, 500)
    assert fares.sick == {}
    assert see(fares, DOWN, 800).sick == FAILED


def test_one_that_had_proven_itself_holds_nothing_up_while_it_is_out():
    fares = see(see(Faring(), READY, 0, good=[5]), DOWN, 10)
    assert (fares.sick, fares.out) == ({}, frozenset())
    assert see(fares, DOWN, 310).sick == FAILED


def test_a_node_that_is_switched_off_by_hand_is_no_failure():
    off = replace(RUNS, state=VmState.OFF)
    # It had joined: with work on it the batch system still shows it.
    fares = see(Faring(), READY, 0)
    assert see(fares, BLANK, 10, vm=off).sick == {}
    fares = see(fares, DOWN, 10, vm=off)
    assert see(fares, DOWN, 50_000, vm=off).sick == {}
    # It had not, and somebody had OpenNebula switch it off.
    assert see(Faring(), BLANK, 0, vm=replace(off, asked_off=True)).sick == {}


def test_a_node_that_never_joined_and_goes_off_has_failed_at_once():
    off = replace(RUNS, state=VmState.OFF)
    fares = see(see(Faring(), BLANK, 0), BLANK, 10, vm=off)
    assert fares.sick == {5: "it went off before it had joined"}


def test_a_vm_that_failed_or_was_put_aside_has_failed_at_once():
    failed = replace(RUNS, state=VmState.FAILED, error="no boot device")
    assert see(Faring(), BLANK, 0, vm=failed).sick == {5: "no boot device"}
    aside = replace(RUNS, mark=Mark(aside=True, reason="it came up too late"))
    assert see(Faring(), BLANK, 0, vm=aside).sick == {5: "it came up too late"}


def test_one_of_an_earlier_try_is_none_of_this_rolls():
    old = replace(RUNS, since=98_000)
    assert see(see(Faring(), DOWN, 0, vm=old), DOWN, 400, vm=old).sick == {}
