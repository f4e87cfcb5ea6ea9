"""Why a farm is as it is, in sentences."""

from collections.abc import Iterator
from typing import Any

from farmctl.cli import chronicle, documents, standing_view
from farmctl.cli.board import described
from farmctl.cli.chronicle import Line
from farmctl.cli.explaining import PoolWhy, Why
from farmctl.cli.standing_view import Told
from farmctl.cli.text import clock, counted, took
from farmctl.journal import Record
from farmctl.model.keeping import KeptBy
from farmctl.model.nodes import Phase
from farmctl.plan import lines
from farmctl.reconcile import NodeStatus
from farmctl.units import format_amount

_MOST_LINES = 12
_MOST_RUNS = 6
_LAST = 8


def sentences(why: Why, *, now: float) -> Iterator[Line]:
    """Give the lines that explain a farm, in the order in which people ask."""
    about = ", ".join(each for each in (why.status.kind, why.status.cidr) if each)
    yield (
        f"Farm {why.farm} ({about}), as seen {took(why.seen.age)} ago",
        "strong",
    )
    yield "", ""
    if why.unreadable:
        yield f"How it was declared is not known: {why.unreadable}.", "failed"
        yield "Apply its file again: farmctl apply FARM.yaml", ""
    if why.told is not None:
        yield from standing_view.head(why.told)
    elif why.status.daemon is not None:
        yield _kept_only(why.status.daemon, now=now), "quiet"
    for pool in why.pools:
        yield from _pool(pool, why.told, now=now)
    yield from _nodes(why, now=now)
    yield from _rolls(why, now=now)
    if why.status.lock is not None:
        ago = took(now - why.status.lock.since)
        yield (
            f"It is being changed for {ago} by {described(why.status.lock.holder)}.",
            "moving",
        )
    for note in why.status.notes:
        yield f"{note.subject}: {note.message}", "drift"
    if why.told is not None:
        yield from standing_view.rest(why.told)
    yield "", ""
    yield from _next(why)
    yield "", ""
    yield from chronicle.told(why.journal, now=now, most=_MOST_RUNS)


def document(why: Why) -> dict[str, Any]:
    """Return the same as JSON."""
    return documents.head("explain") | {
        "site": why.seen.site,
        "seen_at": why.seen.seen_at,
        "farm": documents.farm(why.status),
        "unreadable": why.unreadable or None,
        "daemon": standing_view.document(why.told) if why.told else None,
        "pools": [
            {
                "pool": each.pool,
                "nodes": each.has,
                "ready": each.ready,
                "wanted": each.wanted,
                "min": each.least,
                "max": each.most,
                "decided": each.decided,
                "decided_at": each.hand.time if each.hand else None,
                "declared_in": each.place or None,
                "quota_room": each.room,
                "quota_of": each.quota or None,
                "because": _wants(each),
            }
            for each in why.pools
        ],
        "next_apply": documents.plan(why.plan) if why.plan else None,
        "next_apply_refused": why.refused or None,
        "last": [record(each) for each in why.journal[-_LAST:]],
    }


def record(each: Record) -> dict[str, Any]:
    """Return one record of the journal as JSON."""
    return {
        "time_at": each.time,
        "event": each.event,
        "because": each.because,
        "values": dict(each.values),
    }


def _kept_only(daemon: KeptBy, *, now: float) -> str:
    age = took(max(0.0, now - daemon.beat))
    return (
        f"It is kept by farmctl serve on {daemon.host} (process {daemon.pid}), heard "
        f"{age} ago; its reasons are in the journal there, and in the farm's document "
        "within minutes."
    )


def _pool(why: PoolWhy, told: Told | None, *, now: float) -> Iterator[Line]:
    has = counted(why.has, "node")
    ready = "" if why.ready == why.has else f", {why.ready} of them ready,"
    wish = "as it should" if why.has == why.wanted else f"and wants {why.wanted}"
    by_daemon = told is not None and why.hand is None and why.least != why.most
    wants = (
        standing_view.wants(told.standing, why.pool)
        if told is not None and by_daemon
        else _wants(why)
    )
    yield f"{why.pool} has {has}{ready} {wish}: {wants}.", ""
    if why.hand is not None:
        when = clock(why.hand.time, now=now)
        by = why.hand.values.get("command") or "farmctl scale"
        yield f"  Set at {when} with `{by}`.", "quiet"
    if told is not None and by_daemon:
        place = f" ({why.place})" if why.place else ""
        quota = _quota(why)
        yield from standing_view.pool(told, why.pool, place=place, quota=quota)
        return
    yield f"  {_why_not_more(why)}", "quiet"
    if why.wanted > why.least:
        yield f"  Why not fewer? {_why_not_fewer(why)}", "quiet"


def _wants(why: PoolWhy) -> str:
    where = f" ({why.place})" if why.place else ""
    path = f"pools.{why.pool}.count"
    if why.least == why.most:
        return f"{path} is {why.most}{where}"
    if why.decided is None:
        return f"{path}.min is {why.least}{where}, and nothing has asked for more"
    if why.decided != why.wanted:
        bound = "max" if why.decided > why.most else "min"
        return f"{why.decided} were decided, and {path}.{bound} is {why.wanted}{where}"
    by = "by hand" if why.hand is not None else "by hand or from its queue"
    return f"{why.decided} were decided {by}, within {path}"


def _why_not_more(why: PoolWhy) -> str:
    if why.wanted >= why.most:
        where = f" ({why.place})" if why.place else ""
        said = (
            f"Why not more? The limit: pools.{why.pool}.count"
            f"{'' if why.least == why.most else '.max'} is {why.most}{where}."
        )
    else:
        said = f"Why not more? Nothing asks for it; up to {why.most} may be set."
    return said + _quota(why)


def _quota(why: PoolWhy) -> str:
    if why.room is None:
        return ""
    shape = f"{why.cpus} cores and {format_amount(why.memory_mib)} each"
    return (
        f" The quota of {why.quota} would allow {counted(why.room, 'node')} more "
        f"({shape})."
    )


def _why_not_fewer(why: PoolWhy) -> str:
    if why.decided is not None:
        return f"{why.decided} were decided; farmctl scale sets another number."
    return f"pools.{why.pool}.count.min is {why.least}."


def _nodes(why: Why, *, now: float) -> Iterator[Line]:
    for each in why.status.nodes:
        if each.aside:
            reason = each.reason or "no reason was noted"
            node = f"{each.name} (VM {each.vm_id})"
            yield f"{node} is aside, out of the counts: {reason}.", "failed"
        elif each.draining:
            yield f"{each.name} is draining: it gets no new work.", "moving"
        elif each.phase is not Phase.READY:
            yield _not_ready(each, now=now), "warn"


def _rolls(why: Why, *, now: float) -> Iterator[Line]:
    for pool, each in why.status.rolling.items():
        since = clock(each.roll.began, now=now)
        said = (
            f"{pool} is rolled to another make since {since}: {each.words}. An old "
            "node goes when its jobs have ended, once a new one has proven itself."
        )
        if each.roll.back:
            said = (
                f"{pool} goes back to what it was made of before, since {since}: "
                f"{each.words}. What runs on the others ends first."
            )
        yield said, "moving"
    for pool, refusal in why.status.refused.items():
        when = clock(refusal.at, now=now)
        held = "is not grown" if refusal.stranded else "is held at what it was before"
        said = (
            f"{pool} {held}: the declared make was given up at {when}: {refusal.words}."
        )
        yield said, "failed"
        yield "  A file that says another one, or farmctl apply --retry, ends that.", ""


def _not_ready(node: NodeStatus, *, now: float) -> str:
    since = f" since {clock(node.since, now=now)}" if node.since else ""
    where = f" on {node.host}" if node.host else ""
    reason = f": {node.reason}" if node.reason else ""
    return f"{node.name} (VM {node.vm_id}) is {node.phase.value}{where}{since}{reason}."


def _next(why: Why) -> Iterator[Line]:
    if why.refused:
        yield f"The next apply would be refused: {why.refused}", "failed"
        return
    if why.plan is None:
        return
    steps = why.plan.steps
    if not steps:
        yield "The next apply would change nothing: all is as declared.", "ready"
    else:
        number = counted(len(steps), "step")
        yield f"The next apply of the same file would take {number}:", ""
    drawn = lines.lines(why.plan)
    for each in drawn[:_MOST_LINES]:
        effect = f" ({each.effect})" if each.effect else ""
        yield f"  {each.glyph.value} {each.subject}: {each.what}{effect}", ""
    if len(drawn) > _MOST_LINES:
        yield f"  … {len(drawn) - _MOST_LINES} more; farmctl plan has them all", "quiet"
    for note in why.plan.notes:
        yield f"  ! {note.subject}: {note.message}", "drift"
