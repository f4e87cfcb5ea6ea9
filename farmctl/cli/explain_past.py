"""What is known of a farm at a moment in the past: read out of the journal alone.

The journal tells what was done from this machine. The nodes that were there then are
those made before and not ended since; what others did, or the cloud by itself, is not
in it, and the explanation says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farmctl.cli import chronicle, documents, explain_view, standing_view
from farmctl.cli.chronicle import Line
from farmctl.cli.standing_view import Told
from farmctl.cli.text import clock, counted, listed
from farmctl.errors import NotPossibleError
from farmctl.journal import Journal, Record, Verdict
from farmctl.model.standing import KEY, VERDICT, PoolStanding, from_json

_MOST_RUNS = 6
_LAST = 12
_THEN = 40
_FAULTS = 5

_MADE = frozenset(
    {
        "CreateNode done",
        "CreateNode waiting",
        "ReplaceNode done",
        "StartNode done",
        "AwaitNode done",
    }
)
_ENDED = ("RemoveNode done",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A farm at a moment, as far as the journal knows.

    `run` is the last run that had begun by then; `after` the next thing that was done
    later, which tells how long this held; `then` the first few of those. `told` is how
    the farm stood with its daemon, as written last: an unchanged verdict is not written
    again. `files` is what was read.
    """

    farm: str
    at: float
    nodes: tuple[str, ...]
    sizes: dict[str, int]
    run: Record | None
    before: tuple[Record, ...]
    after: Record | None
    verdict: Verdict
    files: tuple[Path, ...]
    told: Told | None
    then: tuple[Record, ...]


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
    later = [e for e in records if e.time > at and e.event not in chronicle.SILENT]
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
        after=later[0] if later else None,
        verdict=journal.verify(farm),
        files=journal.files(farm),
        told=_told(before, at),
        then=tuple(later[:_THEN]),
    )


def _told(before: list[Record], at: float) -> Told | None:
    for each in reversed(before):
        standing = from_json(each.values.get(KEY)) if each.event == VERDICT else None
        if standing is not None:
            return Told(
                standing=standing, place="it", source="journal", at=at, past=True
            )
    return None


def sentences(past: Past, *, now: float) -> Iterator[Line]:
    """Give the lines that tell of the past."""
    when = clock(past.at, now=now)
    yield f"Farm {past.farm} at {when}, from the journal of this machine", "strong"
    for line in _read(past):
        yield line, "quiet"
    yield "", ""
    if past.told is not None:
        yield from standing_view.head(past.told)
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
    if past.told is not None:
        for each in past.told.standing.pools:
            wants = standing_view.wants(past.told.standing, each.pool)
            yield f"{each.pool}: {_states(each)}; {wants}.", ""
            yield from standing_view.pool(past.told, each.pool)
        yield from standing_view.rest(past.told)
    yield "", ""
    yield from chronicle.told(past.before, now=now, most=_MOST_RUNS)
    if past.then:
        yield "What was done next:", "quiet"
        yield from list(chronicle.told(past.then, now=now, most=_MOST_RUNS))[1:]
    for fault in past.verdict.faults[:_FAULTS]:
        yield f"The journal does not hold: {fault}.", "warn"
    if len(past.verdict.faults) > _FAULTS:
        yield f"… {len(past.verdict.faults) - _FAULTS} more such places", "warn"


def _read(past: Past) -> Iterator[str]:
    """Say what was read, and whether it is as it was written."""
    first, *more = past.files[::-1]
    older = f" and {counted(len(more), 'older file')}" if more else ""
    said = f"Read: {first}{older}, {counted(past.verdict.records, 'record')}, "
    said += "the chain holds" if past.verdict.holds else "the chain is broken"
    if past.verdict.rotated:
        said += "; what is older was deleted for its age"
    yield f"{said}."


def _states(pool: PoolStanding) -> str:
    states = ", ".join(f"{many} {state}" for state, many in pool.states.items())
    return states or "no nodes"


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
        "daemon": standing_view.document(past.told) if past.told else None,
        "journal_files": [str(each) for each in past.files],
        "journal_holds": past.verdict.holds,
        "journal_faults": list(past.verdict.faults),
    }
