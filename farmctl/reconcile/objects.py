"""Carry out the steps on objects: networks, security groups, templates, documents.

Creating is not to be repeated unseen: after a lost answer, and when the name turns out
to be taken, what the cloud shows decides whether the object is there already. A network
is waited for until it gives addresses, and given up again where another farm chose the
same class C first.
"""

import json
from dataclasses import replace
from typing import cast

from farmctl.errors import (
    AnswerLostError,
    BusyError,
    GoneError,
    NameTakenError,
    RefusedError,
)
from farmctl.model.attributes import Kind, Ref
from farmctl.model.steps import ChangeObject, CreateObject, DeleteObject, Step
from farmctl.model.view import Network
from farmctl.plan import document
from farmctl.plan.addresses import earlier_claim
from farmctl.plan.objects import object_ids
from farmctl.reconcile.run import PlanAgainError, Run, subject_of
from farmctl.reconcile.values import Result

_TRIES = 3


def carry_out(run: Run, step: CreateObject | ChangeObject | DeleteObject) -> None:
    """Carry out one step; errors are those of the cloud port and of `run`."""
    match step:
        case CreateObject(kind=Kind.DOCUMENT) | ChangeObject(kind=Kind.DOCUMENT):
            run.lock.write(body_of(step))
        case CreateObject():
            object_id = _create(run, step)
            run.made.add(object_id)
            run.ids.put(step.kind, step.name, object_id)
            if step.kind is Kind.NETWORK:
                _await_network(run, object_id)
                _yield_to_earlier(run, object_id)
        case ChangeObject():
            attributes = run.ids.resolve(step.attributes)
            run.patiently(
                lambda: run.world.cloud.change(
                    step.kind, step.id, step.name, step.tag, attributes
                )
            )
        case DeleteObject():
            _delete(run, step)


def body_of(step: CreateObject | ChangeObject) -> dict[str, object]:
    """Return the body of a document from its step."""
    text = str(step.attributes[document.BODY])
    return cast("dict[str, object]", json.loads(text))


def reason_to_keep(run: Run, step: DeleteObject) -> str:
    """Say why an object must not be deleted (yet); nothing if it may.

    The document goes last, when nothing else of the farm is left: it is what the next
    run knows the farm by, and its lock is what keeps others out. A network whose
    addresses are in use cannot go, nor the groups of nodes that are still there.
    """
    if step.kind is Kind.TEMPLATE:
        return ""
    if step.kind is Kind.NETWORK:
        strangers = run.view.farm(run.farm).strangers
        if strangers:
            names = ", ".join(f"{vm.name} ({vm.id})" for vm in strangers)
            return (
                f"The network {step.name} is in use by VMs that are not the farm's: "
                f"{names}. They are left alone; end them, or take them out of the "
                "network."
            )
    if step.kind is Kind.DOCUMENT and step.id != run.lock.document_id:
        return ""
    still = [subject_of(each) for each in _before(run, step) if _failed(run, each)]
    if not still:
        return ""
    shown = ", ".join(still[:5]) + (" …" if len(still) > 5 else "")  # noqa: PLR2004 - for people
    return f"It is kept while there is still: {shown}."


def _before(run: Run, step: DeleteObject) -> list[Step]:
    found: list[Step] = []
    for wave in run.plan.waves:
        if any(each is step for each in wave):
            return found
        found += wave
    return found


def _failed(run: Run, step: Step) -> bool:
    return run.result_of(step) not in {None, Result.DONE}


def _create(run: Run, step: CreateObject) -> int:
    attributes = run.ids.resolve(step.attributes)
    for _ in range(_TRIES):
        run.gate()
        try:
            return run.world.cloud.create(step.kind, step.name, step.tag, attributes)
        except AnswerLostError:
            found = _find(run, step)
            if found is not None:
                # Its second call may never have been made: until then OpenNebula's own
                # group, which lets everything in, is on a network and on all its nodes.
                run.gate()
                run.world.cloud.change(
                    step.kind, found, step.name, step.tag, attributes
                )
                return found
        except NameTakenError as taken:
            found = _find(run, step)
            if found is None:
                raise RefusedError(
                    f"There is a {step.kind.value} of the name {step.name} already "
                    "that does not belong to this farm.",
                    hint=f"Rename or remove it (its id is {taken.object_id}).",
                ) from taken
            run.gate()
            run.world.cloud.change(step.kind, found, step.name, step.tag, attributes)
            return found
    raise AnswerLostError(
        f"OpenNebula lost the answer {_TRIES} times while the {step.kind.value} "
        f"{step.name} was being made."
    )


def _find(run: Run, step: CreateObject) -> int | None:
    """Look for an object of the farm by its name; the lowest id counts."""
    if step.kind is Kind.NETWORK:
        view = replace(run.view, networks=tuple(run.world.reads.networks()))
    else:
        view = run.world.reads.look()
    return object_ids(view.farm(run.farm)).get(Ref(kind=step.kind, name=step.name))


def _await_network(run: Run, network_id: int) -> None:
    """Wait until the network gives addresses: right after its creation it does not."""

    def usable() -> None:
        network = _network(run, network_id)
        if network is None:
            raise GoneError(f"The network {network_id} has been deleted.")
        if not network.usable:
            raise BusyError(
                f"The network {network.name} ({network_id}) does not become ready.",
                hint="See the log of the hypervisors' network driver.",
            )

    run.patiently(usable)


def _yield_to_earlier(run: Run, network_id: int) -> None:
    """Give our network up if another's goes before it on the same addresses.

    Both of two farms that chose alike look after having made theirs: at least the later
    one sees the other, and the rule says the same to both.
    """
    cloud = run.world.cloud
    view = replace(
        run.view,
        networks=tuple(run.world.reads.networks()),
        documents=tuple(run.world.reads.documents()),
    )
    claim = earlier_claim(view, farm=run.farm, cidr=run.plan.cidr)
    if claim is None:
        return
    run.patiently(lambda: cloud.delete(Kind.NETWORK, network_id))
    _await_deleted(run, network_id)
    raise PlanAgainError(
        f"{run.plan.cidr} was taken at the same moment by the {claim.who}.",
        cidr=run.plan.cidr,
    )


def _delete(run: Run, step: DeleteObject) -> None:
    if step.kind is Kind.DOCUMENT and step.id == run.lock.document_id:
        run.gate()
        run.lock.delete()
        return
    try:
        run.patiently(lambda: run.world.cloud.delete(step.kind, step.id))
    except BusyError as error:
        if step.kind is Kind.NETWORK:
            error.hint = (
                "Addresses of it are held by what is not shown, perhaps by hand: see "
                f"onevnet show {step.id}, and onevnet release {step.id} ADDRESS."
            )
        raise
    if step.kind is Kind.NETWORK:
        _await_deleted(run, step.id)


def _await_deleted(run: Run, network_id: int) -> None:
    """Wait until a network that is on its way out has gone: its name is free then."""

    def gone() -> None:
        if _network(run, network_id) is not None:
            raise BusyError(
                f"The network {network_id} does not go away.",
                hint="See the log of the hypervisors' network driver.",
            )

    run.patiently(gone)


def _network(run: Run, network_id: int) -> Network | None:
    networks = run.world.reads.networks()
    return next((each for each in networks if each.id == network_id), None)
