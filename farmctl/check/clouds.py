"""Judging what the cloud and the batch system show. Pure."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from farmctl.check.expected import Expected
from farmctl.check.values import Finding, Probe, fault, good
from farmctl.model.nodes import Phase, Role, VmState, node_name, phase
from farmctl.model.sample import NodeState, Sample
from farmctl.model.steps import Plan
from farmctl.model.view import Vm
from farmctl.plan import document, lines
from farmctl.spec import Farm

_LEAST_MEMORY = 0.8
"""Of what a node was given, the part that its batch system must have: the image's
services and a margin are taken off."""


def plan(found: Plan) -> Iterator[Finding]:
    """Yield what separates the cloud from the farm as it was declared."""
    # Notes are about what is left alone.
    told = [e for e in lines.lines(replace(found, notes=())) if e.glyph.strip()]
    for each in told:
        yield fault(
            Probe.PLAN,
            each.subject,
            f"{each.glyph} {each.what}".strip(),
            hint="`farmctl plan` tells more; `farmctl apply` puts it right.",
        )
    if found.changes_nothing and not told:
        kept = sum(found.keeps.values())
        yield good(Probe.PLAN, "", f"{kept} objects and nodes are as declared")


def ready(expected: Expected) -> Iterator[Finding]:
    """Yield which nodes are READY, and who else is in the farm's network."""
    for vm in expected.view.vms:
        if vm.tag is None or vm.tag.role is None or vm.state is VmState.GONE:
            continue
        tag, role = vm.tag, vm.tag.role
        name = node_name(expected.farm.name, role, tag.pool, tag.ordinal)
        yield _ready(expected, vm, expected.short(name), tag.pool or role.value)
    for vm in expected.view.strangers:
        if vm.state not in (VmState.GONE, VmState.ENDING):
            yield fault(
                Probe.READY,
                vm.name,
                f"VM {vm.id} is none of the farm's, and has an address in its network",
                hint="End it, or take its interface off the network.",
            )


def _ready(expected: Expected, vm: Vm, name: str, key: str) -> Finding:
    shown = phase(
        vm.state,
        reported_ready=vm.reported_ready,
        readiness=document.readiness(expected.view.document, key),
    )
    if vm.mark.aside:
        return fault(Probe.READY, name, f"was put aside: {vm.mark.reason}")
    if shown is Phase.READY:
        return good(Probe.READY, name, "ready")
    why = vm.error or vm.sched_message
    return fault(
        Probe.READY,
        name,
        f"is {shown.value}" + (f": {why}" if why else ""),
        hint=f"farmctl explain {expected.farm.name}",
    )


def batch(expected: Expected, sample: Sample) -> Iterator[Finding]:
    """Yield whether each worker is in the batch system's list, as it should be."""
    there = {each.name: each for each in sample.nodes}
    marks = _marks(expected)
    workers = [each for each in expected.nodes if each.role is Role.WORKER]
    for guest in workers:
        name = expected.short(guest.name)
        if guest.name not in there:
            yield fault(
                Probe.BATCH,
                name,
                f"{sample.system or 'the batch system'} does not know it",
                hint="Does its slurmd run, and does it reach the head?",
            )
            continue
        node, declared = there[guest.name], expected.farm.pools.get(guest.pool)
        shown = node.shown or node.state.value
        wrong = []
        if declared is not None and node.slots != declared.cpus:
            wrong.append(f"has {node.slots} slots there, not {declared.cpus}")
        if declared is not None and node.memory_mib:
            least = declared.memory * _LEAST_MEMORY
            if not least <= node.memory_mib <= declared.memory:
                wrong.append(
                    f"has {node.memory_mib} MiB there, of {declared.memory} declared"
                )
        if node.state is NodeState.DRAINING and marks.get(guest.name):
            shown += ", drained by us"
        elif node.state is not NodeState.READY:
            why = f": {node.reason}" if node.reason else ""
            wrong.append(f"takes no work, it is {shown}{why}")
        if wrong:
            yield fault(Probe.BATCH, name, " and ".join(wrong))
        else:
            yield good(Probe.BATCH, name, f"{shown}, {node.slots} slots")
    known = {each.name for each in workers}
    for name in sorted(there.keys() - known):
        yield fault(
            Probe.BATCH,
            expected.short(name),
            "is in the batch system's list, and there is no such node",
            hint=strike_off(expected.farm, name),
        )
    if not workers and not there:
        yield good(Probe.BATCH, "", f"{sample.system}: no worker, and none in the list")


def strike_off(farm: Farm, name: str) -> str:
    """Return the command that strikes a node off.

    Its work is ended first, and no job is in its end anywhere: Slurm 22.05 dies of a
    node that is deleted under a job, be it that another of the job's nodes still ends.
    """
    if farm.batch != "slurm":
        return "Strike it off on the head, as its batch system's admin does that."
    line = (
        f"scontrol update nodename={name} state=down reason=gone && "
        f'while [ -n "$(squeue -ht CG; squeue -hw {name})" ]; do sleep 1; done && '
        f"scontrol delete nodename={name}"
    )
    head = f"farmctl ssh {farm.name} head {shlex.quote(line)}"
    return f"Is it really gone? Then: {head}"


def _marks(expected: Expected) -> Mapping[str, bool]:
    """Return which nodes are being drained by us."""
    return {
        node_name(expected.farm.name, vm.tag.role, vm.tag.pool, vm.tag.ordinal): (
            vm.mark.draining
        )
        for vm in expected.view.vms
        if vm.tag is not None and vm.tag.role is not None
    }
