"""pyone's server, taught to keep connections and to leave large answers alone.

pyone gives the calls, their arguments and the session; what differs is below it: one
pool of connections with time-outs, HTTPS verified by the system's certificates,
nothing sent on after a redirect, answers of bounded size. An answer is OpenNebula's
array of success, value and code; XML in it stays text for lxml, since pyone's objects
take seconds for a large pool.

Imported by `wire` with the first call: pyone alone takes a quarter of a second.
"""

import ssl
import time
import xmlrpc.client
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from lxml import etree
from pyone.server_xrpc import OneServerXRPC, RequestsTransport
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

_HEADERS = {"User-Agent": "farmctl", "Content-Type": "text/xml", "Accept": "text/xml"}
_ONCE = {**_HEADERS, "Connection": "close"}
_CHUNK = 1 << 20
SMALL_ANSWER = 64 << 20
LARGE_ANSWER = 512 << 20
"""Bytes that an answer may have; a page of 2,000 VMs has about 20 MiB."""

_OK = 200


class NoAnswerError(Exception):
    """An answer that cannot be one of OpenNebula's XML-RPC; the text says why.

    `truncated`: it began as one, so that the request may have been carried out.
    `status`: the HTTP status, if that is what is wrong.
    """

    def __init__(self, why: str, *, truncated: bool = False, status: int = 0) -> None:
        super().__init__(why)
        self.truncated = truncated
        self.status = status


class _Adapter(HTTPAdapter):
    """requests' adapter with one TLS context, made once, that does all the verifying.

    Of itself requests trusts certificates of its own, and reads them again for each
    connection.
    """

    def __init__(self, context: ssl.SSLContext | None, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        return super().proxy_manager_for(proxy, **named, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the verifying to the context."""


class Connections:
    """Connections to one endpoint, kept open and shared by threads.

    What must not be sent twice goes over a connection of its own: one that was kept
    may just have been closed by the other side, and the answer would seem lost.
    """

    def __init__(self, endpoint: str, *, cafile: str | None, connections: int) -> None:
        """Prepare connections; none is opened yet.

        Args:
            endpoint: the URL of OpenNebula's XML-RPC.
            cafile: certificates to trust instead of the system's; None for those.
            connections: how many are kept open when nobody uses them.
        """
        self._endpoint = endpoint
        self._context = _context(endpoint, cafile)
        self._kept = _Adapter(self._context, connections)
        self._proxies = (
            {} if _is_loopback(endpoint) else dict(get_environ_proxies(endpoint))
        )

    def post(
        self, body: bytes, *, once: bool, timeout: tuple[float, float], limit: int
    ) -> bytes:
        """Send one request and return its answer.

        Args:
            body: the XML-RPC call.
            once: it must not be sent twice.
            timeout: seconds to connect, and seconds of silence while reading.
            limit: bytes that an answer may have.

        Raises:
            requests.RequestException: no connection, or no whole answer.
            NoAnswerError: HTTP gave something else than an answer.
        """
        request = requests.PreparedRequest()
        request.prepare(
            method="POST",
            url=self._endpoint,
            headers=_ONCE if once else _HEADERS,
            data=body,
            hooks={},
        )
        adapter = _Adapter(self._context, 1) if once else self._kept
        try:
            with adapter.send(
                request, stream=True, timeout=timeout, proxies=self._proxies
            ) as response:
                if response.status_code != _OK:
                    raise NoAnswerError(_status(response), status=response.status_code)
                return _content(response, limit=limit, seconds=20 * timeout[1])
        finally:
            if once:
                adapter.close()

    def close(self) -> None:
        """Close what is open and unused."""
        self._kept.close()


class Server(OneServerXRPC):  # type: ignore[misc]
    """One way to call OpenNebula; cheap to make, and it holds no connection itself."""

    def __init__(
        self,
        endpoint: str,
        session: str,
        connections: Connections,
        *,
        once: bool,
        timeout: tuple[float, float],
        limit: int,
    ) -> None:
        """Call over `connections`; see `Connections.post` for what is told of calls."""
        super().__init__(endpoint, session)
        # pyone makes its transport itself and offers no argument for another one.
        self._ServerProxy__transport = _Transport(
            connections, once=once, timeout=timeout, limit=limit
        )

    def ask(self, method: str, *args: object) -> list[Any]:
        """Call a method and return OpenNebula's array as it came.

        Raises:
            xmlrpc.client.Fault: the XML-RPC layer refused the call.
        """
        answer = self._do_request(method, self._cast_parms(args))
        return answer if isinstance(answer, list) else [answer]

    def _do_request(self, method: str, params: tuple[object, ...]) -> Any:
        # As in pyone, but a fault keeps its code.
        return xmlrpc.client.ServerProxy._ServerProxy__request(self, method, params)  # type: ignore[attr-defined]  # noqa: SLF001


class Servers:
    """The ways in which one endpoint is called, over the same connections."""

    def __init__(
        self,
        endpoint: str,
        session: str,
        *,
        cafile: str | None,
        connections: int,
        connect_timeout: float,
        timeout: float,
    ) -> None:
        """Prepare them; see `wire.Wire` for the arguments. Nothing is opened yet."""
        self._connections = Connections(
            endpoint, cafile=cafile, connections=connections
        )
        self.small = Server(
            endpoint,
            session,
            self._connections,
            once=False,
            timeout=(connect_timeout, timeout),
            limit=SMALL_ANSWER,
        )
        """For what may be repeated."""
        self.once = Server(
            endpoint,
            session,
            self._connections,
            once=True,
            timeout=(connect_timeout, timeout),
            limit=SMALL_ANSWER,
        )
        """For what must not be sent twice."""
        self.large = Server(
            endpoint,
            session,
            self._connections,
            once=False,
            timeout=(connect_timeout, 2 * timeout),
            limit=LARGE_ANSWER,
        )
        """For pools, which may be large and take their time."""

    def close(self) -> None:
        """Close what is open and unused."""
        self._connections.close()


class _Transport(RequestsTransport):  # type: ignore[misc]
    def __init__(
        self,
        connections: Connections,
        *,
        once: bool,
        timeout: tuple[float, float],
        limit: int,
    ) -> None:
        super().__init__()
        self._connections = connections
        self._once = once
        self._timeout = timeout
        self._limit = limit

    def request(
        self,
        host: object,  # noqa: ARG002 - the connections know their endpoint
        handler: str,  # noqa: ARG002
        request_body: bytes,
        verbose: bool = False,  # noqa: ARG002, FBT001, FBT002 - xmlrpc's signature
    ) -> tuple[object, ...]:
        content = self._connections.post(
            request_body, once=self._once, timeout=self._timeout, limit=self._limit
        )
        return (unmarshal(content),)


def unmarshal(content: bytes) -> list[object]:
    """Return the array in an XML-RPC answer.

    Python's own reader takes seconds for a pool of thousands of VMs, since every
    escaped `<` is an event of its own there.

    Raises:
        xmlrpc.client.Fault: the answer is a fault.
        NoAnswerError: it is no XML-RPC answer, or one without an array.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        started = b"<methodResponse" in content[:400]
        what = "XML-RPC that breaks off" if started else _looks_like(content)
        raise NoAnswerError(what, truncated=started) from error
    if root.tag != "methodResponse":
        raise NoAnswerError(_looks_like(content))
    found = root.find("fault/value")
    if found is not None:
        members = {
            each.findtext("name"): _value(each.find("value"))
            for each in found.iterfind("struct/member")
        }
        code = members.get("faultCode")
        raise xmlrpc.client.Fault(
            code if isinstance(code, int) else 0, str(members.get("faultString", ""))
        )
    data = root.find("params/param/value/array/data")
    if data is None:
        raise NoAnswerError("XML-RPC without OpenNebula's array")
    return [_value(each) for each in data.iterchildren("value")]


def _value(value: etree._Element | None) -> object:
    if value is None:
        return None
    if not len(value):
        return value.text or ""
    inner = value[0]
    text = inner.text or ""
    try:
        match inner.tag:
            case "string":
                return text
            case "boolean":
                return {"1": True, "0": False}[text.strip()]
            case "i4" | "int" | "i8":
                return int(text)
            case _:
                return None
    except (KeyError, ValueError) as error:
        raise NoAnswerError(f"XML-RPC with a {inner.tag} that is none") from error


def _content(response: requests.Response, *, limit: int, seconds: float) -> bytes:
    # The read time-out starts anew with every byte; this bounds the whole.
    deadline = time.monotonic() + seconds
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise NoAnswerError(f"an answer of more than {limit} bytes")
        if time.monotonic() > deadline:
            raise requests.ReadTimeout(f"the answer took more than {seconds:.0f} s")
        chunks.append(chunk)
    return b"".join(chunks)


def _status(response: requests.Response) -> str:
    where = response.headers.get("Location")
    to = f" to {where}" if where else ""
    return f"HTTP status {response.status_code}{to}"


def _looks_like(content: bytes) -> str:
    start = content[:400].lstrip().lower()
    if not start:
        return "nothing"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if start.startswith((b"{", b"[")):
        return "JSON"
    return "something that is not XML-RPC"


def _context(endpoint: str, cafile: str | None) -> ssl.SSLContext | None:
    if urlsplit(endpoint).scheme != "https":
        return None
    return ssl.create_default_context(cafile=cafile)


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
