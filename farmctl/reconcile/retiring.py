"""Striking gone nodes off their farm's lists, before their names are forgotten.

Whatever the batch system lists and two looks at the cloud do not show is struck, not
only what this run has ended: a run may have been killed in between, or have found no
head. The router's files are the note of that. They name a node until it is struck, so
the next plan is not empty and comes by here again.
"""

import re
from dataclasses import replace

from farmctl.errors import FarmctlError
from farmctl.model.guests import guests
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.steps import (
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    Note,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.reconcile import evidence, inside
from farmctl.reconcile.run import Run
from farmctl.reconcile.values import Result


def before_forgetting(run: Run, step: ChangeRouter) -> str:
    """Strike what is gone before the router forgets it; say why the router must wait.

    It waits only where forgetting is all that it is to do: a forward that is to change
    does so whether or not the head answers, and what was not struck becomes a note.
    """
    gone = _forgotten(run, step)
    if not gone:
        return ""
    trouble = _strike(run)
    run.struck = True  # or tried to: a head that is away is waited for once
    if not trouble:
        return ""
    if step.leavers or all(_ONLY_NAMES.match(line) for line in step.changes):
        return f"It goes on knowing {_some(gone)}, not struck off yet: {trouble}"
    said = f"{_some(gone)}: not struck off its lists: {trouble}"
    run.notes.append(Note(subject=run.farm, message=said))
    return ""


_ONLY_NAMES = re.compile(r"(dhcp|dhcp-hosts|hosts): - ")
"""A line that goes from the files that name nodes, in either flavour."""


def _forgotten(run: Run, step: ChangeRouter) -> list[str]:
    """Return the workers whose names the router's new files no longer have."""
    name = re.compile(
        rf"(?<![\w.-]){re.escape(run.farm)}-[a-z0-9-]+-[0-9]{{3,}}(?![\w-])"
    )
    lost, kept = set(step.leavers), set[str]()
    for line in step.changes:
        (lost if ": - " in line else kept).update(name.findall(line))
    return sorted(lost - kept)


def at_the_end(run: Run) -> Note | None:
    """Strike what is gone after a run that did anything with workers.

    What fails becomes a note. The router has forgotten nobody on the way here.
    """
    removed = [
        step
        for step in run.plan.steps
        if isinstance(step, RemoveNode) and _is_worker(step) and _done(run, step)
    ]
    others = [
        step
        for step in run.plan.steps
        if not isinstance(step, RemoveNode) and _is_worker(step) and _done(run, step)
    ]
    if run.struck or not (removed or (others and run.options.wait)):
        return None
    trouble = _strike(run)
    if not trouble:
        return None
    gone = [step.name for step in removed]
    said = f"{_some(gone)}: not struck off" if gone else "Nothing was struck off"
    return Note(subject=run.farm, message=f"{said} its lists: {trouble}")


def _strike(run: Run) -> str:
    """Strike what neither the run's look nor another one shows; say why not."""
    world = run.world
    if world.guests is None or run.plan.destroys:
        return ""
    if run.stopped or run.doubt:
        return run.stopped or run.doubt
    try:
        farm = inside.declared(run)
        if farm.head is None or farm.batch is None:
            return ""
        seen = world.reads.look()
        mine = seen.farm(run.farm)
        head = _head(mine)
        if head is None or head.id not in {vm.id for vm in run.view.vms}:
            return ""  # with the old head its list went, and a new one's is true
        if not inside.is_ready(head, mine):
            return f"{run.farm}-head, which keeps the list, is not ready."
        if doubt := evidence.doubt(run.farm, _staying(run), seen):
            return doubt
        run.gate()
        world.guests.retire(farm, guests(mine), _shown(run, mine))
    except FarmctlError as error:
        return error.message
    return ""


def _staying(run: Run) -> CloudView:
    """Return the run's look without the VMs that the plan ends."""
    ends = {
        step.vm_id
        for step in run.plan.steps
        if isinstance(step, RemoveNode | ReplaceNode)
    }
    return replace(run.view, vms=tuple(vm for vm in run.view.vms if vm.id not in ends))


def _shown(run: Run, mine: FarmView) -> frozenset[str]:
    """Return the names of all nodes that one of two looks shows, the ended ones not."""
    ended = {
        step.vm_id
        for step in run.plan.steps
        if isinstance(step, RemoveNode) and _done(run, step)
    }
    before = (vm for vm in run.view.farm(run.farm).vms if vm.id not in ended)
    return frozenset(
        name
        for vm in (*before, *mine.vms)
        if vm.state is not VmState.GONE
        for name in _names(vm)
    )


def _names(vm: Vm) -> tuple[str, ...]:
    tag = vm.tag
    if tag is None or tag.role is None:
        return (vm.name,)
    return vm.name, node_name(tag.farm, tag.role, tag.pool, tag.ordinal)


def _head(mine: FarmView) -> Vm | None:
    heads = (vm for vm in mine.vms if vm.tag is not None and vm.tag.role is Role.HEAD)
    return next(heads, None)


def _is_worker(step: Step) -> bool:
    match step:
        case RemoveNode():
            return step.role is Role.WORKER
        case CreateNode() | ReplaceNode() | StartNode():
            return step.node.role is Role.WORKER
        case _:
            return isinstance(step, ConfigureNodes)


def _done(run: Run, step: Step) -> bool:
    return run.result_of(step) is Result.DONE


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


_SHOWN = 5
