"""Fixtures: clouds, worlds on them, and farms of names that nobody else has."""

import itertools
import multiprocessing
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import rig

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def one(opennebula_session):
    """A cloud that tests share, each with farms of its own."""
    return rig.place_of(opennebula_session)


@pytest.fixture
def own(opennebula):
    """A cloud of the test's own, in which things may go wrong."""
    return rig.place_of(opennebula)


@pytest.fixture
def name():
    return f"f{os.getpid()}x{next(_numbers)}"


@pytest.fixture
def make_world():
    made = []

    def make(place, *, endpoint="", site="", **more):
        world = rig.world_at(
            endpoint or place.endpoint, place.auth_file, site or place.site, **more
        )
        made.append(world)
        return world

    yield make
    for world in made:
        world.cloud.close()


@pytest.fixture
def world(make_world, own):
    """A world on a cloud of the test's own, which writes down what it does."""
    return make_world(own, record=rig.Record())


@pytest.fixture(scope="session")
def forking():
    """Starts processes from a server that has imported everything already.

    Each child would import pytest's own main module again, half a second of it: while
    these tests run, there is none.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "farmctl.cloud.opennebula.adapter",
            "farmctl.context",
            "farmctl.reconcile",
            "farmctl.spec.reading",
            "pytest",
            "pyone",
            "lxml.etree",
            "requests",
        ]
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "__main__", ModuleType("__main__"))
        yield context
