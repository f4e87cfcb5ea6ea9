"""A plan as people read it: a line for what is alike, ranges, counts, consequences.

A change is told once, where it is felt: a forward under the router and not again as a
rule of a group, a new image under the nodes and not again as a changed template. Drift
is always told. Colours and columns are the command line's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, assert_never

from farmctl.model.attributes import Kind
from farmctl.model.nodes import Role, node_name
from farmctl.model.steps import (
    AwaitNode,
    Cause,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    Glyph,
    NodeSpec,
    Plan,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
    glyph,
)
from farmctl.plan.compare import vectors
from farmctl.plan.specs import NEW
from farmctl.units import format_amount

_MOST_RANGES = 3
_IN_PLACE = "in place, no interruption"
_FORWARD = "forward "

_NodeStep = CreateNode | ReplaceNode | RemoveNode | StartNode | AwaitNode


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One line: the sign, whom it is about, what is done and why, what it means.

    `count` is how many steps it stands for; 0 where others tell of the same. `details`
    are lines below it for whoever wants to know more.
    """

    glyph: Glyph
    subject: str
    what: str
    effect: str = ""
    count: int = 1
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a plan amounts to; `interrupted`: nodes that may be working and end."""

    changes: int = 0
    replacements: int = 0
    additions: int = 0
    removals: int = 0
    drifts: int = 0
    awaited: int = 0
    interrupted: int = 0

    @property
    def sentence(self) -> str:
        """The counts in words, and whether work is interrupted."""
        counted = [
            _count(self.changes, "change"),
            _count(self.replacements, "replacement"),
            _count(self.additions, "addition"),
            _count(self.removals, "removal"),
            _count(self.drifts, "drift", plural="drifts"),
        ]
        if self.awaited:
            counted.append(f"{_count(self.awaited, 'node')} on the way")
        said = ", ".join(each for each in counted if each) or "No changes"
        if self.interrupted:
            nodes = _count(self.interrupted, "node")
            may = (
                "may be working and ends"
                if self.interrupted == 1
                else ("may be working and end")
            )
            return f"{said}. {nodes} {may}."
        return f"{said}. No running job is interrupted."


def lines(plan: Plan) -> list[PlanLine]:
    """Return the lines of a plan in the order of its steps; alike nodes share one."""
    groups: dict[tuple[object, ...], list[_NodeStep]] = {}
    for step in plan.steps:
        if isinstance(step, _NodeStep):
            groups.setdefault(_alike(step), []).append(step)
    drawn: list[PlanLine] = []
    told = _Told.of(plan)
    for step in plan.steps:
        match step:
            case ChangeRouter():
                drawn += _router_lines(step, plan)
            case ConfigureNodes():
                drawn.append(_configured(step, plan))
            case CreateObject() | ChangeObject() | DeleteObject():
                drawn += _object_lines(step, plan, told)
            case _:
                alike = groups.pop(_alike(step), None)
                if alike is not None:
                    drawn.append(_node_line(plan, alike))
    return drawn


def summary(plan: Plan) -> Summary:
    """Return the counts of a plan, by its lines, and how many nodes may be working."""
    counts = dict.fromkeys(Glyph, 0)
    awaited = 0
    for line in lines(plan):
        counts[line.glyph] += line.count
    for step in plan.steps:
        if isinstance(step, AwaitNode) or (
            isinstance(step, StartNode) and step.cause is Cause.CHANGE
        ):
            awaited += 1
            counts[glyph(step)] -= 1
    return Summary(
        changes=counts[Glyph.CHANGE],
        replacements=counts[Glyph.REPLACE],
        additions=counts[Glyph.CREATE],
        removals=counts[Glyph.REMOVE],
        drifts=counts[Glyph.DRIFT],
        awaited=awaited,
        interrupted=len(interrupted(plan)),
    )


def interrupted(plan: Plan) -> list[str]:
    """Return the names of nodes that may be working and would end."""
    return [
        step.node.name if isinstance(step, ReplaceNode) else step.name
        for step in plan.steps
        if isinstance(step, ReplaceNode | RemoveNode) and step.may_work
    ]


def subject(step: Step, farm: str) -> str:
    """Return whom a step is about, without the farm's name: wn-003, network."""
    match step:
        case CreateObject() | ChangeObject() | DeleteObject():
            return _object_subject(step.kind, step.name, farm)
        case RemoveNode() | ChangeRouter():
            return _short(step.name, farm)
        case ConfigureNodes():
            return "configuration"
        case CreateNode() | ReplaceNode() | StartNode() | AwaitNode():
            return _short(step.node.name, farm)
        case _:
            assert_never(step)


def ranges(ordinals: Iterable[int]) -> list[str]:
    """Return ordinals as ranges: 1, 2, 3, 7 -> 001…003, 007."""
    found: list[tuple[int, int]] = []
    for ordinal in sorted(set(ordinals)):
        if found and found[-1][1] == ordinal - 1:
            found[-1] = (found[-1][0], ordinal)
        else:
            found.append((ordinal, ordinal))
    return [
        f"{first:03d}" if first == last else f"{first:03d}…{last:03d}"
        for first, last in found
    ]


def _count(number: int, word: str, *, plural: str = "") -> str:
    if not number:
        return ""
    return f"{number} {word if number == 1 else plural or f'{word}s'}"


def _size(cpus: float, memory_mib: int) -> str:
    return f"{cpus:g} {'core' if cpus == 1 else 'cores'}, {format_amount(memory_mib)}"


def _short(name: str, farm: str) -> str:
    return name.removeprefix(f"{farm}-").removeprefix(f"{farm}.")


def _object_subject(kind: Kind, name: str, farm: str) -> str:
    match kind:
        case Kind.DOCUMENT:
            return "farm"
        case Kind.NETWORK:
            return "network"
        case Kind.SECURITY_GROUP | Kind.TEMPLATE:
            return f"{kind.value} {_short(name, farm)}"
        case _:
            assert_never(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is told elsewhere in the plan.

    `others`: there is more than the document. `forwards`: changed ones are told.
    `router`: what is done to it. `remade`: templates whose nodes are made anew.
    """

    others: bool
    forwards: bool
    router: type[Step] | None
    remade: frozenset[str]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(
            others=not all(_is_document(step) for step in plan.steps),
            forwards=bool(_forwards(plan)),
            router=next(
                (
                    type(step)
                    for step in plan.steps
                    if isinstance(step, ChangeRouter)
                    or (
                        isinstance(step, CreateNode | ReplaceNode)
                        and step.node.role is Role.ROUTER
                    )
                ),
                None,
            ),
            remade=frozenset(
                step.node.template
                for step in plan.steps
                if isinstance(step, ReplaceNode) and step.cause is Cause.CHANGE
            ),
        )


def _object_lines(
    step: CreateObject | ChangeObject | DeleteObject, plan: Plan, told: _Told
) -> Iterator[PlanLine]:
    match step:
        case CreateObject():
            yield PlanLine(
                glyph=glyph(step),
                subject=_object_subject(step.kind, step.name, plan.farm),
                what=_created(step, plan),
            )
        case DeleteObject():
            yield PlanLine(
                glyph=glyph(step),
                subject=_object_subject(step.kind, step.name, plan.farm),
                what=step.because,
            )
        case ChangeObject():
            hidden = step.cause is Cause.CHANGE and (
                (step.kind is Kind.SECURITY_GROUP and told.forwards)
                or (step.kind is Kind.TEMPLATE and step.name in told.remade)
            )
            if not hidden:
                yield from _changed(step, plan, told)
        case _:
            assert_never(step)


def _is_document(step: Step) -> bool:
    return (
        isinstance(step, CreateObject | ChangeObject | DeleteObject)
        and step.kind is Kind.DOCUMENT
    )


def _created(step: CreateObject, plan: Plan) -> str:
    if step.cause is Cause.DRIFT:
        return f"{step.because}; made again"
    match step.kind:
        case Kind.DOCUMENT:
            return "what is declared, kept in OpenNebula"
        case Kind.NETWORK:
            return plan.cidr
        case Kind.SECURITY_GROUP:
            return _count(len(vectors(step.attributes.get("RULE", ()))), "rule")
        case Kind.TEMPLATE:
            cpus, memory = step.attributes.get("CPU"), step.attributes.get("MEMORY")
            return _size(float(str(cpus)), int(str(memory)))
        case _:
            assert_never(step.kind)


def _changed(step: ChangeObject, plan: Plan, told: _Told) -> Iterator[PlanLine]:
    shown = step.cause is Cause.DRIFT or not told.others
    name = _object_subject(step.kind, step.name, plan.farm)
    forwards = [line for line in step.changes if line.startswith(_FORWARD)]
    rest = [line for line in step.changes if not line.startswith(_FORWARD)]
    if step.kind is Kind.DOCUMENT:
        # Where the router's own step is there, that tells it.
        for line in forwards if told.router is not ChangeRouter else ():
            yield PlanLine(
                glyph=glyph(step),
                subject="router",
                what=line,
                effect="" if told.router else _IN_PLACE,
            )
        rest = rest if shown else []
    effect = _IN_PLACE
    if step.cause is Cause.DRIFT:
        effect = "by hand; will be put back"
        if step.kind is Kind.DOCUMENT:
            effect = "will be written anew"
    elif step.kind is Kind.TEMPLATE:
        effect = "for nodes made from now on"
    for line in rest:
        yield PlanLine(glyph=glyph(step), subject=name, what=line, effect=effect)


def _router_lines(step: ChangeRouter, plan: Plan) -> Iterator[PlanLine]:
    """Yield what changes on the router: by forward, or else in one line."""
    said = _forwards(plan) if not step.leavers else []
    for index, line in enumerate(said or [step.because]):
        yield PlanLine(
            glyph=glyph(step),
            subject=subject(step, plan.farm),
            what=line,
            effect=_IN_PLACE,
            details=step.changes if index == max(len(said), 1) - 1 else (),
        )


def _forwards(plan: Plan) -> list[str]:
    return [
        line
        for step in plan.steps
        if isinstance(step, ChangeObject) and step.kind is Kind.DOCUMENT
        for line in step.changes
        if line.startswith(_FORWARD)
    ]


def _configured(step: ConfigureNodes, plan: Plan) -> PlanLine:
    new = {
        each.node.name
        for each in plan.steps
        if isinstance(each, CreateNode | ReplaceNode)
    }
    names = [_short(name, plan.farm) for name in step.names]
    shown = ", ".join(_together(names))
    return PlanLine(
        glyph=glyph(step),
        subject=subject(step, plan.farm),
        what=f"{step.because}: {shown}",
        effect="once they are ready" if new else "",
        count=len(set(step.names) - new),
    )


def _together(names: Sequence[str]) -> Iterator[str]:
    """Yield names, those that count on from each other as ranges."""
    pools: dict[str, list[int]] = {}
    for name in names:
        pool, _, digits = name.rpartition("-")
        if pool and digits.isdecimal():
            pools.setdefault(pool, []).append(int(digits))
        else:
            yield name
    for pool, ordinals in pools.items():
        found = ranges(ordinals)
        yield from (f"{pool}-{each}" for each in found[:_MOST_RANGES])
        if len(found) > _MOST_RANGES:
            yield f"{len(found) - _MOST_RANGES} more ranges of {pool}"


def _alike(step: _NodeStep) -> tuple[object, ...]:
    may_work = isinstance(step, ReplaceNode | RemoveNode) and step.may_work
    role, pool = _place(step)
    return (type(step).__name__, role, pool, step.because, step.cause, may_work)


def _place(step: _NodeStep) -> tuple[Role | None, str]:
    if isinstance(step, RemoveNode):
        return step.role, step.pool
    return step.node.role, step.node.pool


def _node_line(plan: Plan, alike: Sequence[_NodeStep]) -> PlanLine:
    first = alike[0]
    what = first.because
    if isinstance(first, CreateNode):
        node = first.node
        made = _size(node.cpus, node.memory_mib)
        what = f"{made}, image {node.image}" if what == NEW else what
    name = _nodes_subject(plan, alike)
    pool = _place(first)[1]
    if isinstance(first, ReplaceNode) and len(alike) > 1:
        name = pool
        what += f" on {len(alike)} of {_there(plan, pool)} nodes"
    return PlanLine(
        glyph=glyph(first),
        subject=name,
        what=what,
        effect=_effect(first),
        count=len(alike),
    )


def _there(plan: Plan, pool: str) -> int:
    """Return how many nodes of a pool there are now."""
    named = sum(
        1
        for step in plan.steps
        if isinstance(step, _NodeStep)
        and not isinstance(step, CreateNode)
        and _place(step)[1] == pool
    )
    return named + plan.keeps.get(pool, 0)


def _nodes_subject(plan: Plan, alike: Sequence[_NodeStep]) -> str:
    role, pool = _place(alike[0])
    if role is not Role.WORKER:
        return ", ".join(dict.fromkeys(subject(step, plan.farm) for step in alike))
    ordinals = [_ordinal(step, plan.farm) for step in alike]
    if len(set(ordinals)) < len(ordinals) or 0 in ordinals:
        return ", ".join(subject(step, plan.farm) for step in alike)
    found = ranges(ordinals)
    shown = ", ".join(f"{pool}-{each}" for each in found[:_MOST_RANGES])
    more = len(found) - _MOST_RANGES
    return shown if more <= 0 else f"{shown} and {more} more ranges"


def _ordinal(step: _NodeStep, farm: str) -> int:
    if not isinstance(step, RemoveNode):
        return step.node.ordinal
    digits = step.name.rpartition("-")[2]
    if not (digits.isascii() and digits.isdigit()):
        return 0
    named = node_name(farm, Role.WORKER, step.pool, int(digits))
    return int(digits) if step.name == named else 0


def _effect(step: _NodeStep) -> str:
    match step:
        case CreateNode():
            return _where(step.node) if step.node.role is not Role.WORKER else ""
        case ReplaceNode(may_work=True) | RemoveNode(may_work=True):
            return "ends what runs there"
        case ReplaceNode() | RemoveNode():
            return "nothing runs there"
        case StartNode(held=True):
            return "will be deployed"
        case StartNode():
            return "will be started again"
        case AwaitNode():
            return "is waited for"
        case _:
            assert_never(step)


def _where(node: NodeSpec) -> str:
    if node.public_address:
        return f"at {node.address} and {node.public_address}"
    return f"at {node.address}"
