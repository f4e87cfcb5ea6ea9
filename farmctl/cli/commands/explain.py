"""`farmctl explain`: why a farm is as it is, now or at a time in the past."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import click
from rich.padding import Padding

from farmctl.assembly import sites, worlds
from farmctl.cli import explain_past, explain_view, moments, terminal
from farmctl.cli.chronicle import Line
from farmctl.cli.explaining import gather
from farmctl.cli.options import complete_farm, json_option, site_file, site_option
from farmctl.errors import NotPossibleError


@click.command(
    epilog="""\b
Examples:
  farmctl explain alice-wn
  farmctl explain alice-wn --at 14:02
  farmctl explain alice-wn --at '2026-11-22 14:02'
  farmctl explain alice-wn --at 2h          (two hours ago)
  farmctl explain alice-wn --journal /var/lib/farmctl/farmctl/journal
"""
)
@click.argument("farm", shell_complete=complete_farm)
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    help="What the journal knows of then: 14:02, an ISO time, 2h (ago).",
)
@click.option(
    "--journal",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Read the journals there, such as a daemon's; by default your own.",
)
@json_option
@site_option
def command(
    farm: str,
    moment: str | None,
    folder: Path | None,
    own_site: str | None,
    *,
    as_json: bool,
) -> None:
    """Tell why a farm is as it is, and why it does not change.

    Sizes and who set them, limits, nodes that are not ready or aside and why, drift,
    what the next apply would do, and what was done last. Of a farm that farmctl serve
    keeps also who waits for what, what was decided and why not more or fewer, what
    limits it, and what comes next: from the journal on the daemon's machine, from the
    farm's document elsewhere. The past comes from the journal, which each machine and
    user keeps of what was done from there; nothing depends on it.
    """
    now = time.time()
    journal = worlds.journal(terminal.say, folder)
    if moment is not None:
        at = moments.parse(moment, now=now)
        past = explain_past.gather(journal, farm, at)
        if as_json:
            terminal.print_json(explain_past.document(past))
        else:
            _print(explain_past.sentences(past, now=now))
        return
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        try:
            why = gather(world, farm, journal)
        except NotPossibleError as error:
            if farm in journal.farms():
                error.hint = f"What it was: farmctl explain {farm} --at now"
            raise
    if as_json:
        terminal.print_json(explain_view.document(why))
    else:
        _print(explain_view.sentences(why, now=time.time()))


def _print(lines: Iterable[Line]) -> None:
    console = terminal.out()
    for text, style in lines:
        bare = text.lstrip()
        indent = len(text) - len(bare)
        shown = terminal.shown(console, bare, style=style)
        terminal.put(console, Padding(shown, (0, 0, 0, indent)))
