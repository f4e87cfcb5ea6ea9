"""Fixtures: clouds, worlds on them, and farms of names that nobody else has."""

import itertools
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import rig

_numbers = itertools.count(1)

SITE = """
site: test
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker:  {requires: 'FARM_CLASS="worker"',  system_datastore: lvm}
networks:
  farms:  {supernet: 172.30.0.0/16, driver: dummy}
  public: {name: public}
images: {openwrt: openwrt-24.10, head: head-el9-2026-11, wn: wn-el9-2026-11}
deadlines: {running: 10s, ready: 10s}
"""


@dataclass(frozen=True)
class Place:
    """Where a cloud is, who asks, and what the site says of it."""

    endpoint: str
    auth_file: str
    site: str = SITE


def place_of(cloud, site=SITE):
    return Place(endpoint=cloud.endpoint, auth_file=str(cloud.auth_file), site=site)


@pytest.fixture(scope="session")
def one(opennebula_session):
    """A cloud that tests share, each with farms of its own."""
    return place_of(opennebula_session)


@pytest.fixture
def own(opennebula):
    """A cloud of the test's own, in which things may go wrong."""
    return place_of(opennebula)


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
    """Starts processes from a server that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rig", "pyone", "lxml.etree", "requests"])
    return context
