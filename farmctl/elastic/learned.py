"""How long boots and stops take and how many boots fail, per image and class.

Means of what samples show: plain ones of the first few measurements, weighted towards
the newest from then on; `Times` of the terms until there is one. The terms are guesses
and count for nothing beside a measurement: a farm whose boots take 10 s or 900 s is not
sized for long by the 300 s that somebody took for usual.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farmctl.elastic.terms import Times
from farmctl.model.sample import NodeSample, NodeState

WEIGHT = 0.1
"""Share of a new measurement in the mean: about the last twenty count.

The first ten have equal shares.
"""

SETTLED = round(1 / WEIGHT)
"""Measurements after which each new one has that share."""

MOST_FAIL = 0.75
"""Above this share of failing boots the breaker decides, not the price."""

Kind = tuple[str, str]
"""Image and hypervisor class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """How long something takes, in seconds, over `count` measurements."""

    seconds: float = 0.0
    count: int = 0

    def with_one(self, seconds: float) -> "Mean":
        """Return the mean with one measurement more."""
        count = min(self.count + 1, SETTLED)
        moved = self.seconds + (seconds - self.seconds) / count
        return Mean(seconds=moved, count=count)


class Learned:
    """Measured times. Deterministic; holds no clock."""

    def __init__(self, first: Times) -> None:
        """Begin with the first guesses."""
        self.first = first
        self.boots: dict[Kind, Mean] = {}
        self.stops: dict[Kind, Mean] = {}
        self.resumes: dict[Kind, Mean] = {}
        self.failures: dict[Kind, float] = {}
        self.newest: Kind = ("", "")
        self._ending: dict[str, NodeSample] = {}

    def see(
        self,
        now: float,
        before: NodeSample | None,
        after: NodeSample | None,
        *,
        last: float,
    ) -> None:
        """Note how a node changed between two samples; None where it was not there.

        `last` is the time of the earlier sample. A stop that may have ended long before
        anybody looked again is no measurement.
        """
        if after is not None and before is not None:
            kind = (after.image, after.hypervisor_class)
            came = after.state is NodeState.READY and before.state is NodeState.BOOTING
            if came and after.joined > before.since:
                woken = before.joined > 0
                table = self.resumes if woken else self.boots
                _measured(table, kind, after.joined - before.since)
                self.newest = kind
                if not woken:
                    self._failing(kind, 0.0)
        if before is not None and before.state is NodeState.BOOTING:
            lost = after is None or after.state in {NodeState.ENDING, NodeState.ASIDE}
            if lost and not before.joined:
                kind = (before.image, before.hypervisor_class)
                self._failing(kind, 1.0)
        elif after is None and before is not None and before.state is NodeState.ENDING:
            kind = (before.image, before.hypervisor_class)
            if now - last <= last - before.since or now - last <= self.first.stop:
                _measured(self.stops, kind, now - before.since)

    def times(self, kind: Kind | None = None) -> Times:
        """Return the times for nodes of this image and class, or of the newest.

        A boot that may fail takes as long as all the boots until one succeeds.
        """
        kind = kind or self.newest
        failing = min(self.failures.get(kind, 0.0), MOST_FAIL)
        return Times(
            boot=_known(self.boots, kind, self.first.boot) / (1 - failing),
            stop=_known(self.stops, kind, self.first.stop),
            resume=_known(self.resumes, kind, self.first.resume),
        )

    def _failing(self, kind: Kind, failed: float) -> None:
        """Count a boot that failed (1) or came up (0).

        Begins at none: one that fails first is not all of them.
        """
        old = self.failures.get(kind, 0.0)
        self.failures[kind] = old + WEIGHT * (failed - old)


def _measured(table: dict[Kind, Mean], kind: Kind, seconds: float) -> None:
    table[kind] = table.get(kind, Mean()).with_one(seconds)


def _known(table: Mapping[Kind, Mean], kind: Kind, guess: float) -> float:
    known = table.get(kind)
    return guess if known is None else known.seconds


def capacity(nodes: Iterable[NodeSample]) -> int:
    """Return the slots that count against a quota: all but those on standby."""
    return sum(node.slots for node in nodes if node.state is not NodeState.STANDBY)
