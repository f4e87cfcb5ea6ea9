"""What apply, scale and destroy have in common: show, ask, do, tell, write down."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from farmctl.assembly import worlds
from farmctl.cli import (
    asking,
    documents,
    intents,
    outcome_view,
    plan_view,
    running,
    terminal,
)
from farmctl.cli.failure import Ended, Exit
from farmctl.cli.running import Ran, Task
from farmctl.errors import FarmctlError, NotPossibleError
from farmctl.model.steps import Plan
from farmctl.model.view import Capacity  # noqa: TC001 - a value is annotated
from farmctl.plan import lines
from farmctl.reconcile import Options, World
from farmctl.spec import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody asks for: the plans shown, and a task for each farm."""

    command: str
    plans: Sequence[Plan]
    tasks: Mapping[str, Task]
    question: str
    refused: Mapping[str, FarmctlError] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    """What the journal keeps of it beside the command, such as a size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the options say."""

    yes: bool
    wait: bool
    timeout: float | None
    interrupt: bool
    as_json: bool
    retry: bool = False

    def options(self) -> Options:
        """Return them for `reconcile`."""
        return Options(
            wait=self.wait,
            timeout=self.timeout,
            interrupt=self.interrupt,
            command=typed(),
            retry=self.retry,
        )


def carry_out(site: Site, change: Change, wishes: Wishes) -> None:
    """Show the plans, ask, carry them out with progress, and tell what became of it.

    A cloud that goes away in the middle is waited for, for as long as `STEADY` says.

    Raises:
        Ended: with exit status 1 if anything went wrong, 130 after Ctrl-C.
    """
    with worlds.world(site, patience=worlds.STEADY, announce=terminal.say) as world:
        _carry_out(world, change, wishes)


def _carry_out(world: World, change: Change, wishes: Wishes) -> None:
    if not wishes.as_json:
        _show(world, change.plans)
    short: dict[str, FarmctlError] = dict(change.refused)
    short |= {each.farm: _no_room(each) for each in change.plans if _lacks_room(each)}
    todo = {
        each.farm: each
        for each in change.plans
        if not each.changes_nothing and each.farm not in short
    }
    left = "" if wishes.interrupt else plan_view.without_consent([*todo.values()])
    if left and not wishes.as_json:
        terminal.say(left)
    if todo:
        asking.agreed(change.question, yes=wishes.yes)
        _begin(world, change, todo)
    tasks = {farm: task for farm, task in change.tasks.items() if farm in todo}
    ran = running.run(world, tasks, wishes.options(), quiet=False)
    ran = replace(ran, refused={**short, **ran.refused})
    _write_down(world, change.command, ran)
    if wishes.as_json:
        _print(change, ran)
    else:
        outcome_view.show(terminal.out(), ran.outcomes)
        outcome_view.refusals(ran.refused)
    if ran.interrupted:
        raise Ended(Exit.INTERRUPTED)
    if ran.failed:
        raise Ended(Exit.ERROR)


def _lacks_room(plan: Plan) -> bool:
    return any(note.subject == intents.ROOM for note in plan.notes)


def _no_room(plan: Plan) -> NotPossibleError:
    """Return the refusal of a plan that says itself what is short."""
    short = [note.message for note in plan.notes if note.subject == intents.ROOM]
    return NotPossibleError(
        f"There is no room for what {plan.farm} needs; nothing was changed.\n"
        + "\n".join(f"  {each}" for each in short)
    )


def _begin(world: World, change: Change, plans: Mapping[str, Plan]) -> None:
    """Write down what begins; the reason is what the plan amounts to."""
    for plan in plans.values():
        world.journal.record(
            plan.farm,
            f"{change.command} began",
            because=lines.summary(plan).sentence,
            command=typed(),
            steps=len(plan.steps),
            **change.values,
        )


def typed() -> str:
    """Return the command as it was typed, for others who wait for this farm."""
    return shlex.join(["farmctl", *sys.argv[1:]])[:200]


def _show(world: World, plans: Sequence[Plan]) -> None:
    capacity: Capacity | None = None
    if any(plan_view.makes_nodes(each) for each in plans):
        capacity = world.cloud.capacity()
    plan_view.show_all(terminal.out(), plans, capacity)


def _print(change: Change, ran: Ran) -> None:
    terminal.print_json(
        documents.head(change.command)
        | {
            "plans": [documents.plan(each) for each in change.plans],
            "outcomes": [documents.outcome(each) for each in ran.outcomes],
            "refused": {
                farm: documents.error(error) for farm, error in ran.refused.items()
            },
            "ok": not ran.failed,
        }
    )


def _write_down(world: World, command: str, ran: Ran) -> None:
    for farm, error in ran.refused.items():
        world.journal.record(farm, f"{command} refused", because=str(error))
