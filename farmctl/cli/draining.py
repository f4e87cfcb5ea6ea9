"""What drain and undrain have in common: note it, tell the batch system, say so."""

import os

from farmctl.assembly import drains, sites, worlds
from farmctl.cli import terminal
from farmctl.cli.options import site_file
from farmctl.reconcile import Options


def carry_out(farm: str, node: str, own_site: str | None, *, draining: bool) -> None:
    """Drain a node, or take that back.

    Args:
        farm: its name.
        node: the node's, whole or its end.
        own_site: what `--site` says behind the command.
        draining: whether it is to get no new work, or to take work again.
    """
    site = sites.load(site_file(own_site), os.environ)
    word = "drain" if draining else "undrain"
    options = Options(command=f"farmctl {word} {farm} {node}")
    with worlds.world(site, patience=worlds.STEADY, announce=terminal.say) as world:
        said = drains.drain(
            world, farm, node, options, draining=draining, announce=terminal.say
        )
    terminal.say(said)
