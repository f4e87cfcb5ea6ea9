"""How the new nodes of a roll fare: which of them failed, and which are out for now.

A value. A make is given up for what its own nodes do, and never for what a person, a
reservation or a server that restarts does to them: such a node is out, and the roll
waits for it.

Who drained a node shows in the reason and in the account that gave it. A health check's
drain and Slurm's own count as what the node does. One by root may be a site's own
health check, or a person on the head: it counts after an hour, for a roll must not wait
for ever, and one node's failure refuses nothing. One by another account is a person's,
and is waited for. A drain whose like other nodes have is of no make: a mount that is
away, or a site that is stopped.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from farmctl.model.nodes import VmState
from farmctl.model.rolling import Roll
from farmctl.model.sample import Drainer, NodeSample, NodeState
from farmctl.model.view import Vm

_OFF = frozenset({VmState.OFF, VmState.STOPPING})
_RESERVED = frozenset({"MAINT", "MAINTENANCE", "RESERVED", "RES"})
"""Words of Slurm for a node that somebody has taken for himself for a while."""

_CHECK = re.compile(r"nhc\b", re.IGNORECASE)
"""How the reasons of LBNL Node Health Check begin, whatever account it runs under."""

_SLURM = frozenset({"slurm"})
"""The account that slurmctld runs under, and gives its own reasons as."""

_ROOT = "root"

BY_ROOT = 3600.0
"""Seconds after which a new node has failed that root drained."""

_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faring:
    """What looks have shown of a roll's new nodes, by VM id.

    `sick`: those that count as failed, with the reason. `out`: those that take no work
    now, have not proven themselves before, and have not failed. `since`: from when on
    the batch system has had a node out, as far as that may be the node's own doing.
    `joined`: those that had joined; `good`: those that had proven themselves.
    """

    sick: Mapping[int, str] = field(default_factory=dict)
    out: frozenset[int] = frozenset()
    since: Mapping[int, float] = field(default_factory=dict)
    joined: frozenset[int] = frozenset()
    good: frozenset[int] = frozenset()

    def see(
        self,
        new: Mapping[int, tuple[Vm, NodeSample]],
        roll: Roll,
        *,
        good: frozenset[int],
        restarting: bool,
        lasts: float,
        now: float,
        elsewhere: Collection[str] = (),
    ) -> "Faring":
        """Return how they fare after a believed look.

        Args:
            new: the nodes of the new make.
            roll: the roll that they belong to.
            good: those that have proven themselves by now.
            restarting: whether the batch system's server is no witness yet.
            lasts: seconds after which one that is out has failed.
            now: when the look was taken.
            elsewhere: kinds of reasons for which others drained other nodes.
        """
        there = frozenset(new)
        joined = (self.joined & there) | {
            vm_id for vm_id, (_, node) in new.items() if node.joined
        }
        proven = (self.good & there) | good
        patience = {
            vm_id: _patience(vm, node, lasts, elsewhere, proven=vm_id in proven)
            for vm_id, (vm, node) in new.items()
        }
        since = {
            vm_id: self.since.get(vm_id, now)
            for vm_id, seconds in patience.items()
            if not restarting and seconds < inf
        }
        sick: dict[int, str] = {}
        out: set[int] = set()
        for vm_id, (vm, node) in new.items():
            if vm.since and vm.since < int(roll.began):
                continue  # of an earlier try
            why = _failed(vm, joined=vm_id in joined)
            if not why and vm_id in since and now - since[vm_id] >= patience[vm_id]:
                why = _out_because(node)
            if why:
                sick[vm_id] = why
            elif _is_out(node) and vm_id not in proven:
                out.add(vm_id)
        return Faring(
            sick=sick, out=frozenset(out), since=since, joined=joined, good=proven
        )


def _failed(vm: Vm, *, joined: bool) -> str:
    """Return why a VM is no node by itself; empty if it is one."""
    if vm.mark.aside:
        return vm.mark.reason or "it was put aside"
    if vm.state is VmState.FAILED:
        return vm.error or vm.state_name or "its VM failed"
    if vm.state is VmState.OFF and not joined and not vm.asked_off:
        return "it went off before it had joined"
    return ""


def kinds(nodes: Iterable[NodeSample]) -> frozenset[str]:
    """Return for what kinds of reasons others drained these nodes."""
    return frozenset(_kind(node) for node in nodes if node.drained_by is Drainer.OTHERS)


def _kind(node: NodeSample) -> str:
    return _NUMBERS.sub("#", node.reason)


def _patience(
    vm: Vm,
    node: NodeSample,
    lasts: float,
    elsewhere: Collection[str],
    *,
    proven: bool,
) -> float:
    """Return after how many seconds a node has failed that is out as it is.

    Infinity for one that is not, and for one that somebody is known to have taken out.
    """
    reserved = _RESERVED & frozenset(node.shown.split("+"))
    if not _is_out(node) or vm.state in _OFF or reserved:
        return inf
    if node.drained_by is not Drainer.OTHERS:
        return lasts
    if proven or _kind(node) in elsewhere:
        return inf
    if _CHECK.match(node.reason) or node.told_by in _SLURM:
        return lasts
    return max(lasts, BY_ROOT) if node.told_by == _ROOT else inf


def _out_because(node: NodeSample) -> str:
    why = node.reason or node.shown
    if node.drained_by is not Drainer.OTHERS:
        return f"the batch system took it out: {why}"
    by = f" by {node.told_by}" if node.told_by else ""
    return f"it was drained{by}: {why}"


def _is_out(node: NodeSample) -> bool:
    return node.state is NodeState.ASIDE and bool(node.joined)
