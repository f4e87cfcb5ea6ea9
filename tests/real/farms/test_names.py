"""Names, addresses and leases, as every node of a farm sees them."""

import pytest
from farmland import until
from lxml import etree

pytestmark = pytest.mark.xdist_group("farms")

NODES = {
    "alice-router": "172.16.0.254",
    "alice-head": "172.16.0.253",
    "alice-wn-001": "172.16.0.1",
    "alice-wn-002": "172.16.0.2",
}
ASK = "busybox udhcpc -f -n -q -t 4 -T 1 -i {} -s /bin/true"


@pytest.mark.parametrize("node", NODES)
def test_every_name_of_the_farm_resolves_both_ways_on_every_node(land, node):
    host = land.host(node)
    for name, address in NODES.items():
        if name == node == "alice-router":
            continue  # to itself it is its public address
        assert host.addr(name).ipv4_addresses[-1:] == [address]
        full = f"{name}.alice.farm.example.org"
        assert host.addr(full).ipv4_addresses[-1:] == [address]
        assert full in host.check_output(f"getent hosts {address}").split()[1:]


def test_a_farm_knows_no_names_of_another(land):
    assert not land.works("alice-wn-001", "getent hosts bob-wn-001")
    assert not land.works(
        "alice-wn-001", "getent hosts bob-wn-001.bob.farm.example.org"
    )
    assert land.inside("bob-wn-001", "getent hosts bob-wn-002").startswith("172.16.1.2")


def test_a_name_of_the_world_resolves_through_the_router(land):
    told = land.inside("alice-wn-001", "getent ahostsv4 www.example.net")
    assert told.split()[0] == land.outside


def test_a_nodes_name_is_its_vms(land):
    for node in NODES:
        assert land.host(node).check_output("hostname -f") == (
            f"{node}.alice.farm.example.org"
        )


def test_a_lease_is_always_the_same(land):
    for node in ("alice-wn-002", "alice-wn-001", "alice-wn-002"):
        told = land.inside(node, ASK.format("eth0") + " 2>&1")
        assert f"lease of {NODES[node]} obtained from 172.16.0.254" in told


def test_a_machine_that_is_no_node_of_the_farm_gets_no_lease(land):
    """A stranger is put on the farm's network by hand, past farmctl."""
    call = land.cloud.call
    pool = etree.fromstring(call("one.vnpool.info", -2, -1, -1).encode())
    network = pool.findtext("VNET[NAME='alice']/ID")
    hosts = etree.fromstring(call("one.hostpool.info").encode())
    host = int(hosts.findtext("HOST[NAME='wrk-03']/ID"))
    vm = call(
        "one.vm.allocate",
        'NAME="stranger"\nCPU="1"\nMEMORY="128"\nDISK=[IMAGE="debian-12"]\n'
        f'NIC=[NETWORK_ID="{network}",IP="172.16.0.99"]\nCONTEXT=[NETWORK="NO"]',
        False,
    )
    try:
        call("one.vm.deploy", vm, host, False, -1, "")
        until(lambda: land.works("stranger", "true") if _there(land) else False)
        land.inside("stranger", "ip link set eth0 up")
        told = land.inside("stranger", ASK.format("eth0") + " 2>&1", check=False)
        assert "no lease, failing" in told
        assert land.steps("alice") == []  # and it is none of farmctl's business
    finally:
        call("one.vm.action", "terminate-hard", vm)
    until(lambda: not _there(land))


def _there(land):
    return land.cloud.settings.directory.joinpath("nodes").exists() and any(
        "stranger" in file.read_text()
        for file in land.cloud.settings.directory.glob("nodes/*/node.json")
    )


def test_the_farms_nodes_keep_the_routers_time(land):
    told = land.inside("alice-router", "chronyc -n tracking", check=False)
    assert "Leap status" in told
