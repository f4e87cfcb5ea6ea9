"""Slurm's nodes: what state each is in, whose drain it is, what is taken on it.

Pure: records in, values out. A node that a person or a health check drained is put
aside: its drain is not ours to take back, and nothing waits for it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from farmctl.batch.port import OURS
from farmctl.batch.slurm.answers import Record, amount, listed, text, words
from farmctl.errors import BatchAnswerError
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample, Work

_ABSENT = frozenset({"FUTURE"})
"""Nodes that a configuration foresees and nobody has seen."""

_LOST = frozenset({
    "DOWN", "ERROR", "UNKNOWN", "FAIL", "INVALID", "INVALID_REG", "MAINT",
    "MAINTENANCE", "RESERVED", "RES", "BLOCKED", "REBOOT_ISSUED", "PERFCTRS",
})  # fmt: skip
"""Words for a node that takes no work and is nobody's to count on.

NOT_RESPONDING is none of them: Slurm sets it for a second after each undrain, and says
DOWN itself when SlurmdTimeout is over.
"""

_OFF = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN"})
_STARTS = frozenset({"POWERING_UP", "POWER_UP"})
_TAKES = frozenset({"IDLE", "ALLOCATED", "MIXED"})
_DRAINED = frozenset({"DRAIN", "DRAINED", "DRAINING"})


def read(
    records: Sequence[Record], work: Mapping[str, tuple[Work, ...]], *, now: float
) -> tuple[NodeSample, ...]:
    """Return the nodes by name, those with work that Slurm does not list among them.

    Raises:
        BatchAnswerError: a record lacks what every node has, or two have one name.
    """
    found: dict[str, NodeSample] = {}
    for record in records:
        name = text(record, "name")
        states = _states(record)
        if not name or not states:
            raise BatchAnswerError("A node of Slurm's list has no name or no state.")
        if name in found:
            raise BatchAnswerError(f"Slurm lists {name} twice.")
        if not states & _ABSENT:
            found[name] = _node(record, name, states, work.get(name, ()), now)
    for name, unlisted in work.items():
        if name not in found:
            # It joined between the two readings, or is being struck off the list.
            slots = sum(each.slots for each in unlisted)
            found[name] = NodeSample(
                name=name,
                pool="",
                slots=slots,
                state=NodeState.ASIDE,
                since=now,
                work=unlisted,
                claimed=slots,
                reason="jobs run on it, and Slurm's list of nodes is without it",
                listed=False,
            )
    return tuple(found[name] for name in sorted(found))


def drained_by(record: Record) -> Drainer:
    """Return whose drain the node carries, by its reason."""
    if not _states(record) & _DRAINED:
        return Drainer.NOBODY
    ours = text(record, "reason").startswith(OURS)
    return Drainer.US if ours else Drainer.OTHERS


def left_over(sample: Sample, farm: str, here: frozenset[str]) -> tuple[str, ...]:
    """Return the farm's workers that are listed, and are none of those that are here.

    Only names that a worker of the farm has or had, and that joined by themselves: what
    else an admin has put on the list is none of our business.
    """
    ours = re.compile(rf"{re.escape(farm)}-.+-[0-9]{{3,}}")
    return tuple(
        node.name
        for node in sample.nodes
        if ours.fullmatch(node.name)
        and "DYNAMIC_NORM" in node.shown.split("+")
        and node.name not in here
    )


def lost(record: Record) -> bool:
    """Tell whether Slurm itself counts the node as gone."""
    return "DOWN" in _states(record)


def shown(record: Record) -> str:
    """Return the state as Slurm writes it: IDLE+DRAIN."""
    states = _states(record)
    base = [word for word in _BASE if word in states]
    return "+".join(base + sorted(states - set(base)))


_BASE = ("IDLE", "ALLOCATED", "MIXED", "DOWN", "ERROR", "FUTURE", "UNKNOWN")


def _states(record: Record) -> frozenset[str]:
    return words(record.get("state")) | words(record.get("state_flags"))


def _node(
    record: Record,
    name: str,
    states: frozenset[str],
    work: tuple[Work, ...],
    now: float,
) -> NodeSample:
    drainer = drained_by(record)
    work = _spread(record, work)
    slots = amount(record, "effective_cpus") or amount(record, "cpus")
    claimed = amount(record, "alloc_cpus")
    if "COMPLETING" in states:
        claimed = max(claimed, 1)
    joined = amount(record, "slurmd_start_time") or amount(record, "boot_time")
    busy_until = amount(record, "last_busy")
    empty = not work and not claimed
    state = _state(states, drainer)
    changed = amount(record, "reason_changed_at") if text(record, "reason") else 0
    return NodeSample(
        name=name,
        pool="",
        slots=slots,
        state=state,
        since=min(now, float(changed or busy_until or joined or now)),
        joined=float(joined),
        idle_since=min(now, float(busy_until or joined or now)) if empty else None,
        work=work,
        memory_mib=amount(record, "real_memory"),
        features=listed(record.get("active_features") or record.get("features")),
        queues=listed(record.get("partitions")),
        claimed=claimed,
        shown=shown(record),
        reason=text(record, "reason"),
        told_by=_account(record),
        drained_by=drainer,
    )


def _account(record: Record) -> str:
    """Return who gave the reason; a look does not fail for want of it."""
    found = record.get("reason_set_by_user")
    return found if isinstance(found, str) else ""


def _spread(record: Record, work: tuple[Work, ...]) -> tuple[Work, ...]:
    """Return the work with the cores that nobody else can have counted to it.

    A job may hold all of a node's memory with one of its cores: the others are not
    free.
    """
    memory = amount(record, "real_memory")
    busy = sum(each.slots for each in work)
    idle = amount(record, "cpus") - busy
    if not work or idle <= 0 or not memory or amount(record, "alloc_memory") < memory:
        return work
    widest = max(work, key=lambda each: each.slots)
    return tuple(
        replace(each, slots=each.slots + idle) if each is widest else each
        for each in work
    )


def _state(states: frozenset[str], drainer: Drainer) -> NodeState:
    if states & _LOST:
        return NodeState.ASIDE
    if states & _OFF:
        return NodeState.ENDING
    if drainer is Drainer.OTHERS:
        return NodeState.ASIDE
    if states & _STARTS:
        return NodeState.BOOTING
    if drainer is Drainer.US:
        return NodeState.DRAINING
    return NodeState.READY if states & _TAKES else NodeState.ASIDE
