"""The JSON that commands print: stable, and described in `docs/reference/json.md`.

Each document says its `format`; a key may be added under the same number, never taken
out or given another meaning. Times are seconds since the epoch and end in `_at`,
amounts carry their unit, what is not known is null.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from farmctl.errors import FarmctlError, InputError, Mistake, PlanOutdatedError

if TYPE_CHECKING:
    from farmctl.model.keeping import KeptBy
    from farmctl.model.steps import Plan
    from farmctl.model.view import Holder
    from farmctl.reconcile import FarmStatus, NodeStatus, Outcome, Status

FORMAT = 1

_ACTIONS = {
    "CreateObject": "create",
    "ChangeObject": "change",
    "DeleteObject": "delete",
    "CreateNode": "create-node",
    "ReplaceNode": "replace-node",
    "RemoveNode": "remove-node",
    "StartNode": "start-node",
    "AwaitNode": "await-node",
    "ChangeRouter": "change-router",
    "ConfigureNodes": "configure-nodes",
}
"""The kinds of step, named as in the JSON of plans."""


def head(command: str) -> dict[str, Any]:
    """Return what each document begins with."""
    return {"format": FORMAT, "command": command}


def mistake(each: Mistake) -> dict[str, Any]:
    """Return one mistake of a file."""
    return {
        "file": each.file,
        "line": each.line,
        "column": each.column,
        "path": each.path,
        "message": each.message,
        "hint": each.hint,
    }


def error(found: FarmctlError) -> dict[str, Any]:
    """Return an expected error; `kind` is the name of its class without `Error`."""
    made: dict[str, Any] = {
        "kind": type(found).__name__.removesuffix("Error"),
        "message": found.message,
        "hint": found.hint,
    }
    if isinstance(found, InputError):
        made["mistakes"] = [mistake(each) for each in found.mistakes]
    if isinstance(found, PlanOutdatedError):
        made["moved"] = list(found.moved)
    return made


def plan(found: "Plan") -> dict[str, Any]:
    """Return a plan: its steps with their waves, its notes, and what it amounts to."""
    from farmctl.plan import saved  # noqa: PLC0415 - no need for other commands

    made = dict(saved.as_json(found))
    return {key: made[key] for key in made if key not in ("format", "version")}


def outcome(found: "Outcome") -> dict[str, Any]:
    """Return what a run did."""
    return {
        "farm": found.farm,
        "seconds": round(found.seconds, 3),
        "complete": found.complete,
        "failed": found.failed,
        "stopped": found.stopped or None,
        "advice": found.advice or None,
        "steps": [
            {
                "action": _ACTIONS[type(each.step).__name__],
                "subject": each.subject,
                "result": each.result.value,
                "reason": each.reason or None,
                "seconds": round(each.seconds, 3),
            }
            for each in found.steps
        ],
        "left": [{"subject": n.subject, "message": n.message} for n in found.left],
        "notes": [{"subject": n.subject, "message": n.message} for n in found.notes],
    }


def status(found: "Status") -> dict[str, Any]:
    """Return what the cloud shows of some farms."""
    return {
        "site": found.site,
        "endpoint": found.endpoint,
        "opennebula": found.version,
        "seen_at": found.seen_at,
        "farms": [farm(each) for each in found.farms],
    }


def farm(found: "FarmStatus") -> dict[str, Any]:
    """Return what the cloud shows of one farm."""
    lock = found.lock
    return {
        "farm": found.farm,
        "kind": found.kind or None,
        "network": found.cidr or None,
        "sizes": dict(found.sizes),
        "phases": {phase.value: number for phase, number in found.counts.items()},
        "lock": None
        if lock is None
        else {"since_at": lock.since, "holder": holder(lock.holder)},
        "daemon": daemon(found.daemon),
        "nodes": [node(each) for each in found.nodes],
        "notes": [{"subject": n.subject, "message": n.message} for n in found.notes],
        "rolling": [
            {
                "pool": pool,
                "from": each.roll.old,
                "to": each.roll.new,
                "began_at": each.roll.began,
                "proven_at": each.roll.proven or None,
                "old": each.old,
                "new": each.new,
                "failed": len(each.roll.failed),
                "back": each.roll.back,
            }
            for pool, each in found.rolling.items()
        ],
        "refused": [
            {
                "pool": pool,
                "digest": each.digest,
                "because": each.why,
                "at": each.at,
                "stranded": each.stranded,
            }
            for pool, each in found.refused.items()
        ],
    }


def daemon(found: "KeptBy | None") -> dict[str, Any] | None:
    """Return which daemon keeps a farm, and what it knows of its work."""
    if found is None:
        return None
    load = found.load
    return {
        "host": found.host,
        "pid": found.pid,
        "beat_at": found.beat,
        "waiting_slots": None if load is None else load.waiting,
        "running_slots": None if load is None else load.running,
        "queue_seen_at": None if load is None else load.truth or None,
        "held_back": None if load is None else load.limited,
    }


def node(found: "NodeStatus") -> dict[str, Any]:
    """Return one node as the cloud shows it."""
    return {
        "name": found.name,
        "vm_id": found.vm_id,
        "role": found.role.value if found.role else None,
        "pool": found.pool or None,
        "phase": found.phase.value,
        "address": found.address or None,
        "public_address": found.public_address or None,
        "hypervisor": found.host or None,
        "since_at": found.since,
        "draining": found.draining,
        "aside": found.aside,
        "attempts": found.attempts,
        "reason": found.reason or None,
        "configured": found.configured,
        "outdated_lines": found.outdated,
    }


def holder(found: "Holder | None") -> dict[str, Any] | None:
    """Return who holds a farm."""
    if found is None:
        return None
    kept = asdict(found)
    return {key: kept[key] for key in ("host", "pid", "command")}
