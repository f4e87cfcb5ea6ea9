"""Users: accounts, passwords, login tokens, groups and quotas."""

import hashlib
import hmac
import secrets
from typing import Any

from farmctl.embedded import quotas, render
from farmctl.embedded.attributes import parse
from farmctl.embedded.calls import acl
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import OF_USERS
from farmctl.embedded.calls.shared import Kind, free_name, register
from farmctl.embedded.cloud import Cloud, sorted_with, sorted_without
from farmctl.embedded.entities import User
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.pools import missing
from farmctl.embedded.refusal import (
    AUTHENTICATION,
    RPC_API,
    Refusal,
    internal,
    wrong_state,
)

KIND = Kind(
    entity=User,
    prefix="user",
    draw=lambda cloud, item: render.user_info(cloud.pools, item),
    taken="USER",
    by_owner=False,
    more_name_characters=" :\t\n\v\f\r",
    restricted=OF_USERS,
    cached=False,
)
register(KIND, "info update")
_CHANGEABLE = ("core", "ssh", "ldap", "saml")
_USERS_GROUP = 1
_MAX_TOKENS = 10


def digest(password: str) -> str:
    """Return what is kept of a password."""
    return hashlib.sha256(password.encode()).hexdigest()


def authenticate(
    cloud: Cloud, session: str, method_name: str, request_id: int
) -> Caller:
    """Return who is calling.

    Raises:
        Refusal: the session string names no user with that password (256).
    """
    name, colon, password = session.partition(":")
    user = cloud.pools.users.named(name) if colon else None
    denied = Refusal(AUTHENTICATION, "User couldn't be authenticated, aborting call.")
    if user is None or not user.enabled or not password:
        raise denied
    gid, groups = user.gid, frozenset(user.groups)
    token = _token(cloud, user, password)
    if token is not None and token["egid"] != -1:
        gid, groups = token["egid"], frozenset({token["egid"]})
    elif token is None and not hmac.compare_digest(user.password, digest(password)):
        raise denied
    group = cloud.pools.groups.find(gid)
    return Caller(
        uid=user.id,
        gid=gid,
        uname=user.name,
        gname=group.name if group is not None else "",
        groups=groups,
        method=method_name,
        request_id=request_id,
    )


@method("one.user.allocate", "ss|sa")
def allocate(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    name: str,
    password: str,
    driver: str = "",
    groups: list[int] | None = None,
) -> Answer:
    """Make a user, by default in the group `users`."""
    wanted = [g for g in groups or [] if isinstance(g, int)] or [_USERS_GROUP]
    inquiry = Inquiry(cloud.pools, caller).creates(User)
    for group_id in wanted:
        group = cloud.pools.groups.get(group_id)
        if not caller.is_admin():
            inquiry.needs(Right.MANAGE, group)
    inquiry.decide()
    free_name(cloud, KIND, name, 0)
    if not password:
        raise internal("Invalid password, it cannot be empty.")
    user_id = cloud.pools.new_id(User)
    first = cloud.pools.groups.get(wanted[0])
    cloud.pools.add(
        User(
            id=user_id,
            name=name,
            uid=user_id,
            gid=first.id,
            uname=name,
            gname=first.name,
            groups=sorted(set(wanted)),
            password=digest(password),
            auth_driver=driver or "core",
        )
    )
    for group_id in wanted:
        group = cloud.pools.groups.get(group_id)
        group.users = sorted_with(group.users, user_id)
        cloud.pools.touch(group)
    return user_id


@method("one.user.delete", "i")
def delete(cloud: Cloud, caller: Caller, user_id: int) -> Answer:
    """Delete a user; what it owns stays."""
    item = cloud.pools.users.get(user_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if user_id == 0:
        raise wrong_state("Cannot delete user. oneadmin cannot be deleted.")
    for group_id in item.groups:
        group = cloud.pools.groups.find(group_id)
        if group is not None:
            group.users = sorted_without(group.users, user_id)
            group.admins = sorted_without(group.admins, user_id)
            cloud.pools.touch(group)
    cloud.pools.remove(item)
    acl.drop_user_rules(cloud, user_id)
    return user_id


@method("one.user.passwd", "is")
def set_password(cloud: Cloud, caller: Caller, user_id: int, password: str) -> Answer:
    """Change a password."""
    item = cloud.pools.users.get(user_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    if item.auth_driver not in _CHANGEABLE and not caller.is_admin():
        raise wrong_state(f"Password for driver {item.auth_driver} cannot be changed.")
    if not password:
        raise wrong_state("Invalid password, it cannot be empty.")
    item.password = digest(password)
    cloud.pools.touch(item)
    return user_id


@method("one.user.chauth", "is|s")
def set_driver(  # OpenNebula's own
    cloud: Cloud, caller: Caller, user_id: int, driver: str, password: str = ""
) -> Answer:
    """Change how a user is authenticated; this cloud checks passwords either way."""
    item = cloud.pools.users.get(user_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    item.auth_driver = driver
    if password:
        item.password = digest(password)
    cloud.pools.touch(item)
    return user_id


@method("one.user.enable", "ib")
def enable(cloud: Cloud, caller: Caller, user_id: int, wanted: bool) -> Answer:
    """Let a user in, or not."""
    item = cloud.pools.users.get(user_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if user_id == 0:
        raise wrong_state("Cannot enable/disable oneadmin user")
    item.enabled = wanted
    cloud.pools.touch(item)
    return user_id


@method("one.user.login", "ss|ii")
def login(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud, caller: Caller, name: str, token: str, valid: int = 0, egid: int = -1
) -> Answer:
    """Make a login token, or (`valid` 0) drop one or all."""
    item = cloud.pools.users.named(name)
    if item is None:
        raise missing(User, -1)
    require(cloud.pools, caller, Right.MANAGE, item)
    item.tokens = [t for t in item.tokens if not _expired(cloud, t)]
    cloud.pools.touch(item)
    if valid == 0:
        before = len(item.tokens)
        item.tokens = [t for t in item.tokens if token and t["token"] != token]
        if token and len(item.tokens) == before:
            raise Refusal(RPC_API, f"Could not find token: {token}")
        return ""
    if valid < -1:
        raise Refusal(RPC_API, "Wrong valid period for token")
    if egid != -1 and not caller.is_admin() and egid not in item.groups:
        raise Refusal(RPC_API, "EGID is not in user group list")
    if len(item.tokens) >= _MAX_TOKENS:
        raise Refusal(RPC_API, "Max number of tokens limit reached.")
    made = token or secrets.token_hex(32)
    expires = -1 if valid == -1 else cloud.now() + valid
    item.tokens.append({"token": made, "expires": expires, "egid": egid})
    return made


@method("one.user.quota", "is")
def set_quota(cloud: Cloud, caller: Caller, user_id: int, text: str) -> Answer:
    """Set limits of a user."""
    item = cloud.pools.users.get(user_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if user_id == 0:
        raise wrong_state("Cannot set quotas for oneadmin user")
    try:
        given = parse(text)
    except Refusal as error:
        raise wrong_state(error.message) from None
    quotas.set_limits(item.quotas, given)
    cloud.pools.touch(item)
    return user_id


@method("one.user.chgrp", "ii")
def change_group(cloud: Cloud, caller: Caller, user_id: int, group_id: int) -> Answer:
    """Change a user's primary group; a group joined so is left so."""
    item, group = cloud.pools.users.get(user_id), cloud.pools.groups.get(group_id)
    if user_id == 0:
        raise internal(
            "user [0] oneadmin cannot be moved outside of the group [0] oneadmin"
        )
    inquiry = Inquiry(cloud.pools, caller).needs(Right.MANAGE, item)
    inquiry.needs(Right.USE, group).decide()
    if item.gid == group_id:
        return user_id
    if group_id not in item.groups:
        _leave(cloud, item, item.gid)
        _join(cloud, item, group_id)
    item.gid, item.gname = group.id, group.name
    cloud.pools.touch(item)
    return user_id


@method("one.user.addgroup", "ii")
def add_group(cloud: Cloud, caller: Caller, user_id: int, group_id: int) -> Answer:
    """Add a user to one more group."""
    item = _edit_group(cloud, caller, user_id, group_id)
    if group_id in item.groups:
        raise wrong_state("User is already in this group")
    _join(cloud, item, group_id)
    return user_id


@method("one.user.delgroup", "ii")
def delete_group(cloud: Cloud, caller: Caller, user_id: int, group_id: int) -> Answer:
    """Take a user out of a group that is not the primary one."""
    item = _edit_group(cloud, caller, user_id, group_id)
    if group_id == item.gid:
        raise wrong_state("Cannot remove user from the primary group.")
    if group_id not in item.groups:
        raise wrong_state("User is not part of this group")
    _leave(cloud, item, group_id)
    return user_id


@method("one.userpool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show users, the quotas of each beside it."""
    parts = []
    for item in select(cloud.pools, caller, cloud.pools.users, -2, -1, -1):
        limits = quotas.xml(item.quotas)
        parts.append(render.user(item))
        parts.append(f"<QUOTAS><ID>{item.id}</ID>{limits}</QUOTAS>")
    defaults = quotas.xml(quotas.default_quotas(cloud.pools, "USER"))
    return (
        f"<USER_POOL>{''.join(parts)}<DEFAULT_USER_QUOTAS>{defaults}"
        "</DEFAULT_USER_QUOTAS></USER_POOL>"
    )


def _token(cloud: Cloud, user: User, password: str) -> dict[str, Any] | None:
    for token in user.tokens:
        same = hmac.compare_digest(str(token["token"]), password)
        if same and not _expired(cloud, token):
            return token
    return None


def _expired(cloud: Cloud, token: dict[str, Any]) -> bool:
    return token["expires"] != -1 and int(token["expires"]) <= cloud.now()


def _edit_group(cloud: Cloud, caller: Caller, user_id: int, group_id: int) -> User:
    item, group = cloud.pools.users.get(user_id), cloud.pools.groups.get(group_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.MANAGE, item)
    inquiry.needs(Right.MANAGE, group).decide()
    return item


def _join(cloud: Cloud, item: User, group_id: int) -> None:
    group = cloud.pools.groups.get(group_id)
    item.groups = sorted_with(item.groups, group_id)
    group.users = sorted_with(group.users, item.id)
    cloud.pools.touch(item)
    cloud.pools.touch(group)


def _leave(cloud: Cloud, item: User, group_id: int) -> None:
    group = cloud.pools.groups.get(group_id)
    item.groups = sorted_without(item.groups, group_id)
    group.users = sorted_without(group.users, item.id)
    cloud.pools.touch(item)
    cloud.pools.touch(group)
