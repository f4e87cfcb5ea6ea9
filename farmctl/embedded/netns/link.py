"""The server's end: starts the keeper, sends it orders, hears what became of them.

Never blocks the server but at its start and end. A keeper that dies is started again:
its nodes are dead then, and every order that it had is answered with an error.
"""

import asyncio
import json
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from farmctl.errors import NotPossibleError

_LOG = logging.getLogger(__name__)
_START_SECONDS = 30.0
_END_SECONDS = 15.0
_AGAIN_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_CHUNK = 1 << 16

Order = dict[str, Any]
Answered = Callable[[str], None]
"""Called with the error of an order, "" for success."""


class Link:
    """The keeper of one embedded cloud, as the server sees it."""

    def __init__(self, directory: Path, *, service: int) -> None:
        """Take what the keeper has to know.

        Args:
            directory: the cloud's.
            service: the one TCP port of the machine that nodes may reach: OneGate's.
        """
        self._directory = directory
        self._service = service
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None
        self._out = bytearray()
        self._in = bytearray()
        self._asked: dict[int, Answered] = {}
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: Callable[[], None] = lambda: None
        self._closing = False
        self._pause = _AGAIN_SECONDS
        self.off: Callable[[int], None] = lambda _vm: None
        """Called when a node has ended of itself: the VM's id."""
        self.lost: Callable[[], None] = lambda: None
        """Called when the keeper is gone, and with it every node."""

    @property
    def pid(self) -> int:
        """The keeper's process; 0: there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the keeper and wait until its networks stand.

        Raises:
            NotPossibleError: it does not start; says why.
        """
        self._spawn()
        deadline = time.monotonic() + _START_SECONDS
        wire = self._wire
        assert wire is not None
        while b"\n" not in self._in:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([wire], [], [], left)[0]:
                break
            chunk = wire.recv(_CHUNK)
            if not chunk:
                break
            self._in += chunk
        line, _, rest = bytes(self._in).partition(b"\n")
        self._in = bytearray(rest)
        news = json.loads(line) if line else {}
        if news.get("event") == "ready":
            wire.setblocking(False)
            return
        self.close()
        raise NotPossibleError(str(news.get("error", "the keeper says nothing")))

    def attach(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """Listen within the server's loop; `wake` says that something is due."""
        self._loop, self._wake = loop, wake
        if self._wire is not None:
            loop.add_reader(self._wire, self._hear)
        self._flush()

    def send(self, order: Order, answered: Answered | None = None) -> int:
        """Send an order, and return its number."""
        self._count += 1
        if answered is not None:
            self._asked[self._count] = answered
        self._out += json.dumps({**order, "id": self._count}).encode() + b"\n"
        self._flush()
        return self._count

    def drop(self, vm: int, number: int) -> None:
        """Have an order ended; it is not answered any more."""
        if self._asked.pop(number, None) is not None:
            self._count += 1
            order = {"do": "cancel", "vm": vm, "id": number}
            self._out += json.dumps(order).encode() + b"\n"
            self._flush()

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._asked.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the keeper and all that it keeps; returns when that is done."""
        self._closing = True
        wire, self._wire = self._wire, None
        if wire is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(wire)
                self._loop.remove_writer(wire)
            wire.close()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            _LOG.error("the keeper of the nodes does not end: killing it")
            process.kill()
            process.wait()

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-m",
            "farmctl.embedded.netns",
            str(self._directory),
            str(self._service),
        ]
        number = theirs.fileno()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, no shell
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
                env={**os.environ, "FARMCTL_KEEPER_FD": str(number)},
            )
        self._wire = ours
        self._in.clear()

    def _flush(self) -> None:
        if self._wire is None or self._loop is None:
            return
        try:
            while self._out:
                sent = self._wire.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            self._loop.add_writer(self._wire, self._flush)
            return
        except OSError:
            # Its end is heard by `_hear`.
            self._out.clear()
        self._loop.remove_writer(self._wire)

    def _hear(self) -> None:
        assert self._wire is not None
        try:
            chunk = self._wire.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._died()
            return
        self._in += chunk
        *lines, rest = self._in.split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            self._heard(json.loads(line))
        self._wake()

    def _heard(self, news: Order) -> None:
        match news.get("event"):
            case None:
                answered = self._asked.pop(news["id"], None)
                if answered is not None:
                    answered(news["error"])
            case "off":
                self.off(news["vm"])
            case "failed" | "outside":
                _LOG.error("the nodes' keeper: %s", news["error"])
            case "ready":
                self._pause = _AGAIN_SECONDS
            case _:
                pass

    def _died(self) -> None:
        """Take note that the keeper is gone, and start another."""
        assert self._loop is not None
        if self._wire is not None:
            self._loop.remove_reader(self._wire)
            self._loop.remove_writer(self._wire)
            self._wire.close()
            self._wire = None
        if self._process is not None:
            # It has closed its end, so it ends or has ended.
            self._process.kill()
            self._process.wait()
        _LOG.error("the keeper of the nodes has ended, and every node with it")
        self._out.clear()
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered("the keeper of the nodes has ended")
        self.lost()
        self._wake()
        if not self._closing:
            self._loop.call_later(self._pause, self._again)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def _again(self) -> None:
        if self._closing or self._loop is None:
            return
        self._spawn()
        assert self._wire is not None
        self._wire.setblocking(False)
        self._loop.add_reader(self._wire, self._hear)
        self._flush()
