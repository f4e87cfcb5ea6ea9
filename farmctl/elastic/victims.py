"""Which working node goes first when some are to go anyway.

Nodes of an old image, and those whose hypervisor is emptied, take new work as long as
it would wait otherwise. Once their work fits elsewhere they are drained, one at a time;
how many at once a rolling update may take is left to the rooms above.
"""

from farmctl.elastic.outlook import Outlook
from farmctl.model.sample import Drain, NodeSample


def going(out: Outlook) -> list[Drain]:
    """Return the drain of one working node that is to go, if its work fits elsewhere.

    First a node whose hypervisor is emptied, then the one with the least work, the
    youngest of equals.
    """
    if out.queued or out.draining:
        return []
    leaving = [node for node in out.working if _leaves(node)]
    if not leaving:
        return []
    room = sum(node.slots for node in out.idle if not _leaves(node)) + sum(
        node.slots - max(node.busy, node.claimed)
        for node in out.working
        if not _leaves(node)
    )
    node = min(
        leaving,
        key=lambda node: (not node.unwanted, node.busy, -node.joined, node.name),
    )
    if room < node.slots:
        return []
    why = "its hypervisor is emptied" if node.unwanted else "its image is old"
    return [
        Drain(
            node=node.name,
            because=f"{why}, and {room} free slots elsewhere can take its work",
        )
    ]


def _leaves(node: NodeSample) -> bool:
    return node.unwanted or node.stale
