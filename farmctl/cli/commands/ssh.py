"""`farmctl ssh`: a shell or a command in a node, through the farm's router."""

import os
import shlex
import signal
import subprocess
import sys

import click

from farmctl.assembly import sites, worlds
from farmctl.assembly.guests import SiteGuests
from farmctl.cli import terminal
from farmctl.cli.options import (
    complete_farm,
    complete_node,
    site_file,
    site_option,
)
from farmctl.errors import NotPossibleError
from farmctl.model.guests import Guest, guests
from farmctl.model.view import FarmView
from farmctl.reconcile import farm_status, status
from farmctl.spec.suggestions import did_you_mean


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  farmctl ssh alice-wn head
  farmctl ssh alice-wn wn-001 uptime
  farmctl ssh alice-wn router nft list ruleset
  farmctl ssh alice-wn head 'squeue --me | tail -n 3'
  farmctl ssh alice-wn head tar -c /etc/slurm >slurm.tar
""",
)
@site_option
@click.argument("farm", shell_complete=complete_farm)
@click.argument("node", shell_complete=complete_node)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.pass_context
def command(
    context: click.Context,
    farm: str,
    node: str,
    command: tuple[str, ...],
    own_site: str | None,
) -> None:
    """Log in to a node, or run a command in it.

    NODE is a node's name as `farmctl status` shows it, or the end of it: router, head,
    wn-001. One COMMAND alone is a line for the node's shell; several words arrive in
    the node as they are. Options stand before FARM.

    As whom, the site's `login` says. The node has to show the SSH host key that it told
    OneGate of itself; one that told none is believed the first time, and you are told.

    Exit status: that of the command; 1 if there was no connection.
    """
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        view = world.cloud.look()
    status(world, farm, view=view)  # knows what to say of a farm that is not there
    mine = view.farm(farm)
    guest = find(mine, node)
    way = SiteGuests(site, os.environ, announce=terminal.say)
    with way.shell(farm, guests(mine)) as shell:
        arguments = shell.arguments(
            guest, line(command), terminal=sys.stdin.isatty() and sys.stdout.isatty()
        )
        context.exit(_run(arguments))


def line(command: tuple[str, ...]) -> str:
    """Return what the node's shell is to run; a `--` in front is no part of it."""
    words = command[1:] if command[:1] == ("--",) else command
    return words[0] if len(words) == 1 else shlex.join(words)


def find(farm: FarmView, name: str) -> Guest:
    """Return the node that is meant by its name, or by the end of it.

    Raises:
        NotPossibleError: there is none, or it does not run.
    """
    up = {each.name: each for each in guests(farm)}
    full = name if name in up else f"{farm.farm}-{name}"
    if full in up:
        return up[full]
    known = {each.name: each for each in farm_status(farm).nodes}
    if found := known.get(name) or known.get(full):
        raise NotPossibleError(
            f"{found.name} does not run: it is {found.phase.value}"
            + (f" ({found.reason})." if found.reason else "."),
            hint=f"farmctl explain {farm.farm}",
        )
    names = [each.removeprefix(f"{farm.farm}-") for each in known]
    raise NotPossibleError(
        f"{farm.farm} has no node {name!r}.",
        hint=did_you_mean(name, names, else_say="It has"),
    )


def _run(arguments: list[str]) -> int:
    """Run ssh on our terminal and return what it ended with.

    A Ctrl-C is ssh's to handle; we only wait.
    """
    sys.stdout.flush()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        ended = subprocess.run(arguments, check=False).returncode  # noqa: S603 - ours
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - ended if ended < 0 else ended
