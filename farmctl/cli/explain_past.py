"""What is known of a farm at a moment in the past: read out of the journal alone.

The journal tells what was done from this machine. The nodes that were there then are
those made before and not ended since; what others did, or the cloud by itself, is not
in it, and the explanation says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from farmctl.cli import chronicle, documents, explain_view
from farmctl.cli.chronicle import Line
from farmctl.cli.text import clock, counted, listed
from farmctl.errors import NotPossibleError
from farmctl.journal import Journal, Record, Verdict

_MOST_RUNS = 6
_LAST = 12

_MADE = ("CreateNode done", "ReplaceNode done", "StartNode done", "AwaitNode done")
_ENDED = ("RemoveNode done",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A farm at a moment, as far as the journal knows.

    `run` is the last run that had begun by then; `after` the next thing that was done
    later, which tells how long this held.
    """

    farm: str
    at: float
    nodes: tuple[str, ...]
    sizes: dict[str, int]
    run: Record | None
    before: tuple[Record, ...]
    after: Record | None
    verdict: Verdict


def gather(journal: Journal, farm: str, at: float) -> Past:
    """Return what the journal knows of a farm at `at`, seconds since the epoch.

    Raises:
        NotPossibleError: it knows nothing of this farm, or nothing that early.
    """
    records = list(journal.read(farm))
    if not records:
        raise NotPossibleError(
            f"The journal on this machine has nothing about {farm!r}.",
            hint="What other machines did is in theirs. Now: farmctl explain "
            f"{farm}, without --at.",
        )
    before = [each for each in records if each.time <= at]
    if not before:
        first = records[0]
        raise NotPossibleError(
            f"The journal knows nothing of {farm} before "
            f"{clock(first.time, now=at)} ({first.event}).",
        )
    nodes: dict[str, None] = {}
    sizes: dict[str, int] = {}
    run = None
    for each in before:
        subject = str(each.values.get("subject", ""))
        if each.event in _MADE:
            nodes[subject] = None
        elif each.event in _ENDED:
            nodes.pop(subject, None)
        elif each.event.endswith(chronicle.BEGAN):
            run = each
            size = each.values.get("size")
            if each.event == chronicle.SCALE_BEGAN and isinstance(size, int):
                sizes[str(each.values.get("pool"))] = size
    return Past(
        farm=farm,
        at=at,
        nodes=tuple(sorted(nodes)),
        sizes=sizes,
        run=run,
        before=tuple(before),
        after=next((each for each in records if each.time > at), None),
        verdict=journal.verify(farm),
    )


def sentences(past: Past, *, now: float) -> Iterator[Line]:
    """Give the lines that tell of the past."""
    when = clock(past.at, now=now)
    yield f"Farm {past.farm} at {when}, from the journal of this machine", "strong"
    yield "", ""
    if past.nodes:
        yield f"It had {counted(len(past.nodes), 'node')}: {listed(past.nodes)}.", ""
    else:
        yield "It had no nodes that were made from this machine.", ""
    for pool, size in sorted(past.sizes.items()):
        yield f"{pool} had been set to {size} by hand.", ""
    if past.run is not None:
        command = past.run.values.get("command") or past.run.event
        began = clock(past.run.time, now=now)
        yield f"The last run was `{command}`, begun at {began}: {past.run.because}", ""
    yield "", ""
    yield from chronicle.told(past.before, now=now, most=_MOST_RUNS)
    if past.after is not None:
        yield (
            f"Next came, at {clock(past.after.time, now=now)}: {past.after.event}.",
            "quiet",
        )
    for fault in past.verdict.faults:
        yield f"The journal does not hold: {fault}.", "warn"


def document(past: Past) -> dict[str, Any]:
    """Return the same as JSON."""
    return documents.head("explain") | {
        "at": past.at,
        "farm_name": past.farm,
        "nodes": list(past.nodes),
        "sizes": past.sizes,
        "run": explain_view.record(past.run) if past.run else None,
        "last": [explain_view.record(each) for each in past.before[-_LAST:]],
        "next": explain_view.record(past.after) if past.after else None,
        "journal_holds": past.verdict.holds,
        "journal_faults": list(past.verdict.faults),
    }
