"""What people name on the command line: farm files and saved plans, read and checked.

All files are read before the cloud is asked anything, so that every mistake in any of
them is told at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from farmctl import playbook
from farmctl.cli import plan_view
from farmctl.errors import CloudError, FarmctlError, InputError, Mistake
from farmctl.model.steps import Note, Plan, Step
from farmctl.model.view import AddressRange, CloudView, Network
from farmctl.plan import capacity as room
from farmctl.plan import saved
from farmctl.reconcile import World, make_plan
from farmctl.spec import Farm, Site, check, read_farm

ROOM = "room"
"""The subject of a plan's notes on what is short; apply would refuse such a plan."""

_SEVERAL = 2
_NOT_YET = -1
"""The id of a network that is planned only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One file of the command line, and what is in it: a farm or a saved plan."""

    file: str
    what: Farm | Plan

    @property
    def farm(self) -> str:
        """The name of the farm."""
        return self.what.farm


def read(files: Sequence[str], site: Site, *, plans: bool) -> tuple[Named, ...]:
    """Read the files that were named.

    Args:
        files: their paths.
        site: what farms are held against.
        plans: whether saved plans may be among them.

    Raises:
        InputError: with every mistake in any of them.
        click.UsageError: two of them are about one farm.
    """
    mistakes: list[Mistake] = []
    found: list[Named] = []
    for file in files:
        try:
            what = _read(file, plans=plans)
        except InputError as error:
            mistakes += error.mistakes
            continue
        if isinstance(what, Farm):
            mistakes += [*check(what, site), *playbook.mistakes(what, site)]
        found.append(Named(file=file, what=what))
    if mistakes:
        raise InputError(mistakes)
    by_farm: dict[str, str] = {}
    for each in found:
        if each.farm in by_farm:
            raise click.UsageError(
                f"{by_farm[each.farm]} and {each.file} are both about the farm "
                f"{each.farm}."
            )
        by_farm[each.farm] = each.file
    return tuple(found)


def drawn(
    world: World, named: Sequence[Named], *, retry: bool = False
) -> tuple[list[Plan], dict[str, FarmctlError]]:
    """Look at the cloud once and return the plan of each farm, or why it has none.

    With `retry` a make that was refused is tried again.

    Raises:
        InputError: with every mistake in any of the files that the cloud shows.
        CloudError: the cloud cannot be looked at.
    """
    view = world.cloud.look()
    plans: list[Plan] = []
    refused: dict[str, FarmctlError] = {}
    mistakes: list[Mistake] = []
    for each in named:
        if isinstance(each.what, Plan):
            plans.append(each.what)
            continue
        try:
            plan = make_plan(world, each.what, view=view, retry=retry)
            plans.append(plan)
            view = _with(view, plan)
        except InputError as error:
            mistakes += error.mistakes
        except CloudError:
            raise
        except FarmctlError as error:
            refused[each.farm] = error
    if mistakes:
        raise InputError(mistakes)
    return _together(world, plans, view), refused


def _together(world: World, plans: list[Plan], view: CloudView) -> list[Plan]:
    """Return the plans; one for which the others leave no room says so.

    Each was held against all the room that there is. Those that come first have it.
    """
    makers = [each for each in plans if plan_view.makes_nodes(each)]
    if len(makers) < _SEVERAL:
        return plans
    capacity = world.cloud.capacity()
    steps: tuple[tuple[Step, ...], ...] = ()
    earlier: list[str] = []
    found: list[Plan] = []
    for plan in plans:
        lacks = any(each.subject == ROOM for each in plan.notes)
        if lacks or not plan_view.makes_nodes(plan):
            found.append(plan)
            continue
        all_of = replace(plan, waves=(*steps, *plan.waves))
        short = room.shortfalls(all_of, capacity, view.quotas, vms=view.vms)
        if short:
            said = f"Together with {', '.join(earlier)}: "
            notes = [Note(subject=ROOM, message=f"{said}{each}") for each in short]
            found.append(replace(plan, notes=(*plan.notes, *notes)))
            continue
        steps = all_of.waves
        earlier.append(plan.farm)
        found.append(plan)
    return found


def _with(view: CloudView, plan: Plan) -> CloudView:
    """Return the view with a plan's class C taken, for the plans that follow."""
    if view.farm(plan.farm).network is not None or not plan.cidr:
        return view
    first, _, _ = plan.cidr.partition("/")
    planned = Network(
        id=_NOT_YET,
        name=plan.farm,
        owner_id=view.user.id,
        ranges=(AddressRange(first=first, size=256),),
    )
    return replace(view, networks=(*view.networks, planned))


def _read(file: str, *, plans: bool) -> Farm | Plan:
    if _is_plan(file):
        if plans:
            return saved.load(_text(file), file=file)
        raise InputError(
            [
                Mistake(
                    file=file,
                    message="this is a saved plan, not a farm file.",
                    hint=f"Carry it out with: farmctl apply {file}",
                )
            ]
        )
    return read_farm(file)


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        mistake = Mistake(
            file=file,
            message=f"this is no plan: the byte at {error.start} is not UTF-8.",
            hint="Make a new plan.",
        )
        raise InputError([mistake]) from error


def _is_plan(file: str) -> bool:
    """Tell a saved plan, which is JSON, from a farm file by how it begins."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(64).lstrip().startswith(b"{")
    except OSError:
        return False
