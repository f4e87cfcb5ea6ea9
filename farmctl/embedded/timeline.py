"""The cloud's clock and what is due on it.

The clock runs `scale` times as fast as the machine's and can be turned forward. What
is due happens in the order of its time, and while it happens `now` is that time: a
VM that is deployed during an hour that a test skips gets the times it would have got.
"""

import heapq
import itertools
import time
from collections.abc import Callable

Due = Callable[[], None]


class Timeline:
    """A clock that can be turned, and a heap of what is due.

    Args:
        start: the time at which the clock starts, seconds since the epoch.
        scale: how many of its seconds pass in one of the machine's.
    """

    def __init__(self, *, start: float, scale: float = 1.0) -> None:
        self._base = start
        self._since = time.monotonic()
        self._scale = scale
        self._present: float | None = None
        self._heap: list[tuple[float, int, Due]] = []
        self._order = itertools.count()

    @property
    def scale(self) -> float:
        """How many seconds of the cloud pass in one of the machine's."""
        return self._scale

    def now(self) -> float:
        """Return the cloud's time in seconds since the epoch."""
        if self._present is not None:
            return self._present
        return self._base + (time.monotonic() - self._since) * self._scale

    def seconds(self) -> int:
        """Return the cloud's time as OpenNebula stores times."""
        return int(self.now())

    def set_scale(self, scale: float) -> None:
        """Run `scale` times as fast as the machine from now on; 0 stops the clock."""
        self._base, self._since = self.now(), time.monotonic()
        self._scale = scale

    def turn(self, seconds: float) -> None:
        """Turn the clock forward; what falls due happens at the next `advance`."""
        self._base += seconds

    def at(self, due: float, action: Due) -> None:
        """Have `action` happen at the time `due`."""
        heapq.heappush(self._heap, (due, next(self._order), action))

    def advance(self) -> int:
        """Let everything that is due happen; return how many things did."""
        happened = 0
        until = self.now()
        while self._heap and self._heap[0][0] <= until:
            due, _, action = heapq.heappop(self._heap)
            self._present = due
            try:
                action()
            finally:
                self._present = None
            happened += 1
            if not self._heap or self._heap[0][0] > until:
                until = self.now()
        return happened

    def wait(self) -> float | None:
        """Return the machine's seconds until something is due; None: nothing is."""
        if not self._heap or self._scale <= 0:
            return None
        return max(0.0, (self._heap[0][0] - self.now()) / self._scale)
