"""The two streams as rich consoles, and JSON on the first of them.

`out` carries data, `err` messages and progress. Colours follow rich's habits: none
where NO_COLOR is set, where TERM is dumb, or where nobody looks. Where the output is no
terminal and no COLUMNS is set, nothing is cut or wrapped.
"""

import json
import os
import sys
from typing import IO, Any

from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.text import Text
from rich.theme import Theme

from farmctl.cli.text import clean, fits

UNLIMITED = 1_000
"""Columns where the output is no terminal: wide enough that nothing is ever cut."""

THEME = Theme(
    {
        "create": "green",
        "change": "yellow",
        "replace": "magenta",
        "remove": "red",
        "drift": "bold cyan",
        "ready": "green",
        "moving": "yellow",
        "failed": "bold red",
        "quiet": "dim",
        "strong": "bold",
        "warn": "yellow",
    },
    inherit=True,
)


def out() -> Console:
    """Return standard output as a console."""
    return _console(sys.stdout)


def err() -> Console:
    """Return standard error as a console."""
    return _console(sys.stderr)


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say(message: str, *, style: str = "") -> None:
    """Print one message on standard error."""
    console = err()
    line(console, shown(console, message, style=style))


def shown(console: Console, text: str, *, style: str = "") -> Text:
    """Return text as this console can show it, harmless and never markup."""
    return Text(fits(console.encoding, clean(text, keep="\n")), style=style)


def put(console: Console, content: RenderableType) -> None:
    """Print tables and text without white space at the ends of lines."""
    for line in console.render_lines(content, pad=False):
        kept = list(line)
        while kept and not kept[-1].text.strip():
            kept.pop()
        if kept:
            last = kept[-1]
            kept[-1] = Segment(last.text.rstrip(), last.style, last.control)
        console.print(Segments([*kept, Segment.line()]), end="", soft_wrap=True)


def line(console: Console, text: Text) -> None:
    """Print one paragraph: wrapped at words on a terminal, whole elsewhere."""
    console.print(text, soft_wrap=not console.is_terminal)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON document on standard output, in ASCII."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(value: dict[str, Any]) -> None:
    """Print one JSON document on a line of its own."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _console(stream: IO[str]) -> Console:
    width = None
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        width = UNLIMITED
    return Console(
        file=stream,
        theme=THEME,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        legacy_windows=False,
    )
