"""Many VMs at once: pools, accounting, monitoring."""

from collections.abc import Iterable

from farmctl.embedded import monitoring, render_machine
from farmctl.embedded.attributes import Attributes
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.machine import History, Machine
from farmctl.embedded.permissions import Caller, Right, require
from farmctl.embedded.refusal import internal
from farmctl.embedded.states import State

_ANY = -2
_NOT_DONE = -1


@method("one.vmpool.info", "iii|is")
def info(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    flag: int,
    start: int,
    end: int,
    state: int = _NOT_DONE,
    query: str = "",
) -> Answer:
    """Show VMs in short."""
    found = _select(cloud, caller, flag, start, end, state, query)
    pool = cloud.pools.machines
    return _pool(pool.xml(vm, "short", render_machine.short) for vm in found)


@method("one.vmpool.infoextended", "iii|is")
def info_extended(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    flag: int,
    start: int,
    end: int,
    state: int = _NOT_DONE,
    query: str = "",
) -> Answer:
    """Show VMs in full, each with its last record."""
    found = _select(cloud, caller, flag, start, end, state, query)
    pool = cloud.pools.machines
    return _pool(pool.xml(vm, "extended", render_machine.extended) for vm in found)


@method("one.vmpool.infoset", "s|b")
def info_set(cloud: Cloud, caller: Caller, ids: str, extended: bool = False) -> Answer:
    """Show the VMs with these ids, DONE ones too."""
    wanted = {int(part) for part in ids.split(",") if part.strip().isdigit()}
    items = [vm for vm_id in sorted(wanted) if (vm := cloud.pools.machines.find(vm_id))]
    found = select(cloud.pools, caller, items, -2, -1, -1)
    pool = cloud.pools.machines
    if extended:
        return _pool(pool.xml(vm, "extended", render_machine.extended) for vm in found)
    return _pool(pool.xml(vm, "short", render_machine.short) for vm in found)


@method("one.vmpool.accounting", "iii")
def accounting(  # OpenNebula's own
    cloud: Cloud, caller: Caller, flag: int, start: int, end: int
) -> Answer:
    """Show every stay of VMs on hosts within a time; -1: without limit."""
    found = select(cloud.pools, caller, cloud.pools.machines, flag, -1, -1)
    inner = "".join(
        render_machine.accounting(vm, record)
        for vm in reversed(found)
        for record in vm.history
        if _within(record, start, end)
    )
    return f"<HISTORY_RECORDS>{inner}</HISTORY_RECORDS>"


@method("one.vm.monitoring", "i")
def monitor(cloud: Cloud, caller: Caller, vm_id: int) -> Answer:
    """Show the last figures of a VM."""
    vm = cloud.pools.machines.get(vm_id)
    require(cloud.pools, caller, Right.USE, vm, past_lock=True)
    return _figures(cloud, [vm], 12)


@method("one.vmpool.monitoring", "i|i")
def monitor_pool(cloud: Cloud, caller: Caller, flag: int, seconds: int = -1) -> Answer:
    """Show the last figures of VMs, of so many seconds; 0: the last."""
    found = select(cloud.pools, caller, cloud.pools.live.values(), flag, -1, -1)
    interval = max(cloud.timings.monitor, 1.0)
    count = 12 if seconds < 0 else max(1, min(12, int(seconds / interval)))
    return _figures(cloud, found[::-1], count)


def _select(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    flag: int,
    start: int,
    end: int,
    state: int,
    query: str,
) -> list[Machine]:
    if query and "=" in query and ":" not in query.split("=", 1)[0]:
        raise internal("JSON query search is not supported by the SQL backend")
    items: Iterable[Machine]
    if state == _NOT_DONE:
        items = cloud.pools.live.values()
    elif state == _ANY:
        items = cloud.pools.machines
    elif state == State.DONE:
        items = (vm for vm in cloud.pools.machines if vm.state is State.DONE)
    else:
        items = (vm for vm in cloud.pools.live.values() if vm.state == state)
    return select(cloud.pools, caller, items, flag, start, end)


def _pool(drawn: Iterable[str]) -> str:
    return f"<VM_POOL>{''.join(drawn)}</VM_POOL>"


def _within(record: History, start: int, end: int) -> bool:
    over = record.etime != 0 and start != -1 and record.etime < start
    return not over and (end == -1 or record.stime <= end)


def _figures(cloud: Cloud, machines: list[Machine], count: int) -> str:
    inner = "".join(
        Attributes({name: [value] for name, value in figures.items()}).xml("MONITORING")
        for vm in machines
        for figures in monitoring.machine_series(cloud, vm, count)
    )
    return f"<MONITORING_DATA>{inner}</MONITORING_DATA>"
