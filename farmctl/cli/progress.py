"""Progress on standard error: a live display on a terminal, plain lines elsewhere."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from farmctl.cli import terminal
from farmctl.cli.board import FarmBoard, Snapshot
from farmctl.cli.text import took
from farmctl.model.nodes import Phase

ORDER = (
    Phase.READY,
    Phase.BOOTING,
    Phase.PLACING,
    Phase.PENDING,
    Phase.OFF,
    Phase.ENDING,
    Phase.UNKNOWN,
    Phase.FAILED,
)
"""Phases from the end of the way to its beginning, then those off the way."""

STYLES = {
    Phase.READY: "ready",
    Phase.BOOTING: "moving",
    Phase.PLACING: "moving",
    Phase.PENDING: "quiet",
    Phase.OFF: "warn",
    Phase.ENDING: "quiet",
    Phase.UNKNOWN: "failed",
    Phase.FAILED: "failed",
    Phase.GONE: "quiet",
}

_PER_SECOND = 8
_BAR = 24
_FEWEST_ROWS = 3
_RESERVED = 4


class Show:
    """The display of one run over one or several farms."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._boards: list[FarmBoard] = []
        self._lock = threading.Lock()
        self.lively = console.is_terminal and not console.is_dumb_terminal and not quiet

    def farm(self, name: str) -> FarmBoard:
        """Return the board of a farm that joins the display."""
        board = FarmBoard(
            name,
            now=time.monotonic,
            remark=self.remark,
            chatty=not self.lively,
        )
        with self._lock:
            self._boards.append(board)
        return board

    def remark(self, text: str, style: str = "") -> None:
        """Print a line that stays, above the live display if there is one."""
        if self._quiet:
            return
        line = terminal.shown(self._console, text, style=style)
        terminal.line(self._console, line)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the display while the block runs."""
        if not self.lively:
            yield
            return
        with Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        ) as live:
            self._live = live
            yield

    def _draw(self) -> RenderableType:
        with self._lock:
            shots = [each.snapshot() for each in self._boards]
        shots = [each for each in shots if not each.over]
        height = shutil.get_terminal_size().lines
        rows = max(_FEWEST_ROWS, height // max(1, len(shots)) - _RESERVED)
        return Group(*(draw(self._console, each, rows=rows) for each in shots))


def draw(console: Console, shot: Snapshot, *, rows: int) -> RenderableType:
    """Draw one farm: a bar, the phases counted, and the nodes on their way."""
    parts: list[RenderableType] = [_headline(console, shot)]
    if shot.waiting:
        parts.append(terminal.shown(console, f"  {shot.waiting}", style="warn"))
    if shot.phases:
        parts.append(_phases(shot))
    now = time.monotonic()
    moving = sorted(shot.moving, key=lambda each: each.began)
    if moving:
        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True)
        for each in moving[:rows]:
            table.add_row(
                terminal.shown(console, f"  {each.name}"),
                Text(each.phase.value, style=STYLES[each.phase]),
                terminal.shown(console, each.host, style="quiet"),
                Text(took(now - each.began), style="quiet"),
            )
        parts.append(table)
    parts += [
        terminal.shown(console, f"  {subject}", style="quiet")
        for subject in shot.busy[: max(0, rows - len(moving))]
    ]
    hidden = len(moving) + len(shot.busy) - rows
    if hidden > 0:
        parts.append(terminal.shown(console, f"  … {hidden} more", style="quiet"))
    return Group(*parts)


def _headline(console: Console, shot: Snapshot) -> Text:
    over = shot.done + shot.failed
    line = terminal.shown(console, f"{shot.farm}  ", style="strong")
    if not shot.steps:
        return line.append(f"looking  {took(shot.seconds)}", style="quiet")
    filled = round(_BAR * over / shot.steps)
    line.append_text(terminal.shown(console, "█" * filled, style="ready"))
    line.append_text(terminal.shown(console, "░" * (_BAR - filled), style="quiet"))
    line.append(f"  {over} of {shot.steps}")
    if shot.failed:
        line.append(f", {shot.failed} failed", style="failed")
    line.append(f"  {took(shot.seconds)}", style="quiet")
    return line


def _phases(shot: Snapshot) -> Text:
    line = Text("  ")
    for phase in ORDER:
        if number := shot.phases.get(phase, 0):
            line.append(f"{phase.value} {number}  ", style=STYLES[phase])
    return line
