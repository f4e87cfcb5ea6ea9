"""What carries the farm's tag and is not needed: surplus, doubled, or in the way.

A lost answer can leave a second document or network; a pool that is gone leaves its
template. What strangers use stays, and is named.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from farmctl.model.attributes import Kind
from farmctl.model.nodes import VmState
from farmctl.model.steps import DeleteObject, Note, Step
from farmctl.model.target import Target
from farmctl.model.view import CloudView, FarmView, Network
from farmctl.plan import objects


@dataclass(kw_only=True)
class SurplusSteps:
    """Deletions, in the order in which they are taken; nodes have ended before."""

    objects: list[Step] = field(default_factory=list)
    groups: list[Step] = field(default_factory=list)
    documents: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def surplus(
    target: Target, view: CloudView, *, ending: Collection[int] = ()
) -> SurplusSteps:
    """Return the steps for what carries the farm's tag and is not needed.

    Args:
        target: the farm as it should be.
        view: one look at the cloud.
        ending: ids of VMs that the plan ends; what they alone use can go.
    """
    mine = view.farm(target.farm)
    steps = SurplusSteps()
    shapes = {(shape.role, shape.pool) for shape in target.shapes}
    for template in sorted(mine.templates, key=lambda each: each.id):
        tag = template.tag
        key = (tag.role, tag.pool) if tag else (None, "")
        first = objects.template_of(mine, *key)
        if key not in shapes:
            steps.objects.append(
                _delete(Kind.TEMPLATE, template, "no role or pool needs it")
            )
        elif first is not None and first.id != template.id:
            steps.objects.append(_delete(Kind.TEMPLATE, template, "is there twice"))
    for network in sorted(mine.networks, key=lambda each: each.id)[1:]:
        lodgers = lodgers_of(network, mine)
        if lodgers:
            steps.notes.append(lodgers)
        else:
            steps.objects.append(_delete(Kind.NETWORK, network, "is there twice"))
    counting = {
        found.id
        for group in target.groups
        if (found := objects.group_of(group, target, mine)) is not None
    }
    staying = [vm for vm in mine.vms if vm.id not in ending]
    for group in sorted(mine.groups, key=lambda each: each.id):
        if group.id in counting:
            continue
        users = [
            vm
            for vm in (*staying, *mine.strangers)
            if vm.state is not VmState.GONE
            and any(group.id in nic.security_group_ids for nic in vm.nics)
        ]
        if users:
            steps.notes.append(
                Note(
                    subject=f"security group {group.name}",
                    message=f"is not needed, but the VM {users[0].name} "
                    f"({users[0].id}) uses it; left alone",
                )
            )
        else:
            steps.groups.append(_delete(Kind.SECURITY_GROUP, group, "nothing needs it"))
    for surplus in sorted(mine.documents, key=lambda each: each.id)[1:]:
        steps.documents.append(
            DeleteObject(
                kind=Kind.DOCUMENT,
                id=surplus.id,
                name=surplus.name,
                because="is there twice",
            )
        )
    return steps


def lodgers_of(network: Network, mine: FarmView) -> Note | None:
    """Return a note if strangers hold leases in a network, so that it cannot go."""
    held = [
        f"{vm.name} ({vm.id})"
        for vm in mine.strangers
        if any(nic.network_id == network.id for nic in vm.nics)
    ]
    if not held:
        return None
    return Note(
        subject=f"network {network.name}",
        message=f"cannot go: VMs that are not the farm's hold leases in it: "
        f"{', '.join(held)}. End them or take their interface off, and try again",
    )


def holds_of(network: Network, mine: FarmView) -> Note | None:
    """Return a note if more addresses of a network are taken than VMs are shown.

    They are held by hand, or by VMs that the user may not see. It is a note only: a
    VM that was ending while the pools were read can look like that for a moment.
    """
    shown = sum(
        nic.network_id == network.id
        for vm in (*mine.vms, *mine.strangers)
        for nic in vm.nics
    )
    held = network.used_leases - shown
    if held <= 0:
        return None
    what = "1 address" if held == 1 else f"{held} addresses"
    return Note(
        subject=f"network {network.name}",
        message=f"{what} of it held, and by no VM that is shown: see onevnet show "
        f"{network.id}; onevnet release {network.id} ADDRESS lets it go",
    )


def _delete(kind: Kind, shown: objects.Shown, because: str) -> DeleteObject:
    return DeleteObject(kind=kind, id=shown.id, name=shown.name, because=because)
