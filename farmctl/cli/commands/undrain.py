"""`farmctl undrain`: take a drain back."""

import os

import click

from farmctl.assembly import drains, sites, worlds
from farmctl.cli import terminal
from farmctl.cli.options import complete_farm, complete_node, site_file, site_option
from farmctl.reconcile import Options


@click.command(
    epilog="""\b
Examples:
  farmctl undrain alice-wn wn-017
  farmctl undrain alice-wn alice-wn-wn-017
"""
)
@click.argument("farm", shell_complete=complete_farm)
@click.argument("node", shell_complete=complete_node)
@site_option
def command(farm: str, node: str, own_site: str | None) -> None:
    """Let NODE of FARM take work again.

    Takes back what farmctl drain did, and no drain of the batch system's own admins.

    Exit status: 0, or 1 if that could not be noted.
    """
    site = sites.load(site_file(own_site), os.environ)
    options = Options(command=f"farmctl undrain {farm} {node}")
    with worlds.world(site, patience=worlds.STEADY, announce=terminal.say) as world:
        said = drains.drain(
            world, farm, node, options, draining=False, announce=terminal.say
        )
    terminal.say(said)
