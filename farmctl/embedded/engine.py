"""One call at a time: who calls, whether something shall go wrong, then the method.

Single-threaded, so every call is atomic: it commits before its answer goes out, or it
is rolled back whole and answers why.
"""

import logging
import sqlite3
from functools import partial

from farmctl.embedded import (
    actions,
    content,
    lifecycle,
    monitoring,
    network_life,
    refusal,
    schedule,
    steps,
    wire,
)
from farmctl.embedded import calls as _calls
from farmctl.embedded.calls import images, security_groups, users
from farmctl.embedded.calls.registry import find
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.netns.driver import Netns
from farmctl.embedded.netns.link import Link
from farmctl.embedded.refusal import Fault, Refusal, internal
from farmctl.embedded.scheduler import Scheduler
from farmctl.embedded.settings import Settings
from farmctl.embedded.states import HostState
from farmctl.embedded.store import Store

_LOG = logging.getLogger(__name__)
_REGISTERED = _calls.__all__


class Engine:
    """An embedded cloud without its wires."""

    def __init__(
        self,
        settings: Settings,
        *,
        password: str,
        renew: bool = False,
        nodes: Link | None = None,
    ) -> None:
        self.settings = settings
        self.nodes = nodes
        """What keeps the nodes, where VMs are real."""
        self._password = password
        self._store = Store(settings.database)
        self._requests = 0
        self._real: Netns | None = None
        self.cloud = self._wake(renew=renew)

    def _wake(self, *, renew: bool) -> Cloud:
        cloud = Cloud(self.settings, self._store)
        if self.nodes is not None:
            self._real = cloud.drivers["netns"] = Netns(cloud, self.nodes)
        if cloud.fresh:
            content.fill(cloud, self._password)
        elif renew:
            oneadmin = cloud.pools.users.get(0)
            oneadmin.password = users.digest(self._password)
            cloud.pools.touch(oneadmin)
        Scheduler(cloud)
        cloud.perform = partial(actions.scheduled, cloud)
        rearm(cloud)
        if self._real is not None:
            self._real.wake()
        cloud.commit()
        return cloud

    def reset(self) -> None:
        """Start over with an empty cloud and the same password."""
        port, url = self.cloud.port, self.cloud.onegate_url
        if self._real is not None:
            self._real.reset()
        self._store.wipe()
        self.cloud = self._wake(renew=False)
        self.cloud.port, self.cloud.onegate_url = port, url

    def new_request(self) -> int:
        """Number a call, an XML-RPC one or one that a guest makes."""
        self._requests += 1
        return self._requests

    def answer(self, call: wire.Call) -> bytes:
        """Carry a call out and return its answer."""
        cloud = self.cloud
        cloud.timeline.advance()
        cloud.faults.calls[call.method] += 1
        self.new_request()
        try:
            values = self._answer(cloud, call)
        except Fault as error:
            return wire.fault(error)
        return wire.answer(values)

    def _answer(self, cloud: Cloud, call: wire.Call) -> list[object]:
        method = find(call.method)
        if not call.params:
            raise Fault(wire.WRONG_TYPE, "Not enough parameters")
        session = call.params[0]
        if not isinstance(session, str):
            raise Fault(
                wire.WRONG_TYPE,
                "Parameter that is supposed to be a string is not",
            )
        try:
            caller = users.authenticate(cloud, session, call.method, self._requests)
            arguments = method.arguments(call.params[1:])
            rule = cloud.faults.strike((call.method,), effects=("fail",))
            if rule is not None:
                raise internal(rule.message or "Injected failure")  # noqa: TRY301
            result = method.function(cloud, caller, *arguments)
            cloud.commit()
        except Refusal as error:
            cloud.pools.rollback()
            return [
                False,
                f"[{call.method}] {error.message}",
                error.code,
                error.object_id,
                wire.Long(-1),
            ]
        except Fault:
            cloud.pools.rollback()
            raise
        except Exception as error:  # noqa: BLE001  # logged, and taken back
            # The rim of the process: one call must not end it, and must not leave
            # half of itself behind.
            cloud.pools.rollback()
            _LOG.exception("%s failed", call.method)
            reason = (
                f"Cannot write to the database: {error}"
                if isinstance(error, sqlite3.Error)
                else "Internal error"
            )
            code = refusal.INTERNAL
            return [False, f"[{call.method}] {reason}", code, -1, wire.Long(-1)]
        return [True, result, 0]

    def close(self) -> None:
        """Remember the clock and close the store."""
        self.cloud.keep_clock()
        self.cloud.commit()
        self._store.close()


def rearm(cloud: Cloud) -> None:
    """Have everything that was under way when the process ended go on."""
    for vm in list(cloud.pools.live.values()):
        steps.arm(cloud, vm)
        lifecycle.arm_guest(cloud, vm)
    for network in cloud.pools.networks:
        network_life.arm(cloud, network)
    for image in cloud.pools.images:
        images.arm(cloud, image)
    for group in cloud.pools.security_groups:
        security_groups.arm(cloud, group)
    for action in cloud.pools.schedule:
        schedule.arm(cloud, action)
    for host in cloud.pools.hosts:
        noticed = host.state is HostState.ERROR
        if host.state is HostState.INIT or host.dead != noticed:
            monitoring.arm_new(cloud, host)
