"""Groups are widened before the router changes, and narrowed after it.

A router that is changed in place is asked afterwards whether it still lets us in, and
takes the change back if not. Were its security group narrowed first, nobody could ask:
so what it lets in goes only once the router runs its new files (`reconcile` leaves a
group as it is where that failed).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from farmctl.model.attributes import Attributes, Kind, Vector, digest
from farmctl.model.steps import Cause, ChangeObject, ChangeRouter, Step
from farmctl.model.view import FarmView
from farmctl.plan import compare

FOR_NOW = "the router changes first"
"""Why a group lets in for a moment what it is no longer to let in."""


def around(
    groups: Iterable[Step], routers: Sequence[Step], mine: FarmView
) -> tuple[list[Step], list[Step]]:
    """Return the steps for groups: those before the router's change, those after it.

    Args:
        groups: the steps for the farm's security groups.
        routers: the steps that change the router in place, if any does.
        mine: the farm as the cloud shows it.
    """
    if not any(isinstance(step, ChangeRouter) for step in routers):
        return list(groups), []
    shown = {each.id: each.attributes for each in mine.groups}
    before: list[Step] = []
    after: list[Step] = []
    for step in groups:
        if not isinstance(step, ChangeObject) or step.kind is not Kind.SECURITY_GROUP:
            before.append(step)
            continue
        wide, added, removed = _union(shown.get(step.id, {}), step.attributes)
        if not removed:
            before.append(step)
            continue
        # By hand the words are the other way round: what was removed is let in again.
        comes = " removed" if step.cause is Cause.DRIFT else " added"
        lines = tuple(line for line in step.changes if line.endswith(comes))
        others = tuple(line for line in step.changes if line not in lines)
        after.append(replace(step, changes=others) if added and others else step)
        if added:
            before.append(
                replace(
                    step,
                    attributes=wide,
                    tag=replace(step.tag, digest=digest(wide)),
                    changes=lines or step.changes,
                    because=f"{step.because}; {FOR_NOW}",
                )
            )
    return before, after


def _union(old: Attributes, new: Attributes) -> tuple[Attributes, bool, bool]:
    """Return both contents in one, whether the new adds rules, and whether it drops.

    The new rules stand first, and those of the old follow in one spelling.
    """
    had, has = compare.rules_of(old), compare.rules_of(new)
    dropped: list[Vector] = [dict(rule) for rule in had if rule not in has]
    added = any(rule not in had for rule in has)
    rules = (*compare.vectors(new.get("RULE", ())), *dropped)
    return {**new, "RULE": rules}, added, bool(dropped)
