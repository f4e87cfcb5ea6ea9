"""The scaling core and the replay, measured in this process.

`decision`: the slowest of a number of decisions on a farm of 1,000 nodes with 10,000
jobs, after it has learned from a month of work. `years`: how much recorded time the
replay goes through in a minute under our own policy.
"""

import time
from dataclasses import replace

from farmctl.daemon import spare_what_stays
from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import NodeSample, NodeState, Sample, Waiting, Work
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import replay
from farmctl.simulate.own import own
from farmctl.simulate.synthetic import sessions, small_batch
from farmctl.simulate.trace import Trace, merge

NODES, JOBS, SLOTS = 1_000, 10_000, 8
USERS = 60
DAYS = 28
YEAR = 365.25 * 86_400


def decision(rounds: int) -> float:
    """Return the processor seconds that the slowest of all decisions took.

    As `farmctl serve` does before it begins, what lives already is taken out of the
    garbage collector's way; what the scaler learns and is shown comes after that.
    """
    spare_what_stays()
    slowest = 0.0
    for price in (1.0, 20.0):
        scaler = _taught(price)
        now = DAYS * 86_400.0
        for at in range(rounds):
            sample = _farm(now, at)
            began = time.process_time()
            scaler.decide(sample)
            slowest = max(slowest, time.process_time() - began)
            now += 15
    return slowest


def years(price: float = 5.0) -> tuple[float, float]:
    """Return the years that are replayed in a minute, at one task in 90 s.

    First those of a minute by the clock, then those of one of processor time.
    """
    work = _work()
    cloud = CloudModel()
    policy = own(price, cloud=cloud, pools={"wn": SLOTS})
    began, used = time.perf_counter(), time.process_time()
    replay(work, policy, cloud=cloud, pools={"wn": SLOTS})
    took = (time.perf_counter() - began, time.process_time() - used)
    by_clock, by_processor = (work.span / YEAR / (each / 60) for each in took)
    return by_clock, by_processor


def _work() -> Trace:
    return merge("month", [sessions(1, days=DAYS), small_batch(1, days=DAYS)])


def _taught(price: float) -> Scaler:
    cloud = CloudModel()
    policy = own(price, cloud=cloud, pools={"wn": SLOTS})
    replay(_work(), policy, cloud=cloud, pools={"wn": SLOTS})
    learned = policy.scaler.remember()
    scaler = Scaler(Terms(pools=(Pool(name="wn", slots=SLOTS),), price=price))
    if not scaler.recall(learned):
        raise SystemExit("what was learned cannot be taken up")
    return scaler


def _farm(now: float, turn: int) -> Sample:
    """Return a farm on which each eighth node is empty and some have a free slot."""
    nodes = [_node(now, at, turn) for at in range(NODES)]
    running = sum(len(node.work) for node in nodes)
    each = -(-(JOBS - running) // USERS)
    waiting = tuple(
        Waiting(owner=f"u{user}", slots=1, count=each, since=now - 60 * user)
        for user in range(USERS)
    )
    return Sample(taken=now, waiting=waiting if turn % 2 else (), nodes=tuple(nodes))


def _node(now: float, number: int, turn: int) -> NodeSample:
    empty = number % 8 == 0
    busy = 0 if empty else SLOTS - (number + turn) % 3 // 2
    node = NodeSample(
        name=f"wn-{number}",
        pool="wn",
        slots=SLOTS,
        state=NodeState.READY,
        since=1000.0,
        joined=1000.0 + number,
        idle_since=now - number if empty else None,
    )
    return replace(
        node,
        work=tuple(
            Work(
                job=f"{number}-{at}",
                owner=f"u{(number + at) % USERS}",
                slots=1,
                began=float(DAYS * 86_400 - 50 * number - at),
            )
            for at in range(busy)
        ),
    )
