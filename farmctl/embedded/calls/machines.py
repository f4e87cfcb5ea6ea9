"""VMs: making, placing, moving and ending them."""

from farmctl.embedded import (
    actions,
    building,
    capacity,
    render_machine,
    schedule,
)
from farmctl.embedded.attributes import parse, restricted
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import MACHINE
from farmctl.embedded.calls.shared import (
    Kind,
    change_owner,
    change_template,
    refuse_restricted,
    register,
)
from farmctl.embedded.cloud import Cloud, actor
from farmctl.embedded.disks import system_size
from farmctl.embedded.entities import Datastore, Host, ScheduledAction
from farmctl.embedded.machine import History, Machine
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.pools import missing
from farmctl.embedded.quotas import Usage, account, charge, machine_usage
from farmctl.embedded.refusal import Refusal, internal, wrong_state
from farmctl.embedded.states import (
    ADMIN_OPERATIONS,
    HostState,
    Lcm,
    State,
)

KIND = Kind(
    entity=Machine,
    prefix="vm",
    draw=render_machine.info,
    draw_in_pool=lambda _cloud, item: render_machine.extended(item),
    restricted=MACHINE,
    cached=False,
)
register(KIND, "info rename chmod lock unlock")
_SYSTEM = 1
_MOVABLE = (State.POWEROFF, State.SUSPENDED)
_PLACEABLE = (State.PENDING, State.HOLD, State.STOPPED, State.UNDEPLOYED)


def right_for(operation: str) -> Right:
    """Return the right that an operation needs, as oned.conf says."""
    return Right.ADMIN if operation in ADMIN_OPERATIONS else Right.MANAGE


def reach(cloud: Cloud, caller: Caller, vm_id: int, operation: str) -> Machine:
    """Return a VM that the caller may do this to, noted as changed.

    Raises:
        Refusal: there is none (1024), or the caller may not (512).
    """
    vm = cloud.pools.machines.get(vm_id)
    require(cloud.pools, caller, right_for(operation), vm)
    cloud.pools.touch(vm)
    return vm


@method("one.vm.allocate", "s|b")
def allocate(cloud: Cloud, caller: Caller, text: str, hold: bool = False) -> Answer:
    """Make a VM without a template."""
    template = parse(text)
    refuse_restricted(caller, "VM Template includes", restricted(template, MACHINE))
    inquiry = Inquiry(cloud.pools, caller).creates(Machine)
    building.ask(cloud, inquiry, template, caller.uid)
    inquiry.decide()
    building.take_quotas(cloud, caller, template)
    return building.build(cloud, caller, template, hold=hold).id


@method("one.vm.update", "is|i")
def update(
    cloud: Cloud, caller: Caller, vm_id: int, text: str, append: int = 0
) -> Answer:
    """Replace (0) or merge into (1) what the user keeps with a VM."""
    vm = reach(cloud, caller, vm_id, "update")
    own = vm.template
    vm.template = vm.user_template
    try:
        change_template(cloud, caller, KIND, vm, text, append)
    finally:
        vm.user_template, vm.template = vm.template, own
    return vm_id


@method("one.vm.chown", "iii")
def chown(cloud: Cloud, caller: Caller, vm_id: int, uid: int, gid: int) -> Answer:
    """Give a VM to another user or group, its quotas with it."""
    vm = cloud.pools.machines.get(vm_id)
    if vm.state is State.DONE:
        raise wrong_state("Could not change VM ownership, wrong state")
    old_uid, old_gid = change_owner(cloud, caller, vm, uid, gid)
    whole = _whole_usage(vm)
    new_uid = vm.uid if vm.uid != old_uid else -1
    new_gid = vm.gid if vm.gid != old_gid else -1
    account(
        cloud.pools,
        old_uid if new_uid >= 0 else -1,
        old_gid if new_gid >= 0 else -1,
        [whole],
        sign=-1,
    )
    charge(cloud.pools, new_uid, new_gid, [whole])
    return vm_id


@method("one.vm.deploy", "ii|bis")
def deploy(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    vm_id: int,
    host_id: int,
    enforce: bool = False,
    store_id: int = -1,
    _nics: str = "",
) -> Answer:
    """Start a VM on a host at once."""
    host = _host_for(cloud, host_id)
    vm = cloud.pools.machines.get(vm_id)
    if vm.history and vm.state in (State.STOPPED, State.UNDEPLOYED, State.PENDING):
        store_id = vm.record().ds_id if store_id == -1 else store_id
    store = system_store(cloud, host, store_id)
    inquiry = Inquiry(cloud.pools, caller).needs(right_for("deploy"), vm)
    inquiry.needs(Right.MANAGE, host).needs(Right.USE, store).decide()
    if vm.state not in _PLACEABLE:
        raise wrong_state(f"Deploy action is not available for state {vm.state_name()}")
    _fits(cloud, vm, host, enforce=enforce)
    if not can_hold(store, vm):
        raise wrong_state(
            f"Image Datastore does not support transfer mode: {store.tm_mad}"
        )
    cloud.pools.touch(vm)
    if vm.state in (State.STOPPED, State.UNDEPLOYED):
        capacity.charge_running(cloud, vm)
    actions.place(cloud, vm, new_record(vm, host, store))
    return vm_id


@method("one.vm.migrate", "ii|bbii")
def migrate(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    vm_id: int,
    host_id: int,
    live: bool = False,
    enforce: bool = False,
    store_id: int = -1,
    poweroff: int = 0,
) -> Answer:
    """Move a VM to another host."""
    host = _host_for(cloud, host_id)
    inquiry = Inquiry(cloud.pools, caller)
    vm = cloud.pools.machines.get(vm_id)
    inquiry.needs(right_for("migrate"), vm).needs(Right.MANAGE, host)
    if store_id != -1:
        inquiry.needs(Right.USE, cloud.pools.datastores.get(store_id))
    inquiry.decide()
    active = vm.state is State.ACTIVE and vm.lcm in (Lcm.RUNNING, Lcm.UNKNOWN)
    if not active and vm.state not in _MOVABLE:
        raise wrong_state(
            f"Migrate action is not available for state {vm.state_name()}"
        )
    record = vm.record()
    if record.hid == host_id and store_id in (-1, record.ds_id):
        raise wrong_state(
            f"VM is already running on host [{record.hid}] "
            f"and datastore [{record.ds_id}]"
        )
    if live and record.hid != host_id and store_id not in (-1, record.ds_id):
        raise wrong_state("Cannot live migrate host and datastore at the same time.")
    if record.hid != host_id:
        _fits(cloud, vm, host, enforce=enforce)
    cloud.pools.touch(vm)
    clusters = building.automatic_requirements(vm)
    if clusters and host.cluster_id not in clusters:
        raise wrong_state(
            f"Cannot migrate  VM [{vm_id}] to host [{host_id}]. Host is in cluster "
            f"[{host.cluster_id}], and VM requires to be placed on cluster "
            f"[{','.join(map(str, clusters))}]"
        )
    store = _store_for_move(cloud, vm, host, store_id, live=live)
    new = new_record(vm, host, store)
    actions.migrate(cloud, vm, new, actor(caller), live=live, poweroff=poweroff)
    return vm_id


@method("one.vm.action", "si")
def action(cloud: Cloud, caller: Caller, name: str, vm_id: int) -> Answer:
    """Perform one of the many actions."""
    operation = actions.OPERATIONS.get(name, "")
    vm = reach(cloud, caller, vm_id, operation)
    if not operation:
        raise wrong_state(f'Action "{name}" is not supported')
    actions.perform(cloud, vm, name, actor(caller))
    return vm_id


@method("one.vm.recover", "i|i")
def recover(cloud: Cloud, caller: Caller, vm_id: int, operation: int = 0) -> Answer:
    """Help a VM out of a state in which it hangs or failed."""
    words = {0: "recover", 1: "recover", 2: "retry", 3: "delete", 4: "delete"}
    words[5] = "delete"
    if operation not in words:
        raise wrong_state("Wrong recovery operation code")
    vm = reach(cloud, caller, vm_id, words[operation])
    actions.recover(cloud, vm, operation, actor(caller))
    return vm_id


@method("one.vm.schedadd", "is")
def add_scheduled(cloud: Cloud, caller: Caller, vm_id: int, text: str) -> Answer:
    """Schedule an action."""
    vm = reach(cloud, caller, vm_id, "sched-action")
    if vm.state is State.DONE:
        raise internal(
            "Unable to create Scheduled Action for Virtual Machine "
            f"{vm_id}, it's in DONE state"
        )
    given = parse(text).vector("SCHED_ACTION")
    if given is None:
        raise wrong_state("No SCHED_ACTION attribute in template")
    planned = schedule.plan(cloud, vm, given)
    vm.sched_ids.append(planned.id)
    cloud.pools.touch(vm)
    return planned.id


@method("one.vm.schedupdate", "iis")
def update_scheduled(
    cloud: Cloud, caller: Caller, vm_id: int, action_id: int, text: str
) -> Answer:
    """Change a scheduled action."""
    vm = reach(cloud, caller, vm_id, "sched-action")
    given = parse(text).vector("SCHED_ACTION")
    if given is None:
        raise internal("No SCHED_ACTION attribute in template")
    found = schedule.of_machine(cloud, vm, action_id)
    cloud.pools.touch(found)
    try:
        schedule.read(found, given, vm.stime)
    except Refusal as error:
        raise internal(error.message) from None
    found.done = -1
    schedule.arm(cloud, found)
    return action_id


@method("one.vm.scheddelete", "ii")
def delete_scheduled(
    cloud: Cloud, caller: Caller, vm_id: int, action_id: int
) -> Answer:
    """Drop a scheduled action."""
    vm = reach(cloud, caller, vm_id, "sched-action")
    found = cloud.pools.schedule.find(action_id)
    if action_id not in vm.sched_ids or found is None:
        raise missing(ScheduledAction, action_id)
    vm.sched_ids = [i for i in vm.sched_ids if i != action_id]
    cloud.pools.touch(vm)
    cloud.pools.remove(found)
    return action_id


def system_store(cloud: Cloud, host: Host, store_id: int) -> Datastore:
    """Return the system datastore to use on a host; -1: the cluster's first.

    Raises:
        Refusal: there is none (1024), none of that type (8192) or not there (2048).
    """
    if store_id == -1:
        for store in cloud.pools.datastores:
            if store.ds_type == _SYSTEM and host.cluster_id in store.cluster_ids:
                return store
        raise wrong_state(
            f"cluster [{host.cluster_id}] does not have any datastore "
            "of type SYSTEM_DS."
        )
    store = cloud.pools.datastores.get(store_id)
    if store.ds_type != _SYSTEM:
        raise internal(
            f"Trying to use datastore [{store_id}] to deploy the VM, "
            "but it is not of type system datastore."
        )
    if host.cluster_id not in store.cluster_ids:
        raise wrong_state(
            f"datastore [{store_id}] and host [{host.id}] are not in the same "
            f"cluster [{host.cluster_id}]."
        )
    return store


def can_hold(store: Datastore, vm: Machine) -> bool:
    """Say whether a system datastore takes disks from where the VM's images are."""
    return all(disk.get("TM_MAD", store.tm_mad) == store.tm_mad for disk in vm.disks())


def new_record(
    vm: Machine,
    host: Host,
    store: Datastore,
    *,
    plan_id: int = -2,
    action_id: int = -1,
) -> History:
    """Return the record of a stay that begins; -2 and -1: placed by hand."""
    return History(
        seq=len(vm.history),
        hid=host.id,
        hostname=host.name,
        cid=host.cluster_id,
        vm_mad=host.vm_mad,
        tm_mad=store.tm_mad,
        ds_id=store.id,
        plan_id=plan_id,
        action_id=action_id,
    )


def _host_for(cloud: Cloud, host_id: int) -> Host:
    host = cloud.pools.hosts.get(host_id)
    if host.state is HostState.OFFLINE:
        raise wrong_state("Host is offline, cannot use it to deploy VM")
    return host


def _fits(cloud: Cloud, vm: Machine, host: Host, *, enforce: bool) -> None:
    del cloud
    if not enforce:
        return
    lack = capacity.lacks(host, capacity.hundredths(vm), vm.memory() * 1024)
    if lack:
        raise wrong_state(
            f"virtual machine [{vm.id}] does not fit in host [{host.id}]. {lack}"
        )


def _store_for_move(
    cloud: Cloud, vm: Machine, host: Host, store_id: int, *, live: bool
) -> Datastore:
    current = cloud.pools.datastores.get(vm.record().ds_id)
    if store_id in (-1, current.id):
        store = current
    else:
        store = system_store(cloud, host, store_id)
        if not store.template.flag("DS_MIGRATE"):
            raise wrong_state("System datastore migration not supported by driver")
        if live and not store.template.flag("DS_LIVE_MIGRATE"):
            raise wrong_state("Live system datastore migration not supported by driver")
        if store.tm_mad != current.tm_mad:
            raise wrong_state(
                "Cannot migrate to a system datastore with a different driver"
            )
    if host.cluster_id not in store.cluster_ids:
        raise wrong_state(
            f"Cannot migrate VM [{vm.id}] to host [{host.id}] and system datastore "
            f"[{store.id}]. Host is in cluster [{host.cluster_id}], and the datastore "
            f"is in cluster [{','.join(map(str, store.cluster_ids))}]"
        )
    return store


def _whole_usage(vm: Machine) -> Usage:
    return machine_usage(
        cpu=vm.cpu(),
        memory=float(vm.memory()),
        disk=system_size(vm.disks()),
        running=vm.counted_running,
    )
