"""Calls to OpenNebula: one place for time-outs, repeating and the mapping of errors.

`Wire.call` makes one call and returns OpenNebula's value, or raises an error of
`farmctl.errors` with the foreign one chained. It repeats what is harmless to repeat
until its patience ends: anything that was not sent, and what the caller says may be
repeated. What a value means is the business of `reader` and `adapter`.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from farmctl.cloud.opennebula import refusals
from farmctl.errors import (
    AnswerLostError,
    BadAnswerError,
    InputError,
    Mistake,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from farmctl.clock import Clock
    from farmctl.cloud.opennebula.server import Servers
    from farmctl.cloud.opennebula.session import Session

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_IS_IT = "Is this the address of an OpenNebula's XML-RPC, http://HOST:2633/RPC2?"


class Wire:
    """One endpoint and one session; may be used by several threads at once."""

    def __init__(
        self,
        endpoint: str,
        session: Session,
        *,
        clock: Clock,
        timeout: float,
        patience: float,
        connect_timeout: float = 5.0,
        cafile: str | None = None,
        connections: int = 32,
    ) -> None:
        """Prepare calls; nothing is sent yet.

        Args:
            endpoint: the URL of OpenNebula's XML-RPC.
            session: who asks.
            clock: for pauses and deadlines.
            timeout: seconds of silence after which an answer counts as lost; for
                large answers twice that.
            patience: seconds from the first failure during which a call that may be
                repeated is repeated.
            connect_timeout: seconds to wait for a connection.
            cafile: certificates to trust for https instead of the system's.
            connections: how many connections are kept open.
        """
        self.endpoint = check_endpoint(endpoint)
        self._session = session
        self._clock = clock
        self._timeout = timeout
        self._patience = patience
        self._connect_timeout = connect_timeout
        self._cafile = cafile
        self._size = connections
        self._closed = False
        self.called: Callable[[str], None] | None = None
        """Is told of each call that is sent, by the name of its method."""
        self._lock = threading.Lock()
        self._servers: Servers | None = None

    def call(
        self, method: str, *args: object, repeatable: bool = False, large: bool = False
    ) -> Any:
        """Call `one.<...>` and return its value: a text, a number or a boolean.

        Args:
            method: the whole name, such as `one.vn.info`.
            args: its arguments without the session.
            repeatable: asking twice does no harm.
            large: the answer may be a pool of thousands.

        Raises:
            CloudError: see `farmctl.errors`.
        """
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._attempt(method, args, repeatable=repeatable, large=large)
            except (UnreachableError, AnswerLostError) as error:
                if isinstance(error, AnswerLostError) and not repeatable:
                    raise
                now = self._clock.monotonic()
                if deadline is None:
                    deadline = now + self._patience
                # Half of the pause is drawn, so that many callers do not come at once.
                wait = pause * (0.5 + random.random() / 2)  # noqa: S311 - no secret
                if self._closed or now + wait > deadline:
                    raise
                _LOG.info("%s: %s; again in %.1f s", method, error.message, wait)
                self._clock.sleep(wait)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Give back the connections; calls under way are not repeated any more."""
        self._closed = True
        with self._lock:
            servers, self._servers = self._servers, None
        if servers is not None:
            servers.close()

    def _attempt(
        self, method: str, args: tuple[object, ...], *, repeatable: bool, large: bool
    ) -> Any:
        servers = self._servers if self._servers is not None else self._connect()
        server = servers.large if large else servers.small
        if not repeatable:
            server = servers.once
        from farmctl.cloud.opennebula import transport_errors  # noqa: PLC0415

        if self.called is not None:
            self.called(method)
        try:
            answer = server.ask(method, *args)
        except transport_errors.FOREIGN as error:
            raise transport_errors.translated(
                error, method=method, endpoint=self.endpoint, session=self._session
            ) from error
        return self._value(method, answer)

    def _value(self, method: str, answer: list[Any]) -> Any:
        match answer:
            case [True, (str() | bool() | int()) as value, *_]:
                return value
            case [False, str() as message, int() as code, *_]:
                raise refusals.refusal(method, code, self._session.scrub(message))
            case _:
                raise BadAnswerError(
                    f"{method} was answered with XML-RPC that is not OpenNebula's.",
                    hint=_IS_IT,
                )

    def _connect(self) -> Servers:
        from farmctl.cloud.opennebula.server import Servers  # noqa: PLC0415 - is slow

        with self._lock:
            if self._servers is None:
                try:
                    self._servers = Servers(
                        self.endpoint,
                        self._session.reveal(),
                        cafile=self._cafile,
                        connections=self._size,
                        connect_timeout=self._connect_timeout,
                        timeout=self._timeout,
                    )
                except OSError as error:
                    reason = error.strerror or str(error)
                    raise _mistake(
                        self._cafile or "The system's certificates",
                        "cloud.cafile",
                        f"no certificates can be read from it: {reason}",
                        "Name a file of PEM certificates.",
                    ) from error
            return self._servers


def check_endpoint(endpoint: str) -> str:
    """Return the endpoint if it is an http or https URL without a password.

    Raises:
        InputError: it is none; a password in it is not repeated.
    """
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    # Anywhere: `user:password@HOST` without http:// has no user name to a URL.
    named = "@" in endpoint
    where = "OpenNebula's address"
    key = "cloud.endpoint"
    if named:
        hint = "Write the user into the auth file."
        raise _mistake(where, key, "it holds a user name", hint)
    if not usable:
        hint = "Write http://HOST:2633/RPC2."
        raise _mistake(where, key, f"{endpoint!r} is no http or https URL", hint)
    return endpoint


def _mistake(file: str, path: str, message: str, hint: str) -> InputError:
    return InputError([Mistake(file=file, path=path, message=f"{message}.", hint=hint)])
