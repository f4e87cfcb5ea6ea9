"""`farmctl drain`: give a node no new work."""

import click

from farmctl.cli import draining
from farmctl.cli.options import complete_farm, complete_node, site_option


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
    draining.carry_out(farm, node, own_site, draining=True)
