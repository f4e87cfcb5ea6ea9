"""Leases: when a farm ends by itself, who is told before, and what is noted.

Calls nothing. The lease counts from when the farm was first seen with it; that moment
is kept in the farm's document, so that no restart and no other daemon begins it anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farmctl.model.view import FarmView
from farmctl.spec import Farm

KEY = "lease"
"""Where the farm's document keeps since when the lease counts."""

_WARNINGS = (0.2, 0.05)
"""Shares of the lease that are left when people are told."""

_SOONEST = 900.0
"""Seconds before the end at which people are told at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A farm's lease as it stands: `began` and `ends` in seconds since the epoch."""

    began: float
    ends: float

    def over(self, now: float) -> bool:
        """Tell whether the farm is to end."""
        return now >= self.ends

    def warning(self, now: float) -> int:
        """Return how many warnings are due: 0 to 3."""
        left, whole = self.ends - now, self.ends - self.began
        due = [left <= whole * share for share in _WARNINGS]
        return sum(due) + (left <= _SOONEST)


class Vacancy:
    """Since when looks have shown a farm without workers: one look ends no farm."""

    def __init__(self, *, apart: float) -> None:
        self._apart = apart
        self._since: float | None = None

    def see(self, *, vacant: bool, now: float) -> bool:
        """Tell whether two looks that are far enough apart agree that none is there.

        Args:
            vacant: whether this look shows none.
            now: a clock that nobody sets, in seconds.
        """
        if not vacant:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= self._apart


def lease(farm: Farm, mine: FarmView, *, now: float) -> Lease | None:
    """Return a farm's lease, None if it has none."""
    if farm.lease is None:
        return None
    began = _noted(mine)
    if began is None:
        # Its oldest VM is as old as it is; without any it begins now.
        began = float(min((vm.since for vm in mine.vms if vm.since), default=now))
    return Lease(began=began, ends=began + farm.lease.expires_in)


def notes(found: Lease | None) -> Mapping[str, object]:
    """Return what the farm's document is to keep of the lease."""
    return {} if found is None else {KEY: {"began": int(found.began)}}


def _noted(mine: FarmView) -> float | None:
    document = mine.document
    kept = document.body.get(KEY) if document and document.body else None
    began = kept.get("began") if isinstance(kept, Mapping) else None
    return float(began) if isinstance(began, int | float) else None
