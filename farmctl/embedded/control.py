"""The side door for tests: faults, dying hosts, the clock, counters, starting over.

JSON over HTTP beside XML-RPC, for oneadmin only. `farmctl.testing` holds the client.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from farmctl.embedded import monitoring
from farmctl.embedded.calls.users import authenticate
from farmctl.embedded.engine import Engine
from farmctl.embedded.entities import Host
from farmctl.embedded.faults import EFFECTS, FaultRule
from farmctl.embedded.refusal import Refusal

Reply = dict[str, Any]
_FAULT_KEYS = {
    "action",
    "effect",
    "host",
    "image",
    "name",
    "count",
    "seconds",
    "message",
}


class ControlError(Exception):
    """A command that makes no sense; the message says why."""


class Control:
    """The commands, by name."""

    def __init__(self, engine: Engine, stop: Callable[[], None]) -> None:
        self._engine = engine
        self._stop = stop
        self._commands: dict[str, Callable[[Reply], Reply]] = {
            "status": self._status,
            "fault": self._fault,
            "clear_faults": self._clear_faults,
            "faults": self._faults,
            "kill_host": self._kill_host,
            "revive_host": self._revive_host,
            "scale": self._scale,
            "turn": self._turn,
            "scheduler": self._scheduler,
            "calls": self._calls,
            "reset_calls": self._reset_calls,
            "token": self._token,
            "dump": self._dump,
            "reset": self._reset,
            "stop": self._stopped,
        }

    def allowed(self, session: str) -> bool:
        """Say whether that session string is oneadmin's."""
        try:
            return authenticate(self._engine.cloud, session, "control", 0).uid == 0
        except Refusal:
            return False

    def run(self, body: bytes) -> Reply:
        """Run a command: a JSON object with `command` and what it takes.

        Raises:
            ControlError: there is no such command, or it was given nonsense.
        """
        try:
            given = json.loads(body)
            command = self._commands[given.pop("command")]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            known = ", ".join(sorted(self._commands))
            raise ControlError(f"no such command; there are {known}") from error
        cloud = self._engine.cloud
        cloud.timeline.advance()
        try:
            reply = command(given)
        except (KeyError, ValueError, TypeError) as error:
            cloud.pools.rollback()
            raise ControlError(f"wrong or missing value: {error}") from error
        # A reset has put another cloud in its place.
        self._engine.cloud.commit()
        self._engine.cloud.timeline.advance()
        return reply

    def _status(self, _given: Reply) -> Reply:
        cloud = self._engine.cloud
        return {
            "pid": os.getpid(),
            "now": cloud.timeline.now(),
            "scale": cloud.timeline.scale,
            "vms": len(cloud.pools.live),
            "hosts": len(cloud.pools.hosts),
        }

    def _fault(self, given: Reply) -> Reply:
        unknown = set(given) - _FAULT_KEYS
        if unknown:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}")
        if given["effect"] not in EFFECTS:
            raise ValueError(f"effect is one of {', '.join(EFFECTS)}")
        return {"fault": self._engine.cloud.faults.add(FaultRule(**given))}

    def _clear_faults(self, given: Reply) -> Reply:
        self._engine.cloud.faults.clear(given.get("fault"))
        return {}

    def _faults(self, _given: Reply) -> Reply:
        return {"faults": [asdict(r) for r in self._engine.cloud.faults.rules]}

    def _host(self, given: Reply) -> Host:
        host = self._engine.cloud.pools.hosts.named(str(given["host"]))
        if host is None:
            raise ValueError(f"no host is called {given['host']!r}")
        return host

    def _kill_host(self, given: Reply) -> Reply:
        monitoring.kill(self._engine.cloud, self._host(given))
        return {}

    def _revive_host(self, given: Reply) -> Reply:
        guests = str(given.get("guests", "running"))
        if guests not in ("running", "poweroff"):
            raise ValueError("guests is running or poweroff")
        monitoring.revive(self._engine.cloud, self._host(given), guests=guests)
        return {}

    def _scale(self, given: Reply) -> Reply:
        scale = float(given["scale"])
        if scale < 0:
            raise ValueError("scale is not negative")
        self._engine.cloud.timeline.set_scale(scale)
        return {}

    def _turn(self, given: Reply) -> Reply:
        cloud = self._engine.cloud
        seconds = float(given["seconds"])
        if seconds < 0:
            raise ValueError("the clock is turned forward only")
        cloud.timeline.turn(seconds)
        happened = cloud.timeline.advance()
        cloud.keep_clock()
        return {"now": cloud.timeline.now(), "happened": happened}

    def _scheduler(self, given: Reply) -> Reply:
        self._engine.cloud.scheduler_interval = float(given["interval"])
        return {}

    def _calls(self, _given: Reply) -> Reply:
        return {"calls": dict(self._engine.cloud.faults.calls)}

    def _reset_calls(self, _given: Reply) -> Reply:
        self._engine.cloud.faults.calls.clear()
        return {}

    def _token(self, given: Reply) -> Reply:
        cloud = self._engine.cloud
        vm = cloud.pools.machines.items[int(given["vm"])]
        return {"token": cloud.token(vm.id, vm.stime)}

    def _dump(self, given: Reply) -> Reply:
        wanted = given.get("kind")
        dumped: Reply = {}
        for pool in self._engine.cloud.pools.kinds():
            if wanted in (None, pool.entity.kind):
                dumped[pool.entity.kind] = [json.loads(item.body()) for item in pool]
        return dumped

    def _reset(self, _given: Reply) -> Reply:
        self._engine.reset()
        return {}

    def _stopped(self, _given: Reply) -> Reply:
        self._stop()
        return {}
