"""Changes of VMs that are there: size, configuration, snapshots."""

import re

from farmctl.embedded import capacity, contexts, hotplug
from farmctl.embedded.attributes import (
    Attributes,
    Vector,
    number_text,
    parse,
    restricted_change,
)
from farmctl.embedded.calls.machines import reach
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import MACHINE
from farmctl.embedded.calls.shared import refuse_restricted
from farmctl.embedded.cloud import Cloud, actor
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Caller
from farmctl.embedded.quotas import Usage, charge
from farmctl.embedded.refusal import RPC_API, Refusal, internal, wrong_state
from farmctl.embedded.states import Action, Lcm, State

_CONFIGURABLE = (
    "OS",
    "FEATURES",
    "INPUT",
    "GRAPHICS",
    "VIDEO",
    "RAW",
    "CPU_MODEL",
)
_CONFIGURABLE_STATES = (
    State.PENDING,
    State.HOLD,
    State.POWEROFF,
    State.UNDEPLOYED,
)
_CONFIGURABLE_LCM = (
    Lcm.PROLOG,
    Lcm.RUNNING,
    Lcm.EPILOG,
    Lcm.SHUTDOWN,
    Lcm.SHUTDOWN_POWEROFF,
    Lcm.SHUTDOWN_UNDEPLOY,
    Lcm.EPILOG_UNDEPLOY,
    Lcm.PROLOG_UNDEPLOY,
    Lcm.HOTPLUG_SAVEAS_POWEROFF,
    Lcm.HOTPLUG_PROLOG_POWEROFF,
    Lcm.HOTPLUG_EPILOG_POWEROFF,
    Lcm.BOOT_FAILURE,
    Lcm.PROLOG_FAILURE,
    Lcm.EPILOG_FAILURE,
    Lcm.EPILOG_UNDEPLOY_FAILURE,
    Lcm.PROLOG_MIGRATE_POWEROFF,
    Lcm.PROLOG_MIGRATE_POWEROFF_FAILURE,
    Lcm.BOOT_UNDEPLOY_FAILURE,
    Lcm.PROLOG_UNDEPLOY_FAILURE,
)
_OFFLINE = (State.PENDING, State.HOLD)
_ETH = re.compile(r"ETH[0-9]+_[A-Za-z0-9_]+")


@method("one.vm.resize", "is|b")
def resize(
    cloud: Cloud, caller: Caller, vm_id: int, text: str, enforce: bool = False
) -> Answer:
    """Give a VM another size; a running one where its memory can change."""
    given = parse(text)
    if not caller.is_admin():
        refuse_restricted(
            caller, "Template includes", restricted_change(given, Attributes(), MACHINE)
        )
    vm = reach(cloud, caller, vm_id, "resize")
    old_cpu, old_memory = vm.cpu(), vm.memory()
    old_vcpu = vm.template.integer("VCPU") or 1
    cpu = given.number("CPU") or old_cpu
    memory = given.integer("MEMORY") or old_memory
    vcpu = given.integer("VCPU") or old_vcpu
    if cpu < 0 or memory < 0 or vcpu < 0:
        raise wrong_state("CPU, MEMORY and VCPU attributes must be positive")
    amounts = {"CPU": cpu - old_cpu, "MEMORY": float(memory - old_memory)}
    if vm.counted_running:
        amounts.update({f"RUNNING_{k}": v for k, v in dict(amounts).items()})
    charge(cloud.pools, vm.uid, vm.gid, [Usage("VM", "", amounts)])
    if not vm.running() and vm.state not in (
        State.POWEROFF,
        State.UNDEPLOYED,
        *_OFFLINE,
    ):
        raise wrong_state(
            f"Could not perform resize on {vm_id}, wrong state {vm.state_name()}."
        )
    host = cloud.pools.hosts.find(vm.record().hid) if vm.history else None
    if enforce and host is not None and vm.id in host.vms:
        more_cpu = round((cpu - old_cpu) * 100)
        lack = capacity.lacks(host, more_cpu, (memory - old_memory) * 1024)
        if lack:
            raise wrong_state(f"Host {host.id} does not have enough capacity. {lack}")
    hotplug.set_size(cloud, vm, cpu=cpu, memory=memory, vcpu=vcpu)
    if vm.running():
        hotplug.turn_page(cloud, vm, Action.RESIZE, actor(caller))
        detail = {
            "what": "resize",
            "cpu": number_text(old_cpu),
            "memory": str(old_memory),
            "vcpu": str(old_vcpu),
        }
        hotplug.change(cloud, vm, Lcm.HOTPLUG_RESIZE, detail)
    return vm_id


@method("one.vm.updateconf", "is|i")
def update_configuration(
    cloud: Cloud, caller: Caller, vm_id: int, text: str, append: int = 0
) -> Answer:
    """Change CONTEXT, OS, GRAPHICS and the like."""
    if append not in (0, 1):
        raise Refusal(RPC_API, "Wrong update type")
    given = parse(text)
    vm = reach(cloud, caller, vm_id, "updateconf")
    if not caller.is_admin():
        name = restricted_change(given, vm.template, MACHINE)
        refuse_restricted(caller, "Template includes", name)
    allowed = vm.state in _CONFIGURABLE_STATES or (
        vm.state is State.ACTIVE and vm.lcm in _CONFIGURABLE_LCM
    )
    if not allowed:
        raise internal(f"configuration cannot be updated in state {vm.state_name()}")
    cloud.pools.touch(vm)
    for name in _CONFIGURABLE:
        _replace(vm, given, name, append=bool(append))
    changed = _new_context(cloud, vm, given.vector("CONTEXT"), append=bool(append))
    if changed and vm.running():
        hotplug.change(cloud, vm, Lcm.HOTPLUG, {"what": "context"})
    return vm_id


@method("one.vm.snapshotcreate", "i|s")
def create_snapshot(cloud: Cloud, caller: Caller, vm_id: int, name: str = "") -> Answer:
    """Make a snapshot of a running VM, and return its number."""
    vm = reach(cloud, caller, vm_id, "snapshot")
    if not vm.running():
        raise wrong_state(
            f"Could not create a new snapshot for VM {vm_id}, "
            f"wrong state {vm.state_name()}."
        )
    cloud.pools.touch(vm)
    number = max((int(s["SNAPSHOT_ID"]) for s in hotplug.snapshots(vm)), default=-1) + 1
    vm.template.add(
        "SNAPSHOT",
        {
            "ACTION": "CREATE",
            "HYPERVISOR_ID": f"snap-{number}",
            "NAME": name or f"snapshot-{number}",
            "SNAPSHOT_ID": str(number),
            "TIME": str(cloud.now()),
        },
    )
    detail = {"what": "snapshot-create", "snapshot": str(number)}
    hotplug.change(cloud, vm, Lcm.HOTPLUG_SNAPSHOT, detail)
    return number


@method("one.vm.snapshotrevert", "ii")
def revert_snapshot(
    cloud: Cloud, caller: Caller, vm_id: int, snapshot_id: int
) -> Answer:
    """Take a running VM back to a snapshot."""
    vm = _with_snapshot(
        cloud, caller, vm_id, snapshot_id, f"revert VM {vm_id} to snapshot"
    )
    detail = {"what": "snapshot-revert", "snapshot": str(snapshot_id)}
    hotplug.change(cloud, vm, Lcm.HOTPLUG_SNAPSHOT, detail)
    return vm_id


@method("one.vm.snapshotdelete", "ii")
def delete_snapshot(
    cloud: Cloud, caller: Caller, vm_id: int, snapshot_id: int
) -> Answer:
    """Delete a snapshot."""
    vm = _with_snapshot(cloud, caller, vm_id, snapshot_id, "delete snapshot")
    detail = {"what": "snapshot-delete", "snapshot": str(snapshot_id)}
    hotplug.change(cloud, vm, Lcm.HOTPLUG_SNAPSHOT, detail)
    return vm_id


def _replace(vm: Machine, given: Attributes, name: str, *, append: bool) -> None:
    wanted = given.vector(name)
    if wanted is None:
        return
    current = vm.template.vector(name)
    if append and current is not None:
        current.update(wanted)
    else:
        kept = {"UUID": current["UUID"]} if current and "UUID" in current else {}
        vm.template.put(name, {**kept, **wanted})


def _new_context(
    cloud: Cloud, vm: Machine, given: Vector | None, *, append: bool
) -> bool:
    if given is None:
        return False
    current = vm.template.vector("CONTEXT")
    if current is None:
        raise internal("Virtual machine does not have context, cannot add a new one.")
    for name, value in given.items():
        if current.get(name) != value and _ETH.fullmatch(name):
            verb = "update" if name in current else "add"
            raise internal(
                f"Unable to {verb} {name}, update NIC to update network context"
            )
    kept: Vector = {k: v for k, v in current.items() if k in ("TARGET", "DISK_ID")}
    fresh = {k: v for k, v in given.items() if current.get(k) != v}
    changed = bool(fresh) or (
        not append and set(current) - set(given) - set(kept) > set()
    )
    new = dict(current) if append else {}
    new.update(fresh)
    contexts.replace_in(cloud, vm, new, sorted(fresh))
    new.update({k: v for k, v in given.items() if k not in fresh})
    new.update(kept)
    vm.template.put("CONTEXT", new)
    contexts.network_context(cloud, vm, new)
    contexts.token_context(cloud, vm, new)
    return changed


def _with_snapshot(  # one call's parts
    cloud: Cloud, caller: Caller, vm_id: int, snapshot_id: int, what: str
) -> Machine:
    vm = reach(cloud, caller, vm_id, "snapshot")
    of = "" if what.startswith("revert") else f" for VM {vm_id}"
    if not vm.running():
        raise wrong_state(
            f"Could not {what} {snapshot_id}{of}, wrong state {vm.state_name()}."
        )
    known = {s["SNAPSHOT_ID"] for s in hotplug.snapshots(vm)}
    if str(snapshot_id) not in known:
        raise wrong_state(f"Could not {what} {snapshot_id}{of}, it does not exist.")
    return vm
