"""Breakers: a broken image or hypervisor is not tried again and again.

Fed with what became of each boot, by image (the digest of all that a node is made of)
and hypervisor. Three failures of an image without a success, wherever they were, open
its breaker: nothing is made of it until a back-off is over, then one node, the canary;
its success closes the breaker, its failure doubles the back-off. A hypervisor on which
an image failed twice in a row gets no more of that image, one on which three boots of
whatever image failed in a row gets nothing, each for a back-off of its own. An image
that nobody has seen come up is not proven, and has few nodes on their way at once.

A value without a clock. After a restart it is fed with the VMs that are there, those
put aside among them, and so knows what it knew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

_K = TypeVar("_K")

TRIPS_AT = 3
"""Failures of an image in a row. Two may be two nodes' own; a third is not."""

SHUN_AT = 2
"""Failures of an image in a row on one hypervisor, or one fewer than of any three."""

BACK_OFF = 600.0
"""Seconds of the first back-off unless told otherwise; each failure doubles it."""

LONGEST = 8 * 3600.0
"""Seconds of the longest back-off: a mended image is tried within a working day."""

UNPROVEN = 5
"""Nodes at once of an image that nobody has seen come up."""


class How(Enum):
    """What became of a boot."""

    CAME_UP = "came up"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot that is over: of which VM, image and hypervisor, when, and how.

    `host` is empty where none was chosen; `why` says why it failed.
    """

    vm_id: int
    image: str
    host: str
    at: float
    how: How
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """How many nodes of an image may be on their way at once, None for no limit.

    `until`: when that changes by itself, 0 if it does not. `because`: why not more.
    """

    count: int | None
    until: float = 0.0
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Failures in a row: how many, the last one's time and reason, and on what."""

    count: int = 0
    at: float = 0.0
    why: str = ""
    on: frozenset[str] = frozenset()

    def failed(self, boot: Boot, on: str) -> "Row":
        """Return the row with one failure more."""
        return Row(
            count=self.count + 1,
            at=max(self.at, boot.at),
            why=boot.why,
            on=self.on | {on},
        )

    def until(self, trips_at: int, back_off: float) -> float:
        """Return when its back-off is over; 0 if it has not tripped."""
        if self.count < trips_at:
            return 0.0
        doublings = min(self.count - trips_at, 16)
        return self.at + min(LONGEST, back_off * float(2**doublings))


_NONE = Row()


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is known of images, hypervisors and pairs of them.

    `back_off`: seconds of the first back-off.
    """

    back_off: float = BACK_OFF
    proven: frozenset[str] = frozenset()
    images: Mapping[str, Row] = field(default_factory=dict)
    hosts: Mapping[str, Row] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    seen: frozenset[int] = frozenset()

    def see(self, boots: Iterable[Boot]) -> "Breaker":
        """Return the breaker after these boots; each VM's boot counts once."""
        known = self
        for boot in sorted(boots, key=lambda each: (each.at, each.vm_id)):
            if boot.vm_id not in known.seen:
                known = known._one(boot)
        return known

    def forget(self, there: Iterable[int]) -> "Breaker":
        """Return the breaker without the ids of VMs that are there no longer."""
        return replace(self, seen=self.seen & frozenset(there))

    def allows(self, image: str, *, now: float) -> Allowed:
        """Return how many nodes of an image may be on their way now."""
        row = self.images.get(image, _NONE)
        until = row.until(TRIPS_AT, self.back_off)
        if until:
            where = ", ".join(sorted(row.on - {""}))
            said = f"{row.count} boots of its image failed in a row"
            said += f" on {where}" if where else ""
            said += f", the last: {row.why}" if row.why else ""
            if now < until:
                return Allowed(
                    count=0,
                    until=until,
                    because=f"{said}; one is tried again in {until - now:.0f} s",
                )
            return Allowed(count=1, because=f"{said}; one is tried now")
        if image not in self.proven:
            return Allowed(
                count=UNPROVEN,
                because=f"nobody has seen its image come up yet: at most {UNPROVEN} "
                "at once until one has",
            )
        return Allowed(count=None)

    def shunned(self, image: str, *, now: float) -> Mapping[str, str]:
        """Return the hypervisors that get no node of an image now, and why."""
        found: dict[str, str] = {}
        for host, row in self.hosts.items():
            if now < row.until(TRIPS_AT, self.back_off):
                found[host] = f"{row.count} boots in a row failed on it"
        for (of, host), row in self.pairs.items():
            if of == image and now < row.until(SHUN_AT, self.back_off):
                found.setdefault(
                    host, f"{row.count} boots of this image in a row failed on it"
                )
        return found

    def _one(self, boot: Boot) -> "Breaker":
        pair = (boot.image, boot.host)
        seen = self.seen | {boot.vm_id}
        if boot.how is How.CAME_UP:
            return replace(
                self,
                proven=self.proven | {boot.image},
                images=_without(self.images, boot.image),
                hosts=_without(self.hosts, boot.host),
                pairs=_without(self.pairs, pair),
                seen=seen,
            )
        images = self.images.get(boot.image, _NONE).failed(boot, boot.host)
        known = replace(self, images={**self.images, boot.image: images}, seen=seen)
        if not boot.host:
            return known
        hosts = self.hosts.get(boot.host, _NONE).failed(boot, boot.image)
        pairs = self.pairs.get(pair, _NONE).failed(boot, boot.host)
        return replace(
            known,
            hosts={**self.hosts, boot.host: hosts},
            pairs={**self.pairs, pair: pairs},
        )


def _without(table: Mapping[_K, Row], key: _K) -> Mapping[_K, Row]:
    return {name: row for name, row in table.items() if name != key}
