"""Whether a daemon keeps the farms of this cloud, as far as one look shows.

Each daemon has a document without any farm's tag, in which it says that it lives. A
look shows that it is there; whether it still beats, only time would show.
"""

from farmctl.model.keeping import daemons
from farmctl.model.view import CloudView
from farmctl.reconcile.identity import Life, life


def kept(view: CloudView) -> bool:
    """Tell whether a daemon has said that it is there, and is not known to be dead."""
    found = daemons(view.documents)
    return any(life(holder) is not Life.DEAD for _, holder in found)
