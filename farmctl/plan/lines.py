"""A plan as people read it: a line for what is alike, ranges, counts, consequences.

A change is told once, where it is felt: a forward under the router and not again as a
rule of a group, a new image under the nodes and not again as a changed template. Drift
is always told. Colours and columns are the command line's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

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
    glyph,
)
from farmctl.plan.object_lines import Told, configured, object_lines, router_lines
from farmctl.plan.specs import NEW
from farmctl.plan.telling import (
    MOST_RANGES,
    PlanLine,
    count,
    ranges,
    size,
    subject,
)

_NodeStep = CreateNode | ReplaceNode | RemoveNode | StartNode | AwaitNode


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
            count(self.changes, "change"),
            count(self.replacements, "replacement"),
            count(self.additions, "addition"),
            count(self.removals, "removal"),
            count(self.drifts, "drift", plural="drifts"),
        ]
        if self.awaited:
            counted.append(f"{count(self.awaited, 'node')} on the way")
        said = ", ".join(each for each in counted if each) or "No changes"
        if self.interrupted:
            nodes = count(self.interrupted, "node")
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
    told = Told.of(plan)
    for step in plan.steps:
        match step:
            case ChangeRouter():
                drawn += router_lines(step, plan)
            case ConfigureNodes():
                drawn.append(configured(step, plan))
            case CreateObject() | ChangeObject() | DeleteObject():
                drawn += object_lines(step, plan, told)
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
        made = size(node.cpus, node.memory_mib)
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
        effect=_effect(first, plan),
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
    shown = ", ".join(f"{pool}-{each}" for each in found[:MOST_RANGES])
    more = len(found) - MOST_RANGES
    return shown if more <= 0 else f"{shown} and {more} more ranges"


def _ordinal(step: _NodeStep, farm: str) -> int:
    if not isinstance(step, RemoveNode):
        return step.node.ordinal
    digits = step.name.rpartition("-")[2]
    if not (digits.isascii() and digits.isdigit()):
        return 0
    named = node_name(farm, Role.WORKER, step.pool, int(digits))
    return int(digits) if step.name == named else 0


def _effect(step: _NodeStep, plan: Plan) -> str:
    match step:
        case CreateNode():
            return _where(step.node) if step.node.role is not Role.WORKER else ""
        case ReplaceNode(may_work=True) | RemoveNode(may_work=True) if (
            _place(step)[0] is Role.HEAD and not plan.destroys
        ):
            if plan.kind == "batch":
                return "the queue on its disk is lost, with all jobs in it"
            return "ends what runs there; its disk goes with it"
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
