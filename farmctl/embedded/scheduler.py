"""The scheduler: places pending VMs, as OpenNebula's `rank` does by default.

A cycle takes the VMs in the order of their ids, matches hosts and system datastores
against their requirements and their owners' rights, and prefers the host with the
fewest VMs. It dispatches so many VMs, and so many to one host, at most. While nothing
changes there is nothing to find out, so an idle cloud has no cycles.
"""

from functools import lru_cache

from farmctl.embedded import actions, capacity
from farmctl.embedded.calls.machines import can_hold, new_record, right_for
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Datastore, Entity, Host
from farmctl.embedded.machine import Actor, Machine
from farmctl.embedded.permissions import Caller, Right, allows
from farmctl.embedded.states import HostState
from farmctl.model import requirements

_SYSTEM = 1
_NOWHERE = "Cannot dispatch VM to any Host. Check VM log for detailed reasons."
_parse = lru_cache(maxsize=1024)(requirements.parse)


class Scheduler:
    """The scheduler of one cloud; `poke` says that there may be work."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._armed = False
        self._seen = -1
        cloud.poke_scheduler = self.poke

    def poke(self) -> None:
        """Have a cycle run after the interval, if something has changed."""
        cloud = self._cloud
        if self._armed or cloud.pools.version == self._seen:
            return
        self._armed = True
        cloud.later(cloud.timeline.now() + cloud.scheduler_interval, self._run)

    def _run(self) -> None:
        self._armed = False
        cloud = self._cloud
        cycle = _Cycle(cloud)
        cycle.run()
        # The cycle's own transaction is one change more; what follows is news.
        cloud.commit()
        self._seen = -1 if cycle.more else cloud.pools.version


class _Cycle:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._left = cloud.settings.scheduler_max_dispatch
        self._placed: dict[int, int] = {}
        self._shown: dict[int, dict[str, str]] = {}
        self._number = 0
        self.more = False

    def run(self) -> None:
        pools = self._cloud.pools
        hosts = [h for h in pools.hosts if h.state is HostState.MONITORED]
        stores = [d for d in pools.datastores if d.ds_type == _SYSTEM and d.state == 0]
        for vm_id in sorted(pools.waiting):
            vm = pools.live.get(vm_id)
            if vm is None:
                continue
            if self._left <= 0:
                self.more = True
                return
            if not hosts:
                self._say(vm, "Cannot dispatch VM: No hosts enabled to run VMs")
            elif not stores:
                self._say(
                    vm,
                    "Cannot dispatch VM: No system datastores found to run VMs",
                )
            else:
                self._place(vm, hosts, stores)

    def _place(self, vm: Machine, hosts: list[Host], stores: list[Datastore]) -> None:
        operation = "migrate" if vm.resched else "deploy"
        if vm.lock is not None and vm.lock.level <= right_for(operation):
            return
        owner = self._owner(vm)
        if owner is None:
            return
        fitting, complaint = self._matching(vm, owner, hosts)
        if complaint:
            self._say(vm, f"Cannot dispatch VM: {complaint}")
            return
        places, complaint = self._stores(vm, owner, stores)
        if complaint:
            self._say(vm, f"Cannot dispatch VM: {complaint}")
            return
        cpu, memory = capacity.hundredths(vm), vm.memory() * 1024
        full = True
        for host in sorted(fitting, key=lambda h: self._rank(vm, h)):
            if capacity.lacks(host, cpu, memory):
                continue
            store = next((s for s in places if host.cluster_id in s.cluster_ids), None)
            if store is None:
                continue
            full = False
            if self._placed.get(host.id, 0) >= self._cloud.settings.scheduler_max_host:
                continue
            self._dispatch(vm, host, store)
            return
        if full:
            self._say(vm, _NOWHERE)
        else:
            self.more = True

    def _dispatch(self, vm: Machine, host: Host, store: Datastore) -> None:
        self._placed[host.id] = self._placed.get(host.id, 0) + 1
        self._left -= 1
        record = new_record(vm, host, store, plan_id=-1, action_id=self._number)
        self._number += 1
        if vm.resched:
            actions.migrate(self._cloud, vm, record, Actor(), live=False)
        else:
            actions.place(self._cloud, vm, record)

    def _owner(self, vm: Machine) -> Caller | None:
        user = self._cloud.pools.users.find(vm.uid)
        if vm.uid == 0 or vm.gid == 0:
            return Caller(uid=0, gid=0, uname="", gname="", groups=frozenset({0}))
        if user is None:
            return None
        return Caller(
            uid=user.id,
            gid=user.gid,
            uname=user.name,
            gname=user.gname,
            groups=frozenset(user.groups),
        )

    def _matching(
        self, vm: Machine, owner: Caller, hosts: list[Host]
    ) -> tuple[list[Host], str]:
        text = _joined(
            vm.template.text("AUTOMATIC_REQUIREMENTS"),
            vm.user_template.text("SCHED_REQUIREMENTS"),
        )
        try:
            wanted = _parse(text)
        except ValueError as error:
            return [], f"Error in SCHED_REQUIREMENTS: '{text}', error: {error}"
        current = vm.record().hid if vm.resched and vm.history else -1
        allowed = [
            h for h in hosts if h.id != current and self._may(owner, Right.MANAGE, h)
        ]
        if not allowed:
            return [], "User is not authorized to use any host"
        found = [h for h in allowed if wanted.matches(self._attributes(h))]
        return found, "" if found else "No host meets SCHED_REQUIREMENTS"

    def _stores(
        self, vm: Machine, owner: Caller, stores: list[Datastore]
    ) -> tuple[list[Datastore], str]:
        if vm.resched and vm.history:
            return [s for s in stores if s.id == vm.record().ds_id], ""
        text = _joined(
            vm.template.text("AUTOMATIC_DS_REQUIREMENTS"),
            vm.user_template.text("SCHED_DS_REQUIREMENTS"),
        )
        try:
            wanted = _parse(text)
        except ValueError as error:
            return [], f"Error in SCHED_DS_REQUIREMENTS: '{text}', error: {error}"
        allowed = [s for s in stores if self._may(owner, Right.USE, s)]
        if not allowed:
            return [], "User is not authorized to use any system datastore"
        found = [
            s
            for s in allowed
            if can_hold(s, vm) and wanted.matches(_store_attributes(s))
        ]
        return found, "" if found else "No system datastore meets SCHED_DS_REQUIREMENTS"

    def _may(self, owner: Caller, right: Right, item: Entity) -> bool:
        return allows(self._cloud.pools, owner, right, item)

    def _attributes(self, host: Host) -> dict[str, str]:
        shown = self._shown.get(host.id)
        if shown is None:
            shown = self._shown[host.id] = self._describe(host)
        return shown

    def _describe(self, host: Host) -> dict[str, str]:
        cluster = self._cloud.pools.clusters.find(host.cluster_id)
        shown: dict[str, str] = {}
        for source in (cluster, host):
            if source is not None:
                names = source.template.values
                shown.update({n: source.template.text(n) for n in names})
        shown.update(
            ID=str(host.id),
            NAME=host.name,
            STATE=str(int(host.state)),
            CLUSTER_ID=str(host.cluster_id),
            CLUSTER=cluster.name if cluster is not None else "",
            HYPERVISOR=host.vm_mad,
            VM_MAD=host.vm_mad,
            IM_MAD=host.im_mad,
            TOTALCPU=str(host.total_cpu),
            TOTALMEMORY=str(host.total_memory),
            MAX_CPU=str(host.total_cpu),
            MAX_MEM=str(host.total_memory),
            FREE_CPU=str(host.total_cpu - host.cpu_usage),
            FREE_MEMORY=str(host.total_memory - host.memory_usage),
            RUNNING_VMS=str(len(host.vms)),
        )
        return shown

    def _rank(self, vm: Machine, host: Host) -> tuple[float, int, int, int]:
        text = vm.user_template.text("SCHED_RANK").replace(" ", "")
        sign = 1.0 if text.startswith("-") else -1.0
        shown = self._attributes(host).get(text.removeprefix("-"), "")
        try:
            rank = sign * float(shown)
        except ValueError:
            rank = 0.0
        return (rank, len(host.vms), host.cpu_usage, -host.id)

    def _say(self, vm: Machine, message: str) -> None:
        shown = vm.user_template.text("SCHED_MESSAGE")
        if shown.endswith(f": {message}"):
            return
        vm.user_template.put("SCHED_MESSAGE", self._cloud.stamp(message))
        self._cloud.pools.touch(vm)


def _joined(automatic: str, wanted: str) -> str:
    if automatic and wanted:
        return f"{automatic} & ( {wanted} )"
    return automatic or wanted


def _store_attributes(store: Datastore) -> dict[str, str | list[str]]:
    shown: dict[str, str | list[str]] = {
        name: store.template.text(name) for name in store.template.values
    }
    shown.update(
        {
            "ID": str(store.id),
            "NAME": store.name,
            "TM_MAD": store.tm_mad,
            "DS_MAD": store.ds_mad,
            "FREE_MB": str(store.total_mb * 19 // 20),
            "CLUSTERS/ID": [str(c) for c in store.cluster_ids],
        }
    )
    return shown
