"""A wayward OpenNebula on the loopback, and a clock that tests turn themselves."""

import socket
import struct
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from farmctl.cloud.opennebula import OpenNebula, Session

SECRET = "oneadmin:s3cr3t-pa55word"


class TurningClock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def http(
    body: bytes | str,
    *,
    status: str = "200 OK",
    kind: str = "text/xml",
    more: str = "",
) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def rpc(*values: object) -> bytes:
    """An XML-RPC answer with an array, as OpenNebula sends it."""
    return http(xmlrpc.client.dumps((list(values),), methodresponse=True))


class Wayward:
    """Answers as it is told, one after the other, and then `always`.

    An answer is bytes, or a function of the connection; None hangs up without one.
    """

    def __init__(self, port: int = 0) -> None:
        self.script: list[Any] = []
        self.always: Any = rpc(True, "7.4.0", 0)
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.connections = 0
        self.tls: Any = None  # an ssl.SSLContext, for https
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept)
        self._threads: list[threading.Thread] = []
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/RPC2"

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def answers(self, **values: Any) -> None:
        """Answer `one.vn_info` and the like by method; anything else is unknown."""

        def answer(connection: socket.socket) -> None:
            method, params = self.calls[-1]
            value = values[method.removeprefix("one.").replace(".", "_")]
            found = value(*params[1:]) if callable(value) else value
            packet = found if isinstance(found, bytes) else rpc(True, found, 0)
            connection.sendall(packet)

        self.always = answer

    def stop(self) -> None:
        self.done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._open.add(connection)
            if self.tls is not None:
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except OSError:
                    connection.close()
                    continue
                with self._lock:
                    self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=[connection])
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while self._request(connection):
                pass
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _request(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)
        params, method = xmlrpc.client.loads(body)
        with self._lock:
            self.calls.append((str(method), params))
            answer = self.script.pop(0) if self.script else self.always
            if callable(answer):
                answer(connection)
                return True
        if answer is None:
            return False
        connection.sendall(answer)
        return True


def hang_up_hard(connection: socket.socket) -> None:
    """Reset the connection after the request was read."""
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    raise ConnectionResetError


@pytest.fixture
def clock() -> TurningClock:
    return TurningClock()


@pytest.fixture
def wayward() -> Iterator[Wayward]:
    server = Wayward()
    yield server
    server.stop()


@pytest.fixture
def start() -> Iterator[Callable[..., Wayward]]:
    """Start one at a port, which answers everything with one value."""
    started: list[Wayward] = []

    def start(port: int, *, always: object) -> Wayward:
        started.append(Wayward(port))
        started[-1].always = rpc(True, always, 0)
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def connect(clock: TurningClock) -> Iterator[Callable[..., OpenNebula]]:
    """Make an adapter for an endpoint; all are closed after the test."""
    made: list[OpenNebula] = []

    def connect(endpoint: str, **settings: Any) -> OpenNebula:
        settings = {"clock": clock, "timeout": 5.0, "patience": 10.0} | settings
        made.append(OpenNebula(endpoint, Session(SECRET), **settings))
        return made[-1]

    yield connect
    for each in made:
        each.close()


@pytest.fixture
def cloud(wayward: Wayward, connect: Callable[..., OpenNebula]) -> OpenNebula:
    return connect(wayward.endpoint)


@pytest.fixture
def shapes() -> Any:
    """The answers that tests write themselves."""

    class Shapes:
        http = staticmethod(http)
        rpc = staticmethod(rpc)
        hang_up_hard = staticmethod(hang_up_hard)
        secret = SECRET

    return Shapes
