"""How long work will run: the mean of its owner's last two runs.

The rule is Tsafrir's; over the traces of the project its median error is a few per
cent, its tails are long. Work that outlives its guess is expected to run as long again.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

RECENT = 101


class Runtimes:
    """Remembers how long work ran. Deterministic; holds no clock."""

    def __init__(self, prior: float = 3600.0) -> None:
        """Begin with `prior` seconds for everybody."""
        self.prior = prior
        self.owners: dict[str, tuple[float, float]] = {}
        self.all: deque[float] = deque(maxlen=RECENT)
        self._median: float | None = None

    def ended(self, owner: str, seconds: float) -> None:
        """Note that work of this owner ended after so many seconds."""
        last = self.owners.get(owner)
        self.owners[owner] = (last[1] if last else seconds, seconds)
        self.all.append(seconds)
        self._median = None

    def guess(self, owner: str) -> float:
        """Return the seconds that new work of this owner is expected to run."""
        last = self.owners.get(owner)
        if last is not None:
            return (last[0] + last[1]) / 2
        if self._median is None:
            ordered = sorted(self.all)
            self._median = ordered[len(ordered) // 2] if ordered else self.prior
        return self._median

    def left(self, owner: str, elapsed: float) -> float:
        """Return the seconds that work is expected to go on after `elapsed`."""
        return outlived(self.guess(owner), elapsed)

    def stay(self, steps: Sequence[float]) -> list[list[float]]:
        """Return for how long work that comes in one step is there in a later one.

        The entry at [later][earlier] is the seconds of the earlier step whose work
        still runs in the middle of the later one, from how long recent work ran. A rate
        times this is what is there of it.
        """
        runs = sorted((*self.all, self.prior))
        sums = [0.0, *accumulate(runs)]

        def runs_on(age: float) -> float:
            """Return the seconds that work runs on average before it is `age` old."""
            ended = bisect_right(runs, age)
            return (sums[ended] + (len(runs) - ended) * age) / len(runs)

        edges = [0.0, *accumulate(steps)]
        table: list[list[float]] = []
        for later, seconds in enumerate(steps):
            middle = edges[later] + seconds / 2
            since = [runs_on(middle - edge) for edge in edges[: later + 1]]
            table.append(
                [since[earlier] - since[earlier + 1] for earlier in range(later)]
            )
        return table


def outlived(guess: float, elapsed: float) -> float:
    """Return the seconds left of work that was to run for `guess`, and ran so far."""
    return guess - elapsed if guess > elapsed else max(elapsed, 1.0)
