"""Rounds for ever: every farm of a site looked at, sized and kept, until stopped.

A thin asyncio shell over synchronous rounds. One look at the cloud serves all farms; a
round per farm runs on a bounded pool, and one that is slow or broken holds up no other.
What to do is decided by `elastic`, how it is done is `reconcile`'s; this room knows
when, and whom to tell. Nothing is kept that the cloud does not have: killed anywhere,
it goes on from what it sees.
"""

from farmctl.daemon.garbage import spare_what_stays
from farmctl.daemon.lines import log_as_json
from farmctl.daemon.loop import Daemon
from farmctl.daemon.metrics import Meters
from farmctl.daemon.notify import Supervisor
from farmctl.daemon.values import Batches, Settings, Told

__all__ = [
    "Batches",
    "Daemon",
    "Meters",
    "Settings",
    "Supervisor",
    "Told",
    "log_as_json",
    "spare_what_stays",
]
