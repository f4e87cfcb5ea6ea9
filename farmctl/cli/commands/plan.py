"""`farmctl plan`: what would change, and nothing is changed."""

import os
import shlex
from pathlib import Path

import click

from farmctl.assembly import sites, worlds
from farmctl.cli import documents, intents, outcome_view, plan_view, terminal
from farmctl.cli.failure import Ended, Exit
from farmctl.cli.options import (
    complete_file,
    json_option,
    retry_option,
    site_file,
    site_option,
)
from farmctl.plan import saved


@click.command(
    epilog="""\b
Examples:
  farmctl plan alice-wn.yaml
  farmctl plan alice-wn.yaml --out change.plan && farmctl apply change.plan
  farmctl plan *.yaml --json | jq '.plans[].counts'
"""
)
@click.argument(
    "files",
    metavar="FARM.yaml...",
    nargs=-1,
    required=True,
    shell_complete=complete_file,
)
@click.option(
    "--out",
    metavar="PLAN",
    type=click.Path(dir_okay=False),
    help="Save the plan to this file, for `farmctl apply PLAN`.",
)
@retry_option
@json_option
@site_option
def command(
    files: tuple[str, ...],
    out: str | None,
    own_site: str | None,
    *,
    retry: bool,
    as_json: bool,
) -> None:
    """Show what apply would change, step by step, and why.

    Exit status: 0 nothing would change, 3 something would, 1 error, 2 usage or a
    mistake in a file.
    """
    if out is not None and len(files) > 1:
        raise click.UsageError("--out saves one plan: name one file.")
    site = sites.load(site_file(own_site), os.environ)
    named = intents.read(files, site, plans=False)
    with worlds.world(site, announce=terminal.say) as world:
        plans, refused = intents.drawn(world, named, retry=retry)
        capacity = (
            world.cloud.capacity()
            if not as_json and any(plan_view.makes_nodes(plan) for plan in plans)
            else None
        )
    if out is not None and plans:
        Path(out).write_text(saved.dump(plans[0]) + "\n", encoding="utf-8")
    if as_json:
        terminal.print_json(
            documents.head("plan")
            | {
                "plans": [documents.plan(each) for each in plans],
                "refused": {
                    farm: documents.error(error) for farm, error in refused.items()
                },
            }
        )
    else:
        plan_view.show_all(terminal.out(), plans, capacity)
        if any(not plan.changes_nothing for plan in plans):
            chosen = site_file(own_site)
            at = ["--site", chosen] if chosen else []
            again = ["--retry"] if retry and not out else []
            words = shlex.join([*again, *at, *([out] if out else files)])
            terminal.say(f"Next: farmctl apply {words}")
            if left := plan_view.without_consent(plans):
                terminal.say(left)
    outcome_view.refusals(refused)
    if refused:
        raise Ended(Exit.ERROR)
    if any(not plan.changes_nothing for plan in plans):
        raise Ended(Exit.CHANGES)
