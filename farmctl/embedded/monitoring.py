"""What OpenNebula's monitor sees: figures of hosts and VMs, and hosts that are gone.

Figures are not stored: they follow from the clock, so that two looks within one
interval see the same and 10,000 VMs cost nothing while nobody looks.
"""

import zlib

from farmctl.embedded.attributes import Attributes, Vector
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Host
from farmctl.embedded.machine import Machine
from farmctl.embedded.states import HostState, Lcm, State
from farmctl.embedded.teardown import powered_off

_KEPT = 12


def last_of_machine(cloud: Cloud, vm: Machine) -> Vector:
    """Return the last figures of a VM, nothing where it was never looked at."""
    series = machine_series(cloud, vm, 1)
    return series[-1] if series else {}


def machine_series(cloud: Cloud, vm: Machine, count: int = _KEPT) -> list[Vector]:
    """Return the last figures of a VM, oldest first."""
    if not vm.history or not vm.record().rstime:
        return []
    interval = cloud.timings.monitor
    first = min(r.rstime for r in vm.history if r.rstime)
    until = vm.record().retime or cloud.timeline.now()
    looks = int((until - first) / interval) if interval > 0 else 0
    return [
        _figures(vm, int(first + look * interval))
        for look in range(max(1, looks - count + 1), looks + 1)
    ]


def last_of_host(cloud: Cloud, host: Host) -> str | None:
    """Return the last figures of a host as XML, None where there are none."""
    series = host_series(cloud, host, 1)
    return series[-1] if series else None


def host_series(cloud: Cloud, host: Host, count: int = _KEPT) -> list[str]:
    """Return the last figures of a host as XML, oldest first."""
    if host.dead or host.state in (HostState.INIT, HostState.ERROR):
        return []
    interval = max(cloud.timings.monitor, 1.0)
    now = cloud.timeline.now()
    last = int(now - (now - host.created) % interval)
    stamps = [int(last - interval * back) for back in range(count)][::-1]
    return [_host_figures(host, stamp) for stamp in stamps if stamp >= host.created]


def kill(cloud: Cloud, host: Host) -> None:
    """Have a host die: OpenNebula notices at its next look."""
    host.dead = True
    cloud.driver_of(host).host_died(host.id)
    cloud.pools.touch(host)
    _arm(cloud, host)


def revive(cloud: Cloud, host: Host, *, guests: str) -> None:
    """Have a host come back, its guests running on or powered off.

    Nodes that are real have died with it.
    """
    host.dead = False
    host.guests = guests if cloud.driver_of(host).foresees else "poweroff"
    cloud.pools.touch(host)
    _arm(cloud, host)


def look(cloud: Cloud, host: Host) -> None:
    """Look at a host: what state is it in, and its VMs with it?"""
    guests, host.guests = host.guests, ""
    lost = host.dead
    if lost and host.state in (HostState.MONITORED, HostState.INIT):
        host.state = HostState.ERROR
    elif not lost and host.state in (HostState.ERROR, HostState.INIT):
        host.state = HostState.MONITORED
    cloud.pools.touch(host)
    for vm in cloud.pools.machines_on(host):
        if vm.state is not State.ACTIVE or vm.record().hid != host.id:
            continue
        if lost and vm.lcm is Lcm.RUNNING:
            vm.lcm = Lcm.UNKNOWN
            vm.resched = False
        elif not lost and vm.lcm is Lcm.UNKNOWN:
            vm.lcm = Lcm.RUNNING
            if guests == "poweroff":
                powered_off(cloud, vm)
        cloud.pools.touch(vm)


def arm_new(cloud: Cloud, host: Host) -> None:
    """Have a new host looked at soon."""
    host_id = host.id
    cloud.later(cloud.timeline.now() + 0.1, lambda: _look_at(cloud, host_id))


def _arm(cloud: Cloud, host: Host) -> None:
    host_id = host.id
    due = cloud.timeline.now() + cloud.timings.monitor
    cloud.later(due, lambda: _look_at(cloud, host_id))


def _look_at(cloud: Cloud, host_id: int) -> None:
    host = cloud.pools.hosts.find(host_id)
    if host is not None:
        look(cloud, host)


def _noise(*parts: object) -> int:
    return zlib.crc32(":".join(map(str, parts)).encode())


def _figures(vm: Machine, stamp: int) -> Vector:
    draw = _noise(vm.id, stamp)
    return {
        "CPU": str(draw % 100),
        "DISKRDBYTES": str(draw % 983),
        "DISKRDIOPS": str(draw % 971),
        "DISKWRBYTES": str(draw % 967),
        "DISKWRIOPS": str(draw % 953),
        "ID": str(vm.id),
        "MEMORY": str(vm.memory() * 1024 * (60 + draw % 40) // 100),
        "NETRX": str(draw % 5000),
        "NETTX": str(draw % 4999),
        "TIMESTAMP": str(stamp),
    }


def _host_figures(host: Host, stamp: int) -> str:
    draw = _noise("host", host.id, stamp)
    used_cpu = min(host.cpu_usage * (50 + draw % 50) // 100, host.total_cpu)
    used = min(host.memory_usage, host.total_memory)
    shown = (
        f"<TIMESTAMP>{stamp}</TIMESTAMP><ID>{host.id}</ID>"
        + Attributes(
            {
                "FREE_CPU": [str(host.total_cpu - used_cpu)],
                "FREE_MEMORY": [str(host.total_memory - used)],
                "USED_CPU": [str(used_cpu)],
                "USED_MEMORY": [str(used)],
            }
        ).xml("CAPACITY")
        + Attributes({"NETRX": [str(draw * 7)], "NETTX": [str(draw * 5)]}).xml("SYSTEM")
    )
    node = Attributes(
        {
            "HUGEPAGE": [{"FREE": "0", "SIZE": "2048"}],
            "MEMORY": [{"FREE": str(host.total_memory - used), "USED": str(used)}],
            "NODE_ID": ["0"],
        }
    )
    return shown + node.xml("NUMA_NODE")
