"""Groups and their quotas."""

from farmctl.embedded import quotas, render
from farmctl.embedded.attributes import parse
from farmctl.embedded.calls import acl, vdcs
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import OF_GROUPS
from farmctl.embedded.calls.shared import Kind, free_name, register
from farmctl.embedded.cloud import Cloud, sorted_with, sorted_without
from farmctl.embedded.entities import Group
from farmctl.embedded.permissions import (
    ALL,
    GROUP,
    INDIVIDUAL,
    KINDS,
    Caller,
    Inquiry,
    Right,
    require,
)
from farmctl.embedded.refusal import Refusal, unauthorised, wrong_state
from farmctl.embedded.vdc import DEFAULT

KIND = Kind(
    entity=Group,
    prefix="group",
    draw=lambda cloud, item: render.group_info(cloud.pools, item),
    taken="GROUP",
    by_owner=False,
    more_name_characters=" ",
    restricted=OF_GROUPS,
    cached=False,
)
register(KIND, "info update")
_SYSTEM_GROUPS = 100


@method("one.group.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, name: str) -> Answer:
    """Make a group."""
    Inquiry(cloud.pools, caller).creates(Group).decide()
    free_name(cloud, KIND, name, 0)
    group_id = cloud.pools.new_id(Group)
    cloud.pools.add(Group(id=group_id, name=name))
    vdcs.admit(cloud, cloud.pools.vdcs.get(DEFAULT), group_id)
    return group_id


@method("one.group.delete", "i")
def delete(cloud: Cloud, caller: Caller, group_id: int) -> Answer:
    """Delete a group that has no users."""
    item = cloud.pools.groups.get(group_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if group_id < _SYSTEM_GROUPS:
        raise wrong_state(
            "Cannot delete group. System Groups (ID < 100) cannot be deleted."
        )
    if item.users:
        raise wrong_state(f"Cannot delete group. Group {group_id} is not empty.")
    cloud.pools.remove(item)
    vdcs.forget(cloud, item)
    acl.drop_group_rules(cloud, group_id)
    return group_id


@method("one.group.quota", "is")
def set_quota(cloud: Cloud, caller: Caller, group_id: int, text: str) -> Answer:
    """Set limits of a group."""
    if group_id == 0:
        raise wrong_state("Cannot set quotas for oneadmin group")
    item = cloud.pools.groups.get(group_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    try:
        given = parse(text)
    except Refusal as error:
        raise wrong_state(error.message) from None
    quotas.set_limits(item.quotas, given)
    cloud.pools.touch(item)
    return group_id


@method("one.group.addadmin", "ii")
def add_admin(cloud: Cloud, caller: Caller, group_id: int, user_id: int) -> Answer:
    """Let a user administer a group: its users and what they own."""
    item = _both(cloud, caller, group_id, user_id)
    if user_id in item.admins:
        raise Refusal(8192, "Cannot edit group. User is already a group admin.")
    item.admins = sorted_with(item.admins, user_id)
    cloud.pools.touch(item)
    who, theirs = INDIVIDUAL | user_id, GROUP | group_id
    use_manage = Right.USE | Right.MANAGE
    everything = use_manage | Right.ADMIN | Right.CREATE
    acl.add_rule(cloud, who, KINDS["USER"] | theirs, everything, ALL)
    acl.add_rule(cloud, who, KINDS["USER"] | ALL, Right.CREATE, ALL)
    owned = ("VM", "NET", "IMAGE", "TEMPLATE", "DOCUMENT", "SECGROUP", "VROUTER")
    kinds = sum(KINDS[kind] for kind in (*owned, "VMGROUP"))
    acl.add_rule(cloud, who, kinds | theirs, use_manage, ALL)
    itself = KINDS["GROUP"] | INDIVIDUAL | group_id
    acl.add_rule(cloud, who, itself, Right.MANAGE, ALL)
    return group_id


@method("one.group.deladmin", "ii")
def delete_admin(cloud: Cloud, caller: Caller, group_id: int, user_id: int) -> Answer:
    """Take the administration of a group from a user."""
    item = _both(cloud, caller, group_id, user_id)
    if user_id not in item.admins:
        raise Refusal(8192, "Cannot edit group. User is not a group admin.")
    item.admins = sorted_without(item.admins, user_id)
    cloud.pools.touch(item)
    about = (GROUP | group_id, INDIVIDUAL | group_id)
    for rule in list(cloud.pools.rules):
        if rule.user == INDIVIDUAL | user_id and rule.resource & 0xFFFFFFFFF in about:
            cloud.pools.remove(rule)
    return group_id


@method("one.grouppool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show groups, the quotas of each beside it."""
    parts = []
    for item in select(cloud.pools, caller, cloud.pools.groups, -2, -1, -1):
        parts.append(render.group(item))
        limits = quotas.xml(item.quotas)
        parts.append(f"<QUOTAS><ID>{item.id}</ID>{limits}</QUOTAS>")
        parts.append(render.vlan_rules(item))
    defaults = quotas.xml(quotas.default_quotas(cloud.pools, "GROUP"))
    return (
        f"<GROUP_POOL>{''.join(parts)}<DEFAULT_GROUP_QUOTAS>{defaults}"
        "</DEFAULT_GROUP_QUOTAS></GROUP_POOL>"
    )


def _defaults(who: str) -> None:
    tag = f"DEFAULT_{who}_QUOTAS"

    def info(cloud: Cloud, _caller: Caller) -> Answer:
        shown = quotas.xml(quotas.default_quotas(cloud.pools, who))
        return f"<{tag}>{shown}</{tag}>"

    def update(cloud: Cloud, caller: Caller, text: str) -> Answer:
        if caller.gid != 0:
            raise unauthorised(
                caller.uid,
                "The default quotas can only be updated by users in the oneadmin group",
            )
        limits = quotas.default_quotas(cloud.pools, who)
        quotas.set_limits(limits, parse(text))
        cloud.pools.note(f"default_{who.lower()}_quotas", limits)
        return f"<{tag}>{quotas.xml(limits)}</{tag}>"

    method(f"one.{who.lower()}quota.info")(info)
    method(f"one.{who.lower()}quota.update", "s")(update)


_defaults("USER")
_defaults("GROUP")


def _both(cloud: Cloud, caller: Caller, group_id: int, user_id: int) -> Group:
    item = cloud.pools.groups.get(group_id)
    user = cloud.pools.users.get(user_id)
    inquiry = Inquiry(cloud.pools, caller)
    inquiry.needs(Right.ADMIN, item).needs(Right.ADMIN, user).decide()
    return item
