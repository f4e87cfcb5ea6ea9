"""Steps of VMs: handing one to the driver, and noticing its end.

Between two steps a VM waits in a transient state with a `Task`. Whatever ends the
task — its time, the driver's report, an operator's recover — comes out in `finish`,
which hands on to what `lifecycle` registered. Injected faults and dead hosts strike
here, so that no driver has to know about them.
"""

from collections.abc import Callable

from farmctl.embedded.cloud import Cloud
from farmctl.embedded.driver import Driver, Job, Report
from farmctl.embedded.entities import Host
from farmctl.embedded.faults import FaultRule
from farmctl.embedded.machine import Machine, Task
from farmctl.embedded.states import Lcm, State

# What users call the step that runs in a state, for faults that name it so.
_CALLED = {
    Lcm.BOOT: "deploy",
    Lcm.BOOT_UNDEPLOY: "deploy",
    Lcm.BOOT_STOPPED: "deploy",
    Lcm.BOOT_POWEROFF: "resume",
    Lcm.BOOT_SUSPENDED: "resume",
    Lcm.BOOT_UNKNOWN: "resume",
    Lcm.SHUTDOWN: "terminate",
    Lcm.SHUTDOWN_POWEROFF: "poweroff",
    Lcm.SHUTDOWN_UNDEPLOY: "undeploy",
    Lcm.SAVE_STOP: "stop",
    Lcm.SAVE_SUSPEND: "suspend",
    Lcm.SAVE_MIGRATE: "migrate",
    Lcm.PROLOG_MIGRATE: "migrate",
    Lcm.BOOT_MIGRATE: "migrate",
    Lcm.MIGRATE: "migrate",
    Lcm.HOTPLUG_NIC: "attachnic",
    Lcm.HOTPLUG_NIC_POWEROFF: "attachnic",
    Lcm.HOTPLUG_RESIZE: "resize",
}
Ended = Callable[[Cloud, Machine, Task, str], None]


class Steps:
    """What happens when a task ends; one function, registered by `lifecycle`."""

    ended: Ended


def begin(
    cloud: Cloud, vm: Machine, step: str, detail: dict[str, str] | None = None
) -> None:
    """Hand a step to the driver of the VM's host; the state is set already."""
    drop(cloud, vm)
    vm.task_count += 1
    host = host_of(cloud, vm)
    task = Task(step=step, number=vm.task_count, detail=detail or {})
    vm.task = task
    called = _CALLED.get(vm.lcm, step)
    name = host.name if host is not None else ""
    images = tuple(d["IMAGE"] for d in vm.disks() if "IMAGE" in d)
    fault = cloud.faults.strike(
        (step, called),
        effects=("fail", "hang", "slow"),
        host=name,
        images=images,
        name=vm.name,
    )
    cloud.pools.touch(vm)
    job = Job(machine=vm, step=step, host=name, number=task.number)

    def report(vm_id: int, number: int, error: str) -> None:
        cloud.later(cloud.timeline.now(), lambda: _end(cloud, vm_id, number, error))

    driver = cloud.driver_of(host)
    if fault is not None and not driver.foresees:
        _strike(cloud, vm, driver, job, report, fault, called)
        return
    outcome = driver.begin(job, report)
    if fault is not None and fault.effect == "hang":
        return
    if outcome is None:
        return
    seconds = outcome.seconds
    task.error = outcome.error
    if fault is not None:
        seconds += fault.seconds
        if fault.effect == "fail":
            task.error = fault.message or f"{called}: injected failure"
    task.due = cloud.timeline.now() + seconds
    arm(cloud, vm)


def _strike(  # noqa: PLR0917  # what `begin` has at hand
    cloud: Cloud,
    vm: Machine,
    driver: Driver,
    job: Job,
    report: Report,
    fault: FaultRule,
    called: str,
) -> None:
    """Have a step of real work hang, fail before it begins, or begin later."""
    match fault.effect:
        case "hang":
            return
        case "fail":
            error = fault.message or f"{called}: injected failure"
            due = cloud.timeline.now() + fault.seconds
            cloud.later(due, lambda: _end(cloud, vm.id, job.number, error))
        case _:
            due = cloud.timeline.now() + fault.seconds
            cloud.later(due, lambda: _begin_late(cloud, driver, job, report))


def _begin_late(cloud: Cloud, driver: Driver, job: Job, report: Report) -> None:
    vm = cloud.pools.live.get(job.machine.id)
    if vm is None or vm.task is None or vm.task.number != job.number:
        return
    outcome = driver.begin(job, report)
    if outcome is not None:
        report(vm.id, job.number, outcome.error)


def forget(cloud: Cloud, vm: Machine) -> None:
    """Let go of what a driver may still have of a VM that ends or starts over."""
    if vm.history:
        cloud.driver_of(host_of(cloud, vm)).forget(vm)


def arm(cloud: Cloud, vm: Machine) -> None:
    """Have the VM's task end when it is due."""
    task = vm.task
    if task is None or task.due <= 0:
        return
    vm_id, number = vm.id, task.number

    def end() -> None:
        current = cloud.pools.live.get(vm_id)
        if current is not None and current.task is not None:
            _end(cloud, vm_id, number, current.task.error)

    cloud.later(task.due, end)


def finish(cloud: Cloud, vm: Machine, *, error: str = "") -> bool:
    """End the VM's task by hand; say whether there was one."""
    if vm.task is None:
        return False
    _end(cloud, vm.id, vm.task.number, error)
    return True


def drop(cloud: Cloud, vm: Machine) -> None:
    """Forget the step that is under way."""
    if vm.task is None:
        return
    host = host_of(cloud, vm)
    name = host.name if host is not None else ""
    job = Job(machine=vm, step=vm.task.step, host=name, number=vm.task.number)
    cloud.driver_of(host).cancel(job)
    vm.task = None


def host_of(cloud: Cloud, vm: Machine) -> Host | None:
    """Return the host of the VM's current record."""
    return cloud.pools.hosts.find(vm.record().hid) if vm.history else None


def _end(cloud: Cloud, vm_id: int, number: int, error: str) -> None:
    vm = cloud.pools.live.get(vm_id)
    if vm is None or vm.task is None or vm.task.number != number:
        return
    task, vm.task = vm.task, None
    if not error and vm.state is State.ACTIVE and _dead(cloud, vm):
        error = "host does not answer"
    cloud.pools.touch(vm)
    Steps.ended(cloud, vm, task, error)


def _dead(cloud: Cloud, vm: Machine) -> bool:
    hosts = [vm.record().hid]
    if vm.lcm in (Lcm.MIGRATE, Lcm.SAVE_MIGRATE):
        # A migration needs the host that the VM is still on.
        hosts = [record.hid for record in vm.history[-2:]]
    if vm.lcm is Lcm.PROLOG_MIGRATE_UNKNOWN:
        hosts = [vm.record().hid]
    found = (cloud.pools.hosts.find(hid) for hid in hosts)
    return any(host is not None and host.dead for host in found)
