"""Where the nodes of one run go: free room, read once and kept up to date.

`plan.placement` chooses; this remembers what has been given away meanwhile, which
hypervisors refused, and which failed too often. Where farmctl may not deploy (no ADMIN
right, or the site says so), `direct` is false and OpenNebula's scheduler chooses.
"""

import threading

from farmctl.errors import NotPossibleError
from farmctl.model.steps import NodeSpec
from farmctl.plan.placement import Place, Placer
from farmctl.reconcile.breaker import Breaker
from farmctl.reconcile.run import Run


class Places:
    """The room that is left; asked from several threads."""

    def __init__(self, run: Run, breaker: Breaker) -> None:
        self.direct = _direct(run)
        self._run = run
        self._breaker = breaker
        self._guard = threading.Lock()
        self._placer: Placer | None = None
        self._names: dict[int, str] = {}

    def take(self, spec: NodeSpec, *, avoid: frozenset[str]) -> Place:
        """Choose a hypervisor for a node and take its room.

        Raises:
            NotPossibleError: no hypervisor that may be used has room.
        """
        with self._guard:
            if self._placer is None:
                self._placer = self._read()
            bad = {self._names.get(each, "") for each in self._breaker.bad_hosts()}
            found = self._placer.take(spec, avoid=avoid | bad)
        if isinstance(found, Place):
            return found
        raise NotPossibleError(
            f"{found[:1].upper()}{found[1:]}.",
            hint="Its VM waits on hold: the next apply deploys it where there is room.",
        )

    def full(self, place: Place, spec: NodeSpec) -> None:
        """Take note that a hypervisor refused a node: others have filled it."""
        with self._guard:
            assert self._placer is not None
            self._placer.give_back(place, spec)
            self._placer.full(place.host_id)

    def _read(self) -> Placer:
        capacity = self._run.view.capacity or self._run.world.reads.capacity()
        self._names = {host.id: host.name for host in capacity.hosts}
        return Placer(capacity, self._run.view.farm(self._run.farm).vms)


def _direct(run: Run) -> bool:
    match run.world.site.placement:
        case "direct":
            return True
        case "scheduler":
            return False
        case "auto":
            return run.view.user.admin
