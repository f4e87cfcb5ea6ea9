"""How a farm stands: what the daemon found and decided in a round, and why.

The daemon makes a `Standing` of every round, writes it into the journal when it has
changed in substance and now and then into the farm's document; `explain` reads it
wherever it finds it. As JSON it is small: what is longest is left out first, and it
says how much. Times are seconds since the epoch; a time of 0 is not known.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from farmctl.model.keeping import Load

LARGEST = 4 * 1024
"""Bytes of a standing as compact JSON, at most."""

SHAPES = 8
"""Shapes of waiting work that are told, those that wait for most first."""

LINES = 8
"""Other lines of one kind, such as work that can never run."""

LONGEST = 240
"""Characters of one text."""

KEY = "standing"
"""Where the farm's document, and the journal's record of a verdict, keep it."""

VERDICT = "verdict"
"""The event under which the journal has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStanding:
    """One pool: how many nodes there should be, are, and may be.

    `states`: nodes by what they are to the batch system. `slots`: of one node. `limit`:
    why no more nodes come than do, empty if nothing holds them back; it changes by
    itself at `until`. `tripped`: until when its image's breaker is open. `shunned`:
    hypervisors that get no new node now, and why.
    """

    pool: str
    size: int
    least: int
    most: int
    slots: int
    image: str = ""
    states: Mapping[str, int] = field(default_factory=dict)
    limit: str = ""
    until: float = 0.0
    tripped: float = 0.0
    shunned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Work of one shape and owner that waits: `count` pieces of `slots` each."""

    owner: str
    slots: int
    count: int
    jobs: int = 1
    memory_mib: int = 0
    since: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Slots of work of one owner that only these pools could run, which may not grow.

    `why`: why nothing may be started of them just now.
    """

    owner: str
    slots: int
    pools: tuple[str, ...]
    why: str = ""

    def __str__(self) -> str:
        many = f"{self.slots} slots" if self.slots != 1 else "1 slot"
        verb = "wait" if self.slots != 1 else "waits"
        pools = " or ".join(self.pools)
        return f"{many} of work of {self.owner} {verb} for {pools}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A change that is to come if nothing else happens, and when."""

    what: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One farm after a round.

    `truth`: when the last believed look at its queue was taken; `doubt`: why the last
    one is not believed, since `doubted`; `restarting`: why nothing is ended though it
    is. `waiting`, `running`, `held`: slots. `queue` waits for a node, `others` for
    something that no node is; `more`: kinds of work left out of both. `barred`: work
    that waits for pools which may not grow now. `never`: work that no pool could run.
    `decided`: what was decided, with the reasons. `less`: why there are not fewer
    nodes. `next`: what comes, the earliest first. `boot`: seconds that a boot takes, as
    far as is known. `again`: when it is looked at again at the latest.
    """

    at: float
    host: str = ""
    pid: int = 0
    system: str = ""
    truth: float = 0.0
    doubt: str = ""
    doubted: float = 0.0
    restarting: str = ""
    waiting: int = 0
    running: int = 0
    held: int = 0
    oldest: float = 0.0
    pools: tuple[PoolStanding, ...] = ()
    queue: tuple[Queued, ...] = ()
    others: tuple[Queued, ...] = ()
    more: int = 0
    barred: tuple[Barred, ...] = ()
    never: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    less: str = ""
    next: tuple[Due, ...] = ()
    price: float = 0.0
    boot: float = 0.0
    lease_ends: float = 0.0
    again: float = 0.0

    @property
    def load(self) -> Load:
        """The farm's work in few numbers, as a daemon's beat tells of it."""
        return Load(
            waiting=self.waiting,
            running=self.running,
            truth=self.truth,
            since=self.oldest,
            limited=any(pool.limit for pool in self.pools),
        )


def as_json(standing: Standing) -> dict[str, Any]:
    """Return a standing as JSON of at most `LARGEST` bytes; read it with `from_json`.

    What need not be said, and is 0 or empty, is left out.
    """
    kept = replace(
        standing,
        queue=standing.queue[:SHAPES],
        others=standing.others[:SHAPES],
        barred=standing.barred[:LINES],
        never=standing.never[:LINES],
        decided=standing.decided[:LINES],
        next=standing.next[:LINES],
        more=standing.more
        + max(0, len(standing.queue) - SHAPES)
        + max(0, len(standing.others) - SHAPES),
    )
    longest = LONGEST
    value: dict[str, Any] = _plain(kept, longest)
    while len(json.dumps(value, separators=(",", ":"))) > LARGEST:
        if kept.others or len(kept.queue) > 1:
            side = "others" if kept.others else "queue"
            less = getattr(kept, side)[:-1]
            kept = replace(kept, more=kept.more + 1, **{side: less})
        elif longest > 1:
            longest //= 2
        else:
            kept = replace(kept, pools=kept.pools[:-1])
        value = _plain(kept, longest)
    return value


def from_json(value: object) -> Standing | None:
    """Read what `as_json` returned; None for what is none, or crooked."""
    if not isinstance(value, Mapping):
        return None
    given = {str(key): each for key, each in value.items()}
    try:
        return Standing(
            **_known(Standing, given)
            | {
                "pools": tuple(_made(PoolStanding, e) for e in given.get("pools", ())),
                "queue": tuple(_made(Queued, e) for e in given.get("queue", ())),
                "others": tuple(_made(Queued, e) for e in given.get("others", ())),
                "next": tuple(_made(Due, e) for e in given.get("next", ())),
                "barred": tuple(_made(Barred, e) for e in given.get("barred", ())),
                "never": tuple(str(each) for each in given.get("never", ())),
                "decided": tuple(str(each) for each in given.get("decided", ())),
            }
        )
    except (TypeError, ValueError, AttributeError):
        return None


def _made(kind: type[Any], given: Mapping[str, Any]) -> Any:
    return kind(**_known(kind, given))


def _known(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that the kind has, each checked to be of the right sort."""
    found: dict[str, Any] = {}
    for each in fields(kind):
        if each.name not in given:
            continue
        value = given[each.name]
        if each.type in (int, float):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(each.name)
        elif each.type is str:
            value = str(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        elif isinstance(value, list):
            value = tuple(value)
        found[each.name] = value
    return found


def _plain(value: object, longest: int) -> Any:
    """Return a value as JSON, without what is empty, long texts cut."""
    match value:
        case PoolStanding() | Queued() | Barred() | Due() | Standing():
            pairs = {
                each.name: getattr(value, each.name)
                for each in fields(value)
                if each.default is MISSING or getattr(value, each.name)
            }
            return {key: _plain(inner, longest) for key, inner in pairs.items()}
        case Mapping():
            return {str(key): _plain(inner, longest) for key, inner in value.items()}
        case tuple():
            return [_plain(inner, longest) for inner in value]
        case float():
            return round(value, 1) if abs(value) < float("inf") else 0.0
        case str():
            return value if len(value) <= longest else f"{value[: longest - 1]}…"
        case _:
            return value
