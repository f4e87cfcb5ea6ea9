"""The rounds that people ask for: plan, apply, destroy, scale.

A round looks, decides, checks and, where something is to be done, takes the lock, looks
again and only then begins. It ends with a look that proves what was reached. A round
that has nothing to do takes no lock and makes the calls of one look.
"""

from dataclasses import replace

from farmctl.errors import (
    CloudError,
    FarmctlError,
    FarmLockedError,
)
from farmctl.model.attributes import Kind
from farmctl.model.steps import (
    AwaitNode,
    ConfigureNodes,
    CreateObject,
    Note,
    Plan,
)
from farmctl.model.view import Capacity, CloudView
from farmctl.plan import capacity
from farmctl.reconcile import daemons, evidence
from farmctl.reconcile.execution import execute
from farmctl.reconcile.intent import (
    Avoid,
    Declared,
    Destroyed,
    Intent,
    Saved,
    Scaled,
    declared_in,
    drawn,
    refuse_short,
)
from farmctl.reconcile.lock import FarmLock
from farmctl.reconcile.objects import body_of
from farmctl.reconcile.progress import PlanMade, Retrying
from farmctl.reconcile.run import Run, subject_of
from farmctl.reconcile.values import Options, Outcome, Result, StepOutcome, World
from farmctl.spec import Farm

_FRESH = 2.0
"""Seconds for which hypervisors are not read again. No lock keeps others from filling
them meanwhile; one that is full refuses a node, and another is chosen."""

_PASSES = 12
"""How often a class C or an address that others have is answered by another choice."""

ROOM = "room"
"""The subject of a note that says what there is no room for."""

_DEFAULT = Options()


def make_plan(
    world: World,
    farm: Farm,
    *,
    view: CloudView | None = None,
    at_once: bool = False,
    retry: bool = False,
) -> Plan:
    """Return what separates a farm from its file; where room is short, notes say so.

    Nothing is changed. Eight calls, and two more if nodes are to be made. With
    `at_once` outdated workers are made anew where they stand, as `apply` does with
    consent to interrupting them. With `retry` a make that was refused is tried again.

    Raises:
        InputError: what only the cloud can show to be wrong in the files.
        NotPossibleError: what others hold is in the way.
        ExhaustedError: no class C or public address is left.
    """
    intent = Declared(declared=farm, retry=retry, at_once=at_once)
    return _drawn(world, intent, view)


def make_destroy_plan(
    world: World, name: str, *, view: CloudView | None = None
) -> Plan:
    """Return the steps that leave nothing of a farm; none if there is nothing."""
    return _drawn(world, Destroyed(farm=name), view)


def make_scale_plan(
    world: World, name: str, pool: str, size: int, *, view: CloudView | None = None
) -> Plan:
    """Return what giving a pool another size would change.

    Raises:
        NotPossibleError: there is no such farm or pool, or its limits forbid the size.
    """
    seen = world.reads.look() if view is None else view
    return _drawn(world, Scaled(farm=name, pool=pool, size=size), seen)


def apply(world: World, farm: Farm | Plan, options: Options = _DEFAULT) -> Outcome:
    """Make the cloud as the farm's file says, or carry out a saved plan.

    Applied again, it changes nothing. Killed anywhere, the next apply goes on from
    what the cloud shows. Once the first step has begun, whatever happens is told by
    the outcome; before that it is raised, and nothing has been changed.

    Args:
        world: the cloud, and all else that a round needs.
        farm: the declared farm, or a plan that was saved.
        options: see there.

    Raises:
        InputError, ExhaustedError: see `make_plan`.
        NotPossibleError: likewise, and where room or quota is short: all shortfalls.
        PlanOutdatedError: the cloud has moved on since the plan was saved.
        FarmLockedError: another process is changing this farm.
        CloudError: the cloud cannot even be looked at.
    """
    intent: Intent = (
        Saved(plan=farm)
        if isinstance(farm, Plan)
        else Declared(
            declared=farm,
            prefer=options.prefer,
            retry=options.retry,
            at_once=options.interrupt,
        )
    )
    return carry_out(world, intent, options)


def destroy(world: World, name: str, options: Options = _DEFAULT) -> Outcome:
    """End a farm, all of it, in order, and prove that nothing of it is left.

    Whoever asks for this consents to interrupting what works in the farm. What refuses
    to go is named in the outcome; the farm's document then stays, so that the next
    destroy finds it. A farm that is not there is a success.
    """
    return carry_out(world, Destroyed(farm=name), options)


def scale(
    world: World, name: str, pool: str, size: int, options: Options = _DEFAULT
) -> Outcome:
    """Give a pool another size, decided by hand; no file is needed.

    Raises:
        NotPossibleError: there is no such farm or pool, or its limits forbid the size.
    """
    return carry_out(world, Scaled(farm=name, pool=pool, size=size), options)


def declared(world: World, name: str) -> Farm:
    """Return a farm as its document in the cloud declares it."""
    return declared_in(world.reads.look(), name, site=world.site.name)


def _drawn(world: World, intent: Intent, view: CloudView | None) -> Plan:
    seen = world.reads.look() if view is None else view
    plan, seen, short = drawn(world, intent, seen)
    started = capacity.too_large(plan, seen.capacity)
    later = capacity.pools_too_large(plan, seen.capacity).items()
    short += [why for pool, why in later if pool not in started]
    said = tuple(Note(subject=ROOM, message=each) for each in short)
    return replace(plan, notes=(*plan.notes, *said))


def carry_out(
    world: World, intent: Intent, options: Options, view: CloudView | None = None
) -> Outcome:
    """Look, plan, take the lock, plan again, do it, and prove it by a last look.

    Args:
        world: the cloud, and all else that a round needs.
        intent: what is wanted.
        options: see there.
        view: a look that was taken just now; None: one is taken.
    """
    began = world.clock.monotonic()
    before = world.reads.look() if view is None else view
    plan, before, short = drawn(world, intent, before)
    read = world.clock.monotonic()
    if plan.changes_nothing:
        _tidy(world, plan.farm, options, before)
        return Outcome(
            farm=plan.farm,
            plan=plan,
            seconds=world.clock.monotonic() - began,
            complete=not (plan.destroys and not before.farm(plan.farm).empty),
            left=plan.notes if plan.destroys else (),
            advice=_rolls(plan, before),
        )
    refuse_short(plan.farm, short)
    first = _first_body(plan)
    with FarmLock(world, plan.farm, options, body=first) as lock:
        try:
            fresh = world.clock.monotonic() - read < _FRESH
            room = before.capacity if fresh else None
            run, done = _passes(world, intent, options, lock, before, room=room)
        except FarmctlError:
            # Refused before anything was begun: what we made to lock it goes again.
            if lock.made and before.farm(plan.farm).empty:
                lock.delete()
            raise
        return _proved(world, intent, run, done, began)


def _tidy(world: World, farm: str, options: Options, view: CloudView) -> None:
    """Give back the lock of a run that ended between its last change and the unlock."""
    found = view.farm(farm).document
    if found is None or found.lock is None:
        return
    try:
        with FarmLock(world, farm, replace(options, lock_wait=0.0)):
            pass
    except FarmLockedError:
        return  # somebody lives in there, and may be about to change something


def _first_body(plan: Plan) -> dict[str, object] | None:
    """Return what a new document is to say, so that it never says nothing."""
    for step in plan.steps:
        if isinstance(step, CreateObject) and step.kind is Kind.DOCUMENT:
            return body_of(step)
    return None


def _passes(
    world: World,
    intent: Intent,
    options: Options,
    lock: FarmLock,
    before: CloudView,
    *,
    room: Capacity | None,
) -> tuple[Run, tuple[StepOutcome, ...]]:
    """Plan under the lock and carry it out; again where others had what we chose."""
    avoid = Avoid()
    earlier: tuple[StepOutcome, ...] = ()
    run: Run | None = None
    passes = 0
    while True:
        try:
            view = world.reads.look()
            plan, view, short = drawn(world, intent, view, avoid, room=room)
            refuse_short(plan.farm, short)
            lock.check()
        except FarmctlError as problem:
            if run is None:
                raise
            run.stop(problem)  # something was done: the outcome tells it
            return run, (*earlier, *run.outcomes())
        world.progress.tell(PlanMade(plan=plan))
        run = Run(
            world=world,
            lock=lock,
            plan=plan,
            view=view,
            options=options,
            doubt=evidence.doubt(plan.farm, before, view),
        )
        execute(run)
        passes += 1
        more = _more(run, avoid) if passes < _PASSES else None
        if more is None:
            return run, (*earlier, *run.outcomes())
        done = [each for each in run.outcomes() if each.result is Result.DONE]
        earlier, avoid, before = (*earlier, *done), more, view
        room = None  # this very run has filled some of it


def _more(run: Run, avoid: Avoid) -> Avoid | None:
    """Return what to avoid in a next pass; None if there is to be none."""
    if run.again is not None:
        subject, reason = f"network {run.farm}", run.again.message
        more = replace(avoid, cidrs=(*avoid.cidrs, run.again.cidr))
    elif run.refused - set(avoid.addresses) and not run.stopped:
        addresses = sorted(run.refused | set(avoid.addresses))
        subject = f"network {run.farm}"
        reason = f"OpenNebula does not give the address {', '.join(addresses)}."
        more = replace(avoid, addresses=tuple(addresses))
    else:
        return None
    run.world.progress.tell(Retrying(subject=subject, reason=reason))
    run.world.journal.record(run.farm, "planned again", because=reason, subject=subject)
    return more


def _proved(
    world: World,
    intent: Intent,
    run: Run,
    done: tuple[StepOutcome, ...],
    began: float,
) -> Outcome:
    """Look once more: what is left to do is what was not reached."""
    left: tuple[Note, ...] = ()
    complete = False
    stopped = run.stopped
    if not stopped:
        try:
            view = world.reads.look()
            rest = intent.proof(view).draw(world, view)
        except CloudError as problem:
            stopped = f"The last look failed: {problem.message}"
        except FarmctlError as problem:
            left = (Note(subject=run.farm, message=str(problem)),)
        else:
            left = _left(rest, run)
            complete = not left
            if rest.destroys and not view.farm(run.farm).empty and not left:
                left, complete = rest.notes, False
    outcome = Outcome(
        farm=run.farm,
        plan=run.plan,
        steps=done,
        seconds=world.clock.monotonic() - began,
        complete=complete,
        left=left,
        notes=tuple(run.notes),
        stopped=stopped,
    )
    advice = run.advice or _advice(outcome) or _rolls(run.plan, run.view)
    outcome = replace(outcome, advice=advice)
    world.journal.record(
        run.farm,
        "run complete" if outcome.complete else "run incomplete",
        because=stopped or outcome.advice or "the cloud is as declared",
        seconds=round(outcome.seconds, 3),
        left=[f"{note.subject}: {note.message}" for note in left],
    )
    return outcome


def _left(rest: Plan, run: Run) -> tuple[Note, ...]:
    """Return what a plan made afterwards still wants, with our reasons where known."""
    reasons = {
        each.subject: each.reason
        for each in run.outcomes()
        if each.result is not Result.DONE and each.reason
    }
    return tuple(
        Note(subject=subject, message=reasons.get(subject) or step.because)
        for step in rest.steps
        for subject in (subject_of(step),)
        if run.options.wait or not isinstance(step, AwaitNode | ConfigureNodes)
    )


def _rolls(plan: Plan, view: CloudView) -> str:
    """Say who replaces the outdated workers, where nobody does yet."""
    if daemons.kept(view) or not any(each.old for each in plan.rolls.values()):
        return ""
    pools = ", ".join(pool for pool, each in plan.rolls.items() if each.old)
    return (
        f"No daemon keeps this farm: start one, and it replaces the old workers of "
        f"{pools} as their jobs end: farmctl serve"
    )


def _advice(outcome: Outcome) -> str:
    if outcome.plan.destroys:
        again = f"farmctl destroy {outcome.farm}"
        return "" if outcome.complete else f"See to what is left, then: {again}"
    if outcome.of(Result.ASIDE):
        return (
            "Nodes put aside are kept so that you can look into them (onevm show ID, "
            "their console); the next apply replaces them."
        )
    if outcome.failed:
        return "See to the reasons above; the same command tries again."
    if outcome.of(Result.SKIPPED):
        return "What was skipped is left for a later apply; its reason says until when."
    if outcome.of(Result.WAITING) or not outcome.complete:
        return f"See how it goes on with: farmctl status {outcome.farm} --watch"
    return ""
