"""What is done inside the guests: the router changed in place, nodes configured.

The only steps that log in anywhere, and only through `World.guests`. What happens in a
guest is no evidence of how OpenNebula is: an error from there fails its step and ends
no run. A router gets its files over SSH first, where a change that locks us out is
taken back, and in its context only then: a reboot never brings back what did not work.
Killed in between, the next run finds the old context and puts the same files in force
again, which changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from farmctl.errors import FarmctlError, GoneError, RefusedError, UnreachableError
from farmctl.model.attributes import Kind, digest
from farmctl.model.guests import Guest, guests
from farmctl.model.nodes import Phase, Role, VmState, node_name, phase
from farmctl.model.steps import (
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateObject,
    Note,
    RemoveNode,
)
from farmctl.model.view import FarmView, Vm
from farmctl.plan import document
from farmctl.reconcile.breaker import TRIPS_AT
from farmctl.reconcile.nodes import Nodes
from farmctl.reconcile.objects import body_of
from farmctl.reconcile.run import Run, UntriedError, subject_of
from farmctl.reconcile.values import Result
from farmctl.spec import Farm, record

_UP = frozenset({VmState.RUNNING, VmState.MOVING})
_BOOTS = _UP | {VmState.PLACING, VmState.STARTING, VmState.UNKNOWN}


class GuestError(FarmctlError):
    """Something inside a guest could not be done; OpenNebula is as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What became of a configuring: the step's result, and why if it is not done."""

    result: Result
    reason: str = ""


def declared(run: Run) -> Farm:
    """Return the farm that the run is about, as its document says or is about to say.

    Raises:
        UntriedError: nobody knows how it is declared.
    """
    body = next(
        (
            body_of(step)
            for step in run.plan.steps
            if isinstance(step, CreateObject | ChangeObject)
            and step.kind is Kind.DOCUMENT
        ),
        None,
    )
    found = run.view.farm(run.farm).document
    if body is None and found is not None and found.body:
        body = dict(found.body)
    if not body:
        raise UntriedError(f"It is not known how {run.farm} is declared.")
    return record.from_canonical(body)


def reason_to_wait(run: Run, step: ChangeRouter) -> str:
    """Say why the router is not to be changed now; nothing if it may.

    It forgets no node that is still there, nor any on a look that is no evidence.
    """
    if run.doubt:
        return f"{run.doubt} Nor is the router told of it."
    still = [
        subject_of(each)
        for each in run.plan.steps
        if isinstance(each, RemoveNode)
        and each.name in step.leavers
        and run.result_of(each) is not Result.DONE
    ]
    if not still:
        return ""
    shown = ", ".join(still[:_SHOWN]) + (" …" if len(still) > _SHOWN else "")
    return f"It goes on knowing what is still there: {shown}."


_SHOWN = 5


def reason_to_leave(run: Run, step: ChangeObject) -> str:
    """Say why a group is not to be narrowed now; nothing if it may be changed.

    It is what the router's new files need, and the router has not got them: what it
    runs has to be reached from where it is reached now.
    """
    if step.kind is not Kind.SECURITY_GROUP:
        return ""
    for wave in run.plan.waves:
        if any(each is step for each in wave):
            return ""
        for each in wave:
            if isinstance(each, ChangeRouter) and run.result_of(each) is not (
                Result.DONE
            ):
                return f"{each.name} has not changed, so what reaches it stays."
    return ""


def change_router(run: Run, step: ChangeRouter) -> None:
    """Put a router's files in force, and then into its context.

    A router that is off takes them from its context. One that boots may have read the
    old one already: it gets them at the end of the run, or by the next plan.

    Raises:
        GuestError: it does not answer, does not take them, or went back to its old
            files as nobody could reach it with the new ones: its context has the old.
        FarmctlError: those of the cloud port and of `run`.
    """
    vm = _again(run, step.vm_id)
    inside = run.world.guests
    changed = False
    run.booting = None
    if inside is not None and _phase(vm, run) is Phase.READY:
        guest = _guest(run, vm)
        _announce(run, vm, step.files)
        try:
            inside.change_router(declared(run), guest, step.files)
        except FarmctlError as error:
            raise _not_changed(error, vm) from error
        changed = True
    boots = inside is not None and not changed and vm.state in _BOOTS
    if boots:
        # Noted first: that it has the old ones is true until the context has others.
        _announce(run, vm, vm.router_files)
    try:
        run.patiently(
            lambda: run.world.cloud.reconfigure(vm.id, {step.variable: step.files})
        )
    except RefusedError as error:
        done = "The router itself was changed; its" if changed else "Its"
        raise RefusedError(
            f"{done} context was not: {error.message}", hint=error.hint
        ) from error
    if boots:
        run.booting = step


def settle_router(run: Run) -> Note | None:
    """Hand a router that booted when its files changed those files, now that it is up.

    What fails becomes a note: its step is done, and its mark tells the next plan.
    """
    step = run.booting
    if step is None or run.stopped or not run.options.wait:
        return None
    try:
        change_router(run, step)
    except FarmctlError as error:
        run.judge(error)
        return Note(subject=step.name, message=str(error))
    return None


def configure(
    run: Run,
    step: ConfigureNodes,
    nodes: Nodes,
    *,
    give_up: Callable[[], bool],
    at_once: Callable[[Sequence[Callable[[], None]]], None],
) -> Configured:
    """Configure the step's nodes, as far as they are ready, and mark them.

    Args:
        run: the run.
        step: whom, and with what.
        nodes: puts workers aside that fail.
        give_up: says when it has taken too long, or the run is to end.
        at_once: carries out calls of the cloud, several at a time.
    """
    inside = run.world.guests
    if inside is None:
        return Configured(
            result=Result.SKIPPED, reason="This site has no login: nobody can log in."
        )
    farm = declared(run)
    if inside.configuration(farm) != step.configuration:
        return Configured(
            result=Result.SKIPPED,
            reason="What configures its nodes has changed since; apply it again.",
        )
    seen = run.world.reads.look().farm(run.farm)
    up = {
        name: vm
        for vm in seen.vms
        if (name := _name(vm)) and is_ready(vm, seen) and not vm.mark.aside
    }
    targets = {name: up[name] for name in step.names if name in up}
    missing = [name for name in step.names if name not in up]
    troubles: dict[str, str] = {}
    if targets:
        run.gate()
        try:

            def these(names: frozenset[str]) -> Mapping[str, str]:
                told = run.world.progress.tell
                return inside.configure(farm, guests(seen), names, told, give_up)

            told = _one_first(farm, targets, these)
        except FarmctlError as error:
            raise GuestError(error.message, hint=error.hint) from error
        troubles = {
            name: told.get(name, "it was not come to")
            for name in targets
            if told.get(name, "it was not come to")
        }
        good = [vm.id for name, vm in targets.items() if name not in troubles]
        # Read again: it took minutes, and others may have marked them meanwhile.
        now = [vm for vm in run.world.cloud.vms(good) if vm.id in good] if good else []
        at_once([_marking(run, vm, step.configuration) for vm in now])
    ended = run.stopped or ("It took too long." if give_up() else "")
    if ended and (troubles or missing):
        return Configured(result=Result.WAITING, reason=_left(ended, troubles, missing))
    if troubles:
        away = farm.head is not None and node_name(run.farm, Role.HEAD) not in up
        return _failed(run, nodes, targets, troubles, headless=away)
    if missing:
        return Configured(
            result=Result.SKIPPED,
            reason=f"Not ready, and so not configured: {_some(missing)}. The next "
            "apply does it.",
        )
    return Configured(result=Result.DONE)


def _one_first(
    farm: Farm,
    targets: Mapping[str, Vm],
    configure: Callable[[frozenset[str]], Mapping[str, str]],
) -> Mapping[str, str]:
    """Configure some guests; what changes on workers is tried on one of them first.

    The head and the router go with that one: its play may rest on theirs.
    """
    changed = sorted(
        name
        for name, vm in targets.items()
        if vm.tag is not None and vm.tag.role is Role.WORKER and vm.mark.configured
    )
    later = frozenset(changed[1:]) if farm.batch else frozenset()
    told = dict(configure(frozenset(targets) - later))
    if not later:
        return told
    if told.get(changed[0], "it was not come to"):
        said = f"it keeps what it has, as {changed[0]}, tried first, failed"
        return told | dict.fromkeys(later, said)
    return told | dict(configure(later))


def is_ready(vm: Vm, seen: FarmView) -> bool:
    """Say whether a node runs and is up, as its farm counts that."""
    if vm.tag is None or vm.tag.role is None or vm.state not in _UP:
        return False
    key = vm.tag.pool or vm.tag.role.value
    readiness = document.readiness(seen.document, key)
    shown = phase(vm.state, reported_ready=vm.reported_ready, readiness=readiness)
    return shown is Phase.READY


def _failed(
    run: Run,
    nodes: Nodes,
    targets: dict[str, Vm],
    troubles: dict[str, str],
    *,
    headless: bool,
) -> Configured:
    """Put new workers that failed aside; leave all others, and say so.

    One that was configured before may have work. Where several failed and none came
    through, it is what configures them that fails; where the head is not ready, they
    had nobody to join. Ending nodes mends neither.
    """
    workers = [
        name
        for name in troubles
        if (tag := targets[name].tag) is not None
        and tag.role is Role.WORKER
        and not targets[name].mark.configured
    ]
    through = len(troubles) < len(targets)
    broken = len(workers) >= TRIPS_AT and not through
    aside = [] if broken or headless or run.stopped else workers
    lines = []
    for name, trouble in sorted(troubles.items()):
        line = f"{name}: {trouble}"
        if name in aside:
            vm = targets[name]
            said = nodes.put_aside(vm.id, trouble, vm.mark.attempts)
            line = f"{line.rstrip('.')}. {said}"
        lines.append(line)
    if headless and workers:
        lines.append("The head is not ready, so no worker was put aside.")
    elif broken:
        lines.append(
            "No worker came through: what configures them is at fault, so none was put "
            "aside."
        )
    everything = set(aside) == set(troubles)
    return Configured(
        result=Result.ASIDE if everything else Result.FAILED, reason="\n".join(lines)
    )


def _left(ended: str, troubles: dict[str, str], missing: Sequence[str]) -> str:
    return f"{ended} Not configured: {_some([*troubles, *missing])}."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _marking(run: Run, vm: Vm, configuration: str) -> Callable[[], None]:
    mark = replace(vm.mark, configured=configuration)

    def put() -> None:
        # One that ended meanwhile needs no mark, and costs the others none.
        with suppress(GoneError):
            run.patiently(lambda: run.world.cloud.mark(vm.id, mark))

    return put


def _again(run: Run, vm_id: int) -> Vm:
    for vm in run.world.cloud.vms([vm_id]):
        if vm.id == vm_id and vm.tag is not None and vm.tag.farm == run.farm:
            return vm
    raise UntriedError(f"The VM {vm_id} is not there.")


def _announce(run: Run, vm: Vm, files: str) -> None:
    """Note which files the router is about to get.

    Killed before they are in its context, a run that wants the old ones again would
    otherwise find them there, and leave the new ones in force.
    """
    sent = digest({}, files)
    if vm.mark.sent == sent:
        run.gate()
        return
    mark = replace(vm.mark, sent=sent)
    run.patiently(lambda: run.world.cloud.mark(vm.id, mark))


def _guest(run: Run, vm: Vm) -> Guest:
    farm = replace(run.view.farm(run.farm), vms=(vm,))
    return guests(farm)[0]


def _phase(vm: Vm, run: Run) -> Phase:
    found = run.view.farm(run.farm).document
    readiness = document.readiness(found, Role.ROUTER.value)
    return phase(vm.state, reported_ready=vm.reported_ready, readiness=readiness)


def _name(vm: Vm) -> str:
    tag = vm.tag
    if tag is None or tag.role is None:
        return ""
    return node_name(tag.farm, tag.role, tag.pool, tag.ordinal)


def _not_changed(error: FarmctlError, vm: Vm) -> GuestError:
    after = "Its context keeps the old files, so that a reboot brings those back."
    hint = error.hint
    if isinstance(error, UnreachableError):
        way = (
            f"See to the way to it, or to its console (VM {vm.id}); the same command "
            f"tries again. If it is beyond help, onevm terminate --hard {vm.id}, and "
            "the next apply makes it anew."
        )
        hint = f"{hint} {way}".strip()
    return GuestError(f"{error.message} {after}", hint=hint)
