"""What became of a run, for people: what was done, what was not, what to do next."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Console

from farmctl.cli import failure, terminal
from farmctl.cli.board import done
from farmctl.cli.text import clean, counted, took
from farmctl.errors import FarmctlError
from farmctl.model.steps import (
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateObject,
    DeleteObject,
)
from farmctl.reconcile import Outcome, Result

_MOST = 12


def show(console: Console, outcomes: Iterable[Outcome]) -> None:
    """Print what became of each farm."""
    for outcome in outcomes:
        _show(console, outcome)


def refusals(refused: Mapping[str, FarmctlError]) -> None:
    """Say on standard error which farms were not begun, and why."""
    for farm, error in refused.items():
        terminal.say(f"{farm}: {failure.describe(error)}", style="failed")


def _show(console: Console, outcome: Outcome) -> None:
    line = terminal.shown(console, f"{outcome.farm}  ", style="strong")
    if outcome.failed:
        line.append("not finished", style="failed")
    elif outcome.complete:
        line.append("gone" if outcome.plan.destroys else "done", style="ready")
    else:
        line.append("left as it is in places", style="warn")
    line.append(f" after {took(outcome.seconds)}")
    if counts := _counts(outcome):
        line.append(f": {counts}")
    terminal.line(console, line)
    for result, style in (
        (Result.FAILED, "failed"),
        (Result.ASIDE, "failed"),
        (Result.UNTRIED, "warn"),
        (Result.SKIPPED, "warn"),
        (Result.WAITING, "quiet"),
    ):
        told = [(each.subject, each.reason) for each in outcome.of(result)]
        _told(console, result.value, told, style=style)
    said = {(each.subject, each.reason) for each in outcome.steps}
    _told(
        console,
        "left",
        [
            (each.subject, each.message)
            for each in outcome.left
            if (each.subject, each.message) not in said
        ],
        style="warn",
    )
    _told(
        console,
        "note",
        [(each.subject, each.message) for each in outcome.notes],
        style="warn",
    )
    if outcome.stopped:
        text = f"  Stopped: {outcome.stopped}"
        terminal.line(console, terminal.shown(console, text, style="failed"))
    if outcome.advice:
        terminal.line(console, terminal.shown(console, f"  {outcome.advice}"))


def _told(
    console: Console, what: str, told: Iterable[tuple[str, str]], *, style: str
) -> None:
    """Name the subjects that ended so; those with one reason share a line."""
    reasons: dict[str, list[str]] = {}
    for subject, reason in told:
        reasons.setdefault(reason, []).append(subject)
    for number, (reason, subjects) in enumerate(reasons.items()):
        if number == _MOST:
            more = f"  … {len(reasons) - _MOST} more reasons; --json has them all"
            console.print(terminal.shown(console, more, style=style))
            break
        named = clean(subjects[0])
        if len(subjects) > 1:
            named += f" and {len(subjects) - 1} more"
        text = f"  {what}: {named}"
        if reason:
            text += f": {reason}"
        terminal.line(console, terminal.shown(console, text, style=style))


def _counts(outcome: Outcome) -> str:
    """Return what was done in numbers: 44 nodes made, 2 objects changed."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in outcome.of(Result.DONE):
        what, number = "node", 1
        match each.step:
            case CreateObject() | ChangeObject() | DeleteObject():
                what = "object"
            case ChangeRouter():
                what = "router"
            case ConfigureNodes(names=names):
                number = len(names)
        counts[what, done(each.step)] += number
    return ", ".join(
        f"{counted(number, what)} {verb}" for (what, verb), number in counts.items()
    )
