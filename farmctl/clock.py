"""The clock, as an argument.

Only `reconcile`, `daemon` and what stands above them hold one; everything below is
given `now`. Tests hand in a clock that they turn themselves.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Time as the loops see it."""

    def now(self) -> float:
        """Return the time in seconds since the epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; for measuring, not for showing."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`; zero or less returns at once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the time in seconds since the epoch (UTC)."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)
