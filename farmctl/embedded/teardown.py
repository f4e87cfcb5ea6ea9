"""Where lives end or pause: powered off, suspended, done, deleted."""

from farmctl.embedded import capacity, disks, nics, schedule
from farmctl.embedded.attributes import to_int
from farmctl.embedded.building import leave_group
from farmctl.embedded.cloud import Cloud, sorted_without
from farmctl.embedded.machine import Actor, Machine
from farmctl.embedded.quotas import account, image_usage, machine_usage
from farmctl.embedded.states import Action, Lcm, State
from farmctl.embedded.steps import drop, forget


def powered_off(cloud: Cloud, vm: Machine) -> None:
    """Take the VM for powered off."""
    _pause(cloud, vm, State.POWEROFF)


def suspended(cloud: Cloud, vm: Machine) -> None:
    """Take the VM for suspended."""
    _pause(cloud, vm, State.SUSPENDED)


def done(cloud: Cloud, vm: Machine) -> None:
    """End the VM for good: everything that it holds is given back."""
    drop(cloud, vm)
    forget(cloud, vm)
    running = vm.counted_running
    whole = machine_usage(
        cpu=vm.cpu(),
        memory=float(vm.memory()),
        disk=disks.system_size(vm.disks()),
        running=running,
    )
    account(cloud.pools, vm.uid, vm.gid, [whole], sign=-1)
    vm.counted_running = False
    for nic in vm.all_nics():
        nics.give_back(cloud, vm, nic)
    leave_group(cloud, vm)
    for disk in vm.disks():
        if "IMAGE_ID" in disk:
            usage = image_usage(int(disk["IMAGE_ID"]))
            account(cloud.pools, vm.uid, vm.gid, [usage], sign=-1)
    vm.state, vm.lcm = State.DONE, Lcm.LCM_INIT
    vm.etime = cloud.now()
    vm.ready_due = 0.0
    if vm.history:
        record = vm.record()
        if record.rstime and not record.retime:
            record.retime = vm.etime
        record.etime = record.etime or vm.etime
    schedule.drop(cloud, vm)
    router_id = to_int(vm.template.text("VROUTER_ID"))
    router = None if router_id is None else cloud.pools.routers.find(router_id)
    if router is not None:
        router.vms = sorted_without(router.vms, vm.id)
        cloud.pools.touch(router)
    cloud.pools.touch(vm)


def delete(cloud: Cloud, vm: Machine, by: Actor) -> None:
    """Delete the VM at once, whatever it is doing."""
    if vm.state is State.DONE:
        return
    _clean_up(cloud, vm, Action.DELETE, by)
    done(cloud, vm)


def recreate(cloud: Cloud, vm: Machine, by: Actor) -> None:
    """Have the VM start over: off its host, pending again."""
    _clean_up(cloud, vm, Action.DELETE_RECREATE, by)
    vm.state, vm.lcm = State.PENDING, Lcm.LCM_INIT
    vm.deploy_id = ""
    cloud.pools.touch(vm)


def _clean_up(cloud: Cloud, vm: Machine, action: Action, by: Actor) -> None:
    drop(cloud, vm)
    forget(cloud, vm)
    vm.ready_due = 0.0
    vm.resched = False
    if not vm.history:
        return
    now, record = cloud.now(), vm.record()
    active = vm.state in (State.ACTIVE, State.POWEROFF, State.SUSPENDED)
    if active:
        record.close(action, by)
        record.etime = record.etime or now
        if record.rstime and not record.retime:
            record.retime = now
        if record.pstime and not record.petime:
            record.petime = now
        if record.estime and not record.eetime:
            record.eetime = now
    for entry in vm.history[-2:]:
        capacity.give_back(cloud, vm, entry.hid)
        entry.etime = entry.etime or now


def _pause(cloud: Cloud, vm: Machine, state: State) -> None:
    vm.state, vm.lcm = state, Lcm.LCM_INIT
    vm.ready_due = 0.0
    vm.record().retime = cloud.now()
    capacity.count_running(cloud, vm, running=False)
    cloud.pools.touch(vm)
