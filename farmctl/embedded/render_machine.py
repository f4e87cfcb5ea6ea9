"""VMs as XML: in full for `info`, with the last record for pools, and in short."""

from farmctl.embedded import monitoring
from farmctl.embedded.attributes import Attributes, Vector, value_xml
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.machine import History, Machine
from farmctl.embedded.render import (
    cdata,
    element,
    ids,
    lock,
    owner,
    permissions,
    scheduled,
)

_SHORT_USER = (
    "LABELS",
    "ERROR",
    "SCHED_MESSAGE",
    "SCHED_RANK",
    "SCHED_DS_RANK",
    "SCHED_REQUIREMENTS",
    "SCHED_DS_REQUIREMENTS",
    "USER_PRIORITY",
)
_SHORT_DISK = (
    "DISK_ID",
    "DATASTORE",
    "DATASTORE_ID",
    "IMAGE",
    "IMAGE_ID",
    "SIZE",
    "TYPE",
    "CLONE",
    "CLONE_TARGET",
    "LN_TARGET",
    "DISK_SNAPSHOT_TOTAL_SIZE",
)
_SHORT_NIC = ("IP", "MAC", "NETWORK", "NETWORK_ID", "NIC_ID", "SECURITY_GROUPS")
_RECORD = (
    ("PLAN_ID", "plan_id"),
    ("ACTION_ID", "action_id"),
    ("PSTIME", "pstime"),
    ("PETIME", "petime"),
    ("RSTIME", "rstime"),
    ("RETIME", "retime"),
    ("ESTIME", "estime"),
    ("EETIME", "eetime"),
    ("ACTION", "action"),
    ("UID", "uid"),
    ("GID", "gid"),
    ("REQUEST_ID", "request_id"),
)
_BACKUPS = "<BACKUPS><BACKUP_CONFIG/><BACKUP_IDS></BACKUP_IDS></BACKUPS>"


def info(cloud: Cloud, vm: Machine) -> str:
    """Write all there is: every record, scheduled actions, the last monitoring."""
    planned = "".join(
        scheduled(found)
        for found in map(cloud.pools.schedule.find, vm.sched_ids)
        if found is not None
    )
    last = monitoring.last_of_machine(cloud, vm)
    poll = last["TIMESTAMP"] if last else "0"
    shown = Attributes({k: [v] for k, v in last.items()}).xml("MONITORING")
    return _full(vm, vm.history, poll=poll, monitoring_xml=shown, extra=planned)


def extended(vm: Machine) -> str:
    """Write what `infoextended` shows: everything, of the records the last."""
    return _full(
        vm,
        vm.history[-1:],
        poll="0",
        monitoring_xml="<MONITORING></MONITORING>",
        extra="",
    )


def accounting(vm: Machine, record: History) -> str:
    """Write one record for accounting, the VM in it."""
    shown = _full(
        vm, [], poll="0", monitoring_xml="<MONITORING></MONITORING>", extra=""
    )
    return history(vm, record).removesuffix("</HISTORY>") + f"{shown}</HISTORY>"


def short(vm: Machine) -> str:
    """Write what `info` of the pool shows: of the user's attributes almost none."""
    locked = f"<LOCK><LOCKED>{vm.lock.level}</LOCKED></LOCK>" if vm.lock else ""
    template = (
        f"{element('CPU', vm.template.text('CPU'))}"
        f"{element('MEMORY', vm.template.text('MEMORY'))}"
        f"{element('VCPU', vm.template.text('VCPU'))}"
        f"{''.join(_part('DISK', d, _SHORT_DISK) for d in vm.disks())}"
        f"{''.join(_part('NIC', n, _SHORT_NIC) for n in vm.nics())}"
    )
    aliases = vm.template.vectors("NIC_ALIAS")
    template += "".join(_part("NIC_ALIAS", n, _SHORT_NIC) for n in aliases)
    graphics = vm.template.vector("GRAPHICS")
    if graphics is not None:
        template += value_xml("GRAPHICS", graphics)
    return (
        f"<VM>{owner(vm)}<LAST_POLL>0</LAST_POLL><STATE>{int(vm.state)}</STATE>"
        f"<LCM_STATE>{int(vm.lcm)}</LCM_STATE><RESCHED>{int(vm.resched)}</RESCHED>"
        f"<STIME>{vm.stime}</STIME><ETIME>{vm.etime}</ETIME>"
        f"{element('DEPLOY_ID', vm.deploy_id)}{locked}"
        f"<TEMPLATE>{template}</TEMPLATE><MONITORING/>{_short_user(vm.user_template)}"
        f"{_short_history(vm)}</VM>"
    )


def history(vm: Machine, record: History) -> str:
    """Write one record."""
    numbers = "".join(
        f"<{tag}>{getattr(record, name)}</{tag}>" for tag, name in _RECORD
    )
    return (
        f"<HISTORY><OID>{vm.id}</OID><SEQ>{record.seq}</SEQ>"
        f"{element('HOSTNAME', record.hostname)}<HID>{record.hid}</HID>"
        f"<CID>{record.cid}</CID><STIME>{record.stime}</STIME>"
        f"<ETIME>{record.etime}</ETIME>{cdata('VM_MAD', record.vm_mad)}"
        f"{cdata('TM_MAD', record.tm_mad)}<DS_ID>{record.ds_id}</DS_ID>"
        f"{numbers}</HISTORY>"
    )


def _full(
    vm: Machine,
    records: list[History],
    *,
    poll: str,
    monitoring_xml: str,
    extra: str,
) -> str:
    inner = "".join(history(vm, record) for record in records)
    shown = (
        f"<HISTORY_RECORDS>{inner}</HISTORY_RECORDS>" if inner else "<HISTORY_RECORDS/>"
    )
    snapshots = "".join(
        _disk_snapshots(disk_id, entries)
        for disk_id, entries in sorted(vm.disk_snapshots.items())
    )
    state, lcm = int(vm.state), int(vm.lcm)
    return (
        f"<VM>{owner(vm)}{permissions(vm)}<LAST_POLL>{poll}</LAST_POLL>"
        f"<STATE>{state}</STATE><LCM_STATE>{lcm}</LCM_STATE>"
        f"<PREV_STATE>{state}</PREV_STATE><PREV_LCM_STATE>{lcm}</PREV_LCM_STATE>"
        f"<RESCHED>{int(vm.resched)}</RESCHED><STIME>{vm.stime}</STIME>"
        f"<ETIME>{vm.etime}</ETIME>{element('DEPLOY_ID', vm.deploy_id)}{lock(vm)}"
        f"{monitoring_xml}{ids('SCHED_ACTIONS', vm.sched_ids)}"
        f"{vm.template.xml('TEMPLATE', extra)}{vm.user_template.xml('USER_TEMPLATE')}"
        f"{shown}{snapshots}{_BACKUPS}</VM>"
    )


def _part(name: str, vector: Vector, wanted: tuple[str, ...]) -> str:
    inner = "".join(cdata(key, vector[key]) for key in wanted if key in vector)
    return f"<{name}>{inner}</{name}>"


def _short_user(template: Attributes) -> str:
    if not template:
        return "<USER_TEMPLATE/>"
    inner = "".join(
        cdata(name, template.text(name)) for name in _SHORT_USER if template.text(name)
    )
    return f"<USER_TEMPLATE>{inner}</USER_TEMPLATE>"


def _short_history(vm: Machine) -> str:
    if not vm.history:
        return "<HISTORY_RECORDS/>"
    record = vm.record()
    return (
        f"<HISTORY_RECORDS><HISTORY><OID>{vm.id}</OID><SEQ>{record.seq}</SEQ>"
        f"{cdata('HOSTNAME', record.hostname)}<HID>{record.hid}</HID>"
        f"<CID>{record.cid}</CID><DS_ID>{record.ds_id}</DS_ID>"
        f"{cdata('VM_MAD', record.vm_mad)}{cdata('TM_MAD', record.tm_mad)}"
        f"{cdata('ACTION', record.action)}</HISTORY></HISTORY_RECORDS>"
    )


def _disk_snapshots(disk_id: str, entries: list[Vector]) -> str:
    inner = "".join(value_xml("SNAPSHOT", entry) for entry in entries)
    base = next((e["ID"] for e in entries if e.get("ACTIVE") == "YES"), "-1")
    following = max((int(e["ID"]) for e in entries), default=-1) + 1
    return (
        f"<SNAPSHOTS>{cdata('ALLOW_ORPHANS', 'NO')}{cdata('CURRENT_BASE', base)}"
        f"{cdata('DISK_ID', disk_id)}{cdata('NEXT_SNAPSHOT', following)}"
        f"{inner}</SNAPSHOTS>"
    )
