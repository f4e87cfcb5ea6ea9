"""The pool of VMs, read by pages.

Pages count from the start of a list that shrinks while it is read: when VMs end, those
of the next page move up, and some would be seen by nobody. A node that was overlooked
would be made a second time, so each page begins with the last VMs of the one before.
If it does not, more have moved than they share, and reading begins again.
"""

from collections.abc import Callable

from farmctl.cloud.opennebula import reader
from farmctl.errors import BadAnswerError
from farmctl.model.view import Vm

METHOD = "one.vmpool.infoextended"

OVERLAP = 20
"""VMs that a page shares with the one before."""

_ALL_VISIBLE = -2
_ANY_STATE_BUT_DONE = -1
_MAX_RESTARTS = 5


def all_vms(ask: Callable[..., str], *, page: int) -> list[Vm]:
    """Read all VMs that have not ended.

    Args:
        ask: calls a method with arguments and returns the text of the answer.
        page: VMs read by one call, at least 2.

    Raises:
        BadAnswerError: VMs end faster than their pages can be read.
    """
    for _ in range(_MAX_RESTARTS):
        found = _pages(ask, page)
        if found is not None:
            return found
    raise BadAnswerError(
        "The VMs change faster than their pages can be read.",
        hint="Try again when fewer VMs end at once.",
    )


def _pages(ask: Callable[..., str], page: int) -> list[Vm] | None:
    found: dict[int, Vm] = {}
    offset = 0
    while True:
        # A negative end is the number of VMs wanted, the start then an offset.
        text = ask(METHOD, _ALL_VISIBLE, offset, -page, _ANY_STATE_BUT_DONE, "")
        some = reader.vms(METHOD, text)
        # An empty page is one whose VMs, those it shares too, have all moved up.
        if offset and (not some or some[0].id not in found):
            return None
        found.update((each.id, each) for each in some)
        if len(some) < page:
            return list(found.values())
        offset += page - min(OVERLAP, page - 1)
