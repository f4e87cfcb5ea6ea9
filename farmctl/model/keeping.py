"""What each daemon's document in OpenNebula says: that it lives, and whose it keeps.

The daemon raises its beat in there every few seconds anyway; with it go its clock and a
few numbers of each farm that it keeps. Whoever looks at the cloud sees them without
asking anything more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from farmctl.model.view import Document, Holder

PREFIX = "farmctl-daemon-"
"""What the name of a daemon's document begins with; it carries no farm's tag."""

MOST = 400
"""Farms of which a beat tells; of more, those that have most work."""

_AT, _FARMS = "at", "farms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A farm's work in slots, and when the last believed look at it was taken.

    `truth` is 0 where there is no queue, or none was believed yet. `since`: when the
    oldest waiting work began to wait, 0 if none waits. `limited`: whether something
    keeps back nodes that would pay.
    """

    waiting: int = 0
    running: int = 0
    truth: float = 0.0
    since: float = 0.0
    limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBy:
    """The daemon that keeps a farm: where it runs, and its last beat by its own clock.

    `load` is None where its beat does not tell of the farm.
    """

    host: str
    pid: int
    beat: float
    load: Load | None = None


def body(farms: Mapping[str, Load], *, at: float) -> dict[str, Any]:
    """Return what a daemon's document says besides who it is."""
    most = sorted(farms, key=lambda each: (-_weight(farms[each]), each))[:MOST]
    return {
        "daemon": 1,
        _AT: round(at),
        _FARMS: {
            name: [
                farms[name].waiting,
                farms[name].running,
                round(farms[name].truth),
                round(farms[name].since),
                int(farms[name].limited),
            ]
            for name in sorted(most)
        },
    }


def daemons(documents: Iterable[Document]) -> list[tuple[Document, Holder]]:
    """Return the documents of daemons, each with who wrote it."""
    return [
        (each, each.holder)
        for each in documents
        if each.tag is None and each.name.startswith(PREFIX) and each.holder is not None
    ]


def last_beat(document: Document) -> float | None:
    """Return when a daemon said last that it lives, by its own clock; None if never."""
    at = (document.body or {}).get(_AT)
    return float(at) if isinstance(at, int | float) else None


def kept_by(documents: Iterable[Document]) -> dict[str, KeptBy]:
    """Return, by farm, the daemon whose last beat says that it keeps it.

    Of two that both say so the one that said so last counts: the other is dead, or has
    not seen yet that the farm is not its own any more.
    """
    found: dict[str, KeptBy] = {}
    for document, holder in daemons(documents):
        said = document.body or {}
        beat, farms = said.get(_AT), said.get(_FARMS)
        if not isinstance(beat, int | float) or not isinstance(farms, Mapping):
            continue
        for name, numbers in farms.items():
            daemon = KeptBy(
                host=holder.host, pid=holder.pid, beat=float(beat), load=_load(numbers)
            )
            known = found.get(str(name))
            if known is None or known.beat < daemon.beat:
                found[str(name)] = daemon
    return found


def _load(numbers: object) -> Load | None:
    match numbers:
        case [
            int() as waiting,
            int() as running,
            int() as truth,
            int() as since,
            int() as limited,
            *_,
        ]:
            return Load(
                waiting=waiting,
                running=running,
                truth=float(truth),
                since=float(since),
                limited=bool(limited),
            )
        case _:
            return None


def _weight(load: Load) -> int:
    return load.waiting + load.running
