"""`farmctl destroy`: a farm ends, and leaves nothing."""

import os

import click

from farmctl.assembly import sites, worlds
from farmctl.cli import terminal
from farmctl.cli.changing import Change, Wishes, carry_out
from farmctl.cli.options import (
    complete_farm,
    json_option,
    site_file,
    site_option,
    yes_option,
)
from farmctl.cli.text import counted
from farmctl.reconcile import Options, Outcome, World, make_destroy_plan
from farmctl.reconcile import destroy as destroy_one


@click.command(
    epilog="""\b
Examples:
  farmctl destroy sandbox
  farmctl destroy sandbox --yes
"""
)
@click.argument("farm", shell_complete=complete_farm)
@yes_option
@json_option
@site_option
def command(
    farm: str,
    own_site: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """End FARM, all of it, in order, whatever works in it.

    Asks first, and stays until the last VM has ended: what belongs to a farm can only
    be deleted once nothing uses it any more. Afterwards the cloud is looked at once
    more: what refuses to go is named, and the next destroy goes on with it. A farm that
    is not there is no error.

    Exit status: 0 nothing of it is left, 1 something is, 2 usage, 130 interrupted.
    """
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        view = world.cloud.look()
        plan = make_destroy_plan(world, farm, view=view)
        nodes = len(view.farm(farm).vms)

    def task(own: World, options: Options) -> Outcome:
        return destroy_one(own, farm, options)

    change = Change(
        command="destroy",
        plans=[plan],
        tasks={farm: task},
        question=f"End {farm} with its {counted(nodes, 'node')} for good?",
    )
    wishes = Wishes(yes=yes, wait=True, timeout=None, interrupt=True, as_json=as_json)
    carry_out(site, change, wishes)
