"""Since when a node is there and idle, where the batch system does not keep it.

Remembered from look to look, in this process only: after a restart a node counts as
idle from the first look on, so that it stays longer and never goes too early.
"""

from collections.abc import Mapping
from threading import Lock


class Remembered:
    """Times by node; safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._joined: dict[str, float] = {}
        self._idle: dict[str, float] = {}

    def see(
        self, busy: Mapping[str, bool], now: float
    ) -> Mapping[str, tuple[float, float | None]]:
        """Return when each node was seen first, and idle first since it worked."""
        with self._guard:
            for name in [name for name in self._joined if name not in busy]:
                del self._joined[name]
                self._idle.pop(name, None)
            for name, works in busy.items():
                self._joined.setdefault(name, now)
                if works:
                    self._idle.pop(name, None)
                else:
                    self._idle.setdefault(name, now)
            return {name: (self._joined[name], self._idle.get(name)) for name in busy}
