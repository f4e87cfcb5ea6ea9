"""Which drains are taken back when work waits: such nodes are there already."""

from collections.abc import Callable

from farmctl.elastic.outlook import Outlook
from farmctl.model.sample import NodeSample, Undrain


def taken_back(
    out: Outlook, surplus: Callable[[Outlook, NodeSample], bool]
) -> list[Undrain]:
    """Return the drains to be taken back, the emptiest node first.

    Args:
        out: the sample, sorted; its nodes could all run what waits in it.
        surplus: tells whether a node is one too many anyway.
    """
    lack = out.queued - out.coming
    found: list[Undrain] = []
    for node in sorted(
        out.drained + out.draining, key=lambda node: (node.busy, node.joined)
    ):
        if lack <= 0:
            break
        free = node.slots - node.busy
        if free <= 0 or node.stale or node.unwanted or surplus(out, node):
            continue
        found.append(
            Undrain(
                node=node.name,
                because=f"{lack} slots of work wait, and it has {free} free",
            )
        )
        lack -= free
    return found
