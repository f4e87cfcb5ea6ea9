"""A plan on a terminal: signs in a column, what and why, what it means, the sum.

What alike lines are drawn together is `farmctl.plan.lines`'; here are colours and
columns. Where the terminal is narrow, the effect stands below its line.
"""

import time
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from farmctl.cli import terminal
from farmctl.cli.text import counted, listed, took
from farmctl.model.nodes import Role
from farmctl.model.steps import (
    CreateNode,
    Glyph,
    NodeSpec,
    Note,
    Plan,
    RemoveNode,
    ReplaceNode,
    StartNode,
)
from farmctl.model.view import Capacity
from farmctl.plan import capacity as room
from farmctl.plan import lines, telling

STYLES = {
    Glyph.CREATE: "create",
    Glyph.CHANGE: "change",
    Glyph.REPLACE: "replace",
    Glyph.REMOVE: "remove",
    Glyph.DRIFT: "drift",
    Glyph.KEEP: "quiet",
}

_NARROW = 100
_SIGN, _GAP, _NAME = 3, 2, 12
"""Columns of the sign, between columns, and that a subject may always have."""
_MOST_DETAILS = 8


def makes_nodes(plan: Plan) -> bool:
    """Whether the plan needs room on hypervisors."""
    return any(isinstance(step, (CreateNode, StartNode)) for step in plan.steps)


def without_consent(plans: Sequence[Plan]) -> str:
    """Say what apply leaves as it is, unless somebody consents; empty if nothing."""
    heads: list[str] = []
    workers = 0
    for plan in plans:
        for step in plan.steps if plan.kind == "batch" and not plan.destroys else ():
            match step:
                case ReplaceNode(may_work=True, node=NodeSpec(role=role, name=name)):
                    pass
                case RemoveNode(may_work=True, role=role, name=name):
                    pass
                case _:
                    continue
            if role is Role.HEAD:
                heads.append(f"{name} with its queue")
            workers += role is not Role.HEAD and role is not Role.ROUTER
    parts = heads + [f"{counted(workers, 'worker')} that may run jobs"] * bool(workers)
    if not parts:
        return ""
    left = "is left as it is" if workers + len(heads) == 1 else "are left as they are"
    return f"{listed(parts)} {left}, unless you add --interrupt."


def show_all(
    console: Console, plans: Sequence[Plan], capacity: Capacity | None
) -> None:
    """Print several plans; a note that they share is told once, under the first."""
    told: set[Note] = set()
    for number, plan in enumerate(plans):
        if number:
            console.print()
        show(console, plan, capacity, told=told)
        told.update(plan.notes)


def show(
    console: Console,
    plan: Plan,
    capacity: Capacity | None,
    *,
    told: AbstractSet[Note] = frozenset(),
) -> None:
    """Print a plan for people.

    Args:
        console: where to.
        plan: the plan.
        capacity: hypervisors and datastores if they were read, for the forecast.
        told: notes that need not be told again.
    """
    age = took(time.time() - plan.seen_at)
    title = Text()
    title.append_text(terminal.shown(console, f"Farm {plan.farm}", style="strong"))
    title.append_text(
        terminal.shown(
            console,
            f" at {plan.site} (OpenNebula {plan.version}), as seen {age} ago",
            style="quiet",
        )
    )
    terminal.line(console, title)
    drawn = lines.lines(plan)
    notes = [each for each in plan.notes if each not in told]
    if drawn or notes:
        console.print()
        terminal.put(console, _table(console, drawn))
        for note in notes:
            terminal.put(console, _note(console, note))
    console.print()
    terminal.line(console, _sum(console, plan, capacity))


def _table(console: Console, drawn: list[telling.PlanLine]) -> RenderableType:
    """Draw the lines in columns; what lies below a line takes all the width it needs.

    Were it a cell of the column, its length would push the effects far to the right.
    """
    narrow = console.width < _NARROW
    most = max(_NAME, console.width // 4)
    subjects = min(_longest(console, (each.subject for each in drawn)), most)
    whats = _longest(console, (each.what for each in drawn))
    parts: list[RenderableType] = []
    for each in drawn:
        style = STYLES[each.glyph]
        row = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        row.add_column(no_wrap=True, width=_SIGN)
        row.add_column(overflow="fold", width=subjects)
        row.add_column(overflow="fold", min_width=None if narrow else whats)
        cells = [
            terminal.shown(console, f"  {each.glyph.value}", style=style),
            terminal.shown(console, each.subject, style=style),
            terminal.shown(console, each.what),
        ]
        effect = terminal.shown(console, each.effect, style="quiet")
        if not narrow:
            row.add_column(overflow="fold")
            cells.append(effect)
        row.add_row(*cells)
        parts.append(row)
        below = [terminal.shown(console, d) for d in _shortened(each.details)]
        if narrow and each.effect:
            below.append(effect)
        indent = _SIGN + subjects + 2 * _GAP
        for detail in below:
            detail.stylize("quiet")
            parts.append(Padding(detail, (0, 0, 0, indent)))
    return Group(*parts)


def _longest(console: Console, texts: Iterable[str]) -> int:
    return max((terminal.shown(console, each).cell_len for each in texts), default=0)


def _shortened(details: Sequence[str]) -> Sequence[str]:
    """Return the first lines of many, and how many more there are."""
    more = len(details) - _MOST_DETAILS
    if more <= 1:
        return details
    return (*details[:_MOST_DETAILS], f"… and {more} more lines; --json has them all")


def _note(console: Console, note: Note) -> RenderableType:
    """Draw what the plan names and leaves alone."""
    text = Text()
    text.append_text(terminal.shown(console, note.subject, style="drift"))
    text.append_text(terminal.shown(console, f"  {note.message}"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=3)
    table.add_column(overflow="fold")
    table.add_row(Text("  !", style="drift"), text)
    return table


def _sum(console: Console, plan: Plan, capacity: Capacity | None) -> Text:
    if plan.changes_nothing:
        said = "Nothing is there." if plan.destroys else "Nothing to do: as declared."
        return terminal.shown(console, said, style="ready")
    summary = lines.summary(plan)
    style = "failed" if summary.interrupted else ""
    text = terminal.shown(console, summary.sentence, style=style)
    if forecast := room.forecast(plan, capacity):
        text.append_text(terminal.shown(console, f" {forecast}"))
    return text
