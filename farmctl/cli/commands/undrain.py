"""`farmctl undrain`: take a drain back."""

import click

from farmctl.cli import draining
from farmctl.cli.options import complete_farm, complete_node, site_option


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
    draining.carry_out(farm, node, own_site, draining=False)
