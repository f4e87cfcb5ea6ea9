"""The cloud as one value: what every function of this room is handed.

Holds no behaviour of its own but time: whatever is to happen later goes through
`later`, which makes it a transaction like any call.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Callable

from farmctl.embedded.driver import Driver, Dummy
from farmctl.embedded.entities import Host
from farmctl.embedded.faults import Faults
from farmctl.embedded.machine import Actor, Machine
from farmctl.embedded.permissions import Caller
from farmctl.embedded.pools import Pools
from farmctl.embedded.settings import Settings
from farmctl.embedded.store import Store
from farmctl.embedded.timeline import Timeline

VERSION = "7.4.0"
_LOG = logging.getLogger(__name__)


class Cloud:
    """Pools, clock, faults and drivers of one embedded cloud."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.timings = settings.timings
        self.pools = Pools(store)
        self.fresh = not self.pools.load()
        if "secret" not in self.pools.values:
            self.pools.note("secret", secrets.token_hex(32))
        offset = float(self.pools.values.get("offset", 0.0))
        self.timeline = Timeline(start=time.time() + offset, scale=settings.scale)
        self.faults = Faults()
        self.drivers: dict[str, Driver] = {"dummy": Dummy(settings.timings)}
        self.port = settings.port
        self.onegate_url = ""
        self.scheduler_interval = settings.timings.scheduler
        self.poke_scheduler: Callable[[], None] = lambda: None
        self.perform: Callable[[Machine, str, str], None] = lambda *_: None
        """Performs a scheduled action: which VM, which action, its arguments."""

    def now(self) -> int:
        """Return the cloud's time as OpenNebula stores times."""
        return self.timeline.seconds()

    def stamp(self, message: str) -> str:
        """Return a message as OpenNebula puts it into a template: time first."""
        when = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(self.now()))
        return f"{when}: {message}"

    def later(self, due: float, action: Callable[[], None]) -> None:
        """Have `action` happen at the time `due`, as a transaction of its own."""

        def happen() -> None:
            try:
                action()
                self.commit()
            except Exception:  # noqa: BLE001  # logged, and taken back
                # The rim: a mistake in one VM's step must not stop the others'.
                _LOG.exception("something that was due failed")
                self.pools.rollback()

        self.timeline.at(due, happen)

    def commit(self) -> None:
        """Write what has changed, and let the scheduler know.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        self.pools.commit()
        if self.pools.waiting:
            self.poke_scheduler()

    def keep_clock(self) -> None:
        """Remember how far the clock is from the machine's, for the next start."""
        self.pools.note("offset", self.timeline.now() - time.time())

    def driver_of(self, host: Host | None) -> Driver:
        """Return what runs the VMs of a host."""
        wanted = "dummy" if host is None else host.vm_mad
        return self.drivers.get(wanted, self.drivers["dummy"])

    def token(self, vm_id: int, stime: int) -> str:
        """Return the OneGate token of a VM."""
        return self.key(f"{vm_id}:{stime}")

    def key(self, purpose: str) -> str:
        """Return a key of this cloud's own for a purpose, in hexadecimal."""
        secret = str(self.pools.values["secret"]).encode()
        return hmac.digest(secret, purpose.encode(), "sha256").hex()


def actor(caller: Caller) -> Actor:
    """Return the caller as history records name it."""
    return Actor(uid=caller.uid, gid=caller.gid, request_id=caller.request_id)


def sorted_without(ids: list[int], gone: int) -> list[int]:
    """Return the ids without one of them."""
    return [i for i in ids if i != gone]


def sorted_with(ids: list[int], new: int) -> list[int]:
    """Return the ids with one more, in order, each once."""
    return sorted({*ids, new})
