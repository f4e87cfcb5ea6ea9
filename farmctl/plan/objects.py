"""Steps for what is no node: the document, groups, the network, templates.

An object's tag carries the digest of what farmctl last wrote. Another digest wanted:
the files changed. The same digest wanted and another content shown: somebody changed
the object, and that is drift. A name that a foreign object of the same owner holds
cannot be had from OpenNebula; all such names are told at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from farmctl.errors import NotPossibleError
from farmctl.model.attributes import Attributes, Kind, Ref, digest
from farmctl.model.nodes import Role, Tag
from farmctl.model.steps import (
    Cause,
    ChangeObject,
    CreateObject,
    DeleteObject,
    Note,
    Step,
)
from farmctl.model.target import Shape, Target, TargetObject
from farmctl.model.view import CloudView, FarmView, Network, Template
from farmctl.plan import compare, document
from farmctl.plan.resolve import FIXED


class Shown(Protocol):
    """A group, network or template as the cloud shows it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def owner_id(self) -> int: ...
    @property
    def tag(self) -> Tag | None: ...
    @property
    def attributes(self) -> Attributes: ...


_S = TypeVar("_S", bound=Shown)


@dataclass(kw_only=True)
class ObjectSteps:
    """The steps for objects, in the order in which they are taken.

    `nodes` come between `templates` and `gone`.
    """

    document: list[Step] = field(default_factory=list)
    groups: list[Step] = field(default_factory=list)
    network: list[Step] = field(default_factory=list)
    templates: list[Step] = field(default_factory=list)
    gone: list[Step] = field(default_factory=list)
    gone_groups: list[Step] = field(default_factory=list)
    gone_documents: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    keeps: dict[str, int] = field(default_factory=dict)


def template_of(mine: FarmView, role: Role | None, pool: str) -> Template | None:
    """Return the farm's template of a role or pool that counts: the lowest id."""
    return _lowest(
        each
        for each in mine.templates
        if each.tag is not None and (each.tag.role, each.tag.pool) == (role, pool)
    )


def object_ids(mine: FarmView) -> dict[Ref, int]:
    """Return the ids of the farm's objects as references name them."""
    found: dict[Ref, int] = {}
    things: list[tuple[Kind, Shown]] = [
        *((Kind.SECURITY_GROUP, group) for group in mine.groups),
        *((Kind.TEMPLATE, template) for template in mine.templates),
    ]
    for kind, thing in sorted(things, key=lambda pair: pair[1].id):
        found.setdefault(Ref(kind=kind, name=thing.name), thing.id)
    if mine.network is not None:
        found[Ref(kind=Kind.NETWORK, name=mine.farm)] = mine.network.id
    if mine.document is not None:
        found[Ref(kind=Kind.DOCUMENT, name=mine.farm)] = mine.document.id
    return found


def names(view: CloudView, mine: FarmView) -> compare.Names:
    """Return what ids are called, for differences that people can read."""
    return compare.Names(
        images={str(each.id): each.name for each in view.images},
        groups={str(each.id): each.name for each in mine.groups} | {"0": "default"},
    )


def object_steps(target: Target, view: CloudView) -> ObjectSteps:
    """Return the steps for everything that is no node.

    Raises:
        NotPossibleError: foreign objects hold names that the farm needs.
    """
    mine = view.farm(target.farm)
    _refuse_taken_names(target, view, mine)
    steps = ObjectSteps()
    _document(steps, target, mine)
    draw = _Drawing(target=target, mine=mine, names=names(view, mine))
    for group in target.groups:
        shown = _lowest(each for each in mine.groups if each.name == group.name)
        draw.hold(
            steps.groups,
            Kind.SECURITY_GROUP,
            group,
            shown,
            tag=Tag(farm=target.farm, digest=digest(group.attributes)),
            needed=bool(mine.vms),
            keeps=steps.keeps,
        )
    _network(steps, draw)
    for shape in target.shapes:
        draw.hold(
            steps.templates,
            Kind.TEMPLATE,
            TargetObject(name=shape.template, attributes=shape.attributes),
            template_of(mine, shape.role, shape.pool),
            tag=_template_tag(target, shape),
            needed=any(_instance(vm.tag, shape) for vm in mine.vms),
            keeps=steps.keeps,
        )
    _surplus(steps, target, mine)
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    target: Target
    mine: FarmView
    names: compare.Names

    def hold(
        self,
        steps: list[Step],
        kind: Kind,
        wanted: TargetObject,
        shown: Shown | None,
        *,
        tag: Tag,
        needed: bool,
        keeps: dict[str, int],
    ) -> None:
        """Add the step, if any, that makes `shown` what is wanted.

        `needed`: nodes are there that cannot have been made without it, so that its
        absence is drift.
        """
        if shown is None:
            steps.append(
                CreateObject(
                    kind=kind,
                    name=wanted.name,
                    tag=tag,
                    attributes=wanted.attributes,
                    because="is missing" if needed else "is new",
                    cause=Cause.DRIFT if needed else Cause.CHANGE,
                )
            )
            return
        ids = object_ids(self.mine)
        compared = {
            key: value
            for key, value in wanted.attributes.items()
            if kind is not Kind.NETWORK or key not in FIXED
        }
        changes = compare.differences(
            kind, compared, shown.attributes, id_of=ids.get, names=self.names
        )
        if shown.name != wanted.name:
            changes = (f"name {shown.name} -> {wanted.name}", *changes)
        written = shown.tag.digest if shown.tag else ""
        if written == tag.digest and not changes:
            keeps[kind.value] = keeps.get(kind.value, 0) + 1
            return
        drift = written == tag.digest
        steps.append(
            ChangeObject(
                kind=kind,
                id=shown.id,
                name=wanted.name,
                tag=tag,
                attributes=wanted.attributes,
                changes=changes or ("written anew",),
                because="changed by hand" if drift else "declared otherwise",
                cause=Cause.DRIFT if drift else Cause.CHANGE,
            )
        )


def _document(steps: ObjectSteps, target: Target, mine: FarmView) -> None:
    tag = Tag(farm=target.farm)
    shown = mine.document
    if shown is None:
        steps.document.append(
            CreateObject(
                kind=Kind.DOCUMENT,
                name=target.farm,
                tag=tag,
                attributes=document.as_attributes(target.document),
                because="is missing" if not mine.empty else "is new",
                cause=Cause.CHANGE if mine.empty else Cause.DRIFT,
            )
        )
        return
    changes = document.differences(shown.body, target.document)
    if shown.name != target.farm:
        changes = (f"name {shown.name} -> {target.farm}", *changes)
    if not changes:
        steps.keeps[Kind.DOCUMENT.value] = 1
        return
    drift = shown.body is None or shown.name != target.farm
    steps.document.append(
        ChangeObject(
            kind=Kind.DOCUMENT,
            id=shown.id,
            name=target.farm,
            tag=tag,
            attributes=document.as_attributes(
                document.merged(shown.body, target.document)
            ),
            changes=changes,
            because="changed by hand" if drift else "declared otherwise",
            cause=Cause.DRIFT if drift else Cause.CHANGE,
        )
    )


def _network(steps: ObjectSteps, draw: _Drawing) -> None:
    wanted, shown = draw.target.network, draw.mine.network
    mutable = {
        key: value for key, value in wanted.attributes.items() if key not in FIXED
    }
    draw.hold(
        steps.network,
        Kind.NETWORK,
        wanted,
        shown,
        tag=Tag(farm=draw.target.farm, digest=digest(mutable)),
        needed=bool(draw.mine.vms),
        keeps=steps.keeps,
    )
    if shown is not None:
        steps.notes += _fixed(wanted, shown)


def _fixed(wanted: TargetObject, shown: Network) -> Iterable[Note]:
    subject = f"network {shown.name}"
    for key in ("VN_MAD", "PHYDEV"):
        old, new = shown.attributes.get(key, ""), wanted.attributes.get(key, "")
        if old != new and isinstance(old, str) and isinstance(new, str):
            yield Note(
                subject=subject,
                message=f"was made with {key} {old or 'none'}, the site says "
                f"{new or 'none'} now; destroy the farm and apply it to change that",
            )
    for vector in compare.vectors(wanted.attributes.get("AR", ())):
        should = (vector.get("IP"), vector.get("SIZE"))
        ranges = [(each.first, str(each.size)) for each in shown.ranges]
        if ranges != [should]:
            said = ", ".join(f"{first}+{size}" for first, size in ranges) or "none"
            yield Note(
                subject=subject,
                message=f"has the address ranges {said} instead of "
                f"{should[0]}+{should[1]}; ranges are not changed under a farm",
            )


def _surplus(steps: ObjectSteps, target: Target, mine: FarmView) -> None:
    shapes = {(shape.role, shape.pool) for shape in target.shapes}
    for template in sorted(mine.templates, key=lambda each: each.id):
        tag = template.tag
        key = (tag.role, tag.pool) if tag else (None, "")
        counting = template_of(mine, *key)
        if key not in shapes:
            steps.gone.append(
                _delete(Kind.TEMPLATE, template, "no role or pool needs it")
            )
        elif counting is not None and counting.id != template.id:
            steps.gone.append(_delete(Kind.TEMPLATE, template, "is there twice"))
    for network in sorted(mine.networks, key=lambda each: each.id)[1:]:
        lodgers = lodgers_of(network, mine)
        if lodgers:
            steps.notes.append(lodgers)
        else:
            steps.gone.append(_delete(Kind.NETWORK, network, "is there twice"))
    ids = object_ids(mine)
    wanted = {group.name for group in target.groups}
    for group in sorted(mine.groups, key=lambda each: each.id):
        counts = ids[Ref(kind=Kind.SECURITY_GROUP, name=group.name)] == group.id
        if group.name in wanted and counts:
            continue
        users = [vm for vm in mine.strangers if _carries(vm.nics, group.id)]
        if users:
            steps.notes.append(
                Note(
                    subject=f"security group {group.name}",
                    message=f"is not needed, but the VM {users[0].name} "
                    f"({users[0].id}) uses it; left alone",
                )
            )
        else:
            why = "is there twice" if group.name in wanted else "nothing needs it"
            steps.gone_groups.append(_delete(Kind.SECURITY_GROUP, group, why))
    for surplus in sorted(mine.documents, key=lambda each: each.id)[1:]:
        steps.gone_documents.append(
            DeleteObject(
                kind=Kind.DOCUMENT,
                id=surplus.id,
                name=surplus.name,
                because="is there twice",
            )
        )


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


def _carries(nics: Iterable[object], group_id: int) -> bool:
    return any(group_id in getattr(nic, "security_group_ids", ()) for nic in nics)


def _delete(kind: Kind, shown: Shown, because: str) -> DeleteObject:
    return DeleteObject(kind=kind, id=shown.id, name=shown.name, because=because)


def _lowest(found: Iterable[_S]) -> _S | None:
    return min(found, key=lambda each: each.id, default=None)


def _template_tag(target: Target, shape: Shape) -> Tag:
    return Tag(farm=target.farm, role=shape.role, pool=shape.pool, digest=shape.digest)


def _instance(tag: Tag | None, shape: Shape) -> bool:
    return tag is not None and (tag.role, tag.pool) == (shape.role, shape.pool)


def _refuse_taken_names(target: Target, view: CloudView, mine: FarmView) -> None:
    needed: list[tuple[Kind, Mapping[str, None], Iterable[Shown]]] = [
        (
            Kind.SECURITY_GROUP,
            dict.fromkeys(group.name for group in target.groups),
            view.groups,
        ),
        (Kind.NETWORK, {target.network.name: None}, view.networks),
        (
            Kind.TEMPLATE,
            dict.fromkeys(shape.template for shape in target.shapes),
            view.templates,
        ),
    ]
    taken = [
        f"{kind.value} {each.name} ({each.id})"
        for kind, wanted, shown in needed
        for each in sorted(shown, key=lambda each: each.id)
        if each.name in wanted
        and each.owner_id == view.user.id
        and (each.tag is None or each.tag.farm != mine.farm)
    ]
    if taken:
        raise NotPossibleError(
            f"Names that the farm {target.farm} needs are taken by what is not its "
            f"own: {', '.join(taken)}.",
            hint="Rename or remove those, or choose another name for the farm.",
        )
