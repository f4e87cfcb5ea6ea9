"""Several policies on one workload, side by side.

The result is a value that `report` draws and that the command line prints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd

from farmctl.simulate.bounds import Bounds, bounds, zero_wait
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import Policy, StuckError, replay
from farmctl.simulate.measures import PRICES, Measures, measure, series
from farmctl.simulate.own import own
from farmctl.simulate.peers.catalogue import PEERS
from farmctl.simulate.trace import Trace

POINTS = 1500
"""Points of a curve over time; more than a screen is wide."""

SAME = 0.05
"""Per cent of difference that are shown as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One policy's replay: its figures, its sizes over time, its waits.

    `price` is the price of waiting that the policy was made for, None for the rules of
    others, which know none. `course` has time, demand and what is ready; `waits` has
    seconds and how many tasks waited so long.
    """

    measures: Measures
    price: float | None
    course: tuple[tuple[float, int, int], ...]
    waits: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All runs on one workload. `bounds` hold for farms where nobody waits.

    With several pools the lower bound is that of nodes that all shapes are made up of,
    the upper one that of the smallest.
    `stuck`: rules of others under which some work waits for ever; they have no run.
    """

    trace: str
    jobs: int
    tasks: int
    cloud: CloudModel
    pools: tuple[tuple[str, int], ...]
    bounds: Bounds
    prices: tuple[float, ...]
    runs: tuple[Run, ...]
    stuck: tuple[str, ...] = ()

    @property
    def unit(self) -> int:
        """Slots of a node in which demand and size are compared, see `Ledger`."""
        return gcd(*(slots for _, slots in self.pools))

    def best_peer(self, price: float) -> Run | None:
        """Return the cheapest of the others' rules at this price of waiting."""
        peers = [run for run in self.runs if run.price is None]
        return min(peers, key=lambda run: run.measures.cost(price), default=None)

    def verdict(self, price: float) -> str:
        """Return how our policy stands to the best of the others; empty if unknown."""
        peer = self.best_peer(price)
        ours = next((run for run in self.runs if run.price == price), None)
        if peer is None or ours is None:
            return ""
        best = peer.measures.cost(price)
        change = 100 * (ours.measures.cost(price) / best - 1) if best else 0.0
        if abs(change) < SAME:
            amount = "the same as"
        else:
            amount = f"{abs(change):.1f} % {'more' if change > 0 else 'less'} than"
        return (
            f"At a price of {price:g} farmctl costs {amount} the best of the others, "
            f"{peer.measures.policy}."
        )


def compare(
    trace: Trace,
    *,
    cloud: CloudModel,
    pools: Mapping[str, int],
    prices: Sequence[float] = PRICES,
    own_policy: bool = True,
    peers: Sequence[str] = tuple(PEERS),
    period: float | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Replay the trace under farmctl at each price and under the named peers.

    Args:
        trace: The workload.
        cloud: The cloud; every policy meets the same draws.
        pools: Slots by pool; peers use the first pool only.
        prices: Prices of waiting at which is measured, and for farmctl's policy.
        own_policy: Whether farmctl's own policy is among them, once at each price.
        peers: Names from `catalogue.PEERS`.
        period: Seconds between farmctl's looks; 0 for event by event; None for what
            suits the cloud.
        progress: Told before each replay how many are done, of how many, and the name.

    Raises:
        StuckError: If some work waits for ever under farmctl's policy, or under all
            that are asked for, such as work that no pool fits.
    """
    shapes = dict(pools)
    if period is None:
        period = cloud.poll
    policies: list[tuple[Policy, float | None]] = []
    if own_policy:
        policies += [
            (own(price, cloud=cloud, pools=shapes, period=period), price)
            for price in prices
        ]
    policies += [(PEERS[name](), None) for name in peers]
    runs: list[Run] = []
    stuck: list[str] = []
    for done, (policy, price) in enumerate(policies):
        if progress is not None:
            progress(done, len(policies), policy.name)
        try:
            runs.append(_run(trace, policy, price, cloud, shapes))
        except StuckError:
            if price is not None or len(stuck) + 1 == len(policies):
                raise
            stuck.append(policy.name)
    return Comparison(
        trace=trace.name,
        jobs=len(trace.jobs),
        tasks=trace.tasks,
        cloud=cloud,
        pools=tuple(shapes.items()),
        bounds=_bounds(trace, cloud, shapes),
        prices=tuple(prices),
        runs=tuple(runs),
        stuck=tuple(stuck),
    )


def _bounds(trace: Trace, cloud: CloudModel, pools: Mapping[str, int]) -> Bounds:
    """Return bounds for any mix of the pools: smaller nodes can do what larger do."""
    turn, smallest, unit = (
        cloud.boot + cloud.stop,
        min(pools.values()),
        gcd(*pools.values()),
    )
    found = bounds(trace, slots=smallest, turn=turn)
    if unit == smallest:
        return found
    return replace(found, lower=zero_wait(trace, slots=unit, turn=turn))


def _run(
    trace: Trace,
    policy: Policy,
    price: float | None,
    cloud: CloudModel,
    pools: dict[str, int],
) -> Run:
    farm = replay(trace, policy, cloud=cloud, pools=pools)
    return Run(
        measures=measure(policy.name, farm),
        price=price,
        course=tuple(series(farm.ledger, POINTS)),
        waits=tuple(sorted(farm.ledger.waits.items())),
    )
