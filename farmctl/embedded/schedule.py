"""Scheduled actions: planned with a VM, fired when their time has come.

An action that the VM's state does not allow is tried again every ten seconds, with
its complaint shown, until it succeeds or the VM is gone.
"""

import calendar
import time

from farmctl.embedded.attributes import Vector, ids_of, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import ScheduledAction
from farmctl.embedded.machine import Machine
from farmctl.embedded.pools import missing
from farmctl.embedded.refusal import Refusal, internal, wrong_state

ACTIONS = (
    "backup",
    "delete",
    "delete-recreate",
    "hold",
    "poweroff",
    "poweroff-hard",
    "reboot",
    "reboot-hard",
    "release",
    "resched",
    "resume",
    "snapshot-create",
    "snapshot-revert",
    "snapshot-delete",
    "disk-snapshot-create",
    "disk-snapshot-revert",
    "disk-snapshot-delete",
    "stop",
    "suspend",
    "terminate",
    "terminate-hard",
    "undeploy",
    "undeploy-hard",
    "unresched",
)
_RETRY = 10
_WEEKLY, _MONTHLY, _YEARLY, _HOURLY = range(4)
_TIMES, _DATE = 1, 2
_DAY = 86400


def plan(cloud: Cloud, vm: Machine, given: Vector) -> ScheduledAction:
    """Plan an action for a VM; the caller notes its id in the VM.

    Raises:
        Refusal: action or time is none (2048).
    """
    action = ScheduledAction(
        id=cloud.pools.new_id(ScheduledAction), name="", vm_id=vm.id
    )
    read(action, given, vm.stime)
    cloud.pools.add(action)
    arm(cloud, action)
    return action


def read(action: ScheduledAction, given: Vector, origin: int) -> None:
    """Read an action from SCHED_ACTION; relative times count from `origin`.

    Raises:
        Refusal: action or time is none (2048).
    """
    wanted = given.get("ACTION", "")
    if wanted:
        if wanted not in ACTIONS:
            raise wrong_state(f"{wanted} is not supported.")
        action.action = wanted
    if not action.action:
        raise wrong_state("No ACTION in template for Scheduled Action.")
    text = given.get("TIME", "")
    if text:
        action.time = _time(text, origin)
    if action.time == -1:
        raise wrong_state(f"Unable to parse the time value or value is empty: {text}")
    warning = given.get("WARNING", "")
    if warning:
        action.warning = _time(warning, origin)
    for name, low, high in (("REPEAT", -1, _HOURLY), ("END_TYPE", -1, _DATE)):
        number = to_int(given.get(name, ""))
        if number is None:
            continue
        if not low <= number <= high:
            raise wrong_state(f"Wrong {name} value: {number}")
        setattr(action, name.lower(), number)
    action.days = given.get("DAYS", action.days) if action.repeat >= 0 else ""
    if action.repeat >= 0 and not action.days:
        raise wrong_state("Repeat set, but DAYS are empty")
    end_value = to_int(given.get("END_VALUE", ""))
    action.end_value = -1
    if action.end_type > 0 and end_value is not None:
        action.end_value = end_value
    action.args = given.get("ARGS", action.args)


def arm(cloud: Cloud, action: ScheduledAction) -> None:
    """Have the action fire when it is due, unless it already has."""
    if _over(action):
        return
    due = action.time

    def fire() -> None:
        current = cloud.pools.schedule.find(action.id)
        if current is not None and current.time == due and not _over(current):
            _fire(cloud, current)

    cloud.later(due, fire)


def drop(cloud: Cloud, vm: Machine) -> None:
    """Drop all actions of a VM; it goes on showing their ids."""
    for action_id in vm.sched_ids:
        found = cloud.pools.schedule.find(action_id)
        if found is not None:
            cloud.pools.remove(found)


def of_machine(cloud: Cloud, vm: Machine, action_id: int) -> ScheduledAction:
    """Return an action of that VM.

    Raises:
        Refusal: the VM has no such action (8192), or it is gone (1024).
    """
    if action_id not in vm.sched_ids:
        raise internal(f"SCHED_ACTION with id = {action_id} doesn't exist")
    found = cloud.pools.schedule.find(action_id)
    if found is None:
        raise missing(ScheduledAction, action_id)
    return found


def _fire(cloud: Cloud, action: ScheduledAction) -> None:
    vm = cloud.pools.live.get(action.vm_id)
    if vm is None:
        return
    try:
        cloud.perform(vm, action.action, action.args)
    except Refusal as error:
        action.message = cloud.stamp(error.message)
        cloud.pools.touch(action)
        due = action.time

        def again() -> None:
            current = cloud.pools.schedule.find(action.id)
            if current is not None and current.time == due:
                _fire(cloud, current)

        cloud.later(cloud.timeline.now() + _RETRY, again)
        return
    action = cloud.pools.schedule.find(action.id) or action
    if action.id not in cloud.pools.schedule.items:
        return
    action.message = ""
    action.done = cloud.now()
    if action.repeat >= 0:
        following = _next(action)
        if following is not None:
            if action.end_type == _TIMES:
                action.end_value -= 1
            action.time = following
            arm(cloud, action)
    cloud.pools.touch(action)


def _over(action: ScheduledAction) -> bool:
    return action.done >= action.time


def _next(action: ScheduledAction) -> int | None:
    if action.end_type == _TIMES and action.end_value <= 1:
        return None
    days = ids_of(action.days)
    if action.repeat == _HOURLY:
        following = action.time + 3600 * max(days[0] if days else 1, 1)
    else:
        following = action.time + _DAY
        for _ in range(366):
            if _wanted(action.repeat, days, following):
                break
            following += _DAY
        else:
            return None
    if action.end_type == _DATE and following > action.end_value:
        return None
    return following


def _wanted(repeat: int, days: list[int], when: int) -> bool:
    parts = time.gmtime(when)
    match repeat:
        case 0:
            # OpenNebula counts the week from Sunday, Python from Monday.
            return (parts.tm_wday + 1) % 7 in days
        case 1:
            last = calendar.monthrange(parts.tm_year, parts.tm_mon)[1]
            return parts.tm_mday in days or (
                parts.tm_mday == last and any(d > last for d in days)
            )
        case _:
            return parts.tm_yday - 1 in days


def _time(text: str, origin: int) -> int:
    relative = text.startswith("+")
    number = to_int(text.removeprefix("+"))
    if number is None or number < 0:
        return -1
    return origin + number if relative else number
