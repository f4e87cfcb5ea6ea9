"""What apply, scale and destroy have in common: show, ask, do, tell, write down."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farmctl.cli import asking, documents, outcome_view, plan_view, running, terminal
from farmctl.cli.failure import Ended, Exit
from farmctl.cli.running import Ran, Task
from farmctl.model.steps import Plan
from farmctl.model.view import Capacity  # noqa: TC001 - a value is annotated
from farmctl.plan import lines
from farmctl.reconcile import Options, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody asks for: the plans shown, and a task for each farm."""

    command: str
    plans: Sequence[Plan]
    tasks: Mapping[str, Task]
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the options say."""

    yes: bool
    wait: bool
    timeout: float | None
    interrupt: bool
    as_json: bool

    def options(self) -> Options:
        """Return them for `reconcile`."""
        return Options(
            wait=self.wait,
            timeout=self.timeout,
            interrupt=self.interrupt,
            command=typed(),
        )


def carry_out(world: World, change: Change, wishes: Wishes) -> None:
    """Show the plans, ask, carry them out with progress, and tell what became of it.

    Raises:
        Ended: with exit status 1, if anything went wrong.
    """
    todo = {each.farm: each for each in change.plans if not each.changes_nothing}
    if not wishes.as_json:
        _show(world, change.plans)
    if not todo:
        if wishes.as_json:
            _print(change, Ran(refused={}))
        return
    asking.agreed(change.question, yes=wishes.yes)
    for plan in todo.values():
        world.journal.record(
            plan.farm,
            f"{change.command} began",
            because=lines.summary(plan).sentence,
            command=typed(),
            steps=len(plan.steps),
        )
    tasks = {farm: task for farm, task in change.tasks.items() if farm in todo}
    ran = running.run(world, tasks, wishes.options(), quiet=False)
    _write_down(world, change.command, ran)
    if wishes.as_json:
        _print(change, ran)
    else:
        outcome_view.show(terminal.out(), ran)
    if ran.failed:
        raise Ended(Exit.ERROR)


def typed() -> str:
    """Return the command as it was typed, for others who wait for this farm."""
    return shlex.join(["farmctl", *sys.argv[1:]])[:200]


def _show(world: World, plans: Sequence[Plan]) -> None:
    capacity: Capacity | None = None
    if any(plan_view.makes_nodes(each) for each in plans):
        capacity = world.cloud.capacity()
    console = terminal.out()
    for each in plans:
        plan_view.show(console, each, capacity)


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
