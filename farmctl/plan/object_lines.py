"""The lines for what is no node: objects, the router changed in place, configuring.

A change is told once, where it is felt: a forward under the router and not again as a
rule of a group, a new image under the nodes and not again as a changed template.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, assert_never

from farmctl.model.attributes import Kind
from farmctl.model.nodes import Role
from farmctl.model.steps import (
    Cause,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    Glyph,
    Plan,
    ReplaceNode,
    Step,
    glyph,
)
from farmctl.plan.compare import vectors
from farmctl.plan.telling import (
    PlanLine,
    count,
    object_subject,
    short,
    size,
    subject,
    together,
)

IN_PLACE = "in place, no interruption"
ROLLED = "rolled: one first, the others as their jobs end"
_FORWARD = "forward "


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
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
        """Return what a plan tells elsewhere."""
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


def object_lines(
    step: CreateObject | ChangeObject | DeleteObject, plan: Plan, told: Told
) -> Iterator[PlanLine]:
    """Yield the lines of a step on an object; none where another line tells it."""
    match step:
        case CreateObject():
            yield PlanLine(
                glyph=glyph(step),
                subject=object_subject(step.kind, step.name, plan.farm),
                what=_created(step, plan),
            )
        case DeleteObject():
            yield PlanLine(
                glyph=glyph(step),
                subject=object_subject(step.kind, step.name, plan.farm),
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
            return count(len(vectors(step.attributes.get("RULE", ()))), "rule")
        case Kind.TEMPLATE:
            cpus, memory = step.attributes.get("CPU"), step.attributes.get("MEMORY")
            return size(float(str(cpus)), int(str(memory)))
        case _:
            assert_never(step.kind)


def _changed(step: ChangeObject, plan: Plan, told: Told) -> Iterator[PlanLine]:
    shown = step.cause is Cause.DRIFT or not told.others
    name = object_subject(step.kind, step.name, plan.farm)
    forwards = [line for line in step.changes if line.startswith(_FORWARD)]
    rest = [line for line in step.changes if not line.startswith(_FORWARD)]
    if step.kind is Kind.DOCUMENT:
        # Where the router's own step is there, that tells it.
        for line in forwards if told.router is not ChangeRouter else ():
            yield PlanLine(
                glyph=glyph(step),
                subject="router",
                what=line,
                effect="" if told.router else IN_PLACE,
            )
        rest = rest if shown else []
    rolled = plan.rolls.get(step.tag.pool) if step.kind is Kind.TEMPLATE else None
    if rolled is not None and rolled.old and step.cause is Cause.CHANGE:
        yield PlanLine(
            glyph=Glyph.REPLACE,
            subject=step.tag.pool,
            what=f"{', '.join(rest)} on {rolled.old} of {rolled.of} nodes",
            effect=ROLLED,
            count=rolled.old,
        )
        return
    effect = IN_PLACE
    if step.cause is Cause.DRIFT:
        effect = "by hand; will be put back"
        if step.kind is Kind.DOCUMENT:
            effect = "will be written anew"
    elif step.kind is Kind.TEMPLATE:
        effect = "for nodes made from now on"
    for line in rest:
        yield PlanLine(glyph=glyph(step), subject=name, what=line, effect=effect)


def router_lines(step: ChangeRouter, plan: Plan) -> Iterator[PlanLine]:
    """Yield what changes on the router: by forward, or else in one line."""
    said = _forwards(plan) if not step.leavers else []
    for index, line in enumerate(said or [step.because]):
        yield PlanLine(
            glyph=glyph(step),
            subject=subject(step, plan.farm),
            what=line,
            effect=f"at its next boot: onevm reboot {step.vm_id}"
            if step.at_boot
            else IN_PLACE,
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


def configured(step: ConfigureNodes, plan: Plan) -> PlanLine:
    """Return the line of what is configured; new nodes are counted elsewhere."""
    new = {
        each.node.name
        for each in plan.steps
        if isinstance(each, CreateNode | ReplaceNode)
    }
    names = [short(name, plan.farm) for name in step.names]
    shown = ", ".join(together(names))
    return PlanLine(
        glyph=glyph(step),
        subject=subject(step, plan.farm),
        what=f"{step.because}: {shown}",
        effect="once they are ready" if new else "",
        count=len(set(step.names) - new),
    )
