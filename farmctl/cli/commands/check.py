"""`farmctl check`: probe a farm, from here and from inside its nodes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click
from rich.status import Status

from farmctl import check
from farmctl.assembly import checks, sites, worlds
from farmctl.check.values import Progress
from farmctl.cli import check_view, terminal
from farmctl.cli.failure import Ended, Exit
from farmctl.cli.options import complete_farm, json_option, site_file, site_option

_PROBES = click.Choice([each.value for each in check.Probe])


@click.command(
    epilog="""\b
Examples:
  farmctl check alice-wn
  farmctl check alice-wn --skip spoofing --skip strangers
  farmctl check alice-wn --only ports --all-ports
  farmctl check alice-wn --json | jq '.findings[] | select(.verdict == "fault")'
\b
Probes: plan ready ports login router address names outward time size isolation
spoofing strangers batch. docs/how-to/check.md says what each of them does.
"""
)
@click.argument("farm", shell_complete=complete_farm)
@click.option(
    "--only",
    multiple=True,
    type=_PROBES,
    metavar="PROBE",
    help="This probe alone; may be repeated.",
)
@click.option(
    "--skip",
    multiple=True,
    type=_PROBES,
    metavar="PROBE",
    help="All but this; may be repeated.",
)
@click.option(
    "--all-ports",
    is_flag=True,
    help="Knock at all 65,535 ports, which takes minutes, not at a sample.",
)
@click.option(
    "--outside-name",
    metavar="NAME",
    help="A name that only name servers outside know."
    "  [default: the routers' time server]",
)
@click.option(
    "--echo",
    metavar="URL",
    help="An http:// service outside that answers with its caller's address.",
)
@click.option("--strict", is_flag=True, help="What was not checked is a fault too.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Show what is as it should be, line by line."
)
@json_option
@site_option
def command(
    farm: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    *,
    outside_name: str | None,
    echo: str | None,
    own_site: str | None,
    all_ports: bool,
    strict: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Probe a farm: is it what it was declared to be?

    From this machine: do the declared ports answer, and no others? From inside its
    nodes, over SSH: addresses, leases, names, the way out, time, isolation from other
    farms, and that odd frames go nowhere. From OpenNebula and the batch system: is
    every node there, and nothing besides?

    Nothing is changed. Some probes send frames that no well-behaved machine sends
    (spoofing, strangers): tell whoever watches the network, or leave them out. What
    cannot be probed is `not checked` and never good.

    Exit status: 0, or 1 with any fault.
    """
    wanted = {check.Probe(each) for each in only} or set(check.Probe)
    wanted -= {check.Probe(each) for each in skip}
    if not wanted:
        raise click.UsageError("Nothing is left to probe.")
    site = sites.load(site_file(own_site), os.environ)
    with (
        worlds.world(site, announce=terminal.say) as world,
        checks.prepared(world, farm, announce=terminal.say) as (expected, means),
        _progress(farm) as progress,
    ):
        servers = expected.values.time_servers
        outside = outside_name or (servers[0] if servers else "")
        choice = check.Choice(
            wanted=frozenset(wanted),
            outside=outside,
            echo=None if echo is None else _service(echo),
            every_port=all_ports,
        )
        report = check.probe(expected, means, choice, report=progress)
    if as_json:
        terminal.print_json(check_view.document(report))
    else:
        console = terminal.out()
        terminal.put(console, check_view.draw(console, report, everything=verbose))
    if report.faulty or (strict and report.of(check.Verdict.UNSEEN)):
        raise Ended(Exit.ERROR)


def _service(url: str) -> tuple[str, int, str]:
    """Return host, port and path of a URL.

    Raises:
        UsageError: it is no http:// URL.
    """
    try:
        parts = urlsplit(url)
        found = (parts.hostname or "", parts.port or 80, parts.path or "/")
    except ValueError:
        parts, found = urlsplit(""), ("", 0, "")
    if parts.scheme != "http" or not found[0] or not url.isascii():
        raise click.UsageError(f"{url!r} is no http:// URL.")
    return found


@contextmanager
def _progress(farm: str) -> Iterator[Progress]:
    """Show what is being looked at, on a terminal; say once that it began elsewhere."""
    console = terminal.err()
    if not console.is_terminal or console.is_dumb_terminal:
        terminal.say(f"Probing {farm}.")
        yield lambda _what, _done, _all: None
        return
    shown: dict[str, str] = {}
    with Status(f"Probing {farm}", console=console) as status:

        def tell(what: str, done: int, of: int) -> None:
            shown[what] = f"{what} {done} of {of}"
            status.update(f"Probing {farm}: {', '.join(shown.values())}")

        yield tell
