from collections.abc import Callable

import pytest

from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import NodeSample, NodeState, Sample, Waiting, Work


@pytest.fixture
def scaler() -> Callable[..., Scaler]:
    def make(**terms) -> Scaler:
        pools = terms.pop("pools", (Pool(name="wn", slots=4),))
        return Scaler(Terms(pools=pools, **terms))

    return make


@pytest.fixture
def node() -> Callable[..., NodeSample]:
    def make(name: str = "wn-1", *, busy: int = 0, now: float = 0.0, **rest):
        values = {
            "pool": "wn",
            "slots": 4,
            "state": NodeState.READY,
            "since": 0.0,
            "joined": 1.0,
            "idle_since": None if busy else now,
            "work": tuple(
                Work(job=f"{name}-{at}", owner="ann", slots=1, began=now)
                for at in range(busy)
            ),
        }
        return NodeSample(name=name, **{**values, **rest})

    return make


@pytest.fixture
def sample() -> Callable[..., Sample]:
    def make(taken: float, *nodes: NodeSample, waiting: int = 0, slots: int = 1):
        queue = ()
        if waiting:
            queue = (Waiting(owner="ann", slots=slots, count=waiting, since=taken),)
        return Sample(taken=taken, waiting=queue, nodes=nodes)

    return make
