"""Where the nodes of one run go: free room, read once and kept up to date.

`plan.placement` chooses; this remembers what has been given away meanwhile, which
hypervisors refused, and which failed too often. Where farmctl may not deploy (no ADMIN
right, or the site says so), `direct` is false and OpenNebula's scheduler chooses.
"""

import threading
from dataclasses import dataclass, replace

from farmctl.errors import NotPossibleError
from farmctl.model import requirements
from farmctl.model.steps import NodeSpec
from farmctl.model.view import Capacity, Host
from farmctl.reconcile.breaker import Breaker
from farmctl.reconcile.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A hypervisor and the datastore for the node's disks there."""

    host_id: int
    host: str
    datastore_id: int


class Places:
    """The room that is left; asked from several threads."""

    def __init__(self, run: Run, breaker: Breaker) -> None:
        self._run = run
        self._breaker = breaker
        self._guard = threading.Lock()
        self._capacity: Capacity | None = run.view.capacity
        self.direct = _direct(run)

    def take(self, spec: NodeSpec, *, avoid: frozenset[str]) -> Spot:
        """Choose a hypervisor for a node and take its room.

        Raises:
            NotPossibleError: no hypervisor that may be used has room.
        """
        with self._guard:
            if self._capacity is None:
                self._capacity = self._run.world.cloud.capacity()
            bad = self._breaker.bad_hosts()
            wanted = requirements.parse(spec.placement.requires)
            hosts = [
                host
                for host in self._capacity.hosts
                if host.usable
                and host.name not in avoid
                and host.id not in bad
                and host.free_cpus >= spec.cpus
                and host.free_memory_mib >= spec.memory_mib
                and wanted.matches(host.attributes)
            ]
            stores = [
                each
                for each in self._capacity.datastores
                if each.system and each.name == spec.placement.datastore
            ]
            if not hosts or not stores:
                raise NotPossibleError(f"No hypervisor has room for {spec.name}.")
            best = max(hosts, key=lambda host: host.free_cpus)
            self._replace(
                replace(
                    best,
                    free_cpus=best.free_cpus - spec.cpus,
                    free_memory_mib=best.free_memory_mib - spec.memory_mib,
                )
            )
            return Spot(host_id=best.id, host=best.name, datastore_id=stores[0].id)

    def full(self, spot: Spot) -> None:
        """Take note that a hypervisor refused a node: others have filled it."""

    def _replace(self, host: Host) -> None:
        assert self._capacity is not None
        self._capacity = replace(
            self._capacity,
            hosts=tuple(
                host if each.id == host.id else each for each in self._capacity.hosts
            ),
        )


def _direct(run: Run) -> bool:
    match run.world.site.placement:
        case "direct":
            return True
        case "scheduler":
            return False
        case "auto":
            return run.view.user.admin
