"""From a farm and what two witnesses show of it to what is asked for: pure steps.

The order is fixed: what a person asked for first, then the scaling core's verdict, held
against the evidence and the breakers. `rounds` looks, calls these, and carries out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from farmctl.elastic.breaker import Allowed, Boot, How
from farmctl.elastic.evidence import Evidence
from farmctl.elastic.joining import Joined, PoolFacts
from farmctl.elastic.stages import Coming, Stage
from farmctl.model.matching import NodeShape
from farmctl.model.nodes import Phase, Role, VmState, phase
from farmctl.model.sample import (
    Decision,
    Drain,
    Drainer,
    End,
    NodeState,
    Sample,
    Start,
    Undrain,
)
from farmctl.model.view import FarmView, Vm
from farmctl.plan import document
from farmctl.spec import Farm

_UP = frozenset({VmState.RUNNING, VmState.MOVING})
_SICK = frozenset({VmState.FAILED, VmState.UNKNOWN})
_NONE: Mapping[str, str] = {}


def facts(farm: Farm, mine: FarmView) -> dict[str, PoolFacts]:
    """Return what each pool's nodes are to be, as its template in the cloud says."""
    digests = {
        each.tag.pool: each.tag.digest
        for each in sorted(mine.templates, key=lambda each: -each.id)
        if each.tag is not None and each.tag.role is Role.WORKER
    }
    return {
        name: PoolFacts(
            slots=pool.cpus,
            memory_mib=pool.memory,
            digest=digests.get(name, ""),
            readiness=document.readiness(mine.document, name),
        )
        for name, pool in farm.pools.items()
    }


def shapes(
    farm: Farm, sample: Sample, known: Mapping[str, NodeShape]
) -> dict[str, NodeShape]:
    """Return what a node of each pool offers, as its nodes have shown.

    A pool of which no node was ever seen is taken to offer whatever is asked for by
    feature or queue: only a node can show what it has. A queue of a pool's name is
    taken to be that pool's alone.
    """
    asked = frozenset().union(*(s for w in sample.waiting for s in w.features))
    queues = frozenset().union(*(w.queues for w in sample.waiting))
    others = frozenset(farm.pools)
    found: dict[str, NodeShape] = {}
    for name, pool in farm.pools.items():
        seen = [
            node
            for node in sample.nodes
            if node.pool == name
            and node.state in {NodeState.READY, NodeState.DRAINING}
            and not node.stale
        ]
        if seen:
            found[name] = NodeShape(
                pool=name,
                slots=max(node.slots for node in seen),
                memory_mib=max(node.memory_mib for node in seen),
                features=frozenset().union(*(node.features for node in seen)),
                queues=frozenset().union(*(node.queues for node in seen)),
                most=pool.count.max,
            )
        elif name in known and known[name].slots == pool.cpus:
            found[name] = replace(known[name], most=pool.count.max)
        else:
            found[name] = NodeShape(
                pool=name,
                slots=pool.cpus,
                memory_mib=pool.memory,
                features=asked,
                queues=(queues - others) | {name},
                most=pool.count.max,
            )
    return found


def coming(
    joined: Joined,
    *,
    configuration: str,
    batch: bool,
    believed: bool,
) -> tuple[list[Coming], list[int]]:
    """Return the workers that are on their way, and those that are through.

    A node that waits to be configured waits for us, and one of which only the batch
    system could say more while that is not believed waits for nobody: neither is in
    the lists.
    """
    under_way: list[Coming] = []
    through: list[int] = []
    states = {node.name: node.state for node in joined.sample.nodes}
    for name, vm in joined.vms.items():
        if states[name] in {NodeState.ASIDE, NodeState.ENDING} or vm.tag is None:
            continue
        image = vm.tag.digest
        if vm.state in {VmState.OFF, VmState.STOPPING}:
            continue
        if vm.state not in _UP:
            stage = Stage.RUNNING
        elif name not in joined.up:
            stage = Stage.READY
        elif configuration and vm.mark.configured != configuration:
            continue
        elif not batch or name in joined.joined:
            through.append(vm.id)
            continue
        elif believed:
            stage = Stage.JOINED
        else:
            continue
        under_way.append(Coming(vm_id=vm.id, image=image, stage=stage))
    return under_way, through


def boots(
    joined: Joined, through: Iterable[int], watched: Iterable[int], *, now: float
) -> list[Boot]:
    """Return the boots that are over: came up, or failed.

    Args:
        joined: both witnesses.
        through: VMs that are through all stages.
        watched: VMs that were seen on their way before; of others it is only known
            that they failed after they were asked for.
        now: the clock.
    """
    arrived, seen = frozenset(through), frozenset(watched)
    found = []
    for vm in joined.vms.values():
        image = vm.tag.digest if vm.tag else ""
        if vm.id in arrived:
            found.append(
                Boot(vm_id=vm.id, image=image, host=vm.host, at=now, how=How.CAME_UP)
            )
        elif vm.mark.aside or vm.state is VmState.FAILED:
            why = vm.mark.reason or vm.error or vm.state_name
            found.append(
                Boot(
                    vm_id=vm.id,
                    image=image,
                    host=vm.host,
                    at=now if vm.id in seen else float(vm.since),
                    how=How.FAILED,
                    why=why,
                )
            )
    return found


def by_hand(
    sample: Sample, *, moving: Mapping[str, str] = _NONE, all_of_them: str = ""
) -> list[Decision]:
    """Return the drains that a person has asked for, or the end of a lease.

    Args:
        sample: joined; a node that is `unwanted` is to go.
        moving: nodes that go because of where they are, with the reason.
        all_of_them: why every node is to be drained; empty if they are not.
    """
    found: list[Decision] = []
    for node in sample.nodes:
        if node.state is not NodeState.READY or node.drained_by is not Drainer.NOBODY:
            continue
        by_us = moving.get(node.name, "it is to be drained")
        why = all_of_them or (by_us if node.unwanted else "")
        if why:
            found.append(Drain(node=node.name, because=why))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for now.

    `sizes`: nodes that each pool should have. `going`: VMs that end, with the reason.
    `most`: new nodes of a pool at once, where something limits them; `limits` says
    what. `drains` and `undrains`: by node, with the reason.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    going: dict[int, str] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    drains: dict[str, str] = field(default_factory=dict)
    undrains: dict[str, str] = field(default_factory=dict)


def asked(
    decisions: Sequence[Decision],
    joined: Joined,
    evidence: Evidence,
    allowed: Mapping[str, Allowed],
    *,
    desired: Mapping[str, int] | None,
) -> Asked:
    """Return what follows from a verdict.

    A node ends only with its second witness; a node that is drained and taken back in
    the same breath stays. Starts are added to what is there.

    Args:
        decisions: the verdict's, and those by hand.
        joined: both witnesses.
        evidence: what was believed.
        allowed: what the breakers allow, by pool.
        desired: how many nodes each pool should have at least, from the last believed
            look; None where this look is believed.
    """
    taken_back = {d.node for d in decisions if isinstance(d, Undrain)}
    result = Asked()
    for decision in decisions:
        match decision:
            case Drain():
                if decision.node not in taken_back:
                    result.drains.setdefault(decision.node, decision.because)
            case Undrain():
                result.undrains[decision.node] = decision.because
            case End():
                vm = joined.vms.get(decision.node)
                sure = decision.node not in taken_back
                if vm is not None and sure and evidence.may_end(decision.node):
                    result.going[vm.id] = decision.because
            case _:
                pass
    for name in joined.inherited:
        result.undrains[name] = "its drain was an earlier node's of that name"
    starts: Counter[str] = Counter()
    for decision in decisions:
        if isinstance(decision, Start):
            starts[decision.pool] += decision.count
    there = counting(joined, without=result.going)
    for pool, limit in allowed.items():
        booting = sum(
            node.pool == pool and node.state is NodeState.BOOTING and not node.stale
            for node in joined.sample.nodes
        )
        if limit.count is not None:
            result.most[pool] = max(0, limit.count - booting)
            result.limits[pool] = limit.because
        size = there[pool] + starts[pool]
        if desired is not None:
            size = max(size, desired.get(pool, 0))
        result.sizes[pool] = size
    return result


def counting(joined: Joined, *, without: Iterable[int]) -> Counter[str]:
    """Return how many nodes of each pool count: not ending, not aside, not going."""
    gone = frozenset(without)
    out = {NodeState.ENDING, NodeState.ASIDE}
    found: Counter[str] = Counter()
    for node in joined.sample.nodes:
        if node.state not in out and joined.vms[node.name].id not in gone:
            found[node.pool] += 1
    return found


def apart(joined: Joined) -> frozenset[int]:
    """Return the VMs that count as nothing, so that others take their places."""
    return frozenset(
        joined.vms[node.name].id
        for node in joined.sample.nodes
        if node.state is NodeState.ASIDE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sickroom:
    """Sick nodes, since when each is known; kept for a while for who looks into them.

    A value: `see` returns the next one.
    """

    since: Mapping[int, float] = field(default_factory=dict)

    def see(self, sick: Iterable[int], *, now: float) -> "Sickroom":
        """Return the sickroom with these VMs and no others in it."""
        return Sickroom(since={vm_id: self.since.get(vm_id, now) for vm_id in sick})

    def over(self, *, now: float, kept: int, seconds: float) -> frozenset[int]:
        """Return those that are kept no longer: too many, or for too long."""
        newest = sorted(self.since, key=lambda each: (-self.since[each], -each))
        return frozenset(
            vm_id
            for place, vm_id in enumerate(newest)
            if place >= kept or now - self.since[vm_id] > seconds
        )


def discharged(
    joined: Joined, evidence: Evidence, over: frozenset[int], *, batch: bool
) -> dict[int, str]:
    """Return the sick VMs that may end, with the reason.

    A VM that failed does not run. Of one that runs, the batch system must have shown
    twice that nothing works there; one whose hypervisor is silent may run, and stays.
    """
    found: dict[int, str] = {}
    for name, vm in joined.vms.items():
        if vm.id not in over or not (vm.mark.aside or vm.state in _SICK):
            continue
        if vm.state is VmState.UNKNOWN:
            continue
        stopped = vm.state not in _UP and vm.state is not VmState.ENDING
        if stopped or not batch or evidence.is_idle(name):
            why = vm.mark.reason or vm.error or vm.state_name or "it failed"
            found[vm.id] = f"sick: {why}"
    return found


def sick(joined: Joined) -> list[int]:
    """Return the VMs that failed or were put aside."""
    return [
        vm.id
        for vm in joined.vms.values()
        if vm.state is not VmState.ENDING
        and (vm.mark.aside or vm.state is VmState.FAILED)
    ]


def head_is_up(mine: FarmView) -> bool:
    """Tell whether the farm's head is ready, as far as the cloud shows."""
    return any(_is_up_head(vm, mine) for vm in mine.vms)


def _is_up_head(vm: Vm, mine: FarmView) -> bool:
    if vm.tag is None or vm.tag.role is not Role.HEAD:
        return False
    readiness = document.readiness(mine.document, Role.HEAD.value)
    shown = phase(vm.state, reported_ready=vm.reported_ready, readiness=readiness)
    return shown is Phase.READY


def configured_head(mine: FarmView, configuration: str) -> bool:
    """Tell whether the head has what configures it, so that its queue can be asked."""
    return not configuration or any(
        vm.mark.configured for vm in mine.vms if _is_up_head(vm, mine)
    )
