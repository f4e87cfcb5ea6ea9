"""For which pools room was found to be lacking, and for how long that is believed.

Hypervisors are read only when nodes are asked for. What was refused for lack of room is
not asked for again at once, unless a node has ended meanwhile.
"""

from collections.abc import Iterable

from farmctl import reconcile
from farmctl.daemon.telling import Teller
from farmctl.model.steps import RemoveNode
from farmctl.reconcile import Outcome


class Room:
    """What one farm lacks; `lacking` is by pool until when, and why."""

    def __init__(self, teller: Teller, *, seconds: float) -> None:
        self._teller = teller
        self._seconds = seconds
        self.lacking: dict[str, tuple[float, str]] = {}

    def see(self, outcome: Outcome, pools: Iterable[str], *, now: float) -> None:
        """Learn from what became of a run."""
        ended = any(isinstance(each.step, RemoveNode) for each in outcome.steps)
        self.lacking = {
            pool: known
            for pool, known in self.lacking.items()
            if known[0] > now and not ended
        }
        for pool in pools:
            why = reconcile.room_lacking(outcome.plan, pool)
            if why:
                self.lacking[pool] = (now + self._seconds, why)
                self._teller.went_wrong(f"no room for {pool}", why)
            elif outcome.plan.steps:
                self._teller.over(f"no room for {pool}")
