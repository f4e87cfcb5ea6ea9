"""How long boots and stops take and how many boots fail, per image and class.

Exponentially weighted means of what samples show; `Times` of the terms until then.
"""

from collections.abc import Iterable

from farmctl.elastic.terms import Times
from farmctl.model.sample import NodeSample, NodeState

WEIGHT = 0.1
"""Share of a new measurement in the mean: about the last twenty count."""

MOST_FAIL = 0.75
"""Above this share of failing boots the breaker decides, not the price."""

Kind = tuple[str, str]
"""Image and hypervisor class."""


class Learned:
    """Measured times. Deterministic; holds no clock."""

    def __init__(self, first: Times) -> None:
        """Begin with the first guesses."""
        self.first = first
        self.boots: dict[Kind, float] = {}
        self.stops: dict[Kind, float] = {}
        self.resumes: dict[Kind, float] = {}
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
                guess = self.first.resume if woken else self.first.boot
                self._mean(table, kind, after.joined - before.since, guess)
                self.newest = kind
                if not woken:
                    self._mean(self.failures, kind, 0.0, 0.0)
        if before is not None and before.state is NodeState.BOOTING:
            lost = after is None or after.state in {NodeState.ENDING, NodeState.ASIDE}
            if lost and not before.joined:
                kind = (before.image, before.hypervisor_class)
                self._mean(self.failures, kind, 1.0, 0.0)
        elif after is None and before is not None and before.state is NodeState.ENDING:
            kind = (before.image, before.hypervisor_class)
            if now - last <= last - before.since or now - last <= self.first.stop:
                self._mean(self.stops, kind, now - before.since, self.first.stop)

    def times(self, kind: Kind | None = None) -> Times:
        """Return the times for nodes of this image and class, or of the newest.

        A boot that may fail takes as long as all the boots until one succeeds.
        """
        kind = kind or self.newest
        failing = min(self.failures.get(kind, 0.0), MOST_FAIL)
        return Times(
            boot=self.boots.get(kind, self.first.boot) / (1 - failing),
            stop=self.stops.get(kind, self.first.stop),
            resume=self.resumes.get(kind, self.first.resume),
        )

    @staticmethod
    def _mean(
        table: dict[Kind, float], kind: Kind, seconds: float, guess: float
    ) -> None:
        old = table.get(kind, guess)
        table[kind] = old + WEIGHT * (seconds - old)


def capacity(nodes: Iterable[NodeSample]) -> int:
    """Return the slots that count against a quota: all but those on standby."""
    return sum(node.slots for node in nodes if node.state is not NodeState.STANDBY)
