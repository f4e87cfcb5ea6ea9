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
    Note,
    Step,
)
from farmctl.model.target import Shape, Target, TargetObject
from farmctl.model.view import CloudView, FarmView, Network, SecurityGroup, Template
from farmctl.plan import compare, document, segments
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
    """The steps for objects, in the order in which they are taken."""

    document: list[Step] = field(default_factory=list)
    groups: list[Step] = field(default_factory=list)
    network: list[Step] = field(default_factory=list)
    templates: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    keeps: dict[str, int] = field(default_factory=dict)


def template_of(mine: FarmView, role: Role | None, pool: str) -> Template | None:
    """Return the farm's template of a role or pool that counts: the lowest id."""
    return lowest(
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
    """Return the steps for every object that the farm should have.

    Raises:
        NotPossibleError: foreign objects hold names that the farm needs.
    """
    mine = view.farm(target.farm)
    _refuse_taken_names(target, view, mine)
    steps = ObjectSteps()
    _document(steps, target, mine)
    ids = object_ids(mine)
    for group in target.groups:
        found = group_of(group, target, mine)
        if found is not None:
            ids[Ref(kind=Kind.SECURITY_GROUP, name=group.name)] = found.id
    draw = _Drawing(
        target=target, view=view, mine=mine, names=names(view, mine), ids=ids
    )
    for group in target.groups:
        shown = group_of(group, target, mine)
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
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    target: Target
    view: CloudView
    mine: FarmView
    names: compare.Names
    ids: Mapping[Ref, int]

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
        compared = {
            key: value
            for key, value in wanted.attributes.items()
            if kind is not Kind.NETWORK or key not in FIXED
        }
        written = shown.tag.digest if shown.tag else ""
        drift = written == tag.digest
        changes = compare.differences(
            kind,
            compared,
            shown.attributes,
            id_of=self.ids.get,
            names=self.names,
            by_hand=drift,
        )
        if shown.name != wanted.name:
            names = (wanted.name, shown.name) if drift else (shown.name, wanted.name)
            changes = (f"name {' -> '.join(names)}", *changes)
        if drift and not changes:
            keeps[kind.value] = keeps.get(kind.value, 0) + 1
            return
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
    if not changes:
        steps.keeps[Kind.DOCUMENT.value] = 1
        return
    drift = shown.body is None
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
    steps.notes += segments.crossings(
        wanted.attributes, draw.view, farm=draw.target.farm
    )


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


def group_of(
    wanted: TargetObject, target: Target, mine: FarmView
) -> SecurityGroup | None:
    """Return the group that is wanted: by name, else one that was given another."""
    named = lowest(each for each in mine.groups if each.name == wanted.name)
    if named is not None:
        return named
    known = {group.name for group in target.groups}
    content = digest(wanted.attributes)
    return lowest(
        each
        for each in mine.groups
        if each.name not in known and each.tag and each.tag.digest == content
    )


def lowest(found: Iterable[_S]) -> _S | None:
    """Return what has the lowest id: of several it is the one that counts."""
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
