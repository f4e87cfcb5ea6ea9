"""Whether a daemon keeps the farms of this cloud, as far as one look shows.

Each daemon has a document without any farm's tag, in which it says that it lives, and
when it said so last by its own clock. On its own machine the process table knows more;
from anywhere else an old beat is all that tells a daemon that was killed.
"""

from farmctl.model.keeping import daemons, last_beat
from farmctl.model.view import CloudView, Document
from farmctl.reconcile.identity import Life, life

SILENT = 100.0
"""Seconds without a beat after which a daemon elsewhere does not count as alive.

The 40 s after which other daemons take it for dead, and a minute by which the clocks of
two machines may differ.
"""


def kept(view: CloudView) -> bool:
    """Tell whether a daemon has said of late that it is there, and is not dead."""
    for document, holder in daemons(view.documents):
        match life(holder):
            case Life.ALIVE:
                return True
            case Life.UNKNOWN if _beats(document, view.at):
                return True
            case _:
                pass
    return False


def _beats(document: Document, now: float) -> bool:
    beat = last_beat(document)
    return beat is not None and now - beat <= SILENT
