"""`farmctl drain`: give a node no new work."""

import os

import click

from farmctl.assembly import drains, sites, worlds
from farmctl.cli import terminal
from farmctl.cli.options import complete_farm, complete_node, site_file, site_option
from farmctl.reconcile import Options


@click.command(
    epilog="""\b
Examples:
  farmctl drain alice-wn wn-017
  farmctl drain alice-wn alice-wn-wn-017
"""
)
@click.argument("farm", shell_complete=complete_farm)
@click.argument("node", shell_complete=complete_node)
@site_option
def command(farm: str, node: str, own_site: str | None) -> None:
    """Give NODE of FARM no new work; it ends when it is empty.

    The work on it goes on. A running farmctl serve ends the node once two looks have
    shown it empty; farmctl undrain takes the drain back until then.

    Exit status: 0, or 1 if that could not be noted.
    """
    site = sites.load(site_file(own_site), os.environ)
    options = Options(command=f"farmctl drain {farm} {node}")
    with worlds.world(site, patience=worlds.STEADY, announce=terminal.say) as world:
        said = drains.drain(
            world, farm, node, options, draining=True, announce=terminal.say
        )
    terminal.say(said)
