"""The embedded cloud, as far as a world needs it: started when it is meant."""

from collections.abc import Callable
from pathlib import Path

from farmctl.errors import UnreachableError


def started(announce: Callable[[str], None]) -> tuple[str, Path]:
    """Return endpoint and one_auth of the embedded cloud; start it if it is down.

    Args:
        announce: is told when it has to be started, which takes a moment.

    Raises:
        FarmctlError: it does not start.
    """
    from farmctl.embedded import process  # noqa: PLC0415 - when it is meant only

    found = process.status()
    if found is None:
        announce("No OpenNebula is named: starting the embedded cloud.")
        found = process.start()
    return found.endpoint, found.auth_file


def running() -> tuple[str, Path]:
    """Return endpoint and one_auth of the embedded cloud as it runs.

    Raises:
        UnreachableError: it does not run; it is not started.
    """
    from farmctl.embedded import process  # noqa: PLC0415 - when it is meant only

    found = process.status()
    if found is None:
        raise UnreachableError(
            "The embedded cloud does not run.", hint="Start it: farmctl cloud start."
        )
    return found.endpoint, found.auth_file
