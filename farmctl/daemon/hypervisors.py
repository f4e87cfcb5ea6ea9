"""Which hypervisors are to be emptied: those that an admin has disabled.

Their nodes get no new work, end when they are empty, and others come up elsewhere.
A hypervisor in error is none of these: what runs there may well go on running.
"""

from farmctl.clock import Clock
from farmctl.cloud.port import Cloud
from farmctl.errors import CloudError


class Hypervisors:
    """What was seen of the hypervisors last; two calls, once in a while."""

    def __init__(self, cloud: Cloud, clock: Clock, *, every: float) -> None:
        self._cloud = cloud
        self._clock = clock
        self._every = every
        self._looked = float("-inf")
        self._disabled: frozenset[str] = frozenset()

    def disabled(self) -> frozenset[str]:
        """Return the names of those that are disabled, as seen not long ago.

        Where they cannot be seen now, what was seen before holds; a user who may not
        see them has none.
        """
        now = self._clock.monotonic()
        if now - self._looked < self._every:
            return self._disabled
        self._looked = now
        try:
            hosts = self._cloud.capacity().hosts
        except CloudError:
            return self._disabled
        self._disabled = frozenset(host.name for host in hosts if host.disabled)
        return self._disabled
