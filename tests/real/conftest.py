"""Clouds of real nodes for the tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jobs import Listening, Queue
from realnodes import Nodes
from served import Served, is_up, until

from farmctl.testing import OpenNebula


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("real")


@pytest.fixture
def nodes(opennebula_nodes: OpenNebula) -> Nodes:
    return Nodes(opennebula_nodes)


@pytest.fixture
def nodes_of(opennebula_with: Callable[..., OpenNebula]) -> Callable[..., Nodes]:
    """Start a cloud of its own, for tests that kill it."""
    return lambda **given: Nodes(opennebula_with(driver="netns", **given))


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[list[Listening], Callable[[str], str]]]:
    """Stand before OpenNebula and note whose end is asked for; it, once begun."""
    made: list[Listening] = []

    def through(endpoint: str) -> str:
        made.append(Listening(endpoint))
        return made[0].endpoint

    yield made, through
    for each in made:
        each.down()


@pytest.fixture(scope="module")
def queue(served: Served, proxy: tuple[list[Listening], Callable[[str], str]]) -> Queue:
    """Have a daemon make the module's farm, and watch each job of it."""
    served.serve("farm.yaml", "--poll", "2s", "--first-boot", "10s")
    until(lambda: is_up(served), served, seconds=240, what="the head is up")
    made = Queue(served.cloud, proxy[0][0], "f")
    made.prepare()
    return made
