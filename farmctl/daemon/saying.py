"""What a round says of what it sees, before it decides: once each, and when it is over.

What it decides and does is told by `telling`, as it comes about.
"""

from farmctl.daemon import bounds
from farmctl.daemon.briefs import Brief
from farmctl.daemon.seeing import Seen
from farmctl.daemon.telling import Teller
from farmctl.elastic.evidence import Evidence


class Sayings:
    """What has been said of one farm so far."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._warned = -1

    def seen(self, brief: Brief, seen: Seen, evidence: Evidence) -> None:
        """Say what stands in the farm's way, and that its lease ends soon."""
        self._teller.state(
            "the queue is not believed",
            "" if brief.farm.batch is None else evidence.doubt,
            calm="the queue is believed again",
        )
        self._teller.state("nothing is ended", evidence.restarting)
        self._teller.state(
            "work that can never run", "; ".join(str(each) for each in seen.never)
        )
        beyond = bounds.beyond_quota(brief.farm, brief.mine, brief.view.quotas)
        self._teller.state("fewer nodes than the least", " ".join(beyond))
        self._warn(brief)

    def _warn(self, brief: Brief) -> None:
        lease = brief.lease
        if lease is None:
            return
        due = lease.warning(brief.now)
        if due and due != self._warned and not lease.over(brief.now):
            left = lease.ends - brief.now
            self._teller.did(
                "lease ends soon", f"it ends in {left:.0f} s", ends_at=lease.ends
            )
        self._warned = due
