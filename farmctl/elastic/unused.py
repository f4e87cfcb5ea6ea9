"""Nodes whose free slots the batch system leaves alone although work waits.

Work is not placed the moment that a slot is free: some batch systems look once a
minute. So free slots that could take what waits are as good as taken. Those that have
been left alone for the time of a boot are not for it, whatever the reason (memory,
licences, a share that is used up); then they are neither waited for nor kept.
"""

from collections.abc import Sequence

from farmctl.elastic.ladder import could_run
from farmctl.elastic.terms import Pool
from farmctl.model.sample import NodeSample, NodeState, Sample


class Unused:
    """Remembers since when nodes with free slots got nothing. Holds no clock."""

    def __init__(self) -> None:
        """Begin with no node known."""
        self._since: dict[str, tuple[float, NodeSample]] = {}

    @property
    def empty(self) -> dict[str, tuple[float, NodeSample]]:
        """Empty nodes, with since when they have got nothing although work waits."""
        return {name: each for name, each in self._since.items() if each[1].empty}

    def see(self, sample: Sample, pools: Sequence[Pool], boot: float) -> frozenset[str]:
        """Return the nodes that got nothing for `boot` seconds while work waited.

        Args:
            sample: With the nodes, and what waits.
            pools: Of the farm; a node counts only while work waits that its pool could
                run and for which its free slots are enough.
            boot: Seconds.
        """
        now, before = sample.taken, self._since
        self._since = {}
        fits = {pool.name: _narrowest(pool, sample) for pool in pools}
        for node in sample.nodes:
            width = fits.get(node.pool, 0)
            if node.state is not NodeState.READY or not width:
                continue
            if len(node.work) >= node.slots:
                continue  # Full, without a sum.
            if node.slots - max(node.busy, node.claimed) < width:
                continue
            since, last = before.get(node.name, (now, node))
            same = since <= now and _same(node, last)
            self._since[node.name] = (since if same else now, node)
        return frozenset(
            name for name, (since, _) in self._since.items() if now - since >= boot
        )


def _narrowest(pool: Pool, sample: Sample) -> int:
    """Return the slots of the narrowest piece that a pool could run, 0 for none."""
    able = (work.slots for work in sample.waiting if could_run(pool, work))
    return min(able, default=0)


def _same(node: NodeSample, last: NodeSample) -> bool:
    """Tell whether a node has just the work that it had, and none came and went."""
    if node is last:
        return True
    kept = node.idle_since == last.idle_since and node.claimed == last.claimed
    return kept and node.work == last.work
