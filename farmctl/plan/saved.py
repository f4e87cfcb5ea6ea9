"""Plans in files: written whole, read strictly, refused when anything is off.

`dump` and `load` are for `plan --out` and `apply PLAN`: all that apply needs, with a
version and a checksum. `as_json` is the documented form that `plan --json` prints; it
is for programs that want to know what would be done, and is not read back.
"""

import hashlib
import json
from typing import assert_never

from farmctl.errors import InputError, Mistake
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    NodeSpec,
    Plan,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
    glyph,
)
from farmctl.plan import codec, lines, telling
from farmctl.plan.codec import Json
from farmctl.plan.fingerprints import moved

__all__ = ["VERSION", "as_json", "dump", "load", "looks_like_plan", "moved"]

VERSION = 1
"""Of both forms; raised when a reader of the old one would be wrong."""

_FORMAT = "farmctl plan"
_AGAIN = "Make the plan again with farmctl plan --out."


def dump(plan: Plan) -> str:
    """Return a plan as text that `load` gives back unchanged."""
    body = codec.encode(plan, Plan)
    return json.dumps(
        {
            "format": _FORMAT,
            "version": VERSION,
            "checksum": _checksum(body),
            "plan": body,
        },
        indent=1,
        sort_keys=True,
    )


def load(text: str, *, file: str = "plan") -> Plan:
    """Return the plan in a text.

    Args:
        text: what `dump` returned.
        file: the name of the file, for messages.

    Raises:
        InputError: it is no plan, is cut short, was changed since, or comes from
            another version of farmctl.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        column = getattr(error, "colno", 0)
        raise _refusal(
            file, "is no plan, or was cut short: it is not JSON.", line, column
        ) from error
    if not isinstance(read, dict) or read.get("format") != _FORMAT:
        raise _refusal(file, "is not a plan of farmctl.")
    if read.get("version") != VERSION:
        raise _refusal(
            file,
            f"has version {read.get('version')!r}; this farmctl reads version "
            f"{VERSION}.",
        )
    body = read.get("plan")
    if read.get("checksum") != _checksum(body):
        raise _refusal(file, "was changed or damaged since it was made.")
    try:
        plan: Plan = codec.decode(body, Plan, "plan")
    except codec.Mismatch as error:
        raise _refusal(file, f"{error.message}.", path=error.path) from error
    return plan


def looks_like_plan(text: str) -> bool:
    """Say whether a file is meant to be a saved plan rather than a farm file."""
    return text.lstrip()[:1] == "{"


def as_json(plan: Plan) -> dict[str, Json]:
    """Return a plan as `plan --json` shows it.

    `steps` are in order, with the number of their wave from 1; `action` is one of
    create, change, delete, create-node, replace-node, remove-node, start-node,
    await-node, change-router and configure-nodes. Attributes are left out: they may
    hold what is nobody's business.
    """
    counts = lines.summary(plan)
    return {
        "format": _FORMAT,
        "version": VERSION,
        "farm": plan.farm,
        "kind": plan.kind,
        "site": plan.site,
        "endpoint": plan.endpoint,
        "opennebula": plan.version,
        "seen_at": plan.seen_at,
        "network": plan.cidr,
        "destroys": plan.destroys,
        "changes_nothing": plan.changes_nothing,
        "summary": {
            "changes": counts.changes,
            "replacements": counts.replacements,
            "additions": counts.additions,
            "removals": counts.removals,
            "drifts": counts.drifts,
            "awaited": counts.awaited,
            "interrupted": counts.interrupted,
        },
        "steps": [
            {"wave": number, **_step(step, plan)}
            for number, wave in enumerate(plan.waves, start=1)
            for step in wave
        ],
        "notes": [
            {"subject": note.subject, "message": note.message} for note in plan.notes
        ],
        "keeps": dict(sorted(plan.keeps.items())),
        "rolls": {
            pool: {
                "from": each.roll.old,
                "to": each.roll.new,
                "old": each.old,
                "new": each.new,
            }
            for pool, each in plan.rolls.items()
        },
    }


def _step(step: Step, plan: Plan) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "glyph": glyph(step).value,
        "subject": telling.subject(step, plan.farm),
        "because": step.because,
        "cause": step.cause.value,
    }
    match step:
        case CreateObject():
            return {"action": "create", "kind": step.kind.value, **shown}
        case ChangeObject():
            return {
                "action": "change",
                "kind": step.kind.value,
                "id": step.id,
                "changes": list(step.changes),
                **shown,
            }
        case DeleteObject():
            return {
                "action": "delete",
                "kind": step.kind.value,
                "id": step.id,
                **shown,
            }
        case CreateNode():
            return {"action": "create-node", "node": _node(step.node), **shown}
        case ReplaceNode():
            return {
                "action": "replace-node",
                "vm": step.vm_id,
                "may_work": step.may_work,
                "node": _node(step.node),
                **shown,
            }
        case RemoveNode():
            return {
                "action": "remove-node",
                "vm": step.vm_id,
                "name": step.name,
                "may_work": step.may_work,
                **shown,
            }
        case StartNode():
            return {
                "action": "start-node",
                "vm": step.vm_id,
                "held": step.held,
                "node": _node(step.node),
                **shown,
            }
        case AwaitNode():
            return {
                "action": "await-node",
                "vm": step.vm_id,
                "node": _node(step.node),
                **shown,
            }
        case ChangeRouter():
            return {
                "action": "change-router",
                "vm": step.vm_id,
                "name": step.name,
                "changes": list(step.changes),
                "after": list(step.leavers),
                "at_boot": step.at_boot,
                **shown,
            }
        case ConfigureNodes():
            return {"action": "configure-nodes", "names": list(step.names), **shown}
        case _:
            assert_never(step)


def _node(node: NodeSpec) -> dict[str, Json]:
    return {
        "name": node.name,
        "role": node.role.value,
        "pool": node.pool,
        "ordinal": node.ordinal,
        "address": node.address,
        "public_address": node.public_address,
        "template": node.template,
        "image": node.image,
        "cpus": node.cpus,
        "memory_mib": node.memory_mib,
        "disk_mib": node.disk_mib,
        "hypervisor_class": node.placement.hypervisor_class,
        "digest": node.tag.digest,
        "attempts": node.attempts,
    }


def _checksum(body: object) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _refusal(
    file: str, message: str, line: int = 0, column: int = 0, *, path: str = ""
) -> InputError:
    return InputError(
        [
            Mistake(
                file=file,
                line=line,
                column=column,
                path=path,
                message=message,
                hint=_AGAIN,
            )
        ]
    )
