"""`farmctl scale`: the size of a pool, decided by hand."""

import os

import click

from farmctl.assembly import sites, worlds
from farmctl.cli import terminal
from farmctl.cli.changing import Change, Wishes, carry_out
from farmctl.cli.options import (
    complete_farm,
    complete_pool,
    interrupt_option,
    json_option,
    run_options,
    site_file,
    site_option,
)
from farmctl.reconcile import Options, Outcome, World, make_scale_plan
from farmctl.reconcile import scale as scale_one


@click.command(
    epilog="""\b
Examples:
  farmctl scale alice-wn wn 42
  farmctl scale alice-wn wn 0 --yes
"""
)
@click.argument("farm", shell_complete=complete_farm)
@click.argument("pool", shell_complete=complete_pool)
@click.argument("size", metavar="N", type=click.IntRange(min=0))
@run_options
@interrupt_option
@json_option
@site_option
def command(
    farm: str,
    pool: str,
    size: int,
    timeout: float | None,
    own_site: str | None,
    *,
    yes: bool,
    wait: bool,
    interrupt: bool,
    as_json: bool,
) -> None:
    """Give POOL of FARM the size N.

    Where the farm file says count: {min, max}, N lies within them, and later applies
    hold it. Where it says one number, the next apply of the file brings that back.
    Nodes that may have jobs on them, or a queue, are ended only with --interrupt.

    Exit status: 0 done, 1 error or something failed, 2 usage, 130 interrupted.
    """
    site = sites.load(site_file(own_site), os.environ)
    with worlds.world(site, announce=terminal.say) as world:
        plan = make_scale_plan(world, farm, pool, size)

    def task(own: World, options: Options) -> Outcome:
        return scale_one(own, farm, pool, size, options)

    change = Change(
        command="scale",
        plans=[plan],
        tasks={farm: task},
        question=f"Give {pool} of {farm} the size {size}?",
        values={"pool": pool, "size": size},
    )
    wishes = Wishes(
        yes=yes, wait=wait, timeout=timeout, interrupt=interrupt, as_json=as_json
    )
    carry_out(site, change, wishes)
