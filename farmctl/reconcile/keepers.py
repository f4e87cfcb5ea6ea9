"""Whether a daemon keeps the farms of this cloud, as far as one look shows.

Each daemon has a document without any farm's tag, in which it says that it lives. A
look shows that it is there; whether it still beats, only time would show.
"""

from farmctl.model.view import CloudView
from farmctl.reconcile.identity import Life, life

PREFIX = "farmctl-daemon-"
"""What the name of a daemon's document begins with; it carries no farm's tag."""


def kept(view: CloudView) -> bool:
    """Tell whether a daemon has said that it is there, and is not known to be dead."""
    return any(
        each.tag is None
        and each.name.startswith(PREFIX)
        and each.holder is not None
        and life(each.holder) is not Life.DEAD
        for each in view.documents
    )
