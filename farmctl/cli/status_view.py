"""Farms and nodes as tables."""

import time

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from farmctl.cli import terminal
from farmctl.cli.board import described
from farmctl.cli.progress import ORDER, STYLES
from farmctl.cli.text import counted, took
from farmctl.model.keeping import KeptBy
from farmctl.model.nodes import Phase, Role
from farmctl.reconcile import FarmStatus, NodeStatus, Status

_NARROW = 130
_TINY = 60
_SILENT = 60.0
"""Seconds without a beat after which a daemon's farms are another's, or nobody's."""


def overview(console: Console, status: Status) -> RenderableType:
    """Draw all farms, a line each."""
    if not status.farms:
        return Group(
            _where(console, status),
            Text(""),
            terminal.shown(console, "No farm is here. Next: farmctl apply FARM.yaml"),
        )
    table = _table(console, "FARM", "KIND", "NETWORK", "NODES", "PHASES", "")
    for farm in status.farms:
        aside = sum(each.aside for each in farm.nodes)
        remark = Text()
        if aside:
            remark.append(f"{aside} aside  ", style="failed")
        if farm.lock is not None:
            remark.append("being changed  ", style="moving")
        if farm.rolling:
            remark.append("rolling  ", style="moving")
        if farm.refused:
            remark.append("image refused  ", style="failed")
        if farm.notes:
            remark.append(counted(len(farm.notes), "note"), style="quiet")
        wanted = sum(farm.sizes.values())
        workers = sum(
            each.role is Role.WORKER and not each.aside for each in farm.nodes
        )
        nodes = Text(str(len(farm.nodes) - aside))
        if workers != wanted:
            nodes.append(f" ({workers} of {counted(wanted, 'worker')})", style="warn")
        table.add_row(
            terminal.shown(console, farm.farm, style="strong"),
            terminal.shown(console, farm.kind),
            terminal.shown(console, farm.cidr),
            nodes,
            phases(farm),
            remark,
        )
    return Group(_where(console, status), Text(""), table)


def one_farm(
    console: Console, status: Status, farm: FarmStatus, *, rows: int | None = None
) -> RenderableType:
    """Draw one farm with its nodes.

    Args:
        console: where to.
        status: the look that the farm is from.
        farm: the farm.
        rows: how many nodes there is room for; those that are not ready come first
            then. None for all of them, in their order.
    """
    title = terminal.shown(console, f"Farm {farm.farm}", style="strong")
    about = ", ".join(each for each in (farm.kind, farm.cidr) if each)
    title.append(f"  {about}", style="quiet")
    parts: list[RenderableType] = [_where(console, status), title]
    counted_phases = phases(farm)
    if farm.sizes:
        sizes = (f"{pool} {size}" for pool, size in sorted(farm.sizes.items()))
        counted_phases.append(f"  wanted: {', '.join(sizes)}", style="quiet")
    parts.append(counted_phases)
    parts += [
        terminal.shown(console, f"Rolling {pool}: {each.words}", style="moving")
        for pool, each in farm.rolling.items()
    ]
    parts += [
        terminal.shown(console, f"Refused for {pool}: {each.words}", style="failed")
        for pool, each in farm.refused.items()
    ]
    if farm.daemon is not None:
        parts.append(kept(console, farm.daemon, now=status.seen_at))
    if farm.lock is not None:
        ago = took(time.time() - farm.lock.since)
        text = f"Being changed for {ago} by {described(farm.lock.holder)}"
        parts.append(terminal.shown(console, text, style="moving"))
    shown = farm.nodes
    if rows is not None and len(shown) > rows:
        shown = tuple(sorted(shown, key=_is_well))[:rows]
    parts += [Text(""), nodes(console, shown, now=status.seen_at)]
    if hidden := len(farm.nodes) - len(shown):
        text = f"… {hidden} more, without --watch all of them"
        parts.append(terminal.shown(console, text, style="quiet"))
    if farm.notes:
        parts.append(Text(""))
    parts += [
        terminal.shown(console, f"! {note.subject}: {note.message}", style="drift")
        for note in farm.notes
    ]
    return Group(*parts)


def nodes(
    console: Console, found: tuple[NodeStatus, ...], *, now: float
) -> RenderableType:
    """Draw nodes, a line each; in a narrow terminal what is wrong stands below."""
    narrow, tiny = console.width < _NARROW, console.width < _TINY
    heads = ["NODE", "PHASE", "ADDRESS", "HYPERVISOR", "SINCE"]
    heads += [] if tiny else ["VM"]
    heads += [] if narrow else ["WHY"]
    table = _table(console, *heads)
    below: list[RenderableType] = []
    for each in found:
        phase = Text(each.phase.value, style=STYLES[each.phase])
        if each.aside:
            phase = Text("aside", style="failed")
        elif each.draining:
            phase.append(", draining", style="moving")
        address = each.address
        if each.public_address:
            address = f"{address}{chr(10) if narrow else ' '}{each.public_address}"
        cells: list[RenderableType] = [
            terminal.shown(console, each.name),
            phase,
            terminal.shown(console, address.strip()),
            terminal.shown(console, each.host),
            Text(took(max(0.0, now - each.since)) if each.since else "", style="quiet"),
        ]
        if not tiny:
            cells.append(Text(str(each.vm_id), style="quiet"))
        if not narrow:
            cells.append(terminal.shown(console, each.reason, style="warn"))
        elif each.reason:
            said = f"{each.name} (VM {each.vm_id}): {each.reason}"
            below.append(terminal.shown(console, said, style="warn"))
        table.add_row(*cells)
    return Group(table, Text(""), *below) if below else table


def kept(console: Console, daemon: KeptBy, *, now: float) -> Text:
    """Say in a line which daemon keeps a farm, and what it knows of its work."""
    age = max(0.0, now - daemon.beat)
    where = f"farmctl serve on {daemon.host} (process {daemon.pid})"
    if age > _SILENT:
        said = f"Was kept by {where}, which is silent for {took(age)}"
        return terminal.shown(console, said, style="warn")
    said = f"Kept by {where}, heard {took(age)} ago"
    load = daemon.load
    if load is not None and load.truth:
        said += (
            f": {counted(load.waiting, 'slot')} of work "
            f"{'waits' if load.waiting == 1 else 'wait'}, {load.running} run, "
            f"queue seen {took(max(0.0, now - load.truth))} ago"
        )
    held = load is not None and load.limited
    said += "; nodes are held back (farmctl explain)" if held else ""
    return terminal.shown(console, said, style="warn" if held else "quiet")


def phases(farm: FarmStatus) -> Text:
    """Return how many nodes are in which phase."""
    line = Text()
    for phase in ORDER:
        if number := farm.counts.get(phase, 0):
            if line.plain:
                line.append("  ")
            line.append(f"{phase.value} {number}", style=STYLES[phase])
    return line if line.plain else Text("no nodes", style="quiet")


def _is_well(node: NodeStatus) -> bool:
    return node.phase is Phase.READY and not (node.aside or node.draining)


def _where(console: Console, status: Status) -> Text:
    age = took(status.age)
    text = f"{status.site} (OpenNebula {status.version}), as seen {age} ago"
    return terminal.shown(console, text, style="quiet")


def _table(console: Console, *heads: str) -> Table:
    tight = console.width < _TINY
    table = Table(box=None, pad_edge=False, padding=(0, 1 if tight else 2, 0, 0))
    for each in heads:
        table.add_column(each, header_style="quiet", overflow="fold")
    return table
