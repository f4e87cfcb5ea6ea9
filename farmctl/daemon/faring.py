"""How the new nodes of a roll fare: which of them failed, and which are out for now.

A value. A make is given up for what its own nodes do, and never for what a person, a
reservation or a server that restarts does to them: such a node is out, and the roll
waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from farmctl.model.nodes import VmState
from farmctl.model.rolling import Roll
from farmctl.model.sample import Drainer, NodeSample, NodeState
from farmctl.model.view import Vm

_OFF = frozenset({VmState.OFF, VmState.STOPPING})
_RESERVED = frozenset({"MAINT", "MAINTENANCE", "RESERVED", "RES"})
"""Words of Slurm for a node that somebody has taken for himself for a while."""


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
    ) -> "Faring":
        """Return how they fare after a believed look.

        Args:
            new: the nodes of the new make.
            roll: the roll that they belong to.
            good: those that have proven themselves by now.
            restarting: whether the batch system's server is no witness yet.
            lasts: seconds after which one that is out has failed.
            now: when the look was taken.
        """
        there = frozenset(new)
        joined = (self.joined & there) | {
            vm_id for vm_id, (_, node) in new.items() if node.joined
        }
        since = {
            vm_id: self.since.get(vm_id, now)
            for vm_id, (vm, node) in new.items()
            if not restarting and _by_itself(vm, node)
        }
        proven = (self.good & there) | good
        sick: dict[int, str] = {}
        out: set[int] = set()
        for vm_id, (vm, node) in new.items():
            if vm.since and vm.since < int(roll.began):
                continue  # of an earlier try
            why = _failed(vm, joined=vm_id in joined)
            if not why and vm_id in since and now - since[vm_id] >= lasts:
                why = f"the batch system took it out: {node.reason or node.shown}"
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


def _by_itself(vm: Vm, node: NodeSample) -> bool:
    """Tell whether nobody is known to have taken a node out that is out."""
    reserved = _RESERVED & frozenset(node.shown.split("+"))
    drained = node.drained_by is Drainer.OTHERS
    return _is_out(node) and vm.state not in _OFF and not reserved and not drained


def _is_out(node: NodeSample) -> bool:
    return node.state is NodeState.ASIDE and bool(node.joined)
