"""The batch systems of a site's farms, each reached through its head by SSH.

Implements `daemon.Batches`. The connection to a head is kept from look to look; a head
that was made anew gets a new one.
"""

import threading
from typing import TYPE_CHECKING

from farmctl.clock import SystemClock
from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from farmctl.assembly.guests import SiteGuests
    from farmctl.batch import BatchSystem
    from farmctl.model.guests import Guest
    from farmctl.spec import Farm
    from farmctl.ssh import OpenSsh

PATIENCE = 45.0
"""Seconds for one look: a program of Slurm's tries for 30 s to reach its server."""


class SiteBatches:
    """The way to all batch systems of one site."""

    def __init__(self, way: "SiteGuests") -> None:
        self._way = way
        self._guard = threading.Lock()
        self._open: dict[str, tuple[tuple[Guest, ...], OpenSsh, BatchSystem]] = {}

    def of(self, farm: "Farm", guests: "Sequence[Guest]") -> "BatchSystem":
        """Return a farm's batch system; see `daemon.Batches`."""
        head = next((each for each in guests if each.role is Role.HEAD), None)
        if head is None:
            raise NotPossibleError("The head, which has the queue, does not run.")
        routers = [each for each in guests if each.role is Role.ROUTER]
        needed = (*routers, head)
        with self._guard:
            known = self._open.get(farm.name)
        if known is not None and known[0] == needed:
            return known[2]
        if known is not None:
            known[1].close()
        make = _maker(farm)
        shell = self._way.shell(farm.name, needed)
        batch = make(shell, head)
        with self._guard:
            self._open[farm.name] = (needed, shell, batch)
        return batch

    def close(self) -> None:
        """Give all connections back."""
        with self._guard:
            known = list(self._open.values())
            self._open.clear()
        for _, shell, _batch in known:
            shell.close()


def _maker(farm: "Farm") -> "Callable[[OpenSsh, Guest], BatchSystem]":
    """Return what makes the batch system that the farm's file names."""
    from farmctl.batch.commands import OnGuest  # noqa: PLC0415 - when needed
    from farmctl.batch.slurm import Slurm  # noqa: PLC0415 - likewise

    if farm.batch != "slurm":
        raise NotPossibleError(f"farmctl serve cannot follow a {farm.batch} queue yet.")

    def slurm(shell: "OpenSsh", head: "Guest") -> "BatchSystem":
        commands = OnGuest(shell=shell, guest=head)
        return Slurm(commands, now=SystemClock().now, timeout=PATIENCE)

    return slurm
