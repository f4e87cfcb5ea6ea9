"""farmctl's own rule in a replay: the very core that the daemon runs.

Turns the replayed farm into samples and the core's verdicts into actions.
"""

from typing import assert_never

from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import (
    Decision,
    Drain,
    End,
    Keep,
    NodeSample,
    NodeState,
    Park,
    Sample,
    Start,
    Undrain,
    Waiting,
    Wake,
    Work,
)
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.farm import BOOTING, READY, STANDBY, STOPPING, Farm, Node


class Own:
    """farmctl's policy. `period`: seconds between its looks, 0 for event by event."""

    def __init__(
        self, terms: Terms, *, period: float = 0.0, name: str = "farmctl"
    ) -> None:
        self.name = name
        self.period = period
        self.scaler = Scaler(terms)
        self.said: list[tuple[float, Decision]] = []
        self.keeps_said = False
        self._shown: dict[int, tuple[int, NodeSample]] = {}

    def act(self, farm: Farm) -> float:
        """Look once."""
        verdict = self.scaler.decide(self._sample(farm))
        for decision in verdict.decisions:
            if self.keeps_said:
                self.said.append((farm.now, decision))
            self._do(farm, decision)
        return max(verdict.look_again, farm.now + 1.0)

    def _do(self, farm: Farm, decision: Decision) -> None:
        match decision:
            case Start():
                farm.start(decision.count, decision.pool)
            case Drain():
                farm.drain(farm.nodes[int(decision.node)])
            case Undrain():
                farm.undrain(farm.nodes[int(decision.node)])
            case End():
                farm.stop(farm.nodes[int(decision.node)])
            case Park():
                node = farm.nodes[int(decision.node)]
                if not farm.park(node):
                    farm.stop(node)
            case Wake():
                farm.wake(farm.nodes[int(decision.node)])
            case Keep():
                pass
            case _:
                assert_never(decision)

    def _sample(self, farm: Farm) -> Sample:
        shown, nodes = self._shown, []
        for group in (farm.nodes, farm.stopping):
            for number, node in group.items():
                known = shown.get(number)
                if known is None or known[0] != node.version:
                    known = shown[number] = (node.version, _show(node))
                nodes.append(known[1])
        if len(shown) > 2 * len(nodes) + 100:
            alive = {*farm.nodes, *farm.stopping}
            self._shown = {n: s for n, s in shown.items() if n in alive}
        waiting: dict[tuple[str, int], tuple[int, float]] = {}
        for width, queue in farm.queue.items():
            for piece in queue:
                key = (piece.job.user, width)
                count, since = waiting.get(key, (0, piece.job.submit))
                waiting[key] = (count + piece.left, since)
        return Sample(
            taken=farm.now,
            waiting=tuple(
                Waiting(owner=owner, slots=width, count=count, since=since)
                for (owner, width), (count, since) in waiting.items()
            ),
            nodes=tuple(nodes),
        )


def own(
    price: float,
    *,
    cloud: CloudModel,
    pools: dict[str, int],
    period: float = 0.0,
    name: str = "",
) -> Own:
    """Return farmctl's policy for a farm of such a price in such a cloud."""
    terms = Terms(
        pools=tuple(
            Pool(name=pool, slots=slots, standby=cloud.standby // slots)
            for pool, slots in pools.items()
        ),
        price=price,
        boot=cloud.boot,
        stop=cloud.stop,
        resume=cloud.resume,
        quota=cloud.quota,
    )
    return Own(terms, period=period, name=name or f"farmctl at {price:g}")


def _show(node: Node) -> NodeSample:
    if node.state == BOOTING:
        state, since = NodeState.BOOTING, node.born
    elif node.state == STANDBY:
        state, since = NodeState.STANDBY, node.idle_since
    elif node.state == STOPPING:
        state, since = NodeState.ENDING, node.ended
    else:
        assert node.state == READY
        state = NodeState.DRAINING if node.draining else NodeState.READY
        since = node.joined
    return NodeSample(
        name=str(node.id),
        pool=node.pool,
        slots=node.slots,
        state=state,
        since=since,
        joined=node.joined,
        idle_since=None if node.busy else node.idle_since,
        work=tuple(
            Work(
                job=piece.job.name,
                owner=piece.job.user,
                slots=piece.left * piece.width,
                began=piece.begun,
            )
            for piece in node.work.values()
        ),
    )
