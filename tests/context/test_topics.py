"""What is said of a router's change: the thing that changed, and no more."""

from dataclasses import replace

import pytest
import yaml

from farmctl.context import routers
from farmctl.model.router import Forwarding, Zone

CASE = """
cidr: 172.16.40.0/24
public: {address: 203.0.113.10}
nodes: {vm: 1}
farm:
  farm: f
  kind: plain
  router: {image: openwrt, flavour: openwrt}
  pools: {vm: {image: el9, cpus: 1, memory: 1GiB, count: 1}}
"""
GATE = Forwarding(
    name="gate", protocols=("tcp",), port=1001, address="172.16.40.1", to_port=22
)


def moved(values):
    """Give the admins another network to come from."""
    return replace(
        values,
        openings=tuple(
            replace(each, sources=("198.51.100.0/24",))
            if each.zone is Zone.WAN and each.name == "ssh"
            else each
            for each in values.openings
        ),
    )


@pytest.fixture
def values(draw_router):
    case = yaml.safe_load(CASE)
    case["site"] = {"admin": {"addresses": ["192.0.2.0/24"]}}
    return draw_router(case)


CHANGES = {
    "nothing": (lambda values: values, ()),
    "forward": (lambda values: replace(values, forwards=(GATE,)), ("forwards",)),
    "admins": (moved, ("admin access",)),
    "time": (
        lambda values: replace(values, time_servers=("ntp.example.org",)),
        ("time servers",),
    ),
    "servers": (lambda values: replace(values, upstream=("192.0.2.53",)), ("DNS",)),
    "mac": (
        lambda values: replace(
            values,
            leases=tuple(
                replace(each, mac="02:00:ac:10:28:77") for each in values.leases
            ),
        ),
        ("leases",),
    ),
    "much": (
        lambda values: replace(
            moved(values), forwards=(GATE,), upstream=("192.0.2.53",)
        ),
        ("forwards", "admin access", "DNS"),
    ),
}


@pytest.mark.parametrize("flavour", ["openwrt", "debian"])
@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_changed_is_named(values, flavour, change, expected):
    ((_, before),) = routers.variable(flavour, values).items()
    ((_, after),) = routers.variable(flavour, change(values)).items()
    assert routers.topics(before, after) == expected
    assert routers.topics(after, before) == expected


def test_of_files_that_nobody_can_read_nothing_is_said(values):
    ((_, after),) = routers.variable("debian", values).items()
    assert routers.topics("no files", after) == ()
