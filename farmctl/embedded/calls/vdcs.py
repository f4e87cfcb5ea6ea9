"""Virtual data centres: which groups see which hosts, networks and datastores.

A VDC is nothing but the ACL rules that it keeps: one per group and resource. Every new
group is in the default one, which holds everything.
"""

from farmctl.embedded import render
from farmctl.embedded.attributes import parse
from farmctl.embedded.calls import acl
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, pool_xml, register
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Cluster, Datastore, Entity, Group, Host, Network
from farmctl.embedded.permissions import (
    ALL,
    CLUSTER,
    GROUP,
    INDIVIDUAL,
    KINDS,
    Caller,
    Inquiry,
    Right,
    require,
)
from farmctl.embedded.refusal import internal
from farmctl.embedded.vdc import ALL_OF_THEM, DEFAULT, Vdc

KIND = Kind(
    entity=Vdc,
    prefix="vdc",
    draw=lambda _cloud, item: render.vdc(item),
    changes=Right.ADMIN,
    taken="VDC",
    by_owner=False,
)
register(KIND, "info update rename")
_RIGHTS = {"HOST": Right.MANAGE, "NET": Right.USE, "DATASTORE": Right.USE}
_RESOURCES: dict[str, type[Entity]] = {
    "cluster": Cluster,
    "host": Host,
    "datastore": Datastore,
    "vnet": Network,
}


@method("one.vdc.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a VDC without groups and resources."""
    Inquiry(cloud.pools, caller).creates(Vdc).decide()
    template = parse(text)
    vdc_id = cloud.pools.new_id(Vdc)
    name = template.take_text("NAME") or f"vdc-{vdc_id}"
    free_name(cloud, KIND, name, 0)
    cloud.pools.add(Vdc(id=vdc_id, name=name, template=template))
    return vdc_id


@method("one.vdc.delete", "i")
def delete(cloud: Cloud, caller: Caller, vdc_id: int) -> Answer:
    """Delete a VDC with its rules."""
    item = cloud.pools.vdcs.get(vdc_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if vdc_id == DEFAULT:
        raise internal("The default VDC cannot be deleted")
    cloud.pools.remove(item)
    for group_id in item.groups:
        for kind, resource_id in item.everything():
            _drop(cloud, group_id, kind, resource_id)
    return vdc_id


@method("one.vdcpool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show VDCs, newest first."""
    found = select(cloud.pools, caller, cloud.pools.vdcs, -2, -1, -1)
    return pool_xml(cloud, KIND, found)


@method("one.vdc.addgroup", "ii")
def add_group(cloud: Cloud, caller: Caller, vdc_id: int, group_id: int) -> Answer:
    """Let a group see what the VDC holds."""
    item = cloud.pools.vdcs.get(vdc_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.ADMIN, item)
    inquiry.needs(Right.ADMIN, cloud.pools.groups.get(group_id)).decide()
    if group_id in item.groups:
        raise internal(f"Group {group_id} is already assigned to the VDC {vdc_id}")
    admit(cloud, item, group_id)
    return vdc_id


@method("one.vdc.delgroup", "ii")
def remove_group(cloud: Cloud, caller: Caller, vdc_id: int, group_id: int) -> Answer:
    """Let a group no longer see what the VDC holds."""
    item = cloud.pools.vdcs.get(vdc_id)
    group = cloud.pools.groups.find(group_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.ADMIN, item)
    if group is not None:
        inquiry.needs(Right.ADMIN, group)
    inquiry.decide()
    if group_id not in item.groups:
        raise internal(f"Group {group_id} is not assigned to the VDC {vdc_id}")
    cloud.pools.touch(item)
    item.groups.remove(group_id)
    for kind, resource_id in item.everything():
        _drop(cloud, group_id, kind, resource_id)
    return vdc_id


def admit(cloud: Cloud, vdc: Vdc, group_id: int) -> None:
    """Put a group into a VDC."""
    cloud.pools.touch(vdc)
    vdc.groups = sorted({*vdc.groups, group_id})
    for kind, resource_id in vdc.everything():
        _grant(cloud, group_id, kind, resource_id)


def forget(cloud: Cloud, group: Group) -> None:
    """Take a group that is gone out of every VDC; its rules go with it."""
    for vdc in cloud.pools.vdcs:
        if group.id in vdc.groups:
            cloud.pools.touch(vdc)
            vdc.groups.remove(group.id)


def _bits(kind: str, resource_id: int) -> list[tuple[int, Right]]:
    if kind != "cluster":
        entity = _RESOURCES[kind].kind
        which = ALL if resource_id == ALL_OF_THEM else INDIVIDUAL | resource_id
        return [(KINDS[entity] | which, _RIGHTS[entity])]
    which = ALL if resource_id == ALL_OF_THEM else CLUSTER | resource_id
    return [(KINDS[entity] | which, right) for entity, right in _RIGHTS.items()]


def _grant(cloud: Cloud, group_id: int, kind: str, resource_id: int) -> None:
    for resource, right in _bits(kind, resource_id):
        if acl.find_rule(cloud, GROUP | group_id, resource, right) is None:
            acl.add_rule(cloud, GROUP | group_id, resource, right)


def _drop(cloud: Cloud, group_id: int, kind: str, resource_id: int) -> None:
    for resource, right in _bits(kind, resource_id):
        rule = acl.find_rule(cloud, GROUP | group_id, resource, right)
        if rule is not None:
            cloud.pools.remove(rule)


def _edit(kind: str, *, add: bool) -> None:
    def change(
        cloud: Cloud, caller: Caller, vdc_id: int, zone_id: int, resource_id: int
    ) -> Answer:
        item = cloud.pools.vdcs.get(vdc_id)
        inquiry = Inquiry(cloud.pools, caller).needs(Right.ADMIN, item)
        inquiry.needs(Right.ADMIN, cloud.pools.zones.get(zone_id))
        entity = _RESOURCES[kind]
        if resource_id != ALL_OF_THEM:
            pool = cloud.pools.of(entity)
            resource = pool.get(resource_id) if add else pool.find(resource_id)
            if resource is not None:
                inquiry.needs(Right.ADMIN, resource)
        inquiry.decide()
        held = item.resources.setdefault(kind, [])
        about = f"{entity.kind} {resource_id} from Zone {zone_id}"
        if add and resource_id in held:
            raise internal(f"{about} is already assigned to the VDC")
        if not add and resource_id not in held:
            raise internal(f"{about} is not assigned to the VDC ")
        cloud.pools.touch(item)
        gone = [resource_id] if not add else []
        if add and resource_id == ALL_OF_THEM:
            # All of them replaces the single ones.
            gone = list(held)
        kept = {*held, resource_id} if add else set(held)
        item.resources[kind] = sorted(kept.difference(gone))
        for group_id in item.groups:
            if add:
                _grant(cloud, group_id, kind, resource_id)
            for each in gone:
                _drop(cloud, group_id, kind, each)
        return vdc_id

    method(f"one.vdc.{'add' if add else 'del'}{kind}", "iii")(change)


for _kind in _RESOURCES:
    _edit(_kind, add=True)
    _edit(_kind, add=False)
