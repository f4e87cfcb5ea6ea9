"""The methods that every kind of object has: info, update, chmod, lock and the like.

Each kind says once how it is called on the wire, how it looks and what it adds;
`register` makes its methods from that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from farmctl.embedded import refusal
from farmctl.embedded.attributes import Attributes, parse, restricted_change
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Entity, Lock
from farmctl.embedded.permissions import (
    Caller,
    Inquiry,
    Right,
    check_name,
    require,
)
from farmctl.embedded.refusal import Refusal, internal, unauthorised, wrong_state

E = TypeVar("E", bound=Entity)
Draw = Callable[[Cloud, E], str]
_LEVELS = {1: 1, 2: 2, 3: 3, 4: 1}


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[E]):
    """How one kind of object is called, looks and behaves."""

    entity: type[E]
    prefix: str
    """The method's prefix: `vn` for `one.vn.info`."""
    draw: Draw[E]
    draw_in_pool: Draw[E] | None = None
    changes: Right = Right.MANAGE
    """The right that update and rename need."""
    taken: str = ""
    """The word in `NAME is already taken by`; "": names need not be unique."""
    by_owner: bool = True
    """Whether a name is taken per owner, or by anybody."""
    more_name_characters: str = ""
    restricted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    updated: Callable[[Cloud, E, Attributes], None] | None = None
    """Called with the object and its old template; refuses or completes."""
    renamed: Callable[[Cloud, E], None] | None = None
    cached: bool = True


def free_name(cloud: Cloud, kind: Kind[E], name: str, uid: int) -> None:
    """Check a name for a new object.

    Raises:
        Refusal: it is none, or taken (8192).
    """
    check_name(name, more=kind.more_name_characters)
    if not kind.taken:
        return
    owner = uid if kind.by_owner else None
    found = cloud.pools.of(kind.entity).named(name, owner)
    if found is not None:
        raise internal(f"NAME is already taken by {kind.taken} {found.id}.")


def register(kind: Kind[E], operations: str) -> None:
    """Register the methods of a kind that `operations` names, blanks between."""
    makers = {
        "info": _info,
        "update": _update,
        "rename": _rename,
        "chmod": _chmod,
        "chown": _chown,
        "lock": _lock,
        "unlock": _unlock,
    }
    for operation in operations.split():
        makers[operation](kind)


def pool_xml(cloud: Cloud, kind: Kind[E], items: list[E]) -> str:
    """Write a pool with these objects."""
    draw = kind.draw_in_pool or kind.draw
    pool = cloud.pools.of(kind.entity)
    if kind.cached:
        inner = [pool.xml(i, "pool", lambda item: draw(cloud, item)) for i in items]
    else:
        inner = [draw(cloud, item) for item in items]
    tag = f"{kind.entity.tag}_POOL"
    return f"<{tag}>{''.join(inner)}</{tag}>"


def register_pool(kind: Kind[E], name: str, *, filtered: bool) -> None:
    """Register the pool's info; `filtered` pools take filter, start and end."""

    def info(
        cloud: Cloud, caller: Caller, flag: int = -2, start: int = -1, end: int = -1
    ) -> Answer:
        found = select(
            cloud.pools, caller, cloud.pools.of(kind.entity), flag, start, end
        )
        return pool_xml(cloud, kind, found)

    method(f"one.{name}.info", "iii" if filtered else "")(info)


def _info(kind: Kind[E]) -> None:
    def info(
        cloud: Cloud, caller: Caller, object_id: int, _decrypt: bool = False
    ) -> Answer:
        if object_id == -1 and kind.entity.kind in ("USER", "GROUP"):
            object_id = caller.uid if kind.entity.kind == "USER" else caller.gid
        pool = cloud.pools.of(kind.entity)
        item = pool.get(object_id)
        require(cloud.pools, caller, Right.USE, item, past_lock=True)
        if not kind.cached:
            return kind.draw(cloud, item)
        return pool.xml(item, "info", lambda found: kind.draw(cloud, found))

    method(f"one.{kind.prefix}.info", "i|b")(info)


def _update(kind: Kind[E]) -> None:
    def update(
        cloud: Cloud, caller: Caller, object_id: int, text: str, append: int = 0
    ) -> Answer:
        item = cloud.pools.of(kind.entity).get(object_id)
        require(cloud.pools, caller, kind.changes, item)
        change_template(cloud, caller, kind, item, text, append)
        return object_id

    method(f"one.{kind.prefix}.update", "is|i")(update)


def change_template(  # noqa: PLR0917  # what an update is
    cloud: Cloud, caller: Caller, kind: Kind[E], item: E, text: str, append: int
) -> None:
    """Replace (0) or merge into (1) an object's template.

    Raises:
        Refusal: the text does not parse, holds what an ordinary user may not set, or
            the kind refuses it (8192).
    """
    if append not in (0, 1):
        raise Refusal(refusal.RPC_API, "Wrong update type")
    old = item.template.copy()
    cloud.pools.touch(item)
    try:
        new = parse(text)
        if not caller.is_admin():
            name = restricted_change(new, old, kind.restricted)
            if name is not None:
                raise internal(f"Tried to change restricted attribute: {name}.")
        if append:
            item.template.merge(new)
        else:
            item.template = new
        if kind.updated is not None:
            kind.updated(cloud, item, old)
    except Refusal as error:
        raise internal(f"Cannot update template. {error.message}") from None


def _rename(kind: Kind[E]) -> None:
    def rename(cloud: Cloud, caller: Caller, object_id: int, name: str) -> Answer:
        pool = cloud.pools.of(kind.entity)
        item = pool.get(object_id)
        if item.name == name:
            return object_id
        require(cloud.pools, caller, kind.changes, item)
        if kind.taken:
            found = pool.named(name, item.uid if kind.by_owner else None)
            if found is not None:
                noun = kind.entity.noun
                raise wrong_state(
                    f"{noun} cannot be renamed to {name} because it collides with "
                    f"{noun} {found.id}"
                )
        try:
            check_name(name, more=kind.more_name_characters)
        except Refusal as error:
            raise wrong_state(error.message) from None
        item.name = name
        if kind.renamed is not None:
            kind.renamed(cloud, item)
        cloud.pools.touch(item)
        return object_id

    method(f"one.{kind.prefix}.rename", "is")(rename)


def set_bits(cloud: Cloud, caller: Caller, item: Entity, wanted: list[int]) -> None:
    """Change an object's nine bits; -1 leaves one as it is.

    Raises:
        Refusal: a right is lacking (512), or a bit is neither 0 nor 1 (8192).
    """
    changed = [
        -1 if bit == old else bit
        for bit, old in zip(wanted, item.permissions, strict=True)
    ]
    # Columns 2, 5 and 8 are the ADMIN bits: who may give those is an administrator.
    admin = any(changed[column] != -1 for column in (2, 5, 8))
    require(cloud.pools, caller, Right.ADMIN if admin else Right.MANAGE, item)
    if any(bit not in (-1, 0, 1) for bit in changed):
        raise internal("New permission values must be -1, 0 or 1")
    item.permissions = [
        old if bit == -1 else bit
        for bit, old in zip(changed, item.permissions, strict=True)
    ]
    cloud.pools.touch(item)


def _chmod(kind: Kind[E]) -> None:
    def chmod(cloud: Cloud, caller: Caller, object_id: int, *bits: int) -> Answer:
        item = cloud.pools.of(kind.entity).get(object_id)
        set_bits(cloud, caller, item, list(bits[:9]))
        return object_id

    method(f"one.{kind.prefix}.chmod", "i" + "i" * 9 + "|b")(chmod)


def change_owner(
    cloud: Cloud, caller: Caller, item: Entity, uid: int, gid: int
) -> tuple[int, int]:
    """Give an object to another user or group; -1 leaves it.

    Returns:
        The old owner and group.

    Raises:
        Refusal: user or group is not there (1024), or a right is lacking (512).
    """
    user = cloud.pools.users.get(uid) if uid > -1 else None
    group = cloud.pools.groups.get(gid) if gid > -1 else None
    user = None if user is not None and user.id == item.uid else user
    group = None if group is not None and group.id == item.gid else group
    inquiry = Inquiry(cloud.pools, caller).needs(Right.MANAGE, item)
    if user is not None:
        inquiry.needs(Right.MANAGE, user)
    if group is not None:
        inquiry.needs(Right.USE, group)
    inquiry.decide()
    before = (item.uid, item.gid)
    if user is not None:
        item.uid, item.uname = user.id, user.name
    if group is not None:
        item.gid, item.gname = group.id, group.name
    cloud.pools.touch(item)
    return before


def _chown(kind: Kind[E]) -> None:
    def chown(
        cloud: Cloud, caller: Caller, object_id: int, uid: int, gid: int
    ) -> Answer:
        pool = cloud.pools.of(kind.entity)
        item = pool.get(object_id)
        if uid > -1 and uid != item.uid and kind.taken and kind.by_owner:
            found = pool.named(item.name, uid)
            if found is not None:
                noun = kind.entity.noun
                raise internal(
                    f"user [{uid}] already owns {noun} [{found.id}] "
                    f"with NAME {item.name}"
                )
        change_owner(cloud, caller, item, uid, gid)
        return object_id

    method(f"one.{kind.prefix}.chown", "iii")(chown)


def _lock(kind: Kind[E]) -> None:
    def lock(
        cloud: Cloud, caller: Caller, object_id: int, level: int, test: bool = False
    ) -> Answer:
        item = cloud.pools.of(kind.entity).get(object_id)
        require(cloud.pools, caller, Right.MANAGE, item, past_lock=True)
        if level not in _LEVELS:
            raise wrong_state("Wrong lock level specified")
        held = item.lock
        if test and held is not None:
            raise wrong_state(str(held.time))
        if held is not None and held.owner != caller.uid and not caller.is_admin():
            raise wrong_state("Error trying to lock the resource.")
        item.lock = Lock(
            level=_LEVELS[level],
            owner=caller.uid,
            time=cloud.now(),
            request_id=caller.request_id,
        )
        cloud.pools.touch(item)
        return object_id

    method(f"one.{kind.prefix}.lock", "ii|b")(lock)


def _unlock(kind: Kind[E]) -> None:
    def unlock(cloud: Cloud, caller: Caller, object_id: int) -> Answer:
        item = cloud.pools.of(kind.entity).get(object_id)
        require(cloud.pools, caller, Right.MANAGE, item, past_lock=True)
        owner = -1 if item.lock is None else item.lock.owner
        if owner != caller.uid and not caller.is_admin():
            raise wrong_state("Cannot unlock: Lock is owned by another user")
        item.lock = None
        cloud.pools.touch(item)
        return object_id

    method(f"one.{kind.prefix}.unlock", "i")(unlock)


def refuse_restricted(caller: Caller, what: str, name: str | None) -> None:
    """Refuse an attribute that an ordinary user may not set.

    Raises:
        Refusal: there is one (512).
    """
    if name is not None and not caller.is_admin():
        raise unauthorised(caller.uid, f"{what} a restricted attribute {name}")
