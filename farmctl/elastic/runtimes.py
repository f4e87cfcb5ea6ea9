"""How long work will run: one number from its owner's last two runs, or all of them.

The mean of the last two is Tsafrir's rule; over the traces of the project its median
error is a few per cent, its tails are long. Many owners mix runs of minutes with runs
of days, and there no single number tells when slots are free: for that each piece of
work is given a place among its owner's recent runs, and ends as the run at that place.
The places of many are spread evenly, so that as many end early and late as did of late.
Work that outlives all of them is expected to run as long again, or longer by its place.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from zlib import crc32

RECENT = 101
"""Runs of all owners that are remembered."""

RUNS = 20
"""Runs of one owner that are remembered."""

FADE = 0.5 ** (1 / 5)
"""What a run weighs against the next one: those of another campaign are soon past."""

FEW = 4
"""Runs of an owner below which those of all owners fill up."""

LONGEST = 9.0
"""Of those that outlive all runs, the last tenth goes on for so many times as long."""


class Runtimes:
    """Remembers how long work ran. Deterministic; holds no clock."""

    def __init__(self, prior: float = 3600.0) -> None:
        """Begin with `prior` seconds for everybody."""
        self.prior = prior
        self.owners: dict[str, deque[float]] = {}
        self.all: deque[float] = deque(maxlen=RECENT)
        self._ordered: list[float] | None = None
        self._spreads: dict[str, tuple[list[float], list[float]]] = {}

    def ended(self, owner: str, seconds: float) -> None:
        """Note that work of this owner ended after so many seconds."""
        self.heard(owner, [seconds])
        self.all.append(seconds)
        self._ordered = None

    def heard(self, owner: str, runs: Sequence[float]) -> None:
        """Note runs of one owner, the last one last."""
        self.owners.setdefault(owner, deque(maxlen=RUNS)).extend(runs)
        self._spreads.pop(owner, None)

    def guess(self, owner: str) -> float:
        """Return the seconds that new work of this owner is expected to run."""
        last = self.owners.get(owner)
        if last:
            return (last[-1] + last[-2]) / 2 if len(last) > 1 else last[-1]
        ordered = self._all_ordered()
        return ordered[len(ordered) // 2]

    def left(self, owner: str, elapsed: float) -> float:
        """Return the seconds that work is expected to go on after `elapsed`."""
        return outlived(self.guess(owner), elapsed)

    def on(self, owner: str, elapsed: float, place: float) -> float:
        """Return the seconds that one of many pieces of work goes on after `elapsed`.

        Args:
            owner: whose it is.
            elapsed: seconds that it ran so far.
            place: its place among those of its age, from 0, which ends first, to 1.
        """
        runs, shares = self._spreads.get(owner) or self._spread(owner)
        ended = bisect_right(runs, elapsed)
        if ended < len(runs):
            gone = shares[ended - 1] if ended else 0.0
            at = bisect_right(shares, gone + place * (shares[-1] - gone))
            return runs[min(at, len(runs) - 1)] - elapsed
        return max(elapsed, 1.0) * min(1 / (1 - place) - 1, LONGEST)

    def _spread(self, owner: str) -> tuple[list[float], list[float]]:
        """Return the owner's recent runs, rising, and what they weigh up to each."""
        found = self._spreads.get(owner)
        if found is None:
            last = self.owners.get(owner, ())
            runs = [(run, FADE**age) for age, run in enumerate(reversed(last))]
            lack = FEW - len(runs)
            if lack > 0:
                every = self._all_ordered()
                step = len(every) / lack
                weight = FADE ** len(runs)
                runs += [(every[int((at + 0.5) * step)], weight) for at in range(lack)]
            runs.sort()
            weights = accumulate(weight for _, weight in runs)
            found = [run for run, _ in runs], [*weights]
            if lack <= 0:
                self._spreads[owner] = found
        return found

    def _all_ordered(self) -> list[float]:
        if self._ordered is None:
            self._ordered = sorted(self.all) or [self.prior]
        return self._ordered

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


def place_of(job: str) -> float:
    """Return a job's place for `Runtimes.on`: always the same, spread over all jobs."""
    return crc32(job.encode()) / 2**32


def outlived(guess: float, elapsed: float) -> float:
    """Return the seconds left of work that was to run for `guess`, and ran so far."""
    return guess - elapsed if guess > elapsed else max(elapsed, 1.0)
