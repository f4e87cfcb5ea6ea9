"""How a farm stands with its daemon, in sentences and as JSON.

The same for now and for a moment in the past: a `Standing`, where it was read, and what
the daemon's last beat adds to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from farmctl.cli.chronicle import Line
from farmctl.cli.text import clock, counted, took
from farmctl.model.keeping import KeptBy
from farmctl.model.standing import PoolStanding, Queued, Standing, as_json
from farmctl.units import format_amount

SILENT = 60.0
"""Seconds without a beat after which a daemon's farms are another's, or nobody's."""

_FRESH = 30.0
"""Seconds for which a standing's amounts are as good as now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A standing and where it was read: `place` in words, `source` for programs.

    `at`: the moment that is asked about, which is `past` or now. `daemon`: the daemon
    that keeps the farm now, None where none says so.
    """

    standing: Standing
    place: str
    source: str
    at: float
    daemon: KeptBy | None = None
    past: bool = False


def document(told: Told) -> dict[str, Any]:
    """Return a standing as JSON, with where it was read."""
    return {"source": told.source, "standing": as_json(told.standing)}


def head(told: Told) -> Iterator[Line]:
    """Give the lines that say who found it, and who waits for what."""
    yield from _who(told)
    yield from _queue(told)
    yield "", ""


def rest(told: Told) -> Iterator[Line]:
    """Give the lines that say what was decided, why not less, and what comes next."""
    standing = told.standing
    for each in standing.decided:
        yield f"Decided: {_bare(each)}.", ""
    if standing.less:
        yield f"Why not fewer? {standing.less}.", "quiet"
    for found in standing.pools:
        for host, why in found.shunned.items():
            yield f"{host} gets no new node of {found.pool}: {why}.", "warn"
    yield "", ""
    yield from _next(told)


def pool(told: Told, name: str, *, place: str = "", quota: str = "") -> Iterator[Line]:
    """Give the line that says why a pool has not more nodes.

    Args:
        told: the standing.
        name: the pool.
        place: where the pool's count is declared, such as ` (alice-wn.yaml:18)`.
        quota: what the quota would still allow, as a sentence or nothing.
    """
    found = next((e for e in told.standing.pools if e.pool == name), None)
    if found is None:
        return
    yield f"  Why not more? {_why_not_more(found, told, place)}{quota}", "quiet"


def wants(standing: Standing, name: str) -> str:
    """Return what a pool's size was decided from."""
    found = next((each for each in standing.pools if each.pool == name), None)
    if found is None:
        return "decided from its queue"
    of = f"{found.size} of at most {found.most}"
    return f"{of} were decided from its queue, at {standing.price:g} core-h an hour"


def _why_not_more(found: PoolStanding, told: Told, place: str) -> str:
    standing = told.standing
    if found.limit:
        until = f", until {clock(found.until, now=told.at)}" if found.until else ""
        said = f"{_bare(found.limit)}{until}."
        if found.size >= found.most:
            said += f" The limit: pools.{found.pool}.count.max is {found.most}{place}."
        return said
    if standing.doubt:
        return "Nothing is started for what a look shows that is not believed."
    if not standing.waiting:
        return "No work waits for a node."
    if found.size >= found.most:
        return f"The limit: pools.{found.pool}.count.max is {found.most}{place}."
    return "More would not pay: see what was decided."


def _who(told: Told) -> Iterator[Line]:
    standing = told.standing
    found = clock(standing.at, now=told.at)
    where = f"farmctl serve on {standing.host} (process {standing.pid})"
    if told.past:
        said = f"As {where} found it at {found}; what is told had not changed since."
        yield said, "quiet"
        return
    yield f"As {where} found it at {found}; read from {told.place}.", "quiet"
    daemon = told.daemon
    if daemon is None:
        yield "No daemon says that it keeps the farm now.", "warn"
        return
    age = max(0.0, told.at - daemon.beat)
    if age > SILENT:
        said = f"It is silent for {took(age)}: the farm waits for another daemon."
        yield said, "warn"
    elif (daemon.host, daemon.pid) != (standing.host, standing.pid):
        by = f"{daemon.host} (process {daemon.pid})"
        yield f"It is kept by farmctl serve on {by} now.", "quiet"
    elif told.at - standing.at > _FRESH:
        said = f"Nothing of importance has changed since; it was heard {took(age)} ago."
        yield said, "quiet"


def _queue(told: Told) -> Iterator[Line]:
    standing = told.standing
    if not (standing.system or standing.doubt or standing.truth):
        return
    waiting, running = standing.waiting, standing.running
    truth, oldest = standing.truth, standing.oldest
    load = told.daemon.load if told.daemon else None
    if load is not None and load.truth > truth:
        waiting, running = load.waiting, load.running
        truth, oldest = load.truth, load.since
    if truth:
        when = clock(truth, now=told.at)
        ago = f"at {when}" if told.past else f"{took(told.at - truth)} ago"
        said = f"{standing.system or 'The queue'}, seen {ago}"
        said += f": {counted(waiting, 'slot')} of work wait, {running} run"
        if standing.held:
            said += f", {standing.held} wait for something that is no node"
        if oldest and waiting:
            said += f"; the oldest since {clock(oldest, now=told.at)}"
        yield f"{said}.", ""
    if standing.doubt:
        since = clock(standing.doubted, now=told.at)
        doubt = _bare(standing.doubt)
        said = f"The queue is not believed since {since}: {doubt}. Nothing is "
        yield f"{said}drained, ended or started for what it shows.", "warn"
    if standing.restarting:
        yield f"Nothing is ended: {_bare(standing.restarting)}.", "warn"
    for each in standing.queue:
        yield f"  {_shape(each, told)}", ""
    for each in standing.others:
        yield f"  {_shape(each, told)} (no node would help)", "quiet"
    if standing.more:
        yield f"  … {counted(standing.more, 'kind')} of work more", "quiet"
    for work in standing.barred:
        yield f"  {work}.", "warn"
    for line in standing.never:
        yield f"  {line}.", "warn"


def _shape(work: Queued, told: Told) -> str:
    each = counted(work.slots, "core")
    if work.memory_mib:
        each += f" and {format_amount(work.memory_mib)}"
    many = f"{work.count} x {each}" if work.count != 1 else each
    jobs = f" in {counted(work.jobs, 'job')}" if work.jobs != work.count else ""
    since = f" since {clock(work.since, now=told.at)}" if work.since else ""
    why = f": {work.why}" if work.why else ""
    verb = "waits" if work.count == 1 else "wait"
    return f"{work.owner}: {many}{jobs} {verb}{since}{why}"


def _next(told: Told) -> Iterator[Line]:
    standing = told.standing
    first = True
    for due in standing.next:
        if due.at and due.at < told.at - _FRESH:
            continue  # it was due, and the standing is older than that
        when = "  as soon as it can be"
        if due.at:
            left = due.at - told.at
            when = f"  {clock(due.at, now=told.at)}"
            when += f" (in {took(left)})" if left > 0 else ""
        if first:
            yield "What comes next, if nothing else happens:", ""
            first = False
        yield f"{when}: {due.what}", ""
    if first:
        yield "No change is to come, if nothing else happens.", "quiet"
    if standing.again > told.at:
        yield f"It is looked at again in {took(standing.again - told.at)}.", "quiet"


def _bare(text: str) -> str:
    return text.rstrip(".")
