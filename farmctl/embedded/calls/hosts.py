"""Hosts: registering, enabling, disabling, monitoring."""

from farmctl.embedded import monitoring, render_host
from farmctl.embedded.attributes import Attributes
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, pool_xml, register
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Host
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.refusal import ALLOCATE, Refusal, wrong_state
from farmctl.embedded.states import HostState


def _draw(cloud: Cloud, item: Host) -> str:
    drawn = cloud.pools.hosts.xml(
        item, "hardware", lambda host: render_host.host(cloud, host)
    )
    return render_host.with_monitoring(cloud, item, drawn)


KIND = Kind(
    entity=Host,
    prefix="host",
    draw=_draw,
    changes=Right.ADMIN,
    taken="HOST",
    by_owner=False,
    cached=False,
)
register(KIND, "info update rename")


@method("one.host.allocate", "sss|i")
def allocate(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    name: str,
    im_mad: str,
    vm_mad: str,
    cluster_id: int = -1,
) -> Answer:
    """Register a host; it shows MONITORED when it was looked at."""
    cluster = cloud.pools.clusters.get(max(cluster_id, 0))
    inquiry = Inquiry(cloud.pools, caller).creates(Host)
    inquiry.needs(Right.ADMIN, cluster).decide()
    try:
        free_name(cloud, KIND, name, 0)
    except Refusal as error:
        raise Refusal(
            ALLOCATE, f"Error allocating a new host. {error.message}"
        ) from None
    host = Host(
        id=cloud.pools.new_id(Host),
        name=name,
        im_mad=im_mad,
        vm_mad=vm_mad,
        cluster_id=cluster.id,
        created=cloud.timeline.now(),
    )
    host.template.merge(described(host))
    cloud.pools.add(host)
    monitoring.arm_new(cloud, host)
    return host.id


@method("one.host.delete", "i")
def delete(cloud: Cloud, caller: Caller, host_id: int) -> Answer:
    """Delete a host without VMs."""
    host = cloud.pools.hosts.get(host_id)
    require(cloud.pools, caller, Right.ADMIN, host)
    if host.vms:
        raise wrong_state("Cannot delete host. Can not remove a host with running VMs")
    cloud.pools.remove(host)
    return host_id


@method("one.host.status", "ii")
def status(cloud: Cloud, caller: Caller, host_id: int, wanted: int) -> Answer:
    """Enable a host (0), disable it (1) or take it offline (2); its VMs stay."""
    host = cloud.pools.hosts.get(host_id)
    require(cloud.pools, caller, Right.ADMIN, host)
    match wanted:
        case 0:
            host.state = HostState.INIT
            monitoring.arm_new(cloud, host)
        case 1:
            host.state = HostState.DISABLED
        case 2:
            host.state = HostState.OFFLINE
        case _:
            raise wrong_state("Wrong status code")
    cloud.pools.touch(host)
    return host_id


@method("one.host.monitoring", "i")
def series(cloud: Cloud, caller: Caller, host_id: int) -> Answer:
    """Show the last figures of a host."""
    host = cloud.pools.hosts.get(host_id)
    require(cloud.pools, caller, Right.USE, host, past_lock=True)
    return _data(cloud, [host], 12)


@method("one.hostpool.monitoring", "|i")
def pool_series(cloud: Cloud, caller: Caller, seconds: int = -1) -> Answer:
    """Show the last figures of all hosts, of so many seconds; 0: the last."""
    hosts = select(cloud.pools, caller, cloud.pools.hosts, -2, -1, -1)[::-1]
    interval = max(cloud.timings.monitor, 1.0)
    count = 12 if seconds < 0 else max(1, min(12, int(seconds / interval)))
    return _data(cloud, hosts, count)


@method("one.hostpool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show hosts, newest first."""
    found = select(cloud.pools, caller, cloud.pools.hosts, -2, -1, -1)
    return pool_xml(cloud, KIND, found)


def described(host: Host) -> Attributes:
    """Return what the monitor says of a host's kind."""
    return Attributes(
        {
            "ARCH": ["x86_64"],
            "CPUSPEED": ["3200"],
            "HOSTNAME": [host.name],
            "HYPERVISOR": [host.vm_mad],
            "KVM_CPU_FEATURES": ["vmx,acpi,ss,ht,pdcm,xsaveopt,arat,invtsc"],
            "KVM_CPU_MODELS": ["qemu64 kvm64 Nehalem Haswell Skylake-Server EPYC"],
            "MODELNAME": ["Dummy(R) Core @ 3.2GHz"],
            "RESERVED_CPU": [""],
            "RESERVED_MEM": [""],
        }
    )


def _data(cloud: Cloud, hosts: list[Host], count: int) -> str:
    inner = "".join(
        f"<MONITORING>{figures}</MONITORING>"
        for host in hosts
        for figures in monitoring.host_series(cloud, host, count)
    )
    return f"<MONITORING_DATA>{inner}</MONITORING_DATA>"
