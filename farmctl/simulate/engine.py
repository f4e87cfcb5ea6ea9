"""The replay: events in order of time, a policy asked where it would look.

The engine turns the clock of a `farm`, lets its `ledger` count, and gives the result
to `measures`. A policy is asked on each change of the farm, or, if it polls, at the
first poll after one; between two changes at the time it named itself.
"""

from heapq import heappop
from math import ceil, inf
from typing import Protocol, cast

from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.farm import END, JOINED, Farm, Node, Piece
from farmctl.simulate.trace import Trace

ROUNDS = 8
"""How often a policy is asked again at one instant because it changed something."""

PATIENCE = 7 * 86_400.0
"""Seconds without a job, a boot or a stop after which waiting work waits for ever."""


class Policy(Protocol):
    """A rule that sizes a farm."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def period(self) -> float:
        """Seconds between two looks; 0: it is told of every change."""
        ...

    def act(self, farm: Farm) -> float:
        """Look at the farm, change it, and return when to look again at the latest."""
        ...


class StuckError(Exception):
    """Work waits, and neither an event nor the policy will ever change that."""


def replay(
    trace: Trace,
    policy: Policy,
    *,
    cloud: CloudModel,
    pools: dict[str, int],
) -> Farm:
    """Run `policy` on `trace` and return the farm as it stands when all work is done.

    The accounts end with the last job: what a policy would hold afterwards is not
    charged, except for the stop of each node that is left.

    Args:
        trace: The workload.
        policy: The rule; it is used up and not to be used again.
        cloud: The cloud that it meets.
        pools: Slots of a node by the pool's name; the first is the usual one.

    Raises:
        StuckError: If work waits for ever, such as work that no pool fits.
    """
    farm = Farm(cloud, pools)
    jobs, following, period = trace.jobs, 0, policy.period
    wake, changed, booked, stirred = 0.0, True, farm.ledger, 0.0
    while following < len(jobs) or farm.queued or farm.running:
        arrival = jobs[following].submit if following < len(jobs) else inf
        event = farm.events[0][0] if farm.events else inf
        now = min(arrival, event, wake)
        if following < len(jobs) or farm.events:
            stirred = now
        if now == inf or now > stirred + PATIENCE:
            raise StuckError(
                f"{farm.queued} slots of work wait for ever under {policy.name}"
            )
        if now > farm.now:
            booked.passes(now - farm.now, now, farm.queued + farm.running)
            farm.now = now
        while following < len(jobs) and jobs[following].submit <= now:
            farm.submit(jobs[following], whole=trace.whole)
            following += 1
        while farm.events and farm.events[0][0] <= now:
            _happen(farm)
        farm.place()
        if farm.changed:
            changed, farm.changed = True, False
            if period:
                wake = min(wake, ceil(now / period) * period)
        if now >= wake or (changed and not period):
            wake = _ask(policy, farm)
            changed = False
            if period:
                if farm.changed:
                    wake = now
                if wake < inf:
                    wake = max(now + period, ceil(wake / period) * period)
    left = sum(node.slots for node in farm.nodes.values() if node.state <= 1)
    booked.boot_seconds += (left + booked.stopping) * cloud.stop
    return farm


def _ask(policy: Policy, farm: Farm) -> float:
    for _ in range(ROUNDS if not policy.period else 1):
        farm.changed = False
        wake = policy.act(farm)
        farm.finished.clear()
        if not farm.changed:
            break
        farm.place()
    return wake


def _happen(farm: Farm) -> None:
    _, _, kind, what, epoch = heappop(farm.events)
    if kind == END:
        farm.end(cast("Piece", what))
        return
    node = cast("Node", what)
    if node.epoch != epoch:
        return
    if kind == JOINED:
        farm.join(node)
    else:
        farm.gone(node)
