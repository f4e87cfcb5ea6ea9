"""The end of it all: nothing is left of farms that are destroyed, and of their cloud.

In this folder's last file, since what it does ends what the other tests stand on.
"""

import os
from pathlib import Path

import pytest
from farmland import until
from lxml import etree

pytestmark = pytest.mark.xdist_group("farms")

WORDS = ("alice", "bob")
POOLS = ("vm", "vn", "secgroup", "template", "document")


def left(land):
    """Return what OpenNebula still has of the farms."""
    found = []
    for pool in POOLS:
        words = (-2, -1, -1, 4270) if pool == "document" else (-2, -1, -1)
        words = (-2, -1, -1, -1) if pool == "vm" else words
        told = land.cloud.call(f"one.{pool}pool.info", *words)
        for each in etree.fromstring(told.encode()):
            name = each.findtext("NAME") or ""
            if name.startswith(WORDS):
                found.append(name)
    return found


def processes(directory):
    """Return the processes that have to do with a cloud, from their mounts or words."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            mounted = str(directory) in (place / "mountinfo").read_text()
            if mounted or str(directory) in (place / "cmdline").read_text():
                found.append(place.name)
        except OSError:
            continue
    return [number for number in found if int(number) != os.getpid()]


def test_a_destroyed_farm_leaves_the_other_as_it_was(land):
    vms = [each["vm_id"] for each in land.status("bob").values()]
    land.farmctl("destroy", "--yes", "bob")
    assert [name for name in left(land) if name.startswith("bob")] == []
    assert land.steps("alice") == []
    nodes = land.settings.directory / "nodes"
    until(lambda: not [vm for vm in vms if (nodes / str(vm)).exists()])
    wires = land.cloud.inside("fabric", "ip", "-br", "link").stdout
    wires += land.cloud.inside("fabric", "nft", "list", "ruleset").stdout
    assert [vm for vm in vms if f"one-{vm}-" in wires] == []
    assert "br-172.16.1" not in wires


def test_nothing_is_left_of_the_last_farm(land):
    land.farmctl("destroy", "--yes", "alice")
    assert left(land) == []
    wires = land.cloud.inside("fabric", "ip", "-br", "link").stdout
    assert "one-" not in wires
    assert "br-172.16" not in wires
    nodes = land.settings.directory / "nodes"
    until(
        lambda: {each.name for each in nodes.iterdir() if each.is_dir()} == {"outside"}
    )
    assert "no farm" in land.farmctl("status").lower()


def test_nothing_is_left_of_the_cloud(land):
    directory = land.settings.directory
    leg = f"inet {land.machine}/"
    assert processes(directory) != []
    land.farmctl("cloud", "reset", "--yes")
    until(lambda: processes(directory) == [])
    assert str(directory) not in Path("/proc/self/mounts").read_text()
    routes = Path("/proc/net/route").read_text()
    assert "fctl-" not in routes or leg not in routes
    assert not list(directory.glob("nodes/*"))
