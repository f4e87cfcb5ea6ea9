"""Whether this machine's clock runs on, or has jumped: held against the steady one.

A clock that is set by hours makes empty nodes look idle for hours, boots late and
leases over. For a while after a jump nothing rests on how long something has lasted,
and what was remembered of when is forgotten: everybody is given the full time again.
"""

from farmctl.clock import Clock

JUMP = 60.0
"""Seconds by which the clock may be set without it being a jump."""


class Timekeeping:
    """One clock, looked at again and again."""

    def __init__(self, clock: Clock, *, hold: float) -> None:
        self._clock = clock
        self._hold = hold
        self._apart = clock.now() - clock.monotonic()
        self._until = float("-inf")
        self._said = ""

    def jumped(self) -> bool:
        """Tell whether the clock has jumped since this was asked last."""
        apart = self._clock.now() - self._clock.monotonic()
        by, self._apart = apart - self._apart, apart
        if abs(by) <= JUMP:
            return False
        self._until = self._clock.monotonic() + self._hold
        way = "ahead" if by > 0 else "back"
        self._said = (
            f"this machine's clock has jumped {way} by {abs(by):.0f} s: for "
            f"{self._hold:.0f} s nothing rests on the time"
        )
        return True

    def distrust(self) -> str:
        """Return why nothing is to rest on the time now; nothing if it may."""
        return self._said if self._clock.monotonic() < self._until else ""
