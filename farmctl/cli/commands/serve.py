"""`farmctl serve`: keep the farms as large as their work needs, until stopped."""

import asyncio
import logging
import os
import signal
import sys

import click

from farmctl.assembly import sites
from farmctl.cli import terminal
from farmctl.cli.options import Duration, complete_file, site_file, site_option
from farmctl.daemon import (
    Daemon,
    Meters,
    Settings,
    log_as_json,
    spare_what_stays,
)
from farmctl.elastic.evidence import Care
from farmctl.errors import NotPossibleError

_POLL = 5.0
"""Seconds between looks at a real site; shorter is for clouds that boot in seconds."""

_APART, _QUICK = 8.0, 0.8
"""Seconds, or polls where these are quick, that two looks which agree are apart."""

_RESTART = 30
"""For so many quick polls a batch system that has restarted is no witness."""

_LAST_PORT = 65535


def _address(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """Read an address and a port; of a port alone, loopback's."""
    if value is None:
        return None
    address, _, port = value.rpartition(":")
    address = address or "127.0.0.1"
    if not port.isdigit() or int(port) > _LAST_PORT:
        raise click.BadParameter(
            f"{value!r} is no port, nor an address and a port, such as 127.0.0.1:9750."
        )
    return address.strip("[]"), int(port)


def _care(poll: float) -> Care:
    if poll >= _POLL:
        return Care(apart=_APART)
    return Care(apart=poll * _QUICK, restart=poll * _RESTART)


@click.command(
    epilog="""\b
Examples:
  farmctl serve
  farmctl serve alice-wn.yaml taf.yaml --metrics 127.0.0.1:9750
  farmctl serve --once
"""
)
@click.argument(
    "files", metavar="[FARM.yaml]...", nargs=-1, shell_complete=complete_file
)
@click.option(
    "--poll",
    type=Duration(),
    default=_POLL,
    metavar="DURATION",
    help="Time between two looks at the cloud and the queues.  [default: 5s]",
)
@click.option(
    "--metrics",
    callback=_address,
    metavar="[ADDRESS:]PORT",
    help="Serve Prometheus metrics there, under /metrics, to whoever reaches it; "
    "without an address on this machine alone.",
)
@click.option(
    "--first-boot",
    type=Duration(),
    default=300.0,
    metavar="DURATION",
    help="How long a boot is taken to last until a farm's nodes have shown it."
    "  [default: 5m]",
)
@click.option("--once", is_flag=True, help="One round for each farm, and no more.")
@click.option("--verbose", "-v", is_flag=True, help="Log what is not done, too.")
@site_option
def command(
    files: tuple[str, ...],
    poll: float,
    metrics: tuple[str, int] | None,
    first_boot: float,
    own_site: str | None,
    *,
    once: bool,
    verbose: bool,
) -> None:
    """Keep all farms of the site as large as their work needs, until stopped.

    Starts nodes when work waits, drains and ends them when they are worth less than
    they cost, replaces sick ones, and applies the farm files given here when they
    change. Farms without a file are kept as they were applied last. A node goes only
    when it is drained and empty and two looks say so.

    Several daemons share the farms of a site. Killed anywhere, the next one goes on
    from what the cloud shows. The log goes to standard error, one JSON object a line.

    Exit status: 0 stopped by SIGTERM or Ctrl-C, 1 error, 2 usage or a mistake in a
    file.
    """
    from farmctl.assembly import serving  # noqa: PLC0415 - when needed

    site = sites.load(site_file(own_site), os.environ)
    care = _care(poll)
    settings = Settings(poll=poll, boot=first_boot, care=care)
    log_as_json(sys.stderr, level=logging.DEBUG if verbose else logging.INFO)
    meters = Meters()
    if metrics is not None:
        _serve(meters, *metrics)
    with serving.daemon(site, files, settings, meters, announce=terminal.say) as daemon:
        spare_what_stays()
        asyncio.run(_until_stopped(daemon, once=once))


def _serve(meters: Meters, address: str, port: int) -> None:
    try:
        meters.serve(address, port)
    except OSError as error:
        raise NotPossibleError(
            f"Metrics cannot be served at {address}:{port}: {error.strerror or error}.",
            hint="Name another port, or end who has it: ss -ltnp",
        ) from error


async def _until_stopped(daemon: Daemon, *, once: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run(once=once)
