"""`farmctl apply`: make the cloud as the files say, and show it happening."""

import os
from dataclasses import replace

import click

from farmctl.assembly import sites, worlds
from farmctl.cli import intents, terminal
from farmctl.cli.changing import Change, Wishes, carry_out
from farmctl.cli.intents import Named
from farmctl.cli.options import (
    complete_file,
    interrupt_option,
    json_option,
    retry_option,
    run_options,
    site_file,
    site_option,
)
from farmctl.cli.running import Task
from farmctl.cli.text import listed
from farmctl.reconcile import Options, Outcome, World
from farmctl.reconcile import apply as apply_one


@click.command(
    epilog="""\b
Examples:
  farmctl apply alice-wn.yaml
  farmctl apply --yes alice-wn.yaml taf.yaml m5l.yaml
  farmctl plan alice-wn.yaml --out change.plan && farmctl apply change.plan
  farmctl apply alice-wn.yaml --yes --no-wait && farmctl status alice-wn --watch
"""
)
@click.argument(
    "files",
    metavar="FARM.yaml|PLAN...",
    nargs=-1,
    required=True,
    shell_complete=complete_file,
)
@run_options
@interrupt_option
@retry_option
@json_option
@site_option
def command(
    files: tuple[str, ...],
    timeout: float | None,
    own_site: str | None,
    *,
    yes: bool,
    wait: bool,
    interrupt: bool,
    retry: bool,
    as_json: bool,
) -> None:
    """Make the cloud as the files say; several farms side by side.

    Shows the plan, asks, and shows it happening. Applied again it changes nothing;
    killed anywhere, the next apply goes on from what the cloud shows. A saved plan is
    carried out as it stands, or refused if the cloud has moved on since.

    An image of which new workers failed stays refused, however often its file is
    applied, until the file says another one or --retry asks for it.

    Exit status: 0 all is as declared, 1 something failed or was put aside, 2 usage or
    a mistake in a file, 130 interrupted.
    """
    site = sites.load(site_file(own_site), os.environ)
    named = intents.read(files, site, plans=True)
    with worlds.world(site, announce=terminal.say) as world:
        plans, refused = intents.drawn(world, named, retry=retry)
    shown = {plan.farm: plan.cidr for plan in plans}
    change = Change(
        command="apply",
        plans=plans,
        refused=refused,
        tasks={each.farm: _task(each, shown.get(each.farm, "")) for each in named},
        question=f"Apply this to {listed(each.farm for each in named)}?",
    )
    wishes = Wishes(
        yes=yes,
        wait=wait,
        timeout=timeout,
        interrupt=interrupt,
        as_json=as_json,
        retry=retry,
    )
    carry_out(site, change, wishes)


def _task(named: Named, cidr: str) -> Task:
    def task(world: World, options: Options) -> Outcome:
        return apply_one(world, named.what, replace(options, prefer=cidr))

    return task
