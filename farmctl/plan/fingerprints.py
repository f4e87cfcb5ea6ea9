"""What a plan rests on, as short texts, so that a saved one can be refused.

Each subject has a text that changes when the subject does. What goes on by itself
without touching the plan (a node that boots) is one text; what would change the plan or
its consequences (a node that became ready, so that its work could be interrupted) is
another.
"""

import json
from collections.abc import Iterable, Mapping

from farmctl.model.attributes import digest
from farmctl.model.nodes import VmState
from farmctl.model.steps import Plan
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.plan import addresses

_IMAGE = "image "
_NOBODY = "free"

_CLASSES: Mapping[VmState, str] = {
    VmState.PENDING: "coming",
    VmState.HELD: "held",
    VmState.PLACING: "coming",
    VmState.STARTING: "coming",
    VmState.RUNNING: "running",
    VmState.MOVING: "running",
    VmState.OFF: "off",
    VmState.STOPPING: "off",
    VmState.FAILED: "failed",
    VmState.UNKNOWN: "unknown",
    VmState.ENDING: "ending",
}


def fingerprint(
    view: CloudView, *, farm: str, cidr: str, images: Iterable[str]
) -> dict[str, str]:
    """Return the text of every subject that a plan for a farm rests on.

    Args:
        view: one look at the cloud.
        farm: the farm's name.
        cidr: its class C, which others must not overlap.
        images: the OpenNebula names of the images that its nodes are made of.
    """
    mine = view.farm(farm)
    found: dict[str, str] = {}
    for document in mine.documents:
        text = json.dumps(document.body, sort_keys=True, default=str)
        found[f"document {document.name} ({document.id})"] = digest({}, text)
    for network in mine.networks:
        ranges = [f"{each.first}+{each.size}" for each in network.ranges]
        found[f"network {network.name} ({network.id})"] = digest(
            network.attributes, network.tag.digest if network.tag else "", *ranges
        )
    for kind, things in (("security group", mine.groups), ("template", mine.templates)):
        for thing in things:
            found[f"{kind} {thing.name} ({thing.id})"] = digest(
                thing.attributes, thing.tag.digest if thing.tag else ""
            )
    found |= {_subject(vm): _text(vm) for vm in _living(mine)}
    for vm in mine.strangers:
        if vm.state is not VmState.GONE:
            held = ",".join(nic.address for nic in vm.nics)
            found[f"foreign {_subject(vm)}"] = held
    if cidr:
        found[f"class C {cidr}"] = _others(view, farm, cidr)
    for name in sorted(set(images)):
        ids = sorted(each.id for each in view.images if each.name == name)
        found[f"{_IMAGE}{name}"] = ",".join(str(each) for each in ids) or "absent"
    return dict(sorted(found.items()))


def moved(plan: Plan, now: CloudView | Plan) -> list[str]:
    """Return in words what differs from what a plan was made of; nothing if it holds.

    Args:
        plan: the plan, perhaps read from a file.
        now: a fresh look, or a fresh plan of the same farm.
    """
    match now:
        case Plan():
            fresh = now.fingerprint
        case CloudView():
            fresh = fingerprint(
                now,
                farm=plan.farm,
                cidr=plan.cidr,
                images=(
                    subject.removeprefix(_IMAGE)
                    for subject in plan.fingerprint
                    if subject.startswith(_IMAGE)
                ),
            )
    lines: list[str] = []
    for subject in sorted({*plan.fingerprint, *fresh}):
        before, after = plan.fingerprint.get(subject), fresh.get(subject)
        if before == after:
            continue
        if after is None:
            lines.append(f"{subject} is gone")
        elif before is None:
            lines.append(f"{subject} is new")
        elif subject.startswith(("VM ", "foreign ", "class C ", _IMAGE)):
            lines.append(f"{subject}: {before} -> {after}")
        else:
            lines.append(f"{subject} was changed")
    return lines


def _living(mine: FarmView) -> list[Vm]:
    return [vm for vm in mine.vms if vm.state is not VmState.GONE]


def _subject(vm: Vm) -> str:
    return f"VM {vm.name} ({vm.id})"


def _text(vm: Vm) -> str:
    words = [_CLASSES[vm.state]]
    if vm.reported_ready and words == ["running"]:
        words = ["ready"]
    if vm.mark.draining:
        words.append("draining")
    if vm.mark.aside:
        words.append("aside")
    if vm.tag is not None and vm.tag.digest:
        words.append(f"of {vm.tag.digest}")
    if vm.router_files:
        words.append(f"with the files {digest({}, vm.router_files)}")
    if vm.mark.sent:
        words.append(f"sent {vm.mark.sent}")
    if vm.mark.configured:
        words.append(f"configured as {vm.mark.configured}")
    return ", ".join(words)


def _others(view: CloudView, farm: str, cidr: str) -> str:
    claim = addresses.earlier_claim(view, farm=farm, cidr=cidr)
    return claim.who if claim else _NOBODY
