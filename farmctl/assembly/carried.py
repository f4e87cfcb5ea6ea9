"""The embedded cloud, as the command line needs it: found, and started when meant.

It keeps the settings that it was started with last. OpenNebula's own ports are taken
where they are free, others where something else has them (a real OpenNebula, or the
embedded cloud of another user).
"""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from farmctl.errors import NotPossibleError, UnreachableError

if TYPE_CHECKING:
    from farmctl.embedded.process import Running
    from farmctl.embedded.settings import Settings

_LOOPBACK = "127.0.0.1"


def started(announce: Callable[[str], None]) -> tuple[str, Path]:
    """Return endpoint and one_auth of the embedded cloud; start it if it is down.

    Args:
        announce: is told when it has to be started, which takes a moment.

    Raises:
        NotPossibleError: it does not start; says why.
    """
    found = status()
    if found is None:
        announce("No OpenNebula is named: starting the embedded cloud.")
        found = start(settings(), announce)
    return found.endpoint, found.auth_file


def running() -> tuple[str, Path]:
    """Return endpoint and one_auth of the embedded cloud as it runs.

    Raises:
        UnreachableError: it does not run; it is not started.
    """
    found = status()
    if found is None:
        raise UnreachableError(
            "The embedded cloud does not run.", hint="Start it: farmctl cloud start."
        )
    return found.endpoint, found.auth_file


def status() -> "Running | None":
    """Return the embedded cloud that runs for this user, None if none does."""
    from farmctl.embedded import process  # noqa: PLC0415 - when it is meant only

    return process.status()


def start(wanted: "Settings", say: Callable[[str], None]) -> "Running":
    """Start it, on other ports where the wanted ones are taken.

    Args:
        wanted: how it is set up.
        say: told of what takes long, such as building image trees; a line each.

    Raises:
        NotPossibleError: it does not start; says why.
    """
    from farmctl.embedded import process  # noqa: PLC0415 - when it is meant only

    free = wanted
    if not _free(wanted.port):
        free = replace(free, port=0)
    if not _free(wanted.onegate_port):
        free = replace(free, onegate_port=0)
    process.start(free, say=say)
    found = process.status(free)
    if found is None:
        raise UnreachableError("The embedded cloud ended as soon as it had started.")
    return found


def settings() -> "Settings":
    """Return the settings that it was started with last, else the usual ones."""
    from farmctl.embedded.settings import Settings  # noqa: PLC0415 - likewise

    usual = Settings()
    try:
        last = Settings.from_json((usual.directory / "settings.json").read_text())
    except (OSError, ValueError, TypeError, KeyError):
        return usual
    return replace(
        last,
        directory=usual.directory,
        port=last.port or usual.port,
        onegate_port=last.onegate_port or usual.onegate_port,
    )


def wished(
    last: "Settings",
    *,
    driver: "Literal['dummy', 'netns'] | None",
    public_network: str | None,
) -> "Settings":
    """Return the settings of the last start with another driver or public network.

    What its VMs are is settled at the first start: hosts, images and networks are made
    to suit.

    Raises:
        NotPossibleError: it holds something that was made otherwise.
    """
    from farmctl.embedded.settings import Settings  # noqa: PLC0415 - likewise

    driver = driver or last.driver
    network = public_network or last.public_network
    if (driver, network) == (last.driver, last.public_network):
        return last
    if last.database.exists():
        raise NotPossibleError(
            f"The embedded cloud was made with driver {last.driver} and public network "
            f"{last.public_network}, and keeps them.",
            hint="Forget it and all that it holds first: farmctl cloud reset.",
        )
    if driver == last.driver:
        return replace(last, public_network=network)
    make = Settings if driver == "dummy" else Settings.of_nodes
    return make(
        directory=last.directory,
        port=last.port,
        onegate_port=last.onegate_port,
        driver=driver,
        public_network=network,
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True
