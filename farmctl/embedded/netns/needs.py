"""What real nodes need of the machine, seen to before the server starts.

Runs in the foreground of whoever starts the cloud, who may wait for minutes while the
image trees are built, and sees what is in the way.
"""

import contextlib
import os
import shutil
from collections.abc import Callable

from farmctl.embedded.netns import outside, storage
from farmctl.embedded.netns.bounds import Bounds
from farmctl.embedded.settings import Settings
from farmctl.errors import NotPossibleError

TREES = (outside.TREE, "tree:debian-batch-12")
"""What the images of a new cloud are made from."""
_PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "cp": "coreutils",
}


def fulfil(settings: Settings, say: Callable[[str], None]) -> None:
    """Check what nodes need, and build the trees of the cloud's images.

    Args:
        settings: the cloud's.
        say: told of the progress, a line each.

    Raises:
        NotPossibleError: something is missing; the hint says what to do.
    """
    if os.geteuid() != 0:
        raise NotPossibleError(
            "Real nodes need root: they are namespaces, mounts and bridges.",
            hint="Start it as root, or without them: "
            "farmctl cloud start --driver dummy.",
        )
    missing = sorted({p for name, p in _PROGRAMS.items() if shutil.which(name) is None})
    if missing:
        raise NotPossibleError(
            f"Real nodes need programs that are not here: {', '.join(missing)}.",
            hint=f"apt-get install {' '.join(missing)}",
        )
    with contextlib.closing(Bounds.of(settings.directory)) as bounds:
        lacking = sorted({"memory", "pids"} - {*bounds.bounded})
    if lacking:
        what = " nor ".join("processes" if w == "pids" else w for w in lacking)
        say(f"This machine gives no cgroups for it: nodes' {what} are not bounded.")
    # Heavy, and for this driver only.
    from farmctl.embedded import trees  # noqa: PLC0415

    wanted = TREES if settings.content else TREES[:1]
    cache = trees.usual_cache()
    built = {path: str(trees.tree(path, cache=cache, say=say)) for path in wanted}
    storage.note(settings.directory / storage.TREES, built)
