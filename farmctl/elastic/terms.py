"""The terms on which a farm scales: its price of waiting, its pools, its limits.

Values that the rooms above make from the farm's file and from what was measured.
"""

from dataclasses import dataclass
from math import inf

PRICE = {
    "batch": 1.0,
    "pilot": 1.0,
    "plain": 1.0,
    "imaging": 5.0,
    "interactive": 20.0,
}
"""Core-hours that an hour of one waiting task is worth, by the farm's kind."""


PROOF = 10
"""Bursts, or nodes, of which something must be known before it is gone by."""

TWICE = 2.0
"""A guess must pay twice; and no empty node is held for longer than this many g*."""

LOOKS = 60
"""Looks in the time until a node is ready: they add less than a hundredth to a wait."""

WEEK = 604_800.0
"""Seconds in which what was learned of a farm's luck fades to a third."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One shape of nodes and how many of them there may be.

    `standby`: how many may wait suspended. `memory_mib`: 0 when it does not limit.
    `surge`: how many more than `most` a rolling update has there for a while.
    """

    name: str
    slots: int
    least: int = 0
    most: int = 1 << 20
    memory_mib: int = 0
    standby: int = 0
    surge: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a farm's scaling is made from; no seconds are set by hand.

    `price`: core-hours that an hour of a waiting task is worth. `boot`, `stop`,
    `resume`: seconds as first guesses, until the farm has measured its own. `quota`:
    slots the farm may have at once, None for no limit. `ramp`: new nodes per round.
    `unproven`: booting nodes at once. `budget`: core-hours that its nodes may cost from
    one midnight (UTC) to the next; once it is spent nothing new is started, and a new
    node must find an hour of it. `parked_price`: what a suspended slot costs as a
    share of a running one (its memory and disk).
    """

    pools: tuple[Pool, ...]
    price: float = 1.0
    boot: float = 300.0
    stop: float = 30.0
    resume: float = 60.0
    quota: int | None = None
    ramp: int | None = None
    unproven: int | None = None
    budget: float | None = None
    parked_price: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Measured seconds: from request to ready, from end to gone, from standby."""

    boot: float
    stop: float
    resume: float

    def break_even(self, price: float, crowd: float = 1.0) -> float:
        """Return g*, the seconds that an empty node may cost what losing it does.

        A node that goes and is wanted again costs its boot and stop, and makes `crowd`
        tasks per slot wait for a boot at `price`.
        """
        return self.boot + self.stop + price * self.boot * crowd

    def parked(self, price: float, share: float) -> float:
        """Return the seconds for which a node on standby is worth its memory and disk.

        The break-even time of what a resume spares against a boot. `share`: what a
        suspended slot costs of a running one.
        """
        spared = max(0.0, self.boot - self.resume) * (1 + price)
        return spared / share if share > 0 else inf
