"""Objects as the XML that OpenNebula gives, element by element in its order.

VMs and hosts, which have more to show, are in `render_machine` and `render_host`.
"""

import base64
from collections.abc import Iterable
from xml.sax.saxutils import escape

from farmctl.embedded import quotas
from farmctl.embedded.attributes import value_xml
from farmctl.embedded.disks import state_of
from farmctl.embedded.entities import (
    Cluster,
    Datastore,
    Document,
    Entity,
    Group,
    Image,
    MachineGroup,
    MachineTemplate,
    Network,
    NetworkTemplate,
    Router,
    Rule,
    ScheduledAction,
    SecurityGroup,
    User,
    Zone,
)
from farmctl.embedded.leases import addresses, range_end
from farmctl.embedded.permissions import KINDS, rule_text
from farmctl.embedded.pools import Pools
from farmctl.embedded.vdc import Vdc

_BITS = tuple(f"{who}_{bit}" for who in ("OWNER", "GROUP", "OTHER") for bit in "UMA")


def element(name: str, value: object) -> str:
    """Write an element with plain text."""
    return f"<{name}>{escape(str(value))}</{name}>"


def cdata(name: str, value: object) -> str:
    """Write an element with CDATA."""
    return f"<{name}><![CDATA[{value}]]></{name}>"


def optional(name: str, value: str) -> str:
    """Write an element with CDATA, an empty one where there is no value."""
    return cdata(name, value) if value else f"<{name}/>"


def ids(name: str, numbers: Iterable[int]) -> str:
    """Write a collection of ids."""
    return f"<{name}>{''.join(f'<ID>{n}</ID>' for n in numbers)}</{name}>"


def owner(item: Entity) -> str:
    """Write id, owner, group and name."""
    return (
        f"<ID>{item.id}</ID><UID>{item.uid}</UID><GID>{item.gid}</GID>"
        f"{element('UNAME', item.uname)}{element('GNAME', item.gname)}"
        f"{element('NAME', item.name)}"
    )


def lock(item: Entity) -> str:
    """Write the lock, nothing where there is none."""
    held = item.lock
    if held is None:
        return ""
    return (
        f"<LOCK><LOCKED>{held.level}</LOCKED><OWNER>{held.owner}</OWNER>"
        f"<TIME>{held.time}</TIME><REQ_ID>{held.request_id}</REQ_ID></LOCK>"
    )


def permissions(item: Entity) -> str:
    """Write the nine bits."""
    inner = "".join(
        f"<{name}>{bit}</{name}>"
        for name, bit in zip(_BITS, item.permissions, strict=True)
    )
    return f"<PERMISSIONS>{inner}</PERMISSIONS>"


def user(item: User) -> str:
    """Write a user without its quotas, as pools show it."""
    shown = item.template.copy()
    token = base64.b64encode(item.password.encode()).decode()[:64]
    shown.values.setdefault("TOKEN_PASSWORD", [token])
    logins = "".join(
        "<LOGIN_TOKEN>"
        f"{element('TOKEN', t['token'])}{element('EXPIRATION_TIME', t['expires'])}"
        f"{element('EGID', t['egid'])}</LOGIN_TOKEN>"
        for t in item.tokens
    )
    return (
        f"<USER><ID>{item.id}</ID><GID>{item.gid}</GID>{ids('GROUPS', item.groups)}"
        f"{element('GNAME', item.gname)}{element('NAME', item.name)}"
        f"{cdata('PASSWORD', item.password)}{cdata('AUTH_DRIVER', item.auth_driver)}"
        f"<ENABLED>{int(item.enabled)}</ENABLED>{logins}{shown.xml()}</USER>"
    )


def user_info(pools: Pools, item: User) -> str:
    """Write a user with quotas and the defaults that apply."""
    defaults = quotas.xml(quotas.default_quotas(pools, "USER"))
    return (
        f"{user(item).removesuffix('</USER>')}{quotas.xml(item.quotas)}"
        f"<DEFAULT_USER_QUOTAS>{defaults}</DEFAULT_USER_QUOTAS></USER>"
    )


def group(item: Group) -> str:
    """Write a group without its quotas, as pools show it."""
    return (
        f"<GROUP><ID>{item.id}</ID>{element('NAME', item.name)}{item.template.xml()}"
        f"{ids('USERS', item.users)}{ids('ADMINS', item.admins)}</GROUP>"
    )


def group_info(pools: Pools, item: Group) -> str:
    """Write a group with quotas and the defaults that apply."""
    defaults = quotas.xml(quotas.default_quotas(pools, "GROUP"))
    return (
        f"{group(item).removesuffix('</GROUP>')}{quotas.xml(item.quotas)}"
        f"{vlan_rules(item)}"
        f"<DEFAULT_GROUP_QUOTAS>{defaults}</DEFAULT_GROUP_QUOTAS></GROUP>"
    )


def vlan_rules(item: Group) -> str:
    """Write a group's VLAN rules: this cloud has none."""
    return f"<VLAN_RULES>{cdata('ID', item.id)}</VLAN_RULES>"


def rule(item: Rule) -> str:
    """Write an ACL rule."""
    return (
        f"<ACL><ID>{item.id}</ID><USER>{item.user:x}</USER>"
        f"<RESOURCE>{item.resource:x}</RESOURCE><RIGHTS>{item.rights:x}</RIGHTS>"
        f"<ZONE>{item.zone:x}</ZONE>{element('STRING', rule_text(item))}</ACL>"
    )


def cluster(pools: Pools, item: Cluster) -> str:
    """Write a cluster with what is in it."""
    hosts = [h.id for h in pools.hosts if h.cluster_id == item.id]
    stores = [d.id for d in pools.datastores if item.id in d.cluster_ids]
    nets = [n.id for n in pools.networks if item.id in n.cluster_ids]
    return (
        f"<CLUSTER><ID>{item.id}</ID>{element('NAME', item.name)}"
        f"{ids('HOSTS', hosts)}{ids('DATASTORES', stores)}{ids('VNETS', nets)}"
        f"{item.template.xml()}</CLUSTER>"
    )


def datastore(item: Datastore) -> str:
    """Write a datastore; its space is what a large one would have."""
    used = item.total_mb // 20
    return (
        f"<DATASTORE>{owner(item)}{permissions(item)}"
        f"{cdata('DS_MAD', item.ds_mad)}{cdata('TM_MAD', item.tm_mad)}"
        f"{cdata('BASE_PATH', f'/var/lib/one/datastores/{item.id}')}"
        f"<TYPE>{item.ds_type}</TYPE><DISK_TYPE>{item.disk_type}</DISK_TYPE>"
        f"<STATE>{item.state}</STATE>{ids('CLUSTERS', item.cluster_ids)}"
        f"<TOTAL_MB>{item.total_mb}</TOTAL_MB><FREE_MB>{item.total_mb - used}</FREE_MB>"
        f"<USED_MB>{used}</USED_MB>{ids('IMAGES', item.images)}"
        f"{item.template.xml()}</DATASTORE>"
    )


def image(pools: Pools, item: Image) -> str:
    """Write an image."""
    store = pools.datastores.find(item.datastore_id)
    users, state = pools.uses.of("IMAGE", item.id), int(state_of(pools, item))
    return (
        f"<IMAGE>{owner(item)}{lock(item)}{permissions(item)}"
        f"<TYPE>{item.image_type}</TYPE><DISK_TYPE>0</DISK_TYPE>"
        f"<PERSISTENT>{int(item.persistent)}</PERSISTENT>"
        f"<REGTIME>{item.regtime}</REGTIME><MODTIME>{item.modtime}</MODTIME>"
        f"{cdata('SOURCE', item.source)}{cdata('PATH', item.path)}"
        f"{cdata('FORMAT', item.format)}{cdata('FS', '')}<SIZE>{item.size}</SIZE>"
        f"<STATE>{state}</STATE><PREV_STATE>{state}</PREV_STATE>"
        f"<RUNNING_VMS>{len(users)}</RUNNING_VMS>"
        f"<CLONING_OPS>{item.cloning_ops}</CLONING_OPS>"
        f"<CLONING_ID>{item.cloning_id}</CLONING_ID>"
        "<TARGET_SNAPSHOT>-1</TARGET_SNAPSHOT>"
        f"<DATASTORE_ID>{item.datastore_id}</DATASTORE_ID>"
        f"{element('DATASTORE', store.name if store else '')}"
        f"{ids('VMS', users)}<CLONES></CLONES><APP_CLONES></APP_CLONES>"
        f"{item.template.xml()}"
        "<SNAPSHOTS><ALLOW_ORPHANS><![CDATA[NO]]></ALLOW_ORPHANS>"
        "<CURRENT_BASE><![CDATA[-1]]></CURRENT_BASE>"
        "<NEXT_SNAPSHOT><![CDATA[0]]></NEXT_SNAPSHOT></SNAPSHOTS>"
        "<BACKUP_INCREMENTS></BACKUP_INCREMENTS><BACKUP_DISK_IDS></BACKUP_DISK_IDS>"
        "</IMAGE>"
    )


def network(pools: Pools, item: Network, *, full: bool) -> str:
    """Write a network; `full` shows each lease, as `info` does and pools do not."""
    return (
        f"<VNET>{owner(item)}{lock(item)}{permissions(item)}"
        f"{ids('CLUSTERS', item.cluster_ids)}{cdata('BRIDGE', item.bridge)}"
        f"{cdata('BRIDGE_TYPE', item.bridge_type)}{cdata('STATE', int(item.state))}"
        f"{cdata('PREV_STATE', int(item.state))}"
        f"{_number('PARENT_NETWORK_ID', item.parent)}"
        f"{_number('TEMPLATE_ID', item.template_id)}{optional('VN_MAD', item.vn_mad)}"
        f"{optional('PHYDEV', item.phydev)}{optional('VLAN_ID', item.vlan_id)}"
        f"{optional('OUTER_VLAN_ID', item.outer_vlan_id)}"
        f"<VLAN_ID_AUTOMATIC>{int(item.vlan_automatic)}</VLAN_ID_AUTOMATIC>"
        "<OUTER_VLAN_ID_AUTOMATIC>"
        f"{int(item.outer_vlan_automatic)}</OUTER_VLAN_ID_AUTOMATIC>"
        f"<USED_LEASES>{item.used()}</USED_LEASES>{ids('VROUTERS', item.vrouters)}"
        f"{ids('UPDATED_VMS', pools.uses.of('NET', item.id))}"
        "<OUTDATED_VMS></OUTDATED_VMS>"
        f"<UPDATING_VMS></UPDATING_VMS><ERROR_VMS></ERROR_VMS>{item.template.xml()}"
        f"{_ranges(item, full=full)}</VNET>"
    )


def _number(name: str, value: int) -> str:
    return f"<{name}>{value}</{name}>" if value >= 0 else f"<{name}/>"


def _ranges(item: Network, *, full: bool) -> str:
    parts: list[str] = []
    for found in item.ranges:
        shown = dict(found.attributes, NEXT_INDEX=str(found.next_index))
        if not full and found.leases:
            shown["ALLOCATED"] = "".join(
                f" {index} {KINDS[kind] | (holder & 0xFFFFFFFF)}"
                for index, (kind, holder) in sorted(found.leases.items())
            )
        attributes = value_xml("AR", shown).removesuffix("</AR>")
        tail = ""
        if full:
            ip_end, mac_end = range_end(found)
            tail = cdata("MAC_END", mac_end)
            tail += cdata("IP_END", ip_end) if ip_end else ""
            tail += f"<USED_LEASES>{len(found.leases)}</USED_LEASES>"
            tail += _leases(addresses(found))
        parts.append(f"{attributes}{tail}</AR>")
    return f"<AR_POOL>{''.join(parts)}</AR_POOL>"


_HOLDER = {"VM": "VM", "NET": "VNET", "VROUTER": "VROUTER"}


def _leases(taken: list[tuple[str, str, tuple[str, int]]]) -> str:
    if not taken:
        return "<LEASES/>"
    parts = []
    for ip, mac, (kind, holder) in taken:
        shown = {"MAC": mac, _HOLDER[kind]: str(holder)}
        if ip:
            shown["IP"] = ip
        parts.append(value_xml("LEASE", shown))
    return f"<LEASES>{''.join(parts)}</LEASES>"


def network_template(item: NetworkTemplate) -> str:
    """Write a network template."""
    return (
        f"<VNTEMPLATE>{owner(item)}{lock(item)}{permissions(item)}"
        f"<REGTIME>{item.regtime}</REGTIME>{item.template.xml()}</VNTEMPLATE>"
    )


def security_group(pools: Pools, item: SecurityGroup) -> str:
    """Write a security group; VMs that are being brought up to date are in no list."""
    users = pools.uses.of("SECGROUP", item.id)
    others = {*item.outdated, *item.committing, *item.failed}
    updated = [vm_id for vm_id in users if vm_id not in others]
    outdated = [vm_id for vm_id in users if vm_id in item.outdated]
    failed = [vm_id for vm_id in users if vm_id in item.failed]
    return (
        f"<SECURITY_GROUP>{owner(item)}{permissions(item)}"
        f"{ids('UPDATED_VMS', updated)}{ids('OUTDATED_VMS', outdated)}"
        f"<UPDATING_VMS></UPDATING_VMS>{ids('ERROR_VMS', failed)}"
        f"{item.template.xml()}</SECURITY_GROUP>"
    )


def machine_template(item: MachineTemplate) -> str:
    """Write a VM template."""
    return (
        f"<VMTEMPLATE>{owner(item)}{lock(item)}{permissions(item)}"
        f"<REGTIME>{item.regtime}</REGTIME>{item.template.xml()}</VMTEMPLATE>"
    )


def document(item: Document) -> str:
    """Write a document."""
    return (
        f"<DOCUMENT>{owner(item)}<TYPE>{item.doc_type}</TYPE>{lock(item)}"
        f"{permissions(item)}{item.template.xml()}</DOCUMENT>"
    )


def router(item: Router) -> str:
    """Write a virtual router."""
    return (
        f"<VROUTER>{owner(item)}{permissions(item)}{lock(item)}{ids('VMS', item.vms)}"
        f"{item.template.xml()}</VROUTER>"
    )


def machine_group(item: MachineGroup) -> str:
    """Write a VM group."""
    roles = "".join(value_xml("ROLE", role) for role in item.roles)
    return (
        f"<VM_GROUP>{owner(item)}{permissions(item)}{lock(item)}"
        f"<ROLES>{roles}</ROLES>{item.template.xml()}</VM_GROUP>"
    )


def zone(item: Zone) -> str:
    """Write the zone."""
    return (
        f"<ZONE><ID>{item.id}</ID>{element('NAME', item.name)}<STATE>0</STATE>"
        f"{item.template.xml()}<SERVER_POOL></SERVER_POOL></ZONE>"
    )


def vdc(item: Vdc) -> str:
    """Write a VDC."""
    held = [
        f"<{kind.upper()}S>"
        + "".join(
            f"<{kind.upper()}><ZONE_ID>0</ZONE_ID>"
            f"<{kind.upper()}_ID>{each}</{kind.upper()}_ID></{kind.upper()}>"
            for each in item.resources.get(kind, [])
        )
        + f"</{kind.upper()}S>"
        for kind in ("cluster", "host", "datastore", "vnet")
    ]
    return (
        f"<VDC><ID>{item.id}</ID>{element('NAME', item.name)}"
        f"{ids('GROUPS', item.groups)}{''.join(held)}{item.template.xml()}</VDC>"
    )


def scheduled(item: ScheduledAction) -> str:
    """Write a scheduled action as it stands in its VM's template."""
    return (
        f"<SCHED_ACTION><ID>{item.id}</ID><PARENT_ID>{item.vm_id}</PARENT_ID>"
        f"<TYPE>VM</TYPE>{element('ACTION', item.action)}{element('ARGS', item.args)}"
        f"<TIME>{item.time}</TIME><REPEAT>{item.repeat}</REPEAT>"
        f"{element('DAYS', item.days)}<END_TYPE>{item.end_type}</END_TYPE>"
        f"<END_VALUE>{item.end_value}</END_VALUE><DONE>{item.done}</DONE>"
        f"{element('MESSAGE', item.message)}<WARNING>{item.warning}</WARNING>"
        "</SCHED_ACTION>"
    )
