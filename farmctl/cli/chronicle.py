"""The journal, told: runs, what they did in numbers, and what went wrong by name.

Of what the daemon does its own lines are told, which say why; the runs in which it was
carried out are left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from farmctl.cli.text import clock, counted, listed
from farmctl.journal import GOES_ON, Record
from farmctl.model.standing import VERDICT

Line = tuple[str, str]
"""A line and its style."""

BEGAN = " began"
SCALE_BEGAN = f"scale{BEGAN}"
"""The record of a size set by hand, with `pool` and `size` among its values."""
ENDS = ("run complete", "run incomplete")
SILENT = frozenset({VERDICT, GOES_ON})
"""What is told elsewhere, or to nobody."""

_VERBS = {
    "CreateObject": ("object", "made"),
    "ChangeObject": ("object", "changed"),
    "DeleteObject": ("object", "deleted"),
    "CreateNode": ("node", "made"),
    "ReplaceNode": ("node", "replaced"),
    "RemoveNode": ("node", "ended"),
    "StartNode": ("node", "started"),
    "AwaitNode": ("node", "awaited"),
    "ChangeRouter": ("router", "changed"),
    "ConfigureNodes": ("configuration", "done"),
}
"""What the steps in the journal are called."""

_MOST_TROUBLES = 5
_MOST_NAMES = 3


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: what was typed, what was done in numbers, and what went wrong.

    Or something that was done or seen outside of any, `event`, to these `subjects`.
    """

    at: float
    command: str
    event: str = ""
    because: str = ""
    subjects: list[str] = field(default_factory=list)
    times: int = 1
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    end: str = ""


def runs(records: Iterable[Record]) -> list[Run]:
    """Return the runs in some records, the oldest first."""
    found: list[Run] = []
    for each in records:
        if each.event in SILENT:
            continue
        if each.event.endswith(BEGAN):
            command = str(each.values.get("command") or each.event.removesuffix(BEGAN))
            found.append(Run(at=each.time, command=command))
            continue
        step, _, result = each.event.partition(" ")
        inside = bool(found) and bool(found[-1].command) and found[-1].end not in ENDS
        if step not in _VERBS and each.event not in ENDS and not inside:
            _alone(found, each)
            continue
        if not found or found[-1].end in ENDS or found[-1].event:
            found.append(Run(at=each.time, command=""))
        run = found[-1]
        if step in _VERBS and result == "done":
            run.done[_VERBS[step]] += 1
        elif step == "CreateNode" and result == "waiting":
            run.done["node", "asked for"] += 1
        elif each.event in ENDS:
            run.end = each.event
        elif result == "untried":
            continue
        else:
            run.troubles.append(_trouble(each, step, result))
    if any(each.event for each in found):  # a daemon's lines say what its runs did
        return [run for run in found if run.command or run.event or run.troubles]
    return found


def _alone(found: list[Run], record: Record) -> None:
    """Add what was done outside of any run, to a line that says the same already."""
    named = record.values.get("nodes")
    subjects = [str(each) for each in named] if isinstance(named, list) else []
    if record.values.get("subject"):
        subjects = [str(record.values["subject"])]
    last = found[-1] if found else None
    if last and last.event == record.event and last.because == record.because:
        last.subjects += subjects
        last.times += 1
        return
    found.append(
        Run(
            at=record.time,
            command="",
            event=record.event,
            because=record.because,
            subjects=subjects,
        )
    )


def told(records: Iterable[Record], *, now: float, most: int) -> Iterator[Line]:
    """Give the lines for the last `most` runs."""
    found = runs(records)
    if not found:
        yield "The journal on this machine has nothing about it.", "quiet"
        return
    yield "What was done last, from this machine:", "quiet"
    for run in found[-most:]:
        if run.event:
            yield f"  {clock(run.at, now=now)}  {said(run)}", "quiet"
            continue
        what = ", ".join(
            f"{counted(number, thing)} {verb}"
            for (thing, verb), number in run.done.items()
        )
        line = f"{run.command}: {what}" if run.command and what else run.command or what
        end = {"run complete": "", "run incomplete": ", not finished"}.get(
            run.end, ", not ended" if run.command else ""
        )
        line = line or "nothing was changed"
        yield f"  {clock(run.at, now=now)}  {line}{end}", "quiet"
        for trouble in run.troubles[:_MOST_TROUBLES]:
            yield f"    {trouble}", "warn"
        if len(run.troubles) > _MOST_TROUBLES:
            yield f"    … {len(run.troubles) - _MOST_TROUBLES} more", "warn"


def said(run: Run) -> str:
    """Return what was done or seen outside of any run, in a line."""
    names = f" ({listed(run.subjects, most=_MOST_NAMES)})" if run.subjects else ""
    often = f", {run.times} times" if run.times > 1 else ""
    because = f": {run.because}" if run.because else ""
    return f"{run.event}{often}{names}{because}"


def _trouble(record: Record, step: str, result: str) -> str:
    subject = str(record.values.get("subject") or "")
    event = record.event
    if step in _VERBS:
        event = f"not {_VERBS[step][1]} ({result})"
    what = f"{subject} {event}" if subject else event
    return f"{what}: {record.because}" if record.because else what
