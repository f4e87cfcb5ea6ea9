"""The wires: XML-RPC with the control channel on one port, OneGate on another.

One event loop runs both servers and the clock; the engine is called from it only. A
connection can be dropped before or after its call was carried out, as faults ask.
"""

import asyncio
import base64
import json
import logging
import signal
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from farmctl.embedded import onegate, wire
from farmctl.embedded.control import Control, ControlError
from farmctl.embedded.engine import Engine
from farmctl.embedded.refusal import Fault

LOOPBACK = "127.0.0.1"
_LOG = logging.getLogger(__name__)
_BACKLOG = 2048
_LONGEST = 60.0
_FOR_EVER = 86400.0


class _Connection(H11Protocol):
    """A connection that the application can drop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "connection": transport}
        super().connection_made(transport)


class _Quiet(uvicorn.Server):
    """A server that leaves signals to us: there are two in one process."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


class Wires:
    """Both servers of one engine, until they are told to stop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._news = asyncio.Event()
        self._servers: list[_Quiet] = []
        self._control = Control(engine, self.stop)

    def stop(self) -> None:
        """Stop after the answers that are under way."""
        for server in self._servers:
            server.should_exit = True
        self._news.set()

    async def run(self, rpc: socket.socket, gates: Sequence[socket.socket]) -> None:
        """Serve XML-RPC on one socket and OneGate on others until `stop`."""
        guests = onegate.application(self._engine, self._news.set)
        for application in (self, guests):
            config = uvicorn.Config(
                application,
                http=_Connection,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=120,
                timeout_graceful_shutdown=1,
                backlog=_BACKLOG,
            )
            self._servers.append(_Quiet(config))
        loop = asyncio.get_running_loop()
        if self._engine.nodes is not None:
            self._engine.nodes.attach(loop, self._news.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        clock = asyncio.create_task(self._clock())
        await asyncio.gather(
            *(
                server.serve(sockets=listening)
                for server, listening in zip(
                    self._servers, ([rpc], list(gates)), strict=True
                )
            )
        )
        clock.cancel()

    async def _clock(self) -> None:
        while True:
            self._engine.cloud.timeline.advance()
            wait = self._engine.cloud.timeline.wait()
            self._news.clear()
            try:
                async with asyncio.timeout(_LONGEST if wait is None else wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: ASGI."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        if scope["path"] == "/control":
            await self._side_door(request, body, send)
        elif scope["path"] == "/RPC2" and scope["method"] == "POST":
            await self._rpc(scope, body, send)
        else:
            await _respond(send, 404, b"There is XML-RPC at /RPC2.\n", "text/plain")
        self._news.set()

    async def _rpc(self, scope: Scope, body: bytes, send: Send) -> None:
        try:
            call = wire.decode(body)
        except Fault as error:
            await _respond(send, 200, wire.fault(error), "text/xml")
            return
        faults = self._engine.cloud.faults
        names = (call.method,)
        if faults.strike(names, effects=("refuse_connections",)) is not None:
            _drop(scope)
            return
        slow = faults.strike(names, effects=("slow", "hang"))
        if slow is not None:
            # Real seconds: it is the wire that is slow, not the cloud.
            await asyncio.sleep(_FOR_EVER if slow.effect == "hang" else slow.seconds)
        answer = self._engine.answer(call)
        if faults.strike(names, effects=("answer_lost",)) is not None:
            _drop(scope)
            return
        await _respond(send, 200, answer, "text/xml; charset=utf-8")

    async def _side_door(self, request: Request, body: bytes, send: Send) -> None:
        if not self._control.allowed(_session(request)):
            await _respond(send, 401, b"{}", "application/json")
            return
        status, reply = 200, {}
        try:
            reply = self._control.run(body)
        except ControlError as error:
            status, reply = 400, {"error": str(error)}
        await _respond(send, status, json.dumps(reply).encode(), "application/json")


def listen(port: int, address: str = LOOPBACK) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    # asyncio sends small packets at once only where the protocol is named; otherwise a
    # kept connection waits 40 ms for each answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _drop(scope: Scope) -> None:
    connection: Any = scope["state"]["connection"]
    connection.abort()


def _session(request: Request) -> str:
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""


async def _respond(send: Send, status: int, body: bytes, kind: str) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", kind.encode()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
