"""OpenNebula, the one adapter of the cloud port.

    adapter   the port's methods, as calls            concurrency: several at once
    wire      one call: time-outs, repeating          refusals, transport_errors: errors
    server    pyone over kept connections             session: who asks
    text      values to template text, quoted or refused
    tags      what farmctl writes on objects
    tree      XML elements to texts and numbers       states: numbers to meanings
    reader    pools to values                         accounts: the user and quotas
    paging    the pool of VMs, page by page           version: which ones we know

pyone and requests are imported with the first call.
"""

from farmctl.clock import Clock
from farmctl.cloud.opennebula.adapter import OpenNebula
from farmctl.cloud.opennebula.session import Session, read_session
from farmctl.cloud.opennebula.text import UnwritableError


def connect(
    endpoint: str,
    auth_file: str,
    *,
    cafile: str | None = None,
    timeout: float = 60.0,
    patience: float = 60.0,
    clock: Clock | None = None,
) -> OpenNebula:
    """Return the cloud at `endpoint` as the user in `auth_file`; nothing is sent yet.

    Args:
        endpoint: the URL of OpenNebula's XML-RPC.
        auth_file: a file with `user:password` in its first line; `~` is the home.
        cafile: certificates to trust for https instead of the system's.
        timeout: seconds of silence after which an answer counts as lost.
        patience: seconds during which harmless calls are repeated.
        clock: for pauses; the machine's if none is given.

    Raises:
        InputError: the endpoint is no URL, or the file holds no user:password.
    """
    return OpenNebula(
        endpoint,
        read_session(auth_file),
        cafile=cafile,
        timeout=timeout,
        patience=patience,
        clock=clock,
    )


__all__ = ["OpenNebula", "Session", "UnwritableError", "connect", "read_session"]
