"""Answers of OpenNebula as values of the model, pool by pool.

Text in, values out; nothing is asked here. `adapter` makes the calls.
"""

from collections.abc import Iterator

from lxml import etree

from farmctl.cloud.opennebula import states, tags, tree
from farmctl.model.nodes import Mark, Role, VmState
from farmctl.model.router import FILES_VARIABLE
from farmctl.model.view import (
    AddressRange,
    Capacity,
    Datastore,
    Document,
    Host,
    Image,
    Lock,
    Network,
    Nic,
    SecurityGroup,
    Template,
    Vm,
)

_KIB_PER_MIB = 1024
_PERCENT = 100
_SYSTEM_DATASTORE = 1
_UNMARKED = Mark()
_SWITCHES_OFF = frozenset({5, 6, 9, 10, 19, 20})
"""Undeploy, stop, suspend and power off, hard or not: what people ask for."""


def vms(method: str, text: str) -> list[Vm]:
    """Read a VM_POOL, in its order."""
    return [_vm(method, each) for each in tree.each(method, text, "VM_POOL", "VM")]


def networks(method: str, text: str) -> list[Network]:
    """Read a VNET_POOL."""
    pool = tree.each(method, text, "VNET_POOL", "VNET")
    return [_network(method, each) for each in pool]


def security_groups(method: str, text: str) -> list[SecurityGroup]:
    """Read a SECURITY_GROUP_POOL."""
    found = []
    for each in tree.each(method, text, "SECURITY_GROUP_POOL", "SECURITY_GROUP"):
        template = each.find("TEMPLATE")
        found.append(
            SecurityGroup(
                id=tree.id_of(method, each),
                name=tree.text_of(each, "NAME"),
                owner_id=tree.int_of(each, "UID", -1),
                tag=tags.tag_of(template),
                attributes=tree.attributes_of(template),
            )
        )
    return found


def templates(method: str, text: str) -> list[Template]:
    """Read a VMTEMPLATE_POOL."""
    found = []
    for each in tree.each(method, text, "VMTEMPLATE_POOL", "VMTEMPLATE"):
        template = each.find("TEMPLATE")
        found.append(
            Template(
                id=tree.id_of(method, each),
                name=tree.text_of(each, "NAME"),
                owner_id=tree.int_of(each, "UID", -1),
                tag=tags.tag_of(template),
                attributes=tree.attributes_of(template),
            )
        )
    return found


def documents(method: str, text: str) -> list[Document]:
    """Read a DOCUMENT_POOL."""
    found = []
    for each in tree.each(method, text, "DOCUMENT_POOL", "DOCUMENT"):
        template = each.find("TEMPLATE")
        found.append(
            Document(
                id=tree.id_of(method, each),
                name=tree.text_of(each, "NAME"),
                owner_id=tree.int_of(each, "UID", -1),
                tag=tags.tag_of(template),
                body=tags.body_of(template),
                lock=lock_of(each),
                holder=tags.holder_of(template),
            )
        )
    return found


def lock_of(element: etree._Element) -> Lock | None:
    """Return the lock on an object, None if it is not locked."""
    lock = element.find("LOCK")
    if lock is None or tree.int_of(lock, "LOCKED") == 0:
        return None
    return Lock(
        owner_id=tree.int_of(lock, "OWNER", -1),
        since=tree.int_of(lock, "TIME"),
        level=tree.int_of(lock, "LOCKED"),
    )


def is_locked(method: str, text: str) -> bool:
    """Say whether the one object shown is locked."""
    return lock_of(tree.parse(method, text)) is not None


def images(method: str, text: str) -> list[Image]:
    """Read an IMAGE_POOL."""
    found = []
    for each in tree.each(method, text, "IMAGE_POOL", "IMAGE"):
        kind = tree.text_of(each, "TEMPLATE/PERSISTENT_TYPE").upper()
        state_name, usable = states.image_state(
            tree.int_of(each, "STATE", -1), shareable=kind in {"SHAREABLE", "IMMUTABLE"}
        )
        found.append(
            Image(
                id=tree.id_of(method, each),
                name=tree.text_of(each, "NAME"),
                owner_id=tree.int_of(each, "UID", -1),
                owner=tree.text_of(each, "UNAME"),
                size_mib=tree.int_of(each, "SIZE"),
                usable=usable,
                state_name=state_name,
            )
        )
    return found


def capacity(
    hosts_method: str, hosts_text: str, datastores_method: str, datastores_text: str
) -> Capacity:
    """Read a HOST_POOL and a DATASTORE_POOL.

    A system datastore that its hosts do not share shows no free space of its own:
    there, what its hosts have left on their disks counts together.
    """
    hosts: list[Host] = []
    local: dict[int, int] = {}
    for each in tree.each(hosts_method, hosts_text, "HOST_POOL", "HOST"):
        host = _host(hosts_method, each)
        hosts.append(host)
        if host.usable:
            free = tree.int_of(each, "HOST_SHARE/DATASTORES/FREE_DISK")
            local[host.cluster_id] = local.get(host.cluster_id, 0) + free
    datastores: list[Datastore] = []
    pool = tree.each(datastores_method, datastores_text, "DATASTORE_POOL", "DATASTORE")
    for each in pool:
        clusters = tree.ids_of(each, "CLUSTERS/ID")
        free = tree.int_of(each, "FREE_MB")
        if tree.text_of(each, "TEMPLATE/SHARED").upper() == "NO" and not free:
            free = sum(local.get(cluster, 0) for cluster in clusters)
        datastores.append(
            Datastore(
                id=tree.id_of(datastores_method, each),
                name=tree.text_of(each, "NAME"),
                system=tree.int_of(each, "TYPE", -1) == _SYSTEM_DATASTORE,
                usable=tree.int_of(each, "STATE", -1) == states.DATASTORE_READY,
                free_mib=free,
                cluster_ids=clusters,
            )
        )
    return Capacity(hosts=tuple(hosts), datastores=tuple(datastores))


def _vm(method: str, element: etree._Element) -> Vm:
    template = element.find("TEMPLATE")
    user_template = element.find("USER_TEMPLATE")
    state = tree.int_of(element, "STATE", -1)
    state_name, meaning = states.vm_state(state, tree.int_of(element, "LCM_STATE"))
    last = _last_record(element.find("HISTORY_RECORDS"))
    host_id, host = _host_of(last)
    context = template.find("CONTEXT") if template is not None else None
    tag = tags.node_tag_of(user_template, context)
    # What is not ours needs only what tells whether it is in our way.
    error = sched_message = host_key = router_files = ""
    ready = worked = False
    mark = _UNMARKED
    if tag is not None and user_template is not None:
        mark = tags.mark_of(user_template)
        said = tree.text_of(user_template, "READY").upper()
        # What was up before its power was cut has NO there (`unready`).
        ready, worked = said == "YES", said in ("YES", "NO")
        error = tree.text_of(user_template, "ERROR")
        sched_message = tree.text_of(user_template, "SCHED_MESSAGE")
        host_key = tags.host_key_of(user_template)
        if tag.role is Role.ROUTER and context is not None:
            router_files = tree.text_of(context, FILES_VARIABLE)
    return Vm(
        id=tree.id_of(method, element),
        name=tree.text_of(element, "NAME"),
        owner_id=tree.int_of(element, "UID", -1),
        state=meaning,
        tag=tag,
        mark=mark,
        nics=tuple(_nics(template)) if template is not None else (),
        host_id=host_id,
        host=host,
        cpus=tree.float_of(template, "CPU") if template is not None else 0.0,
        memory_mib=tree.int_of(template, "MEMORY") if template is not None else 0,
        reported_ready=ready,
        worked=worked,
        since=tree.int_of(element, "STIME"),
        changed=_changed(last, meaning),
        asked_off=last is not None and tree.int_of(last, "ACTION") in _SWITCHES_OFF,
        error=error,
        sched_message=sched_message,
        state_name=state_name,
        host_key=host_key,
        router_files=router_files,
    )


def _nics(template: etree._Element) -> Iterator[Nic]:
    # Aliases and passed-through devices hold leases as well.
    for nic in template.iterchildren("NIC", "NIC_ALIAS", "PCI"):
        pairs = {str(each.tag): each.text for each in nic}
        network_id = tree.number(pairs.get("NETWORK_ID"), -1)
        if network_id < 0:
            continue
        groups = (pairs.get("SECURITY_GROUPS") or "").split(",")
        yield Nic(
            network_id=network_id,
            network=pairs.get("NETWORK") or "",
            address=pairs.get("IP") or "",
            mac=pairs.get("MAC") or "",
            security_group_ids=tuple(int(each) for each in groups if each.isdecimal()),
        )


def _last_record(records: etree._Element | None) -> etree._Element | None:
    # infoextended shows the last record alone, info all of them in order.
    return records[-1] if records is not None and len(records) else None


def _host_of(last: etree._Element | None) -> tuple[int | None, str]:
    if last is None:
        return None, ""
    return tree.int_of(last, "HID", -1), tree.text_of(last, "HOSTNAME")


def _changed(last: etree._Element | None, meaning: VmState) -> int:
    """Return since when a VM runs, or is off: what its last record says of that."""
    if last is None:
        return 0
    if meaning in {VmState.RUNNING, VmState.MOVING, VmState.STOPPING}:
        return tree.int_of(last, "RSTIME")
    if meaning is VmState.OFF:
        times = ("RETIME", "EETIME", "ETIME")
        return max(tree.int_of(last, each) for each in times)
    return 0


def _network(method: str, element: etree._Element) -> Network:
    template = element.find("TEMPLATE")
    ranges = [
        AddressRange(
            first=first, size=tree.int_of(each, "SIZE"), mac=tree.text_of(each, "MAC")
        )
        for each in element.iterfind("AR_POOL/AR")
        if (first := tree.text_of(each, "IP"))
    ]
    if not ranges and template is not None:
        # While OpenNebula still makes the network, its ranges stand in the template.
        ranges = [
            AddressRange(first=first, size=tree.int_of(each, "SIZE"))
            for each in template.iterfind("AR")
            if (first := tree.text_of(each, "IP"))
        ]
    state = tree.int_of(element, "STATE", states.NETWORK_READY)
    return Network(
        id=tree.id_of(method, element),
        name=tree.text_of(element, "NAME"),
        owner_id=tree.int_of(element, "UID", -1),
        owner=tree.text_of(element, "UNAME"),
        tag=tags.tag_of(template),
        ranges=tuple(ranges),
        used_leases=tree.int_of(element, "USED_LEASES"),
        usable=state == states.NETWORK_READY,
        vlan_id=tree.text_of(element, "VLAN_ID"),
        attributes=tree.attributes_of(template),
    )


def _host(method: str, element: etree._Element) -> Host:
    state_name, usable = states.host_state(tree.int_of(element, "STATE", -1))
    host_id = tree.id_of(method, element)
    name = tree.text_of(element, "NAME")
    cluster_id = tree.int_of(element, "CLUSTER_ID", -1)
    cpus = tree.float_of(element, "HOST_SHARE/MAX_CPU")
    memory = tree.float_of(element, "HOST_SHARE/MAX_MEM")
    used_cpus = tree.float_of(element, "HOST_SHARE/CPU_USAGE")
    used_memory = tree.float_of(element, "HOST_SHARE/MEM_USAGE")
    return Host(
        id=host_id,
        name=name,
        usable=usable,
        disabled=state_name in states.HOST_DISABLED,
        state_name=state_name,
        cluster_id=cluster_id,
        free_cpus=(cpus - used_cpus) / _PERCENT,
        free_memory_mib=int((memory - used_memory) // _KIB_PER_MIB),
        total_cpus=cpus / _PERCENT,
        total_memory_mib=int(memory // _KIB_PER_MIB),
        running_vms=tree.int_of(element, "HOST_SHARE/RUNNING_VMS"),
        attributes={
            "HYPERVISOR": tree.text_of(element, "VM_MAD"),
            **tree.scalars_of(element.find("TEMPLATE")),
            "ID": str(host_id),
            "NAME": name,
            "CLUSTER_ID": str(cluster_id),
            "CLUSTER": tree.text_of(element, "CLUSTER"),
            "IM_MAD": tree.text_of(element, "IM_MAD"),
            "VM_MAD": tree.text_of(element, "VM_MAD"),
        },
    )
