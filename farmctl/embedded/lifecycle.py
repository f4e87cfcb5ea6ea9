"""The life of a VM: which state follows which, when a step succeeds or fails.

`Steps.ended` lands here. What users ask for is in `actions`; how long a step takes is
the driver's. Times of history records are set as OpenNebula's life-cycle manager does.
"""

from farmctl.embedded import capacity, hotplug, teardown
from farmctl.embedded.attributes import Attributes
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.machine import Machine, Task
from farmctl.embedded.states import Action, HostState, Lcm, State
from farmctl.embedded.steps import Steps, begin, finish, host_of

_PROLOG_FAILURES = {
    Lcm.PROLOG: Lcm.PROLOG_FAILURE,
    Lcm.PROLOG_MIGRATE: Lcm.PROLOG_MIGRATE_FAILURE,
    Lcm.PROLOG_MIGRATE_POWEROFF: Lcm.PROLOG_MIGRATE_POWEROFF_FAILURE,
    Lcm.PROLOG_MIGRATE_SUSPEND: Lcm.PROLOG_MIGRATE_SUSPEND_FAILURE,
    Lcm.PROLOG_MIGRATE_UNKNOWN: Lcm.PROLOG_MIGRATE_UNKNOWN_FAILURE,
    Lcm.PROLOG_RESUME: Lcm.PROLOG_RESUME_FAILURE,
    Lcm.PROLOG_UNDEPLOY: Lcm.PROLOG_UNDEPLOY_FAILURE,
}
_EPILOG_FAILURES = {
    Lcm.EPILOG: Lcm.EPILOG_FAILURE,
    Lcm.EPILOG_STOP: Lcm.EPILOG_STOP_FAILURE,
    Lcm.EPILOG_UNDEPLOY: Lcm.EPILOG_UNDEPLOY_FAILURE,
}
_BOOT_FAILURES = {
    Lcm.BOOT: Lcm.BOOT_FAILURE,
    Lcm.BOOT_MIGRATE: Lcm.BOOT_MIGRATE_FAILURE,
    Lcm.BOOT_UNKNOWN: Lcm.UNKNOWN,
    Lcm.BOOT_STOPPED: Lcm.BOOT_STOPPED_FAILURE,
    Lcm.BOOT_UNDEPLOY: Lcm.BOOT_UNDEPLOY_FAILURE,
}
_BOOTING = (*_BOOT_FAILURES, Lcm.BOOT_POWEROFF, Lcm.BOOT_SUSPENDED)
_FAILED: dict[Lcm, Lcm] = {
    failure: state
    for table in (_PROLOG_FAILURES, _EPILOG_FAILURES, _BOOT_FAILURES)
    for state, failure in table.items()
    if failure is not Lcm.UNKNOWN
}
_SHUTDOWNS = (Lcm.SHUTDOWN, Lcm.SHUTDOWN_POWEROFF, Lcm.SHUTDOWN_UNDEPLOY)
_SAVES = (Lcm.SAVE_STOP, Lcm.SAVE_SUSPEND, Lcm.SAVE_MIGRATE)


def ended(cloud: Cloud, vm: Machine, task: Task, error: str) -> None:
    """Go on after a step, or note that it failed."""
    if task.step == "reboot":
        return
    lcm = vm.lcm
    if lcm in _PROLOG_FAILURES:
        _prolog(cloud, vm, error)
    elif lcm in _BOOTING:
        _boot(cloud, vm, error)
    elif lcm is Lcm.MIGRATE:
        _migrated(cloud, vm, error)
    elif lcm in _SHUTDOWNS:
        _shutdown(cloud, vm, error)
    elif lcm in _SAVES:
        _saved(cloud, vm, error)
    elif lcm in _EPILOG_FAILURES:
        _epilog(cloud, vm, error)
    else:
        hotplug.ended(cloud, vm, task, error)
    cloud.pools.touch(vm)


Steps.ended = staticmethod(ended)


def retry(cloud: Cloud, vm: Machine) -> None:
    """Repeat the step that failed; in any other state nothing happens."""
    state = _FAILED.get(Lcm(vm.lcm))
    if state is None:
        return
    vm.lcm = state
    if state in _BOOT_FAILURES:
        saved = state in (Lcm.BOOT_MIGRATE, Lcm.BOOT_STOPPED)
        begin(cloud, vm, "restore" if saved else "boot")
    else:
        begin(cloud, vm, "prolog" if state in _PROLOG_FAILURES else "epilog")


def recover(cloud: Cloud, vm: Machine, *, success: bool) -> None:
    """Take a step that hangs or failed for done, or for failed."""
    if vm.lcm is Lcm.UNKNOWN:
        if success:
            vm.lcm = Lcm.RUNNING
            cloud.pools.touch(vm)
        return
    state = _FAILED.get(Lcm(vm.lcm))
    if state is not None:
        if not success:
            return
        vm.lcm = state
        ended(cloud, vm, Task(step="recover", number=0), "")
        return
    finish(cloud, vm, error="" if success else "failure forced by recover")


def start_guest(cloud: Cloud, vm: Machine) -> None:
    """Have the guest report READY after its boot, where its context asks for it."""
    vm.ready_due = 0.0
    context = vm.template.vector("CONTEXT") or {}
    if (
        context.get("TOKEN", "").upper() != "YES"
        or context.get("REPORT_READY", "").upper() != "YES"
    ):
        return
    host = host_of(cloud, vm)
    seconds = cloud.driver_of(host).guest_seconds(vm)
    if seconds is None:
        return
    fault = cloud.faults.strike(
        ("boot", "deploy", "ready"),
        effects=("never_ready",),
        host=host.name if host is not None else "",
        images=tuple(d["IMAGE"] for d in vm.disks() if "IMAGE" in d),
        name=vm.name,
    )
    if fault is None:
        vm.ready_due = cloud.timeline.now() + seconds
        arm_guest(cloud, vm)


def arm_guest(cloud: Cloud, vm: Machine) -> None:
    """Have READY happen when it is due."""
    due = vm.ready_due
    if due <= 0:
        return
    vm_id = vm.id

    def ready() -> None:
        current = cloud.pools.live.get(vm_id)
        if current is None or current.ready_due != due or not current.running():
            return
        host = host_of(cloud, current)
        if host is None or not host.dead:
            current.ready_due = 0.0
            report(cloud, current, Attributes({"READY": ["YES"]}))

    cloud.later(due, ready)


def report(cloud: Cloud, vm: Machine, attributes: Attributes) -> None:
    """Take over what a guest says of itself: OneGate's PUT /vm, for every driver."""
    vm.user_template.merge(attributes)
    cloud.pools.touch(vm)


def _prolog(cloud: Cloud, vm: Machine, error: str) -> None:
    if error:
        vm.lcm = _PROLOG_FAILURES[vm.lcm]
        _complain(cloud, vm, "PROLOG", error)
        return
    record, now = vm.record(), cloud.now()
    record.petime = now
    match vm.lcm:
        case Lcm.PROLOG_MIGRATE_POWEROFF:
            teardown.powered_off(cloud, vm)
            return
        case Lcm.PROLOG_MIGRATE_SUSPEND:
            teardown.suspended(cloud, vm)
            return
        case Lcm.PROLOG_RESUME:
            vm.lcm, step = Lcm.BOOT_STOPPED, "restore"
        case Lcm.PROLOG_UNDEPLOY:
            vm.lcm, step = Lcm.BOOT_UNDEPLOY, "boot"
        case Lcm.PROLOG_MIGRATE if record.action not in (
            Action.POFF_MIGRATE,
            Action.POFF_HARD_MIGRATE,
        ):
            vm.lcm, step = Lcm.BOOT_MIGRATE, "restore"
        case _:
            vm.lcm, step = Lcm.BOOT, "boot"
    record.rstime = now
    begin(cloud, vm, step)


def _boot(cloud: Cloud, vm: Machine, error: str) -> None:
    record = vm.record()
    if not error:
        vm.lcm = Lcm.RUNNING
        record.clear_action()
        record.etime = record.retime = 0
        if not vm.deploy_id:
            vm.deploy_id = _deploy_id(vm)
        start_guest(cloud, vm)
        return
    match vm.lcm:
        case Lcm.BOOT_POWEROFF:
            vm.state, vm.lcm = State.POWEROFF, Lcm.LCM_INIT
            capacity.count_running(cloud, vm, running=False)
        case Lcm.BOOT_SUSPENDED:
            vm.state, vm.lcm = State.SUSPENDED, Lcm.LCM_INIT
            capacity.count_running(cloud, vm, running=False)
        case state:
            vm.lcm = _BOOT_FAILURES[state]
            if state in (Lcm.BOOT_STOPPED, Lcm.BOOT_UNDEPLOY):
                record.etime = cloud.now()
    record.retime = cloud.now()
    _complain(cloud, vm, "DEPLOY", error)


def _migrated(cloud: Cloud, vm: Machine, error: str) -> None:
    if error:
        _stay(cloud, vm)
        return
    record, before, now = vm.record(), vm.history[-2], cloud.now()
    record.rstime = now
    before.etime = before.retime = now
    if record.hid != before.hid:
        capacity.give_back(cloud, vm, before.hid)
    vm.lcm = Lcm.RUNNING


def _stay(cloud: Cloud, vm: Machine) -> None:
    """Return to the host before a migration: it has failed, the guest runs on."""
    record, before, now = vm.record(), vm.history[-2], cloud.now()
    record.etime = now
    if record.hid != before.hid:
        capacity.give_back(cloud, vm, record.hid)
    before.etime = before.retime = now
    again = vm.new_record()
    again.hid, again.hostname, again.cid = before.hid, before.hostname, before.cid
    again.ds_id, again.tm_mad = before.ds_id, before.tm_mad
    again.plan_id, again.action_id = before.plan_id, before.action_id
    again.stime = again.rstime = now
    _running_again(cloud, vm)


def _running_again(cloud: Cloud, vm: Machine) -> None:
    host = host_of(cloud, vm)
    lost = host is not None and host.dead and host.state is HostState.ERROR
    vm.lcm = Lcm.UNKNOWN if lost else Lcm.RUNNING


def _shutdown(cloud: Cloud, vm: Machine, error: str) -> None:
    record, now = vm.record(), cloud.now()
    if error:
        record.clear_action()
        _running_again(cloud, vm)
        return
    vm.ready_due = 0.0
    if vm.lcm is Lcm.SHUTDOWN_POWEROFF:
        teardown.powered_off(cloud, vm)
        return
    vm.lcm = Lcm.EPILOG if vm.lcm is Lcm.SHUTDOWN else Lcm.EPILOG_UNDEPLOY
    record.estime = record.retime = now
    begin(cloud, vm, "epilog")


def _saved(cloud: Cloud, vm: Machine, error: str) -> None:
    record, now = vm.record(), cloud.now()
    if vm.lcm is Lcm.SAVE_MIGRATE:
        if error:
            _stay(cloud, vm)
            return
        before = vm.history[-2]
        before.etime = before.retime = now
        record.pstime = now
        if record.hid != before.hid:
            capacity.give_back(cloud, vm, before.hid)
        vm.lcm = Lcm.PROLOG_MIGRATE
        begin(cloud, vm, "prolog")
        return
    if error:
        record.clear_action()
        _running_again(cloud, vm)
        return
    vm.ready_due = 0.0
    if vm.lcm is Lcm.SAVE_SUSPEND:
        teardown.suspended(cloud, vm)
        return
    vm.lcm = Lcm.EPILOG_STOP
    record.estime = record.retime = now
    begin(cloud, vm, "epilog")


def _epilog(cloud: Cloud, vm: Machine, error: str) -> None:
    if error:
        vm.lcm = _EPILOG_FAILURES[vm.lcm]
        _complain(cloud, vm, "EPILOG", error)
        return
    record, now = vm.record(), cloud.now()
    record.eetime = record.etime = now
    capacity.give_back(cloud, vm, record.hid)
    match vm.lcm:
        case Lcm.EPILOG_STOP:
            vm.state, vm.lcm = State.STOPPED, Lcm.LCM_INIT
            capacity.count_running(cloud, vm, running=False)
        case Lcm.EPILOG_UNDEPLOY:
            vm.state, vm.lcm = State.UNDEPLOYED, Lcm.LCM_INIT
            capacity.count_running(cloud, vm, running=False)
        case _:
            teardown.done(cloud, vm)


def _complain(cloud: Cloud, vm: Machine, what: str, error: str) -> None:
    message = f"{what}: {error}"
    if vm.record().vm_mad == "dummy":
        # OpenNebula's own dummy driver answers with no more than its command.
        message = f"{what}: {vm.record().hostname}:{vm.name}:dummy"
        if error and "injected" not in error:
            message = f"{message}: {error}"
    vm.user_template.put("ERROR", cloud.stamp(message))


def _deploy_id(vm: Machine) -> str:
    if vm.record().vm_mad != "dummy":
        return f"one-{vm.id}"
    return f"{vm.record().hostname}:{vm.name}:{vm.record().vm_mad}"
