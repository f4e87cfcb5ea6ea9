"""The journal, told: runs, what they did in numbers, and what went wrong by name."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from farmctl.cli.text import clock, counted
from farmctl.journal import Record

Line = tuple[str, str]
"""A line and its style."""

BEGAN = " began"
SCALE_BEGAN = f"scale{BEGAN}"
"""The record of a size set by hand, with `pool` and `size` among its values."""
ENDS = ("run complete", "run incomplete")

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


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: what was typed, what was done in numbers, and what went wrong."""

    at: float
    command: str
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    end: str = ""


def runs(records: Iterable[Record]) -> list[Run]:
    """Return the runs in some records, the oldest first."""
    found: list[Run] = []
    for each in records:
        if each.event.endswith(BEGAN):
            command = str(each.values.get("command") or each.event.removesuffix(BEGAN))
            found.append(Run(at=each.time, command=command))
            continue
        if not found or found[-1].end in ENDS:
            found.append(Run(at=each.time, command=""))
        run = found[-1]
        step, _, result = each.event.partition(" ")
        if step in _VERBS and result == "done":
            run.done[_VERBS[step]] += 1
        elif each.event in ENDS:
            run.end = each.event
        elif result == "untried":
            continue
        else:
            run.troubles.append(_trouble(each, step, result))
    return found


def told(records: Iterable[Record], *, now: float, most: int) -> Iterator[Line]:
    """Give the lines for the last `most` runs."""
    found = runs(records)
    if not found:
        yield "The journal on this machine has nothing about it.", "quiet"
        return
    yield "What was done last, from this machine:", "quiet"
    for run in found[-most:]:
        what = ", ".join(
            f"{counted(number, thing)} {verb}"
            for (thing, verb), number in run.done.items()
        )
        said = f"{run.command}: {what}" if run.command and what else run.command or what
        end = {"run complete": "", "run incomplete": ", not finished"}.get(
            run.end, ", not ended" if run.command else ""
        )
        said = said or "nothing was changed"
        yield f"  {clock(run.at, now=now)}  {said}{end}", "quiet"
        for trouble in run.troubles[:_MOST_TROUBLES]:
            yield f"    {trouble}", "warn"
        if len(run.troubles) > _MOST_TROUBLES:
            yield f"    … {len(run.troubles) - _MOST_TROUBLES} more", "warn"


def _trouble(record: Record, step: str, result: str) -> str:
    subject = str(record.values.get("subject") or "")
    event = record.event
    if step in _VERBS:
        event = f"not {_VERBS[step][1]} ({result})"
    what = f"{subject} {event}" if subject else event
    return f"{what}: {record.because}" if record.because else what
