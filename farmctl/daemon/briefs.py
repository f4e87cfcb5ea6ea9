"""What a farm's round is about: the farm, the look, and what holds for all farms."""

from dataclasses import dataclass

from farmctl.daemon.leases import Lease
from farmctl.model.view import CloudView, FarmView
from farmctl.reconcile import Options
from farmctl.spec import Farm


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What holds for all farms just now.

    `emptied`: hypervisors whose nodes are to go. `distrust`: why nothing is to rest on
    the time; empty if it may.
    """

    emptied: frozenset[str] = frozenset()
    distrust: str = ""


USUAL = Circumstances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one round is about."""

    view: CloudView
    mine: FarmView
    farm: Farm
    declared: Farm | None
    lease: Lease | None
    options: Options
    now: float
    circumstances: Circumstances

    @property
    def lease_over(self) -> bool:
        """Whether the farm is to end, as far as the clock may be believed."""
        if self.lease is None or self.circumstances.distrust:
            return False
        return self.lease.over(self.now)
