"""Who may do what: ownership bits, groups, ACL rules and object locks.

An `Inquiry` gathers everything that a call needs and answers once, with OpenNebula's
list of what is lacking. For administrators only locks count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from farmctl.embedded import refusal
from farmctl.embedded.attributes import Vector
from farmctl.embedded.entities import Entity, Group, Network, Rule, User
from farmctl.embedded.pools import Pools
from farmctl.embedded.refusal import unauthorised

INDIVIDUAL = 0x100000000
GROUP = 0x200000000
ALL = 0x400000000
CLUSTER = 0x800000000
ID_MASK = 0xFFFFFFFF

# In the order in which OpenNebula writes them.
KINDS = {
    "VM": 0x1000000000,
    "HOST": 0x2000000000,
    "NET": 0x4000000000,
    "IMAGE": 0x8000000000,
    "USER": 0x10000000000,
    "TEMPLATE": 0x20000000000,
    "GROUP": 0x40000000000,
    "DATASTORE": 0x100000000000,
    "CLUSTER": 0x200000000000,
    "DOCUMENT": 0x400000000000,
    "ZONE": 0x800000000000,
    "SECGROUP": 0x1000000000000,
    "VDC": 0x2000000000000,
    "VROUTER": 0x4000000000000,
    "MARKETPLACE": 0x8000000000000,
    "MARKETPLACEAPP": 0x10000000000000,
    "VMGROUP": 0x20000000000000,
    "VNTEMPLATE": 0x40000000000000,
    "HOOK": 0x80000000000000,
    "BACKUPJOB": 0x100000000000000,
}


class Right(IntEnum):
    """A right; each is one bit of a rule."""

    USE = 1
    MANAGE = 2
    ADMIN = 4
    CREATE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user behind a call, with the groups that count for it."""

    uid: int
    gid: int
    uname: str
    gname: str
    groups: frozenset[int]
    method: str = ""
    request_id: int = 0

    def is_admin(self) -> bool:
        """Say whether every right is there: oneadmin, or its group."""
        return self.uid == 0 or 0 in self.groups


class Inquiry:
    """What a call needs, asked of one caller."""

    def __init__(self, pools: Pools, caller: Caller) -> None:
        self._pools = pools
        self._caller = caller
        self._lacking: list[str] = []

    def needs(
        self, right: Right, item: Entity, *, past_lock: bool = False
    ) -> "Inquiry":
        """Ask for a right on an object; `past_lock` looks over its lock."""
        locked = item.lock is not None and item.lock.level <= right and not past_lock
        if self._caller.is_admin():
            if locked:
                self._lacking.append(f"{item.kind} is locked. [{item.id}]")
        elif locked or not allows(self._pools, self._caller, right, item):
            self._lacking.append(
                f"Not authorized to perform {right.name} {item.kind} [{item.id}]"
            )
        return self

    def creates(self, entity: type[Entity]) -> "Inquiry":
        """Ask for the right to make an object of a kind."""
        caller = self._caller
        if not caller.is_admin() and not _ruled(
            self._pools.rules, caller, Right.CREATE, KINDS[entity.kind], gid=caller.gid
        ):
            self._lacking.append(f"Not authorized to perform CREATE {entity.kind}")
        return self

    def lacks(self) -> bool:
        """Say whether something was refused so far."""
        return bool(self._lacking)

    def decide(self) -> None:
        """Let the call go on.

        Raises:
            Refusal: something is lacking (512).
        """
        if self._lacking:
            raise unauthorised(self._caller.uid, "; ".join(self._lacking))


def require(
    pools: Pools,
    caller: Caller,
    right: Right,
    item: Entity,
    *,
    past_lock: bool = False,
) -> None:
    """Let the call go on if the caller has the right on this one object.

    Raises:
        Refusal: it is lacking (512).
    """
    Inquiry(pools, caller).needs(right, item, past_lock=past_lock).decide()


def allows(pools: Pools, caller: Caller, right: Right, item: Entity) -> bool:
    """Say whether bits or rules give the right, locks aside."""
    if caller.is_admin():
        return True
    if _owned(caller, right, item):
        return True
    reserved = isinstance(item, Network) and item.parent >= 0
    return _ruled(
        pools.rules,
        caller,
        right,
        KINDS.get(item.kind, 0),
        object_id=item.id,
        gid=item.gid,
        clusters=() if reserved else item.clusters(),
        all_too=not reserved,
    )


def _owned(caller: Caller, right: Right, item: Entity) -> bool:
    match right:
        case Right.USE:
            column = 0
        case Right.MANAGE:
            column = 1
        case Right.ADMIN:
            column = 2
        case Right.CREATE:
            return False
    if isinstance(item, User):
        # A user may use and manage itself.
        return caller.uid == item.id and right in (Right.USE, Right.MANAGE)
    if isinstance(item, Group):
        return item.id in caller.groups and right is Right.USE
    if item.uid < 0:
        return False
    bits = item.permissions
    return bool(
        (caller.uid == item.uid and bits[column])
        or (item.gid in caller.groups and bits[3 + column])
        or bits[6 + column]
    )


def _ruled(
    rules: Iterable[Rule],
    caller: Caller,
    right: Right,
    kind: int,
    *,
    object_id: int = -1,
    gid: int = -1,
    clusters: Iterable[int] = (),
    all_too: bool = True,
) -> bool:
    users = {ALL, INDIVIDUAL | caller.uid, *(GROUP | g for g in caller.groups)}
    wanted = {ALL} if all_too else set()
    if object_id >= 0:
        wanted.add(INDIVIDUAL | object_id)
    if gid >= 0:
        wanted.add(GROUP | gid)
    wanted.update(CLUSTER | c for c in clusters)
    scope = INDIVIDUAL | GROUP | ALL | CLUSTER | ID_MASK
    return any(
        rule.user in users
        and rule.resource & kind
        and rule.resource & scope in wanted
        and rule.rights & right == right
        and rule.zone in (ALL, INDIVIDUAL)
        for rule in rules
    )


def rule_text(rule: Rule) -> str:
    """Write a rule as people read it: `@1 VM+IMAGE/* CREATE *`."""
    kinds = "+".join(name for name, bit in KINDS.items() if rule.resource & bit)
    rights = "+".join(right.name for right in Right if rule.rights & right)
    return f"{_who(rule.user)} {kinds}/{_who(rule.resource)} {rights} {_who(rule.zone)}"


def _who(bits: int) -> str:
    if bits & ALL:
        return "*"
    sign = "@" if bits & GROUP else "%" if bits & CLUSTER else "#"
    return f"{sign}{bits & ID_MASK}"


def lookup_owner(
    pools: Pools, vector: Vector, prefix: str, default: int
) -> tuple[int, str]:
    """Return the owner that a DISK or NIC names, and the complaint if it names none.

    Args:
        pools: the cloud's objects.
        vector: the DISK or NIC.
        prefix: `IMAGE` or `NETWORK`.
        default: who owns what is named without an owner.
    """
    uid = vector.get(f"{prefix}_UID", "")
    if uid:
        return (int(uid), "") if uid.isdigit() else (-1, f"{prefix}_UID")
    uname = vector.get(f"{prefix}_UNAME", "")
    if not uname:
        return default, ""
    user = pools.users.named(uname)
    return (-1, f"{prefix}_UNAME") if user is None else (user.id, "")


def check_name(name: str, *, more: str = "") -> None:
    """Refuse a name that OpenNebula refuses.

    Raises:
        Refusal: the name is empty, too long or holds a forbidden character (8192).
    """
    if not name:
        raise refusal.internal("Invalid NAME, it cannot be empty")
    for character in name:
        if character in "&|:\\\";/'#{}$<>\t\n\v\f\r" + more:
            raise refusal.internal(f"Invalid NAME, char '{character}' is not allowed")
    if len(name.encode()) > 128:  # noqa: PLR2004  # OpenNebula's own limit, in bytes
        raise refusal.internal("Invalid NAME, max length is 128 chars")
