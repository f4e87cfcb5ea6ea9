"""What cloud and batch system show of a farm's workers, put together as one sample.

Two witnesses, and neither knows all: the cloud knows which VMs are there, of which
pool and image, and on which hypervisor; the batch system knows what works on them. A
node that only one of the two knows is on its way in or on its way out, and never free.
Pure; whether the samples are to be believed is `evidence`'s to say, and how long a node
may be on its way is `stages`'.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from farmctl.model.nodes import Phase, Readiness, Role, VmState, node_name, phase
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample
from farmctl.model.view import FarmView, Vm

_SICK = frozenset({VmState.FAILED, VmState.UNKNOWN})
_OFF = frozenset({VmState.OFF, VmState.STOPPING})
_UP = frozenset({VmState.RUNNING, VmState.MOVING})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What a pool's nodes are to be: a node of another digest is stale.

    `slots` and `memory_mib` stand for what a node has before its batch system says so.
    """

    slots: int
    memory_mib: int
    digest: str
    readiness: Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Both witnesses together.

    `sample`: the batch system's, its nodes being the farm's workers and no others.
    `vms`: the VM of each node. `up`: nodes that run and have said that they are ready.
    `lost`: nodes that the batch system lists and that no VM stands behind.
    `joined`: nodes that the batch system knows. `inherited`: nodes that are there now,
    and whose drain was an earlier node's of that name: it is to be taken back.
    """

    sample: Sample
    vms: Mapping[str, Vm]
    up: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    inherited: frozenset[str] = frozenset()


def join(
    batch: Sample,
    farm: FarmView,
    pools: Mapping[str, PoolFacts],
    *,
    emptied: Collection[str] = (),
    aside: Collection[int] = (),
) -> Joined:
    """Return what both show together.

    Args:
        batch: the batch system's look, each node with `pool` empty; without nodes where
            nothing was seen.
        farm: the cloud's look at the same farm.
        pools: what the nodes of each pool are to be.
        emptied: hypervisors, by name, whose nodes are to go.
        aside: VMs that count as nothing besides those that are marked so.
    """
    told = {node.name: node for node in batch.nodes}
    nodes: dict[str, NodeSample] = {}
    vms: dict[str, Vm] = {}
    up: set[str] = set()
    inherited: set[str] = set()
    for vm in sorted(farm.vms, key=lambda each: each.id):
        tag = vm.tag
        if tag is None or tag.role is not Role.WORKER or vm.state is VmState.GONE:
            continue
        name = node_name(farm.farm, Role.WORKER, tag.pool, tag.ordinal)
        if name in vms and vm.state is VmState.ENDING:
            continue
        facts = pools.get(tag.pool) or _unknown(vm)
        node = _node(vm, name, facts, told.get(name), now=batch.taken)
        if vm.id in aside and node.state is not NodeState.ENDING:
            node = replace(node, state=NodeState.ASIDE)
        vms[name] = vm
        nodes[name] = replace(
            node,
            pool=tag.pool,
            image=tag.digest,
            hypervisor_class="worker",
            stale=tag.digest != facts.digest,
            unwanted=vm.mark.draining or (bool(vm.host) and vm.host in emptied),
        )
        if _phase(vm, facts) is Phase.READY:
            up.add(name)
            known = told.get(name)
            if known is not None and _inherits(vm, known) and _is_back(vm, known):
                inherited.add(name)
    mine = f"{farm.farm}-"
    return Joined(
        sample=replace(batch, nodes=tuple(nodes[name] for name in sorted(nodes))),
        vms=vms,
        up=frozenset(up),
        joined=frozenset(
            name
            for name, node in nodes.items()
            if node.state in {NodeState.READY, NodeState.DRAINING}
        ),
        lost=tuple(
            name
            for name in sorted(told)
            if name not in vms and name.startswith(mine) and name[-1:].isdigit()
        ),
        inherited=frozenset(inherited),
    )


def _node(
    vm: Vm, name: str, facts: PoolFacts, told: NodeSample | None, *, now: float
) -> NodeSample:
    blank = NodeSample(
        name=name,
        pool="",
        slots=facts.slots,
        memory_mib=facts.memory_mib,
        state=NodeState.BOOTING,
        since=float(vm.since or now),
    )
    shown = blank if told is None else told
    if vm.state is VmState.ENDING:
        return replace(shown, state=NodeState.ENDING, since=now)
    if vm.mark.aside or vm.state in _SICK:
        return replace(shown, state=NodeState.ASIDE)
    if told is None:
        return blank
    works = not told.empty
    if vm.state not in _UP:
        # Known, and not there: it was powered off, or the name is an earlier node's.
        return replace(told, state=NodeState.ASIDE) if works else blank
    if told.state is NodeState.ASIDE and not works and _earlier(vm, facts, told):
        return blank
    return blank if _inherits(vm, told) else told


def _earlier(vm: Vm, facts: PoolFacts, told: NodeSample) -> bool:
    """Tell whether a node that is down is what an earlier VM of that name has left."""
    if told.drained_by is Drainer.OTHERS:
        return False
    return _phase(vm, facts) is not Phase.READY or told.joined < vm.since


def _inherits(vm: Vm, told: NodeSample) -> bool:
    """Tell whether a node's drain is older than its VM: it was meant for another."""
    ours = told.state is NodeState.DRAINING and told.drained_by is Drainer.US
    return ours and told.empty and told.since < vm.since


def _is_back(vm: Vm, told: NodeSample) -> bool:
    """Tell whether the batch system has heard from this very VM.

    One that keeps no reason for a drain keeps no time of joining either.
    """
    return told.joined >= vm.since or not told.reason


def _phase(vm: Vm, facts: PoolFacts) -> Phase:
    return phase(vm.state, reported_ready=vm.reported_ready, readiness=facts.readiness)


def _unknown(vm: Vm) -> PoolFacts:
    """Return the facts of a node whose pool is declared no longer: it is stale."""
    return PoolFacts(
        slots=max(1, int(vm.cpus)),
        memory_mib=vm.memory_mib,
        digest="",
        readiness=Readiness.RUNNING,
    )
