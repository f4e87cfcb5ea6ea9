"""Whether there is evidence enough to end a VM.

Nothing that may be working is ended on one read. Right before the end, all VMs of a
wave that are to go are read once more, by id; one that has changed since the plan is
left alone. A cloud that shows a third fewer of a farm's nodes than a moment ago is not
believed at all.
"""

from collections.abc import Mapping, Sequence

from farmctl.model.nodes import Role, VmState
from farmctl.model.steps import RemoveNode, ReplaceNode
from farmctl.model.view import CloudView, Vm
from farmctl.reconcile.items import NodeStep
from farmctl.reconcile.nodes import Nodes
from farmctl.reconcile.run import Run

_ENOUGH = 3
"""From so many nodes on, a third that is missing is more than one mishap."""

_AT_WORK = frozenset({VmState.RUNNING, VmState.MOVING})
_LEAVING = frozenset({VmState.ENDING, VmState.GONE})


def against_ending(
    run: Run, steps: Sequence[NodeStep], nodes: Nodes
) -> Mapping[int, str]:
    """Say which steps must not end their VM, and why, by the step's identity."""
    ending = [step for step in steps if isinstance(step, RemoveNode | ReplaceNode)]
    if not ending:
        return {}
    refused: dict[int, str] = {}
    if run.doubt and not run.plan.destroys:
        return {id(step): run.doubt for step in ending}
    if not run.plan.destroys and not run.options.interrupt and _has_batch(run):
        for step in ending:
            if step.vm_id in run.options.released:
                continue
            if step.may_work and _role(step) in {Role.WORKER, None}:
                refused[id(step)] = (
                    f"It may be working. {_sentence(step.because)} It is left until "
                    "it is drained, or you consent to interrupting it (--interrupt)."
                )
    if not run.plan.destroys and not run.options.interrupt:
        refused |= _heads(run, ending)
    asked = [step for step in ending if id(step) not in refused]
    if asked:
        before = {vm.id: vm for vm in run.view.farm(run.farm).vms}
        now = nodes.again(step.vm_id for step in asked)
        for step in asked:
            reason = _changed(run, step, before.get(step.vm_id), now.get(step.vm_id))
            if reason:
                refused[id(step)] = reason
    return refused


def _heads(run: Run, ending: Sequence[NodeStep]) -> Mapping[int, str]:
    """Say which heads stay: those whose hypervisor is silent, or that hold a queue."""
    refused: dict[int, str] = {}
    silent = {
        vm.id for vm in run.view.farm(run.farm).vms if vm.state is VmState.UNKNOWN
    }
    for step in ending:
        if not isinstance(step, RemoveNode | ReplaceNode) or not step.may_work:
            continue
        if _role(step) is not Role.HEAD:
            continue
        if step.vm_id in silent:
            refused[id(step)] = (
                f"{_sentence(step.because)} It may still run there, and its disk "
                "is its own. It is left until the hypervisor is back, or you "
                "consent to losing it (--interrupt)."
            )
        elif _has_batch(run):
            refused[id(step)] = (
                f"{_sentence(step.because)} The queue, with all jobs in it, is on its "
                "disk and would be lost. It is left until the queue is empty and you "
                "consent to losing what else it keeps (--interrupt)."
            )
    return refused


def may_have_jobs(run: Run) -> frozenset[int]:
    """Return the batch workers that ran already when the plan was made.

    One that never reported ready may have joined its batch system all the same: it is
    not ended for being late, unless somebody consents.
    """
    if run.options.interrupt or not _has_batch(run):
        return frozenset()
    return frozenset(
        vm.id
        for vm in run.view.farm(run.farm).vms
        if vm.state in _AT_WORK and vm.tag is not None and vm.tag.role is Role.WORKER
    )


def doubt(farm: str, before: CloudView, after: CloudView) -> str:
    """Say why a look is no evidence against any node; nothing if it is to be believed.

    Those that were on their way out before, such as by a run that was killed, are not
    missed.

    Args:
        farm: whose nodes it is about.
        before: an earlier look.
        after: the look in question.
    """
    known = {vm.id for vm in before.farm(farm).vms if vm.state not in _LEAVING}
    shown = {vm.id for vm in after.farm(farm).vms}
    missing = len(known - shown)
    if len(known) >= _ENOUGH and missing * 3 >= len(known):
        return (
            f"OpenNebula shows {missing} of {len(known)} nodes no longer, all at once. "
            "That is no evidence: no node is ended on it."
        )
    return ""


def _sentence(because: str) -> str:
    text = because[:1].upper() + because[1:]
    return text if text.endswith(".") else f"{text}."


def _has_batch(run: Run) -> bool:
    """Whether jobs may run on the farm's workers; so it is taken if nobody knows."""
    found = run.view.farm(run.farm).document
    declared = found.body.get("farm") if found and found.body else None
    return not isinstance(declared, Mapping) or bool(declared.get("batch"))


def _role(step: RemoveNode | ReplaceNode) -> Role | None:
    return step.role if isinstance(step, RemoveNode) else step.node.role


def _changed(
    run: Run, step: RemoveNode | ReplaceNode, before: Vm | None, now: Vm | None
) -> str:
    if now is None:
        return f"A second look did not show the VM {step.vm_id}: nothing is ended."
    if now.state is VmState.GONE:
        return ""
    if now.tag is None or now.tag.farm != run.farm:
        return f"The VM {step.vm_id} no longer carries the tag of {run.farm}."
    if run.plan.destroys or run.options.interrupt or before is None:
        return ""
    if now.state in _AT_WORK and before.state not in _AT_WORK:
        return f"The VM {step.vm_id} has started to run since the plan was made."
    if now.reported_ready and not before.reported_ready:
        return f"The VM {step.vm_id} has become ready since the plan was made."
    if now.mark.aside != before.mark.aside or now.mark.draining != before.mark.draining:
        return f"The VM {step.vm_id} was marked otherwise since the plan was made."
    return ""
