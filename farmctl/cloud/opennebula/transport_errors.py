"""Failures between the two programs, in farmctl's tree of errors: the one place.

The question that matters is whether the request may have been carried out. It was not
if no connection came about (`UnreachableError`, harmless to repeat); it may have been
once it was on its way (`AnswerLostError`).

Imported by `wire` with the first call, since requests and pyone are slow to import.
"""

import re
import xmlrpc.client
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from farmctl.cloud.opennebula import refusals
from farmctl.cloud.opennebula.server import NoAnswerError
from farmctl.cloud.opennebula.session import Session
from farmctl.errors import (
    AnswerLostError,
    BadAnswerError,
    CloudError,
    NotAuthenticatedError,
    UnreachableError,
)

FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    xmlrpc.client.Error,
    NoAnswerError,
    OSError,
)
"""All that a call can raise besides our own errors."""

_IS_IT = "Is this the address of an OpenNebula's XML-RPC, http://HOST:2633/RPC2?"
_IS_IT_UP = "Is OpenNebula running there, and is the address right?"
_GATEWAY = frozenset({502, 503, 504})
"""What a proxy says while OpenNebula behind it does not answer."""

_OPENSSL = re.compile(r"^\[SSL: \w+\] | \(_ssl\.c:\d+\)$")
"""What OpenSSL puts round its words: a code before, a line of its source behind."""

_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.LocationValueError,
)


def translated(
    error: Exception, *, method: str, endpoint: str, session: Session
) -> CloudError:
    """Return the error of ours for a failed call; the caller chains the foreign one."""
    where = urlsplit(endpoint).netloc
    match error:
        case NoAnswerError():
            return _no_answer(error, method=method, where=where)
        case xmlrpc.client.Fault():
            error.faultString = session.scrub(error.faultString)
            error.args = ()
            return refusals.fault(method, error.faultCode, error.faultString)
        case requests.exceptions.SSLError():
            return _tls(error, where)
        case requests.exceptions.ConnectTimeout():
            return UnreachableError(
                f"{where} did not take a connection in time.", hint=_IS_IT_UP
            )
        case requests.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
            return AnswerLostError(f"{where} did not answer {method} in time.")
        case requests.exceptions.ProxyError():
            return UnreachableError(
                f"{where} cannot be reached through the proxy.",
                hint="Look at $http_proxy, $https_proxy and $no_proxy.",
            )
        case requests.exceptions.ConnectionError() if _never_sent(error):
            _forget(error)
            return UnreachableError(
                f"{where} cannot be reached: {_reason(error)}.", hint=_IS_IT_UP
            )
        case _:
            _forget(error)
            return AnswerLostError(f"The connection to {where} broke during {method}.")


def _no_answer(error: NoAnswerError, *, method: str, where: str) -> CloudError:
    if error.truncated or error.status in _GATEWAY:
        return AnswerLostError(f"{where} answered {method} with {error}.")
    if error.status == requests.codes.unauthorized:
        return NotAuthenticatedError(
            f"{where} wants a password for HTTP itself ({error}).",
            hint="Give OpenNebula's own address, not that of a proxy before it.",
        )
    return BadAnswerError(f"{where} answered {method} with {error}.", hint=_IS_IT)


def _tls(error: requests.exceptions.SSLError, where: str) -> CloudError:
    _forget(error)
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return UnreachableError(
            f"The certificate of {where} is not trusted: {_reason(error)}.",
            hint="Add who signed it to the system's certificates, or name a file of "
            "certificates in $SSL_CERT_FILE.",
        )
    return UnreachableError(
        f"{where} does not speak TLS as it should: {_reason(error)}.",
        hint="Is the address one for https? OpenNebula itself speaks http.",
    )


def _never_sent(error: BaseException) -> bool:
    return any(isinstance(each, _NEVER_SENT) for each in _causes(error))


def _reason(error: BaseException) -> str:
    """Return the innermost words, without the object addresses that urllib3 shows."""
    last = _causes(error)[-1]
    words = _OPENSSL.sub("", str(getattr(last, "strerror", None) or last))
    return words.rpartition(": ")[2].rstrip(".") if ">: " in words else words


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in found:
        found.append(at)
        inner = [each for each in at.args if isinstance(each, BaseException)]
        reason = getattr(at, "reason", None)
        if isinstance(reason, BaseException):
            inner.insert(0, reason)
        at = inner[0] if inner else (at.__cause__ or at.__context__)
    return found


def _forget(error: BaseException) -> None:
    """Take the request, with the session in it, off an error that will be chained."""
    for each in _causes(error):
        if isinstance(each, requests.RequestException):
            each.request = None
