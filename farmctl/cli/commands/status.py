"""`farmctl status`: farms and nodes as the cloud shows them now."""

import os
import time
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from farmctl.assembly import sites, worlds
from farmctl.cli import documents, failure, status_view, terminal
from farmctl.cli.options import complete_farm, json_option, site_file, site_option
from farmctl.cli.text import took
from farmctl.errors import CloudError, NotPossibleError
from farmctl.reconcile import Status, World
from farmctl.reconcile import status as look

_AROUND = 9
"""Lines round the nodes of one farm on the screen of --watch."""


@click.command(
    epilog="""\b
Examples:
  farmctl status
  farmctl status alice-wn
  farmctl status alice-wn --watch
  farmctl status --json | jq -r '.farms[].nodes[] | select(.phase != "ready") | .name'
"""
)
@click.argument("farm", metavar="[FARM]", required=False, shell_complete=complete_farm)
@click.option("--watch", "-w", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.5),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two looks of --watch.",
)
@json_option
@site_option
def command(
    farm: str | None,
    interval: float,
    own_site: str | None,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Show all farms, or one farm and its nodes.

    With --watch and --json, one document a line for each look.

    Exit status: 0, or 1 for a farm that the cloud does not show.
    """
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        if watch:
            _watch(world, farm, interval, as_json=as_json)
            return
        found = look(world, farm)
        if as_json:
            terminal.print_json(document(found))
        else:
            console = terminal.out()
            terminal.put(console, draw(console, found, farm))


def document(found: Status) -> dict[str, Any]:
    """Return the JSON document of a look."""
    return documents.head("status") | documents.status(found)


def draw(console: Console, found: Status, farm: str | None) -> RenderableType:
    """Draw all farms, or the one asked for."""
    if farm is None:
        return status_view.overview(console, found)
    return status_view.one_farm(console, found, found.farms[0])


def _watch(world: World, farm: str | None, interval: float, *, as_json: bool) -> None:
    if as_json:
        while True:
            terminal.print_json_line(document(look(world, farm)))
            time.sleep(interval)
    console = terminal.out()
    found = look(world, farm)
    if not console.is_terminal:
        while True:
            terminal.put(console, draw(console, found, farm))
            time.sleep(interval)
            found = look(world, farm)
    trouble = ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(console, found, farm, trouble), refresh=True)
            time.sleep(interval)
            try:
                found = look(world, farm)
                trouble = ""
            except (CloudError, NotPossibleError) as error:
                trouble = failure.describe(error)


def _screen(
    console: Console, found: Status, farm: str | None, trouble: str
) -> RenderableType:
    drawn = (
        status_view.overview(console, found)
        if farm is None
        else status_view.one_farm(
            console, found, found.farms[0], rows=max(1, console.height - _AROUND)
        )
    )
    parts: list[RenderableType] = [drawn, Text("")]
    if trouble:
        age = took(time.time() - found.seen_at)
        parts.append(
            terminal.shown(console, f"{trouble}\nThis is {age} old.", style="failed")
        )
    parts.append(Text("Ctrl-C ends.", style="quiet"))
    return Group(*parts)
