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
    from collections.abc import Sequence

    from farmctl.assembly.guests import SiteGuests
    from farmctl.batch import BatchSystem
    from farmctl.model.guests import Guest, Shell
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
        if why := refusal(farm.batch):
            raise NotPossibleError(why)
        shell = self._way.shell(farm.name, needed)
        batch = made(farm, shell, head)
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


def refusal(kind: str | None) -> str:
    """Return why a batch system of this kind cannot be followed; nothing if it can."""
    if kind in (None, "slurm", "gridengine"):
        return ""
    return (
        "farmctl serve cannot follow HTCondor's queue: its bindings ask the collector "
        "and the schedd themselves, and neither can be reached from outside the farm."
    )


def made(farm: "Farm", shell: "Shell", head: "Guest") -> "BatchSystem":
    """Return the batch system that the farm's file names, asked on its head.

    Raises:
        NotPossibleError: it cannot be asked there.
    """
    from farmctl.batch.commands import (  # noqa: PLC0415 - when needed
        InLoginShell,
        OnGuest,
    )

    commands = OnGuest(shell=shell, guest=head)
    clock = SystemClock().now
    match farm.batch:
        case "slurm":
            from farmctl.batch.slurm import Slurm  # noqa: PLC0415 - when needed

            return Slurm(commands, now=clock, timeout=PATIENCE)
        case "gridengine":
            from farmctl.batch.gridengine import (  # noqa: PLC0415 - likewise
                GridEngine,
            )

            return GridEngine(InLoginShell(commands), now=clock, timeout=PATIENCE)
        case _:
            raise NotPossibleError(refusal(farm.batch))
