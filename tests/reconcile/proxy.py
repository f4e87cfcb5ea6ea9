"""A proxy between farmctl and OpenNebula that makes things go wrong.

It counts the calls that change something. At the chosen one it kills the client right
before handing the call on, or right after it was carried out, or lets the client live
and drops the answer. It can also be down for a while, like OpenNebula's own daemon.
Nothing in farmctl knows of it: to farmctl it is the endpoint.
"""

import contextlib
import http.client
import os
import re
import signal
import socket
import threading
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

READING = ("info", "infoset", "infoextended", "version", "config")
_METHOD = re.compile(rb"<methodName>\s*([\w.]+)\s*</methodName>")


class Mode(Enum):
    """What happens at the chosen call."""

    KILL_BEFORE = "killed just before"
    KILL_AFTER = "killed just after"
    LOSE_ANSWER = "answer lost"


class Proxy:
    """Listens on loopback; hands XML-RPC on to `target` until told otherwise."""

    def __init__(self, target: str, *, at: int = 0, mode: Mode = Mode.KILL_BEFORE):
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.path = parts.path
        self.at = at
        self.mode = mode
        self.calls: list[str] = []
        self.hit = threading.Event()
        self._victim: int | None = None
        self._known = threading.Event()
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def up(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()

    def down(self) -> None:
        """Refuse connections, as when nothing listens; open ones are closed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self._guard:
            still = list(self._open)
        for each in still:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def kill_this(self, pid: int) -> None:
        """Say which process dies at the chosen call."""
        self._victim = pid
        self._known.set()

    def hears(self, method: str, body: bytes) -> None:
        """Take note of a call right before it is handed on; for heirs of this class."""

    def takes(self, method: str) -> bool:
        """Count a call; say whether it is the chosen one."""
        if method.rpartition(".")[2] in READING:
            return False
        with self._guard:
            self.calls.append(method)
            chosen = len(self.calls) == self.at
        if chosen:
            self.hit.set()
        return chosen

    def kill(self) -> None:
        assert self._known.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._victim, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, or whose answer was dropped, is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy._open.add(self.connection)

    def finish(self) -> None:
        self.server.proxy._open.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def do_POST(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = _METHOD.search(body)
        method = found.group(1).decode() if found else ""
        proxy.hears(method, body)
        chosen = proxy.takes(method)
        if chosen and proxy.mode is Mode.KILL_BEFORE:
            proxy.kill()
            self.close_connection = True
            return
        status, kind, answer = self._hand_on(body)
        if chosen and proxy.mode is Mode.KILL_AFTER:
            proxy.kill()
        if chosen:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def _hand_on(self, body: bytes) -> tuple[int, str, bytes]:
        # A connection for each call: one kept open and found closed would have to be
        # tried again, and then a call could be made twice.
        target = http.client.HTTPConnection(*self.server.proxy.target, timeout=60)
        try:
            kinds = {"Content-Type": "text/xml"}
            target.request("POST", self.server.proxy.path, body, kinds)
            answer = target.getresponse()
            kind = answer.headers.get("Content-Type", "text/xml")
            return answer.status, kind, answer.read()
        finally:
            target.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
