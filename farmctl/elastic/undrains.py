"""Which drains are taken back when work waits: such nodes are there already."""

from collections import Counter
from collections.abc import Callable

from farmctl.elastic.outlook import Outlook
from farmctl.model.sample import Undrain


def taken_back(out: Outlook, room: Callable[[Outlook, str], int]) -> list[Undrain]:
    """Return the drains to be taken back, the emptiest node first.

    Args:
        out: the sample, sorted; its nodes could all run what waits in it.
        room: gives how many more nodes a pool may have, by name.
    """
    lack = out.queued - out.coming
    back = Counter[str]()
    found: list[Undrain] = []
    for node in sorted(
        out.drained + out.draining, key=lambda node: (node.busy, node.joined)
    ):
        if lack <= 0:
            break
        free = node.slots - node.busy
        if free <= 0 or node.stale or node.unwanted:
            continue
        if room(out, node.pool) <= back[node.pool]:
            continue
        back[node.pool] += 1
        found.append(
            Undrain(
                node=node.name,
                because=f"{lack} slots of work wait, and it has {free} free",
            )
        )
        lack -= free
    return found
