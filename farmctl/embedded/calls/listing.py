"""What a pool shows to whom, in which order, and which part of it."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from farmctl.embedded import refusal
from farmctl.embedded.entities import Entity
from farmctl.embedded.permissions import Caller, Right, allows
from farmctl.embedded.pools import Pools
from farmctl.embedded.refusal import Refusal

E = TypeVar("E", bound=Entity)

ALL = -2
_GROUP = -4


def select(  # noqa: PLR0917  # OpenNebula's own three, and what they select from
    pools: Pools,
    caller: Caller,
    items: Iterable[E],
    flag: int,
    start: int,
    end: int,
) -> list[E]:
    """Return the objects that a pool shows, newest first.

    Args:
        pools: the cloud's objects, for the rules among them.
        caller: who looks.
        items: the pool, oldest first.
        flag: -4 of the caller's group, -3 own, -2 all that the caller may use, -1 own
            and of the caller's groups, otherwise those of that user.
        start: the lowest id; -1: no limit. With a negative `end` below -1, an offset.
        end: the highest id; -1: no limit. Below -1: the size of a page.

    Raises:
        Refusal: there is no such flag (4096).
    """
    if flag < _GROUP:
        raise Refusal(refusal.RPC_API, "Incorrect filter_flag")
    wanted = _wanted(pools, caller, flag)
    paged = end < -1
    low = -1 if paged else start
    high = -1 if paged or start == -1 else end
    found = [
        item
        for item in items
        if item.id >= low and (high == -1 or item.id <= high) and wanted(item)
    ]
    found.reverse()
    if paged:
        offset = max(start, 0)
        return found[offset : offset - end]
    return found


def _wanted(pools: Pools, caller: Caller, flag: int) -> Callable[[Entity], bool]:
    admin = caller.is_admin()

    def usable(item: Entity) -> bool:
        return admin or allows(pools, caller, Right.USE, item)

    match flag:
        case -3:
            return lambda item: item.uid == caller.uid
        case -4:
            return lambda item: item.gid == caller.gid and usable(item)
        case -1:
            return lambda item: (
                item.uid == caller.uid or (item.gid in caller.groups and usable(item))
            )
        case -2:
            return usable
        case uid:
            return lambda item: item.uid == uid and (uid == caller.uid or usable(item))
