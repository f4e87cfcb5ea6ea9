"""What VMs take of hosts, and what running ones take of quotas."""

from farmctl.embedded.cloud import Cloud, sorted_with, sorted_without
from farmctl.embedded.entities import Host
from farmctl.embedded.machine import Machine
from farmctl.embedded.quotas import account, charge, running_usage


def hundredths(vm: Machine) -> int:
    """Return the VM's CPU in hundredths of a core."""
    return round(vm.cpu() * 100)


def take(cloud: Cloud, vm: Machine, host_id: int) -> None:
    """Count the VM on a host."""
    host = cloud.pools.hosts.find(host_id)
    if host is None or vm.id in host.vms:
        return
    host.vms = sorted_with(host.vms, vm.id)
    host.cpu_usage += hundredths(vm)
    host.memory_usage += vm.memory() * 1024
    cloud.pools.touch(host)


def give_back(cloud: Cloud, vm: Machine, host_id: int) -> None:
    """Count the VM off a host."""
    host = cloud.pools.hosts.find(host_id)
    if host is None or vm.id not in host.vms:
        return
    host.vms = sorted_without(host.vms, vm.id)
    host.cpu_usage -= hundredths(vm)
    host.memory_usage -= vm.memory() * 1024
    cloud.pools.touch(host)


def lacks(host: Host, cpu: int, memory: int) -> str:
    """Say what the host lacks, "" if it fits; CPU in hundredths, memory in KiB."""
    total_cpu = 0 if host.blank() else host.total_cpu
    total_memory = 0 if host.blank() else host.total_memory
    if total_cpu - host.cpu_usage < cpu:
        return f"Not enough CPU: {cpu}/{total_cpu - host.cpu_usage}"
    if total_memory - host.memory_usage < memory:
        return f"Not enough memory: {memory}/{total_memory - host.memory_usage}"
    return ""


def count_running(cloud: Cloud, vm: Machine, *, running: bool) -> None:
    """Have RUNNING quotas count the VM, or not, without asking."""
    if vm.counted_running == running:
        return
    vm.counted_running = running
    sign = 1 if running else -1
    account(cloud.pools, vm.uid, vm.gid, [running_usage(vm)], sign=sign)


def charge_running(cloud: Cloud, vm: Machine) -> None:
    """Have RUNNING quotas count the VM again, if they allow it.

    Raises:
        Refusal: a limit would be exceeded (512).
    """
    if vm.counted_running:
        return
    charge(cloud.pools, vm.uid, vm.gid, [running_usage(vm)])
    vm.counted_running = True
