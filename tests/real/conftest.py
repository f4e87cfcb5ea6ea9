"""Clouds of real nodes for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from realnodes import Nodes

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
