"""`farmctl inventory`: the farms for Ansible, as a dynamic inventory."""

import os
from typing import Any

import click

from farmctl.assembly import inventories, sites, worlds
from farmctl.cli import terminal
from farmctl.cli.options import complete_farm, site_file, site_option
from farmctl.errors import NotPossibleError


@click.command(
    epilog="""\b
Examples:
  farmctl inventory --list alice-wn
  farmctl inventory --host alice-wn-head
  printf '#!/bin/sh\\nexec farmctl inventory "$@"\\n' >farms; chmod +x farms
  ansible -i farms pool_wn -m ping
""",
)
@click.argument("farms", metavar="[FARM]...", nargs=-1, shell_complete=complete_farm)
@click.option("--list", "list_all", is_flag=True, help="All hosts, groups, variables.")
@click.option("--host", metavar="NAME", help="The variables of one host alone.")
@site_option
def command(
    farms: tuple[str, ...],
    host: str | None,
    own_site: str | None,
    *,
    list_all: bool,
) -> None:
    """Print the nodes that run as Ansible's dynamic inventory (JSON).

    All farms, or those named. The groups are router, openwrt, head and workers, and one
    for each farm (farm_alice_wn) and pool (pool_wn). The way through the router, as
    whom and with which host keys, is told where the site has a login.

    Exit status: 0; 1 for a farm or host that is not there.
    """
    if list_all == (host is not None):
        raise click.UsageError("Say either --list or --host NAME.")
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        view = world.cloud.look()
    told: dict[str, Any] = inventories.inventory(
        view, site, farms, os.environ
    ).as_json()
    if host is None:
        terminal.print_json(told)
        return
    variables = told["_meta"]["hostvars"]
    if host not in variables:
        raise NotPossibleError(
            f"No node {host!r} runs.", hint="farmctl inventory --list shows all."
        )
    terminal.print_json(variables[host])
