"""`farmctl cloud`: the embedded OpenNebula on this machine."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import click

from farmctl.assembly import carried
from farmctl.cli import asking, documents, terminal
from farmctl.cli.options import json_option
from farmctl.cli.text import counted
from farmctl.embedded import process
from farmctl.errors import NotPossibleError

if TYPE_CHECKING:
    from farmctl.embedded.process import Running
    from farmctl.model.view import Capacity, CloudView


@click.group(
    epilog="""\b
Examples:
  farmctl cloud start
  farmctl cloud start --worker-hosts 4 --service-hosts 2
  farmctl cloud start --driver netns
  farmctl cloud enter alice-wn-head
  farmctl cloud status
  farmctl cloud reset --yes
\b
It answers OpenNebula's XML-RPC and OneGate on loopback, with hosts of both
classes, networks and images to play with. Every farmctl command uses it when
neither the site file nor $ONE_XMLRPC names another cloud.
"""
)
def command() -> None:
    """Run the embedded cloud: an OpenNebula on this machine, for trials and tests."""


@command.command(
    epilog="""\b
Examples:
  farmctl cloud start
  farmctl cloud start --worker-hosts 4 --service-hosts 2
  farmctl cloud start --driver netns --public-network 198.51.100.0/24
"""
)
@click.option(
    "--driver",
    type=click.Choice(["dummy", "netns"]),
    help="What VMs are: rows (dummy), or real nodes of this machine (netns, as root).",
)
@click.option(
    "--public-network",
    metavar="CIDR",
    help="With netns: the machine takes its second address. First start only.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="XML-RPC; 0: any.")
@click.option("--onegate-port", type=click.IntRange(0, 65535), help="OneGate; 0: any.")
@click.option("--service-hosts", type=click.IntRange(1, 1000), help="First start only.")
@click.option("--worker-hosts", type=click.IntRange(1, 1000), help="First start only.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0.01, max=1000),
    help="Seconds of its clock in one of ours.",
)
@json_option
def start(  # noqa: PLR0917  # its options, by name
    driver: "Literal['dummy', 'netns'] | None",
    public_network: str | None,
    port: int | None,
    onegate_port: int | None,
    service_hosts: int | None,
    worker_hosts: int | None,
    scale: float | None,
    *,
    as_json: bool,
) -> None:
    """Start it; one that runs already is left as it is.

    The driver, the public network and the numbers of hosts count at its first start,
    or the first after a reset. The other options are kept for later starts.
    """
    found = carried.status()
    if found is None:
        last = carried.wished(
            carried.settings(), driver=driver, public_network=public_network
        )
        wished = replace(
            last,
            port=last.port if port is None else port,
            onegate_port=last.onegate_port if onegate_port is None else onegate_port,
            service_hosts=service_hosts or last.service_hosts,
            worker_hosts=worker_hosts or last.worker_hosts,
            scale=scale or last.scale,
        )
        found = carried.start(wished, terminal.say)
        terminal.say("The embedded cloud has started.")
    else:
        if driver not in {None, carried.settings().driver}:
            raise NotPossibleError(
                f"The embedded cloud runs with driver {carried.settings().driver}.",
                hint="Forget it and all that it holds first: farmctl cloud reset.",
            )
        terminal.say("The embedded cloud runs already.")
    _show(found, as_json=as_json, command="cloud start")


@command.command(
    epilog="""\b
Examples:
  farmctl cloud status
  farmctl cloud status --json | jq -r .endpoint
"""
)
@json_option
def status(*, as_json: bool) -> None:
    """Say whether it runs, what is in it, and how other tools reach it.

    Exit status: 0 it runs, 1 it does not.
    """
    _show(carried.status(), as_json=as_json, command="cloud status")
    if carried.status() is None:
        click.get_current_context().exit(1)


@command.command(
    epilog="""\b
Examples:
  farmctl cloud stop
"""
)
@json_option
def stop(*, as_json: bool) -> None:
    """Stop it; all that it holds is there again after the next start."""
    was = process.stop()
    terminal.say(
        "The embedded cloud has stopped; what it holds is kept."
        if was
        else "The embedded cloud did not run."
    )
    if as_json:
        _show(None, as_json=True, command="cloud stop")


@command.command(
    epilog="""\b
Examples:
  farmctl cloud reset
  farmctl cloud reset --yes
"""
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option
def reset(*, yes: bool, as_json: bool) -> None:
    """Stop it and forget all that it holds."""
    asking.agreed("Forget the embedded cloud and all that is in it?", yes=yes)
    process.reset()
    terminal.say("The embedded cloud is forgotten; the next start makes a new one.")
    if as_json:
        _show(None, as_json=True, command="cloud reset")


@command.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  farmctl cloud enter alice-wn-head
  farmctl cloud enter alice-wn-001 service ssh status
  farmctl cloud enter 12 ip -br address
  farmctl cloud enter outside curl http://203.0.113.10/
  farmctl cloud enter fabric nft list ruleset
""",
)
@click.argument("node")
@click.argument("words", metavar="[CMD]...", nargs=-1, type=click.UNPROCESSED)
def enter(node: str, words: tuple[str, ...]) -> None:
    """Enter a real node, as from its console: with a command, or with a shell.

    NODE is the name or id of a VM that runs, `outside` for the host that stands for the
    rest of the world, or `fabric` for where the bridges are. Root only.
    """
    from farmctl.embedded.netns import looking  # noqa: PLC0415 - for this one only

    seen = looking.find(carried.settings().directory, node)
    line = looking.entering(seen, words)
    os.execvp(line[0], line)  # noqa: S606 - what the admin asks for


@command.command(
    epilog="""\b
Examples:
  farmctl cloud log alice-wn-head
  farmctl cloud log outside
"""
)
@click.argument("node")
def log(node: str) -> None:
    """Show what a real node has written to its console.

    NODE is the name of a VM that runs, the id of any, or `outside`.
    """
    from farmctl.embedded.netns import looking  # noqa: PLC0415 - for this one only

    text = looking.console(carried.settings().directory, node).read_text(
        "utf-8", "replace"
    )
    console = terminal.out()
    for each in text.splitlines():
        terminal.line(console, terminal.shown(console, each))


def _show(found: "Running | None", *, as_json: bool, command: str) -> None:
    view, capacity = (None, None) if found is None else _look(found)
    if as_json:
        made = documents.head(command)
        terminal.print_json(made | _document(found, view, capacity))
        return
    console = terminal.out()
    if found is None or view is None or capacity is None:
        terminal.line(console, terminal.shown(console, "It does not run."))
        terminal.say("Next: farmctl cloud start")
        return
    farms = len(view.farms)
    inside = (
        f"{counted(len(capacity.hosts), 'host')}, {counted(len(view.vms), 'VM')}, "
        f"{counted(farms, 'farm')}, {counted(len(view.images), 'image')}"
    )
    kinds = {"dummy": "dummy: VMs are rows", "netns": "netns: VMs are real nodes"}
    rows = {
        "Driver": kinds[carried.settings().driver],
        "Endpoint": found.endpoint,
        "OneGate": found.onegate,
        "Password": f"in {found.auth_file}",
        "State": str(found.auth_file.parent),
        "Process": str(found.pid),
        "Holds": inside,
    }
    for key, value in rows.items():
        line = terminal.shown(console, f"{key:<10}", style="quiet")
        terminal.line(console, line.append(value))
    console.print()
    for each in (
        "OpenNebula's own tools reach it with:",
        f"  export ONE_XMLRPC={found.endpoint}",
        f"  export ONE_AUTH={found.auth_file}",
    ):
        terminal.line(console, terminal.shown(console, each))


def _look(found: "Running") -> "tuple[CloudView, Capacity]":
    from farmctl.assembly import worlds  # noqa: PLC0415 - for what is shown only

    with worlds.opened(found.endpoint, found.auth_file) as cloud:
        return cloud.look(), cloud.capacity()


def _document(
    found: "Running | None", view: "CloudView | None", capacity: "Capacity | None"
) -> dict[str, Any]:
    return {
        "running": found is not None,
        "driver": carried.settings().driver,
        "endpoint": found.endpoint if found else None,
        "onegate": found.onegate if found else None,
        "auth_file": str(found.auth_file) if found else None,
        "directory": str(carried.settings().directory),
        "pid": found.pid if found else None,
        "hosts": len(capacity.hosts) if capacity else None,
        "vms": len(view.vms) if view else None,
        "farms": len(view.farms) if view else None,
    }
