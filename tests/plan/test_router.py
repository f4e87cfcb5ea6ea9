import itertools

import pytest

from farmctl.errors import NotPossibleError
from farmctl.model.router import Forwarding, Interface, Lease, Name, Opening, Zone
from farmctl.model.view import Network
from farmctl.plan.router import Host, draw, mac_of, public_interface
from farmctl.spec import Farm, Site

SITE = {
    "site": "torino",
    "domain": "farm.example.org",
    "hypervisors": {
        "service": {"requires": 'FARM_CLASS="service"', "system_datastore": "gluster"},
        "worker": {"requires": 'FARM_CLASS="worker"', "system_datastore": "lvm"},
    },
    "networks": {
        "farms": {"supernet": "172.16.0.0/16", "driver": "dummy"},
        "public": {"name": "public"},
    },
    "images": {"openwrt": "openwrt-24.10", "el9": "el9"},
}
FARM = {
    "farm": "f",
    "kind": "plain",
    "router": {"image": "openwrt", "flavour": "openwrt"},
    "head": {"image": "el9", "cpus": 1, "memory": "1GiB"},
    "pools": {"wn": {"image": "el9", "cpus": 1, "memory": "1GiB", "count": 2}},
}
HOSTS = (
    Host(name="f-head", address="172.16.40.253"),
    Host(name="f-wn-002", address="172.16.40.2", mac="02:00:AC:10:28:AA"),
    Host(name="f-wn-001", address="172.16.40.1"),
)
PUBLIC = Interface(zone=Zone.WAN, address="203.0.113.10")


def drawn(*, admin=(), dns=(), hosts=HOSTS, public=PUBLIC, **router):
    return draw(
        Site.model_validate({**SITE, "admin": {"addresses": list(admin)}, "dns": dns}),
        Farm.model_validate({**FARM, "router": {**FARM["router"], **router}}),
        cidr="172.16.40.0/24",
        hosts=hosts,
        public=public,
    )


def admins(values):
    return [
        (each.zone.value, each.port, each.sources)
        for each in values.openings
        if each.port in (60022, 60443)
    ]


def test_every_node_has_a_lease_and_resolves_both_ways():
    values = drawn()
    assert values.leases == (
        Lease(name="f-wn-001", address="172.16.40.1", mac="02:00:ac:10:28:01"),
        Lease(name="f-wn-002", address="172.16.40.2", mac="02:00:ac:10:28:aa"),
        Lease(name="f-head", address="172.16.40.253", mac="02:00:ac:10:28:fd"),
    )
    assert values.names[0] == Name(
        address="172.16.40.254", names=("f-router.f.farm.example.org", "f-router")
    )
    assert [name.names[0] for name in values.names[1:]] == [
        "f-wn-001.f.farm.example.org",
        "f-wn-002.f.farm.example.org",
        "f-head.f.farm.example.org",
    ]


def test_the_order_of_the_nodes_makes_no_difference():
    assert len({drawn(hosts=each) for each in itertools.permutations(HOSTS)}) == 1


def test_the_mac_is_what_opennebula_makes_of_an_address():
    assert mac_of("10.99.1.10") == "02:00:0a:63:01:0a"
    assert mac_of("172.16.40.254", prefix="0a:01") == "0a:01:ac:10:28:fe"


def test_admins_come_from_where_the_site_says_and_from_nowhere_else():
    values = drawn(admin=["192.0.2.0/25", "192.0.2.128/25", "10.1.2.3"])
    sources = ("10.1.2.3/32", "192.0.2.0/24")
    assert admins(values) == [("wan", 60022, sources), ("wan", 60443, sources)]


def test_a_site_without_admin_addresses_has_its_admins_inside():
    assert admins(drawn()) == [("lan", 60022, ()), ("lan", 60443, ())]


def test_a_router_without_a_way_out_is_administered_from_inside():
    values = drawn(admin=["192.0.2.1"], dns=["192.0.2.53"], public=None)
    assert admins(values) == [("lan", 60022, ()), ("lan", 60443, ())]
    assert values.upstream == ()
    assert [zone.zone.value for zone in values.zones] == ["lan"]


def test_an_admin_may_stand_in_the_farm():
    assert admins(drawn(admin=["172.16.40.7", "192.0.2.1"])) == [
        ("wan", 60022, ("192.0.2.1/32",)),
        ("wan", 60443, ("192.0.2.1/32",)),
        ("lan", 60022, ("172.16.40.7/32",)),
        ("lan", 60443, ("172.16.40.7/32",)),
    ]
    assert ("lan", 60022, ()) in admins(drawn(admin=["0.0.0.0/0"]))
    assert ("wan", 60022, ()) in admins(drawn(admin=["0.0.0.0/0"]))


def test_a_forward_leads_to_its_node_and_its_sources_do_not_overlap():
    values = drawn(
        forwards=[
            {
                "name": "ssh",
                "port": 2222,
                "to": "head",
                "to_port": 22,
                "from": ["192.0.2.0/24", "192.0.2.9", "198.51.100.7"],
            },
            {"name": "all", "protocol": "both", "port": 53, "to": "wn-001"},
            {"name": "any", "port": 1, "to": "wn-002", "from": ["0.0.0.0/0"]},
        ]
    )
    assert values.forwards == (
        Forwarding(
            name="ssh",
            protocols=("tcp",),
            port=2222,
            address="172.16.40.253",
            to_port=22,
            sources=("192.0.2.0/24", "198.51.100.7/32"),
        ),
        Forwarding(
            name="all",
            protocols=("tcp", "udp"),
            port=53,
            address="172.16.40.1",
            to_port=53,
        ),
        Forwarding(
            name="any", protocols=("tcp",), port=1, address="172.16.40.2", to_port=1
        ),
    )


def test_a_forward_to_a_node_that_is_not_there_is_named():
    values = drawn(
        forwards=[{"name": "two", "port": 2, "to": "wn-002"}], hosts=HOSTS[:1]
    )
    assert (values.forwards, values.absent) == ((), ("two",))


def test_unknown_machines_get_what_no_worker_may_ever_have():
    dhcp = drawn(dhcp_open=True).dhcp
    assert (dhcp.open, dhcp.first, dhcp.last) == (True, "172.16.40.3", "172.16.40.252")
    assert not drawn().dhcp.open


@pytest.mark.parametrize("what", ["name", "address"])
def test_two_nodes_of_one_name_or_address_are_refused(what):
    twice = {
        "name": "f-wn-009",
        "address": "172.16.40.9",
        what: getattr(HOSTS[0], what),
    }
    with pytest.raises(NotPossibleError, match=f"Two nodes have the {what}"):
        drawn(hosts=(*HOSTS, Host(**twice)))


def test_nobody_outside_reaches_more_than_a_ping_unless_it_is_declared():
    assert [each for each in drawn().openings if each.zone is Zone.WAN] == [
        Opening(name="ping", zone=Zone.WAN, protocols=("icmp",))
    ]


def network(**attributes):
    return Network(id=1, name="public", owner_id=0, attributes=attributes)


def test_the_public_interface_is_what_the_network_tells():
    assert public_interface(
        network(
            NETWORK_MASK="255.255.252.0",
            GATEWAY="203.0.113.1",
            DNS="203.0.113.53 203.0.113.54",
        ),
        address="203.0.113.10",
        mac="02:00:CB:00:71:0A",
    ) == Interface(
        zone=Zone.WAN,
        address="203.0.113.10",
        prefix=22,
        mac="02:00:cb:00:71:0a",
        gateway="203.0.113.1",
        dns=("203.0.113.53", "203.0.113.54"),
    )


@pytest.mark.parametrize("text", ["", "x'\noption", "1", "::1", "203.0.113.1/24"])
def test_what_is_no_address_in_a_public_network_is_left_out(text):
    found = public_interface(network(NETWORK_MASK=text, GATEWAY=text, DNS=text))
    assert found == Interface(zone=Zone.WAN)
