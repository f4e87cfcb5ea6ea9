"""What can be asked of a VM, in which states, and what it sets off.

Refusals carry OpenNebula's words; rights have been checked before. The same functions
serve `one.vm.action`, scheduled actions and OneGate.
"""

from farmctl.embedded import building, capacity
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.lifecycle import recover as settle
from farmctl.embedded.lifecycle import retry
from farmctl.embedded.machine import Actor, History, Machine
from farmctl.embedded.refusal import Refusal, wrong_state
from farmctl.embedded.states import Action, Lcm, State
from farmctl.embedded.steps import begin, host_of
from farmctl.embedded.teardown import delete, done, recreate

# The operations of oned.conf's lists that each action belongs to.
OPERATIONS = {
    "terminate": "terminate",
    "terminate-hard": "terminate",
    "hold": "hold",
    "release": "release",
    "stop": "stop",
    "suspend": "suspend",
    "resume": "resume",
    "reboot": "reboot",
    "reboot-hard": "reboot",
    "resched": "resched",
    "unresched": "resched",
    "poweroff": "poweroff",
    "poweroff-hard": "poweroff",
    "undeploy": "undeploy",
    "undeploy-hard": "undeploy",
}
_STOPPED = (State.STOPPED, State.UNDEPLOYED)
_PAUSED = (State.SUSPENDED, State.POWEROFF)
_WAITING = (State.INIT, State.PENDING, State.HOLD)
_UP = (Lcm.RUNNING, Lcm.UNKNOWN)
_DELETABLE = (
    Lcm.BOOT_FAILURE,
    Lcm.BOOT_MIGRATE_FAILURE,
    Lcm.PROLOG_MIGRATE_FAILURE,
    Lcm.PROLOG_FAILURE,
    Lcm.EPILOG_FAILURE,
    Lcm.EPILOG_STOP_FAILURE,
    Lcm.EPILOG_UNDEPLOY_FAILURE,
    Lcm.PROLOG_MIGRATE_POWEROFF_FAILURE,
    Lcm.PROLOG_MIGRATE_SUSPEND_FAILURE,
    Lcm.BOOT_UNDEPLOY_FAILURE,
    Lcm.BOOT_STOPPED_FAILURE,
    Lcm.PROLOG_RESUME_FAILURE,
    Lcm.PROLOG_UNDEPLOY_FAILURE,
    Lcm.PROLOG_MIGRATE_UNKNOWN_FAILURE,
)


def perform(cloud: Cloud, vm: Machine, name: str, by: Actor) -> None:
    """Perform an action of `one.vm.action`.

    Raises:
        Refusal: there is no such action, or not in this state (2048).
    """
    hard = name.endswith("-hard")
    try:
        match name:
            case "terminate" | "terminate-hard":
                _terminate(cloud, vm, by, hard=hard)
            case "poweroff" | "poweroff-hard":
                _poweroff(cloud, vm, by, hard=hard)
            case "undeploy" | "undeploy-hard":
                _undeploy(cloud, vm, by, hard=hard)
            case "hold":
                _need(vm, vm.state is State.PENDING)
                vm.state = State.HOLD
            case "release":
                _need(vm, vm.state is State.HOLD)
                building.automatic_requirements(vm)
                vm.state = State.PENDING
            case "stop":
                _stop(cloud, vm, by)
            case "suspend":
                _need(vm, vm.running())
                vm.record().close(Action.SUSPEND, by)
                _go(cloud, vm, Lcm.SAVE_SUSPEND, "save")
            case "resume":
                _resume(cloud, vm, by)
            case "reboot" | "reboot-hard":
                _need(vm, vm.running())
                vm.resched = False
                cloud.driver_of(host_of(cloud, vm)).reboot(vm, hard=hard)
            case "resched" | "unresched":
                _need(vm, vm.state is State.POWEROFF or _up(vm))
                vm.resched = name == "resched"
            case _:
                raise wrong_state(f'Action "{name}" is not supported')
    except Refusal as error:
        if name not in OPERATIONS or error.code != wrong_state("").code:
            raise
        raise wrong_state(
            f'Error performing action "{name}": {error.message}'
        ) from None
    cloud.pools.touch(vm)


def scheduled(cloud: Cloud, vm: Machine, name: str, _args: str) -> None:
    """Perform an action that was scheduled.

    Raises:
        Refusal: not in this state (2048), or not one that this cloud schedules.
    """
    by = Actor(uid=0, gid=0)
    if name == "delete":
        delete(cloud, vm, by)
    elif name == "delete-recreate":
        recreate(cloud, vm, by)
    else:
        perform(cloud, vm, name, by)


def place(cloud: Cloud, vm: Machine, record: History) -> None:
    """Put the VM on the host of a new record; the state has been checked."""
    before = vm.record().action if vm.history else 0
    vm.history.append(record)
    vm.state = State.ACTIVE
    match before:
        case Action.STOP:
            vm.lcm = Lcm.PROLOG_RESUME
        case Action.UNDEPLOY | Action.UNDEPLOY_HARD:
            vm.lcm = Lcm.PROLOG_UNDEPLOY
        case _:
            vm.lcm = Lcm.PROLOG
    capacity.take(cloud, vm, record.hid)
    record.stime = record.pstime = cloud.now()
    vm.template.put("TM_MAD_SYSTEM", record.tm_mad)
    vm.user_template.erase("SCHED_MESSAGE")
    begin(cloud, vm, "prolog")


def migrate(
    cloud: Cloud,
    vm: Machine,
    record: History,
    by: Actor,
    *,
    live: bool,
    poweroff: int = 0,
) -> None:
    """Move the VM to the host of a new record; the state has been checked."""
    before, now = vm.record(), cloud.now()
    vm.history.append(record)
    vm.resched = False
    if record.hid != before.hid:
        capacity.take(cloud, vm, record.hid)
    record.stime = now
    if vm.running() and live:
        before.close(Action.LIVE_MIGRATE, by)
        _go(cloud, vm, Lcm.MIGRATE, "migrate")
        record.stime = now
        return
    if vm.running():
        kinds = (Action.MIGRATE, Action.POFF_MIGRATE, Action.POFF_HARD_MIGRATE)
        kind = kinds[poweroff] if 0 <= poweroff < len(kinds) else Action.MIGRATE
        record.close(kind, by)
        before.close(kind, by)
        step = ("save", "shutdown", "cancel")[kinds.index(kind)]
        _go(cloud, vm, Lcm.SAVE_MIGRATE, step)
        return
    states = {
        State.POWEROFF: Lcm.PROLOG_MIGRATE_POWEROFF,
        State.SUSPENDED: Lcm.PROLOG_MIGRATE_SUSPEND,
    }
    lcm = states.get(vm.state, Lcm.PROLOG_MIGRATE_UNKNOWN)
    before.retime = before.retime or now
    before.etime = now
    if lcm is Lcm.PROLOG_MIGRATE_UNKNOWN:
        before.close(Action.MIGRATE, by)
    record.close(Action.MIGRATE, by)
    record.pstime = now
    if record.hid != before.hid:
        capacity.give_back(cloud, vm, before.hid)
    _go(cloud, vm, lcm, "prolog")


def recover(cloud: Cloud, vm: Machine, operation: int, by: Actor) -> None:
    """Perform `one.vm.recover`: 0 failure, 1 success, 2 retry, 3 delete, 4 afresh.

    Raises:
        Refusal: not in this state (2048).
    """
    match operation:
        case 0 | 1:
            if vm.state is not State.ACTIVE:
                raise wrong_state(
                    f"Could not perform a recover operation on VM {vm.id}, "
                    f"wrong state {vm.state_name()}."
                )
            settle(cloud, vm, success=bool(operation))
        case 2:
            if vm.state is not State.ACTIVE:
                raise wrong_state(
                    f"Could not perform a retry on VM {vm.id}, "
                    f"wrong state {vm.state_name()}."
                )
            retry(cloud, vm)
        case 4:
            if vm.state is State.DONE:
                raise wrong_state("Cannot delete-recreate a VM already in DONE state")
            capacity.charge_running(cloud, vm)
            recreate(cloud, vm, by)
        case _:
            delete(cloud, vm, by)


def _up(vm: Machine) -> bool:
    return vm.state is State.ACTIVE and vm.lcm in _UP


def _need(vm: Machine, allowed: bool) -> None:  # noqa: FBT001  # reads as a sentence
    if not allowed:
        raise wrong_state(f"This action is not available for state {vm.state_name()}")


def _go(cloud: Cloud, vm: Machine, lcm: Lcm, step: str) -> None:
    vm.state, vm.lcm = State.ACTIVE, lcm
    vm.resched = False
    begin(cloud, vm, step)


def _terminate(cloud: Cloud, vm: Machine, by: Actor, *, hard: bool) -> None:
    if vm.state is State.DONE:
        return
    if vm.state in _WAITING:
        done(cloud, vm)
        return
    action = Action.TERMINATE_HARD if hard else Action.TERMINATE
    if vm.state in (*_STOPPED, *_PAUSED):
        vm.record().close(Action.TERMINATE, by)
        vm.record().estime = cloud.now()
        _go(cloud, vm, Lcm.EPILOG, "epilog")
        return
    if vm.lcm in _UP or (hard and vm.lcm is Lcm.SHUTDOWN):
        vm.record().close(action, by)
        _go(cloud, vm, Lcm.SHUTDOWN, "cancel" if hard else "shutdown")
        return
    if vm.lcm in _DELETABLE:
        delete(cloud, vm, by)
        return
    raise wrong_state(f"Could not terminate VM {vm.id}, wrong state {vm.state_name()}.")


def _poweroff(cloud: Cloud, vm: Machine, by: Actor, *, hard: bool) -> None:
    again = hard and vm.state is State.ACTIVE and vm.lcm is Lcm.SHUTDOWN_POWEROFF
    _need(vm, _up(vm) or again)
    vm.record().close(Action.POWEROFF_HARD if hard else Action.POWEROFF, by)
    _go(cloud, vm, Lcm.SHUTDOWN_POWEROFF, "cancel" if hard else "shutdown")


def _undeploy(cloud: Cloud, vm: Machine, by: Actor, *, hard: bool) -> None:
    again = hard and vm.state is State.ACTIVE and vm.lcm is Lcm.SHUTDOWN_UNDEPLOY
    _need(vm, _up(vm) or again or vm.state is State.POWEROFF)
    action = Action.UNDEPLOY_HARD if hard else Action.UNDEPLOY
    if vm.state is State.POWEROFF:
        vm.record().close(Action.UNDEPLOY, by)
        vm.record().estime = cloud.now()
        _go(cloud, vm, Lcm.EPILOG_UNDEPLOY, "epilog")
        return
    vm.record().close(action, by)
    _go(cloud, vm, Lcm.SHUTDOWN_UNDEPLOY, "cancel" if hard else "shutdown")


def _stop(cloud: Cloud, vm: Machine, by: Actor) -> None:
    _need(vm, vm.running() or vm.state is State.SUSPENDED)
    vm.record().close(Action.STOP, by)
    if vm.state is State.SUSPENDED:
        vm.record().estime = cloud.now()
        _go(cloud, vm, Lcm.EPILOG_STOP, "epilog")
        return
    _go(cloud, vm, Lcm.SAVE_STOP, "save")


def _resume(cloud: Cloud, vm: Machine, by: Actor) -> None:
    unknown = vm.state is State.ACTIVE and vm.lcm is Lcm.UNKNOWN
    _need(vm, vm.state in (*_STOPPED, *_PAUSED) or unknown)
    if unknown:
        _go(cloud, vm, Lcm.BOOT_UNKNOWN, "boot")
        return
    try:
        capacity.charge_running(cloud, vm)
    except Refusal as error:
        raise wrong_state(error.message.split(" : ", 1)[-1].rstrip(".")) from None
    if vm.state in _STOPPED:
        building.automatic_requirements(vm)
        vm.state = State.PENDING
        return
    suspended = vm.state is State.SUSPENDED
    now = cloud.now()
    vm.record().etime = now
    record = vm.new_record()
    record.stime = record.rstime = now
    record.close(Action.RESUME, by)
    lcm = Lcm.BOOT_SUSPENDED if suspended else Lcm.BOOT_POWEROFF
    _go(cloud, vm, lcm, "restore" if suspended else "boot")
