"""One short run for whoever watches a farm: what can be asked for now, and no waiting.

`apply` takes a farm to its end and stays with it. A daemon comes by every few seconds:
it asks for what is missing, ends what two witnesses have released, and goes. What only
has to be waited for is left out of the plan, so that a round with nothing to do makes
no call and takes no lock. Whatever might interrupt work is left to a person's `apply`:
a router or a head that is to be made anew, a worker that nobody has released.

Who goes, how many there should be and which pools get none are decided above, from
what the batch system shows; here it is carried out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from farmctl.errors import BusyError, GoneError, NotAuthorisedError, RefusedError
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Phase, Role, VmState, node_name, phase
from farmctl.model.rolling import News
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ConfigureNodes,
    CreateNode,
    Note,
    Plan,
    RemoveNode,
    ReplaceNode,
    Step,
)
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.plan import capacity, document
from farmctl.plan.nodes import Tending
from farmctl.reconcile import rounds
from farmctl.reconcile.intent import Avoid, Declared, Intent, declared_in
from farmctl.reconcile.lock import FarmLock
from farmctl.reconcile.values import Options, Outcome, World
from farmctl.spec import Farm

Kept: TypeAlias = "Step | None"
"""What becomes of a step: itself, less of it, or nothing."""

TOO_LARGE = "too large: "
"""What the subject of a note begins with that says why a pool gets no node at all."""

AT_ONCE = 20
"""Nodes that are configured in one run: as many as Ansible takes at once.

A farm that is being configured is locked, as two who change its router and its nodes
at the same time would be in each other's way; nothing is started for it meanwhile. So
a run has to be short: the next one begins after another look at what waits.
"""

_NOTHING = Avoid()
_STALE_LOCK = 60.0
"""Seconds after which a lock on a farm that needs nothing may be a dead one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a watcher wants of a farm now.

    `declared`: another declaration, such as a changed file; None for the document's.
    `sizes`: how many workers each pool should have, those in `going` and `apart` not
    counted; a pool that is left out keeps its decided size. `going`: VMs that end, by
    id, with the reason; each released by two witnesses. `apart`: VMs that are left
    alone and count as nothing. `most`: how many nodes of a pool may be made now; a
    pool that is left out has no such limit. `shun`: hypervisors that get no new node.
    `notes`: what the farm's document is to keep besides. `rolled`: what became of
    rolls, by pool. `surge`: how many workers more than its most a pool may have for
    now. `trial`: of the nodes that were configured otherwise before, the only ones to
    be configured anew; None for all of them. `tried`: the digest of the configuration
    that this is said of: of any other, none of them gets anything; None for all.
    """

    declared: Farm | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    going: Mapping[int, str] = field(default_factory=dict)
    apart: frozenset[int] = frozenset()
    most: Mapping[str, int] = field(default_factory=dict)
    shun: frozenset[str] = frozenset()
    notes: Mapping[str, object] = field(default_factory=dict)
    rolled: Mapping[str, News] = field(default_factory=dict)
    surge: Mapping[str, int] = field(default_factory=dict)
    trial: frozenset[str] | None = None
    tried: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """The farm as watched: an intent whose plans hold nothing that is waited for.

    `configuring`: the plan holds the configuring of nodes that are ready, and what the
    document is to keep; without it everything but that. The two are runs of their own,
    so that new nodes are asked for before others are logged in to.
    """

    farm: str
    wish: Wish
    configuring: bool = False

    def draw(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        return self.settled(self.whole(world, view, avoid), view)

    def proof(self, view: CloudView) -> Intent:
        """Return what is left when all that may be made now has been made."""
        del view
        none = dict.fromkeys(self.wish.most, 0)
        return replace(self, wish=replace(self.wish, most=none))

    def whole(self, world: World, view: CloudView, avoid: Avoid = _NOTHING) -> Plan:
        """Return the plan before anything is left out of it."""
        wish = self.wish
        farm = wish.declared or declared_in(view, self.farm, site=world.site.name)
        declared = Declared(
            declared=farm,
            sizes=wish.sizes,
            tending=Tending(going=wish.going, apart=wish.apart, surge=wish.surge),
            notes=wish.notes,
            rolled=wish.rolled,
        )
        return declared.draw(world, view, avoid)

    def settled(self, plan: Plan, view: CloudView) -> Plan:
        """Leave out what is not to be done now, and what there is no room for."""
        mine = view.farm(self.farm)
        plan = _filtered(plan, lambda step: self._kept(step, mine))
        plan = self._limited(plan)
        if view.capacity is None or self.configuring:
            return plan
        return _fitting(plan, view)

    def _kept(self, step: Step, mine: FarmView) -> Kept:
        if isinstance(step, ConfigureNodes):
            # First who may not be in it: they are to take nobody's place in the run.
            tried = _on_trial(step, mine, self.wish) if self.configuring else None
            return tried and _ready_ones(tried, mine)
        if self.configuring:
            return step if _is_note(step) else None
        match step:
            case AwaitNode():
                return None
            case ReplaceNode():
                return step if _may_be_replaced(step, mine) else None
            case RemoveNode(may_work=True):
                return step if step.vm_id in self.wish.going else None
            case _:
                return step

    def _limited(self, plan: Plan) -> Plan:
        left = dict(self.wish.most)
        for pool, rolled in plan.rolls.items():
            if not rolled.roll.proven:
                # Whatever else is wanted: one canary, and none beside it.
                left[pool] = min(left.get(pool, 1), max(0, 1 - rolled.new))

        def keep(step: Step) -> Kept:
            if not isinstance(step, CreateNode) or step.node.pool not in left:
                return step
            if left[step.node.pool] <= 0:
                return None
            left[step.node.pool] -= 1
            return step

        return _filtered(plan, keep)


def tend(
    world: World,
    name: str,
    view: CloudView,
    wish: Wish,
    options: Options,
) -> Outcome:
    """Ask for what a watched farm needs now, and do not wait for it.

    A farm that needs nothing costs no call beyond the look that is handed in, and no
    lock. New nodes for which there is no room are left out, with a note. The guests of
    nodes that are ready are configured in a run of their own, once there is nothing
    else to do.

    Args:
        world: the cloud, and all else that a round needs.
        name: the farm.
        view: a look at the cloud that was taken just now.
        wish: what is wanted of the farm.
        options: `wait`, `interrupt`, `released` and `shun` are set here.

    Raises:
        NotPossibleError: there is no such farm, or what others hold is in the way.
        InputError: what only the cloud can show to be wrong in the farm's declaration.
        FarmLockedError: somebody else is changing this farm.
        CloudError: the cloud could not be looked at again.
    """
    began = world.clock.monotonic()
    intent = Tended(farm=name, wish=wish)
    whole = intent.whole(world, view)
    plan = intent.settled(whole, view)
    wait = False
    if all(_is_note(step) for step in plan.steps):
        configuring = replace(intent, configuring=True)
        later = configuring.settled(whole, view)
        if any(isinstance(step, ConfigureNodes) for step in later.steps):
            intent, plan, wait = configuring, later, True
    found = view.farm(name).document
    if plan.changes_nothing and not _left_locked(found, view.at):
        return Outcome(
            farm=name,
            plan=plan,
            seconds=world.clock.monotonic() - began,
            complete=True,
        )
    options = replace(
        options,
        wait=wait,
        interrupt=False,
        released=frozenset(wish.going),
        shun=wish.shun,
    )
    return rounds.carry_out(world, intent, options, view)


def room_lacking(plan: Plan, pool: str) -> str:
    """Return why nodes of a pool were left out of a short run's plan, if any were."""
    said = {note.subject: note.message for note in plan.notes}
    return said.get(f"{TOO_LARGE}{pool}", "") or said.get(rounds.ROOM, "")


def set_aside(
    world: World, name: str, reasons: Mapping[int, str], options: Options
) -> Mapping[int, str]:
    """Mark nodes as sick, so that they count as nothing; nothing of them is ended.

    Args:
        world: the cloud.
        name: the farm.
        reasons: by VM id, why.
        options: of them `lock_wait`, `command` and `stop` count.

    Returns:
        For each VM that is not marked now, why.

    Raises:
        FarmLockedError: somebody else is changing this farm.
        CloudError: OpenNebula does not answer.
    """
    failed: dict[int, str] = {}
    with FarmLock(world, name, options) as lock:
        for vm in world.cloud.vms(sorted(reasons)):
            if vm.tag is None or vm.tag.farm != name or vm.mark.aside:
                continue
            lock.check()
            mark = replace(vm.mark, aside=True, reason=reasons[vm.id][:200])
            try:
                world.cloud.mark(vm.id, mark)
            except (BusyError, GoneError, NotAuthorisedError, RefusedError) as error:
                failed[vm.id] = str(error)
                continue
            world.journal.record(
                name, "node put aside", because=mark.reason, subject=vm.name, vm=vm.id
            )
    return failed


def _is_note(step: Step) -> bool:
    """Tell whether a step does nothing but write down: it is never waited for."""
    return isinstance(step, ChangeObject) and step.kind is Kind.DOCUMENT


def _left_locked(found: object, now: float) -> bool:
    lock = getattr(found, "lock", None)
    return lock is not None and now - lock.since > _STALE_LOCK


def _filtered(plan: Plan, keep: Callable[[Step], Kept]) -> Plan:
    waves = tuple(
        tuple(kept for step in wave if (kept := keep(step)) is not None)
        for wave in plan.waves
    )
    return replace(plan, waves=tuple(wave for wave in waves if wave))


def _may_be_replaced(step: ReplaceNode, mine: FarmView) -> bool:
    """Tell whether ending the VM can interrupt nothing that anybody would miss.

    A head has the queue on its disk: it is for a person to give up. A router that
    failed or never came up has nothing to lose.
    """
    if step.node.role is not Role.ROUTER or step.may_work:
        return False
    state = next((vm.state for vm in mine.vms if vm.id == step.vm_id), None)
    return state not in {VmState.UNKNOWN, None}


def _ready_ones(step: ConfigureNodes, mine: FarmView) -> ConfigureNodes | None:
    """Leave out who is not ready, and who would make the run a long one.

    The head comes first: the others join what it has.
    """
    ready = {_name(vm) for vm in mine.vms if _is_ready(vm, mine)}
    head = node_name(mine.farm, Role.HEAD)
    names = [name for name in step.names if name in ready]
    names.sort(key=lambda name: name != head)
    return replace(step, names=tuple(names[:AT_ONCE])) if names else None


def _on_trial(
    step: ConfigureNodes, mine: FarmView, wish: Wish
) -> ConfigureNodes | None:
    """Leave out the nodes whose changed configuration is tried on others first."""
    trial = wish.trial
    if wish.tried not in {None, step.configuration}:
        trial = frozenset()  # It has changed since it was looked at.
    if trial is None:
        return step
    before = {_name(vm) for vm in mine.vms if vm.mark.configured}
    names = tuple(name for name in step.names if name not in before or name in trial)
    return replace(step, names=names) if names else None


def _is_ready(vm: Vm, mine: FarmView) -> bool:
    if vm.tag is None or vm.tag.role is None or vm.mark.aside:
        return False
    key = vm.tag.pool or vm.tag.role.value
    shown = phase(
        vm.state,
        reported_ready=vm.reported_ready,
        readiness=document.readiness(mine.document, key),
    )
    return shown is Phase.READY


def _name(vm: Vm) -> str:
    tag = vm.tag
    if tag is None or tag.role is None:
        return ""
    return node_name(tag.farm, tag.role, tag.pool, tag.ordinal)


def _fitting(plan: Plan, view: CloudView) -> Plan:
    """Leave out as many new workers, the last ones first, as there is no room for.

    Before them all that no hypervisor could hold: they are in nobody's way.
    """
    hopeless = capacity.too_large(plan, view.capacity)

    def possible(step: Step) -> Kept:
        return (
            None
            if isinstance(step, CreateNode) and step.node.pool in hopeless
            else step
        )

    told = (
        Note(subject=f"{TOO_LARGE}{pool}", message=why)
        for pool, why in hopeless.items()
    )
    plan = _filtered(replace(plan, notes=(*plan.notes, *told)), possible)

    def first(count: int) -> Plan:
        left = count

        def keep(step: Step) -> Kept:
            nonlocal left
            if not isinstance(step, CreateNode) or step.node.role is not Role.WORKER:
                return step
            left -= 1
            return step if left >= 0 else None

        return _filtered(plan, keep)

    def short(count: int) -> list[str]:
        return capacity.shortfalls(
            first(count), view.capacity, view.quotas, vms=view.vms
        )

    wanted = sum(
        isinstance(step, CreateNode) and step.node.role is Role.WORKER
        for step in plan.steps
    )
    why = short(wanted)
    if not why:
        return plan
    low, high = 0, wanted - 1
    while low < high:
        middle = (low + high + 1) // 2
        if short(middle):
            high = middle - 1
        else:
            low = middle
    fits = first(max(low, 0))
    said = (
        f"{low} of {wanted} new nodes fit: {' '.join(why)}" if wanted else " ".join(why)
    )
    return replace(fits, notes=(*fits.notes, Note(subject=rounds.ROOM, message=said)))
