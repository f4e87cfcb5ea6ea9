"""Knocking at ports from this machine, and hearing who knocks at one of ours."""

import asyncio
import contextlib
import errno
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Address

Target = tuple[str, int]
"""An address and a TCP port."""

SECONDS = 1.5
"""How long a port may take: one packet more than the kernel's first second."""

AT_ONCE = 256
"""Connections under way at once: well below the usual limit of open files."""

_LONGEST = 64


class Answer(StrEnum):
    """What becomes of a TCP connection."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"
    AWAY = "away"  # somebody says that there is no way, or that it is forbidden


def knock(
    targets: Iterable[Target],
    *,
    seconds: float = SECONDS,
    at_once: int = AT_ONCE,
    report: Callable[[int], None] = lambda _: None,
) -> Mapping[Target, Answer]:
    """Return what each port answers; nothing is sent over the connections.

    Args:
        targets: where to knock.
        seconds: how long each may take.
        at_once: how many are under way at once.
        report: is told after each how many are done.
    """
    return asyncio.run(_knock(list(targets), seconds, at_once, report))


async def _knock(
    targets: list[Target],
    seconds: float,
    at_once: int,
    report: Callable[[int], None],
) -> Mapping[Target, Answer]:
    found: dict[Target, Answer] = {}
    waiting = iter(targets)

    async def work() -> None:
        for target in waiting:
            found[target] = await _answer(target, seconds)
            report(len(found))

    await asyncio.gather(*(work() for _ in range(min(at_once, len(targets)))))
    return found


async def _answer(target: Target, seconds: float) -> Answer:
    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(sock, target)
        except TimeoutError:
            return Answer.SILENT
        except ConnectionRefusedError:
            return Answer.REFUSED
        except OSError as error:
            return Answer.SILENT if error.errno == errno.ETIMEDOUT else Answer.AWAY
    return Answer.OPEN


def own_address(towards: str) -> str:
    """Return the address that this machine has towards another; empty if no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((towards, 9))  # nothing is sent
        except OSError:
            return ""
        return str(sock.getsockname()[0])


def is_masked(here: str, there: str) -> bool:
    """Return whether another address than `here` is probably seen `there`."""
    if not here or not there:
        return False
    return IPv4Address(here).is_private and IPv4Address(there).is_global


class Witness:
    """A port of this machine that notes from which address each caller comes."""

    def __init__(self, address: str) -> None:
        """Listen at `address`, on a port of the kernel's choice.

        Raises:
            OSError: this machine cannot listen there.
        """
        self._socket = socket.create_server((address, 0))
        self._seen: dict[str, str] = {}
        self._over, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def target(self) -> Target:
        """Where to call."""
        address, port = self._socket.getsockname()
        return str(address), int(port)

    def caller(self, token: str) -> str:
        """Return the address from which somebody said this; empty if nobody did."""
        return self._seen.get(token, "")

    def close(self) -> None:
        """Stop listening."""
        self._ended.close()
        self._thread.join()
        self._over.close()
        self._socket.close()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._over, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._over in ready:
                    return
                with contextlib.suppress(OSError):
                    self._hear()

    def _hear(self) -> None:
        called, (address, _) = self._socket.accept()
        with called:
            called.settimeout(SECONDS)
            said = called.recv(_LONGEST).decode("ascii", "replace")
            self._seen[said] = str(address)
