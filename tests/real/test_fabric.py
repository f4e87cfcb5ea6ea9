"""The networks of real nodes, with packets: each node here is a thread in its own net.

Nothing of these tests reaches the machine's own network.
"""

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import (
    PATIENCE,
    Place,
    arp,
    checksum,
    ethernet,
    heard,
    ipv4,
    mac,
    packet,
    seen,
    udp,
)

from farmctl.embedded.netns import filters, wiring
from farmctl.embedded.netns.fabric import PUBLIC_BRIDGE, Fabric
from farmctl.embedded.netns.filters import REASONS
from farmctl.embedded.netns.ports import Port
from farmctl.embedded.netns.wiring import FabricError
from farmctl.errors import NotPossibleError

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(
        not all(shutil.which(tool) for tool in ("ip", "nft", "nsenter")),
        reason="iproute2, nftables and util-linux are needed",
    ),
]

PUBLIC = "198.18.2.0/24"
ALL_OUT = {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"}
ALL_IN = {"PROTOCOL": "ALL", "RULE_TYPE": "inbound"}


class Rig:
    """A fabric, the machine's namespace, and nodes."""

    def __init__(self, **fabric: Any) -> None:
        self.places: list[Place] = []
        self.machine = self.place()
        self.keeper = self.place()
        self.said: list[str] = []
        self.fabric = Fabric(
            public=PUBLIC, say=self.said.append, machine=self.machine.pid, **fabric
        )

    def place(self) -> Place:
        made = Place()
        self.places.append(made)
        return made

    def open(self) -> None:
        self.keeper.do(self.fabric.open)

    def network(self, number: int, bridge: str, **more: Any) -> None:
        self.keeper.do(lambda: self.fabric.network(number, bridge=bridge, **more))

    def node(
        self, number: int, network: int = 7, *, net: str = "10.0.7", **port: Any
    ) -> Place:
        """Plug a node with the address NET.NUMBER and the MAC of that number."""
        place = self.place()
        self.keeper.do(self.fabric.plug, self.port(place, number, network, net, **port))
        place.ip(
            "link set lo up",
            f"address add {net}.{number}/24 dev eth0",
            "link set eth0 addrgenmode none",
            "link set eth0 up",
        )
        return place

    def port(
        self,
        place: Place,
        number: int,
        network: int = 7,
        net: str = "10.0.7",
        **port: Any,
    ) -> Port:
        values: dict[str, Any] = {
            "vm_id": number,
            "nic_id": 0,
            "network_id": network,
            "pid": place.pid,
            "device": "eth0",
            "mac": mac(number),
            "addresses": (f"{net}.{number}",),
        }
        return Port(**{**values, **port})

    def drops(self, number: int) -> dict[str, int]:
        found = self.keeper.do(self.fabric.counters)[f"one-{number}-0"]
        return {why: count for why, count in found.items() if count}

    def end(self) -> None:
        with suppress(FabricError):
            self.keeper.do(self.fabric.close)
        for place in self.places:
            place.end()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    try:
        made.open()
        made.network(7, "br-seven")
        yield made
    finally:
        made.end()


SPOOFED = {
    "mac": packet(b"evil", source=mac(99), address="10.0.7.11"),
    "ip": packet(b"evil", source=mac(11), address="10.0.7.254"),
    "arp_mac": arp(
        sender=mac(99), address="10.0.7.11", wanted="10.0.7.12", source=mac(11)
    ),
    "arp_ip": arp(
        sender=mac(11),
        address="10.0.7.254",
        wanted="10.0.7.254",
        source=mac(11),
        reply=True,
    ),
    "ip6": ethernet(
        struct.pack("!IHBB", 6 << 28, 8, 17, 64)
        + socket.inet_pton(socket.AF_INET6, "fe80::99")
        + socket.inet_pton(socket.AF_INET6, "ff02::1")
        + udp(b"", source=4000, to=4001),
        source=mac(11),
        kind=0x86DD,
    ),
}


@pytest.mark.parametrize("reason", SPOOFED)
def test_a_spoofed_frame_is_dropped_and_counted(rig: Rig, reason: str) -> None:
    liar, other = rig.node(11).wire(), rig.node(12).wire()
    for _ in range(3):
        liar.send(SPOOFED[reason])
    liar.send(packet(b"honest", source=mac(11), address="10.0.7.11"))
    assert seen(other, b"honest") == []
    assert rig.drops(11) == {reason: 3}
    assert rig.drops(12) == {}


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        (
            "a VLAN tag before IPv4",
            ethernet(
                struct.pack("!HH", 12, 0x0800)
                + ipv4(
                    17, udp(b"", source=1, to=2), source="10.0.7.11", to="10.0.7.12"
                ),
                source=mac(11),
                kind=0x8100,
            ),
        ),
        ("a tag of a provider", ethernet(bytes(4), source=mac(11), kind=0x88A8)),
        ("LLDP", ethernet(b"", source=mac(11), kind=0x88CC)),
        ("802.3", ethernet(b"\x42\x42\x03", source=mac(11), kind=0x0026)),
        (
            "ARP whose addresses have another length",
            ethernet(
                struct.pack("!HHBBH", 1, 0x0800, 8, 4, 2) + bytes(32),
                source=mac(11),
                kind=0x0806,
            ),
        ),
    ],
)
def test_frames_that_no_farm_needs_are_dropped(
    rig: Rig, what: str, frame: bytes
) -> None:
    sender, other = rig.node(11, filter_ip=False).wire(), rig.node(12).wire()
    sender.send(frame)
    sender.send(packet(b"honest", source=mac(11), address="10.0.7.11"))
    assert seen(other, b"honest") == []
    assert rig.drops(11) == {"kind": 1}, what


def test_a_router_sends_from_any_address_but_only_from_its_mac(rig: Rig) -> None:
    router, other = rig.node(254, filter_ip=False).wire(), rig.node(12).wire()
    router.send(packet(b"evil", source=mac(99), address="192.0.2.9"))
    router.send(packet(b"from the world", source=mac(254), address="192.0.2.9"))
    assert seen(other, b"from the world") == []
    assert rig.drops(254) == {"mac": 1}


def test_without_filters_everything_passes(rig: Rig) -> None:
    free = rig.node(11, filter_mac=False, filter_ip=False).wire()
    other = rig.node(12).wire()
    for reason in ("mac", "ip", "arp_mac", "arp_ip", "ip6"):
        free.send(SPOOFED[reason])
    free.send(packet(b"honest", source=mac(11), address="10.0.7.11"))
    assert len(seen(other, b"honest")) == 5
    assert rig.drops(11) == {}


def test_honest_traffic_passes(rig: Rig) -> None:
    one, two = rig.node(11), rig.node(12)
    server = two.listen(80)
    assert one.pings("10.0.7.12")
    assert one.pings("10.0.7.12", size=4000), "fragments"
    client = one.connect("10.0.7.12", 80)
    accepted, _ = server.accept()
    with accepted:
        client.sendall(b"x" * 300_000)
        got = 0
        while got < 300_000:
            got += len(accepted.recv(65536))
    wire = two.wire()
    probe = arp(sender=mac(11), address="0.0.0.0", wanted="10.0.7.11", source=mac(11))
    one.wire().send(probe)
    assert heard(wire) == probe, "is this address in use?"
    assert rig.drops(11) == rig.drops(12) == {}


def test_a_node_may_send_from_its_aliases(rig: Rig) -> None:
    one = rig.node(11, addresses=("10.0.7.11", "10.0.7.77", "fd00::11"))
    one.ip("address add 10.0.7.77/24 dev eth0")
    rig.node(12)
    assert one.pings("10.0.7.12", source="10.0.7.77")
    assert rig.drops(11) == {}


def test_a_node_without_an_address_may_ask_for_one(rig: Rig) -> None:
    group = (ALL_OUT, {**ALL_IN, "IP": "10.0.7.0", "SIZE": "256"})
    dhcp = {"PROTOCOL": "UDP", "RULE_TYPE": "inbound", "RANGE": "67"}
    dhcp |= {"IP": "0.0.0.0", "SIZE": "1"}
    asking = rig.node(11, rules=group).wire()
    router = rig.node(254, filter_ip=False, rules=(*group, dhcp)).wire()
    discover = ethernet(
        ipv4(
            17,
            udp(b"DISCOVER", source=68, to=67),
            source="0.0.0.0",
            to="255.255.255.255",
        ),
        source=mac(11),
        kind=0x0800,
    )
    asking.send(discover)
    assert heard(router) == discover
    asking.send(
        discover.replace(struct.pack("!HH", 68, 67), struct.pack("!HH", 68, 53))
    )
    asking.send(packet(b"honest", source=mac(11), address="10.0.7.11"))
    assert seen(router, b"honest") == []
    assert rig.drops(11) == {"ip": 1}


@pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("dnsmasq", "busybox")),
    reason="dnsmasq and busybox are needed",
)
def test_a_lease_is_got_through_the_filters(rig: Rig, tmp_path: Any) -> None:
    group = (
        ALL_OUT,
        {**ALL_IN, "IP": "10.0.7.0", "SIZE": "256"},
        {
            "PROTOCOL": "UDP",
            "RULE_TYPE": "inbound",
            "RANGE": "67",
            "IP": "0.0.0.0",
            "SIZE": "1",
        },
    )
    router = rig.node(254, filter_ip=False, rules=group)
    node = rig.place()
    rig.keeper.do(rig.fabric.plug, rig.port(node, 11, rules=group))
    node.ip("link set eth0 addrgenmode none", "link set eth0 up")
    script = tmp_path / "took"
    script.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "$ip from $serverid"\n')
    script.chmod(0o755)
    server = router.do(
        lambda: subprocess.Popen(
            [
                *(
                    "dnsmasq",
                    "--keep-in-foreground",
                    "--conf-file=/dev/null",
                    "--port=0",
                ),
                *("--user=root", "--pid-file=", f"--dhcp-leasefile={tmp_path}/leases"),
                *("--dhcp-range=10.0.7.0,static", f"--dhcp-host={mac(11)},10.0.7.11"),
                *("--dhcp-authoritative", "--log-facility=-"),
            ],
            stderr=subprocess.DEVNULL,
        )
    )
    try:
        got = node.run(
            *("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t10", "-T1"),
            *("-s", str(script)),
        )
    finally:
        server.terminate()
        server.wait()
    assert "10.0.7.11 from 10.0.7.254" in got.stdout, got.stderr
    assert rig.drops(11) == {}


def test_two_networks_do_not_see_each_other(rig: Rig) -> None:
    rig.network(8, "br-eight")
    one, twin = rig.node(11), rig.node(11, 8, vm_id=21)
    near = rig.node(12)
    far, next_to = rig.node(12, 8, vm_id=22), twin.wire()
    wires = {place: place.wire() for place in (near, far)}
    sender = one.wire()
    sender.send(packet(b"to all", source=mac(11), address="10.0.7.11"))
    direct = ipv4(
        17, udp(b"to one", source=1, to=2), source="10.0.7.11", to="10.0.7.12"
    )
    sender.send(ethernet(direct, source=mac(11), to=mac(12), kind=0x0800))
    assert len(seen(wires[near], b"to one")) == 1
    next_to.send(packet(b"their own", source=mac(11), address="10.0.7.11"))
    assert seen(wires[far], b"their own") == []
    assert one.pings("10.0.7.12")
    far.ip("link set eth0 down")
    assert not twin.pings("10.0.7.12")


def test_a_bridge_with_vlan_ids_is_a_segment_for_each(rig: Rig) -> None:
    rig.network(20, "ovsbr0", vlan="20")
    rig.network(21, "ovsbr0", vlan="21")
    rig.network(22, "ovsbr0", vlan="20")
    one, same = rig.node(11, 20), rig.node(12, 22)
    rig.node(13, 21)
    assert one.pings("10.0.7.12")
    assert same.pings("10.0.7.11")
    assert not one.pings("10.0.7.13")


WEB = {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "80,8000:8010"}


def test_a_group_lets_in_what_it_says_and_the_answers(rig: Rig) -> None:
    inside = rig.node(11, rules=(ALL_OUT, WEB))
    outside = rig.node(12)
    for port in (79, 80, 81, 8005):
        inside.listen(port)
    outside.listen(9000)
    assert [
        port for port in (79, 80, 81, 8005) if outside.reaches("10.0.7.11", port)
    ] == [
        80,
        8005,
    ]
    assert not outside.pings("10.0.7.11")
    assert rig.drops(11)["in"] >= 3
    assert inside.reaches("10.0.7.12", 9000)
    assert inside.pings("10.0.7.12")
    assert not outside.pings("10.0.7.11"), "a ping out lets no ping in"
    ask = inside.opened(socket.AF_INET, socket.SOCK_DGRAM)
    answer = outside.opened(socket.AF_INET, socket.SOCK_DGRAM)
    answer.bind(("", 53))
    ask.sendto(b"who?", ("10.0.7.12", 53))
    body, peer = answer.recvfrom(100)
    answer.sendto(b"me", peer)
    assert (body, ask.recv(100)) == (b"who?", b"me")


def test_a_rule_holds_for_its_senders_only(rig: Rig) -> None:
    inside = rig.node(11, rules=(ALL_OUT, {**WEB, "IP": "10.0.7.12", "SIZE": "2"}))
    inside.listen(80)
    reached = [
        number for number in (12, 13, 14) if rig.node(number).reaches("10.0.7.11", 80)
    ]
    assert reached == [12, 13]


def test_what_no_rule_lets_out_stays(rig: Rig) -> None:
    rule = {"PROTOCOL": "TCP", "RULE_TYPE": "OUTBOUND", "RANGE": "80"}
    inside, outside = rig.node(11, rules=(rule,)), rig.node(12)
    outside.listen(80)
    outside.listen(81)
    assert inside.reaches("10.0.7.12", 80)
    assert not inside.reaches("10.0.7.12", 81)
    assert not inside.pings("10.0.7.12")
    assert set(rig.drops(11)) == {"out"}


def test_a_port_in_groups_without_rules_is_closed(rig: Rig) -> None:
    closed, other = rig.node(11, rules=()), rig.node(12)
    assert not closed.pings("10.0.7.12")
    assert not other.pings("10.0.7.11")
    assert set(rig.drops(11)) == {"in", "out"}


def test_an_error_about_ones_own_packet_comes_in_and_no_other(rig: Rig) -> None:
    inside = rig.node(11, rules=(ALL_OUT,))
    other = rig.node(12)
    ask = inside.opened(socket.AF_INET, socket.SOCK_DGRAM)
    ask.connect(("10.0.7.12", 999))
    ask.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        ask.recv(100)

    def unreachable(receiver: str) -> bytes:
        inner = ipv4(17, udp(b"", source=1, to=2), source="10.0.7.11", to=receiver)
        body = bytes((3, 3, 0, 0, 0, 0, 0, 0)) + inner
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        whole = ipv4(1, body, source="10.0.7.12", to="10.0.7.11")
        return ethernet(whole, source=mac(12), to=mac(11), kind=0x0800)

    wire, sender = inside.wire(), other.wire()
    sender.send(unreachable("10.0.7.13"))
    sender.send(unreachable("10.0.7.12"))
    assert heard(wire) == unreachable("10.0.7.12")
    assert rig.drops(11) == {"in": 1}


def test_regrouping_takes_hold_and_cuts_nothing(rig: Rig) -> None:
    inside, outside = rig.node(11, rules=(ALL_OUT, WEB)), rig.node(12)
    server = inside.listen(80)
    inside.listen(22)
    client = outside.connect("10.0.7.11", 80)
    accepted, _ = server.accept()
    assert not outside.reaches("10.0.7.11", 22)
    rules = (ALL_OUT, {**WEB, "RANGE": "22"})
    rig.keeper.do(rig.fabric.regroup, 11, 0, rules)
    assert outside.reaches("10.0.7.11", 22)
    assert not outside.reaches("10.0.7.11", 80), "new ones are judged by the new rules"
    with accepted:
        client.sendall(b"still there?")
        assert accepted.recv(100) == b"still there?"
        client.shutdown(socket.SHUT_WR)
        assert accepted.recv(100) == b""
        accepted.sendall(b"yes")
        assert client.recv(100) == b"yes", "half closed is not closed"
    rig.keeper.do(rig.fabric.regroup, 11, 0, None)
    assert outside.pings("10.0.7.11")


ONE_PORT = st.integers(0, 65535).map(str)
PORTS = st.lists(
    ONE_PORT
    | st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
        lambda ends: f"{min(ends)}:{max(ends)}"
    ),
    min_size=1,
    max_size=15,
).map(",".join)
WHO = st.fixed_dictionaries(
    {"RULE_TYPE": st.sampled_from(["inbound", "OUTBOUND"])},
    optional={
        "IP": st.ip_addresses(v=4).map(str),
        "IP6": st.ip_addresses(v=6).map(str),
        "SIZE": st.integers(1, 2**32).map(str),
        "NETWORK_ID": st.just("7"),
    },
)
WHAT = st.one_of(
    st.fixed_dictionaries(
        {"PROTOCOL": st.sampled_from(["TCP", "UDP"])}, optional={"RANGE": PORTS}
    ),
    st.fixed_dictionaries(
        {"PROTOCOL": st.just("ICMP")},
        optional={"ICMP_TYPE": st.integers(0, 255).map(str)},
    ),
    st.fixed_dictionaries(
        {"PROTOCOL": st.just("ICMPV6")},
        optional={"ICMPV6_TYPE": st.integers(0, 255).map("{}/0".format)},
    ),
    st.fixed_dictionaries({"PROTOCOL": st.sampled_from(["ALL", "IPSEC"])}),
)


@pytest.fixture(scope="module")
def lonely() -> Iterator[Place]:
    made = Place()
    yield made
    made.end()


@settings(max_examples=60, deadline=None)
@given(
    rules=st.lists(st.tuples(WHO, WHAT).map(lambda pair: {**pair[0], **pair[1]})),
    addresses=st.lists(st.ip_addresses().map(str), max_size=4),
    filters_on=st.tuples(st.booleans(), st.booleans()),
)
def test_nft_takes_every_rule_that_is_one(
    lonely: Place,
    rules: list[dict[str, str]],
    addresses: list[str],
    filters_on: tuple[bool, bool],
) -> None:
    port = Port(
        vm_id=5,
        nic_id=0,
        network_id=7,
        pid=1,
        device="eth0",
        mac=mac(5),
        addresses=tuple(addresses),
        filter_mac=filters_on[0],
        filter_ip=filters_on[1],
        rules=tuple(rules),
    )
    lines = [*filters.skeleton(), *filters.plugged(port)]
    done = lonely.run("nft", "--check", "; ".join(lines))
    assert done.returncode == 0, done.stderr


def test_rules_that_are_none_change_nothing(rig: Rig) -> None:
    inside, outside = rig.node(11, rules=(ALL_OUT, WEB)), rig.node(12)
    inside.listen(80)
    with pytest.raises(ValueError, match="RANGE"):
        rig.keeper.do(rig.fabric.regroup, 11, 0, ({**WEB, "RANGE": "80 }"},))
    assert outside.reaches("10.0.7.11", 80)


def test_unplugging_takes_the_interface_and_plugging_gives_it_again(rig: Rig) -> None:
    one, two = rig.node(11), rig.node(12)
    rig.keeper.do(rig.fabric.unplug, 11)
    rig.keeper.do(rig.fabric.unplug, 11)
    assert one.links() == ["lo"]
    assert not two.pings("10.0.7.11")
    again = rig.node(11, mtu=1400)
    _await(lambda: two.pings("10.0.7.11"))  # once it no longer takes it for gone
    assert "mtu 1400" in again.run("ip", "link", "show", "eth0").stdout
    replaced = rig.node(11)
    assert again.links() == ["lo"]
    assert replaced.pings("10.0.7.12")


def test_a_node_that_ended_can_be_unplugged(rig: Rig) -> None:
    node = rig.place()
    rig.keeper.do(rig.fabric.plug, rig.port(node, 11))
    node.end()
    _await(lambda: "one-11-0" not in rig.keeper.links())
    rig.keeper.do(rig.fabric.unplug, 11, 0)
    assert "one-11-0" not in rig.keeper.do(rig.fabric.counters)


def test_an_interface_that_goes_while_it_is_deleted_is_no_error(rig: Rig) -> None:
    one, two = rig.node(11), rig.node(12)
    # The second of the two names is the interface that has just gone.
    rig.keeper.do(wiring.delete, ("one-11-0", "one-11-0", "one-13-0", "one-12-0"))
    assert one.links() == two.links() == ["lo"]
    with pytest.raises(FabricError, match="not supported"):
        rig.keeper.do(wiring.delete, ("lo",))


def test_of_ports_that_cannot_all_be_plugged_none_is(rig: Rig) -> None:
    good = rig.place()
    gone = subprocess.Popen(["true"])
    gone.wait()
    bad = rig.port(good, 12, pid=gone.pid)
    with pytest.raises(FabricError):
        rig.keeper.do(rig.fabric.plug, rig.port(good, 11), bad)
    assert good.links() == ["lo"]
    assert set(rig.keeper.do(rig.fabric.counters)) == {"machine"}


def test_networks_come_and_go(rig: Rig) -> None:
    rig.network(8, "br-seven", mtu=1400)
    assert "mtu 1400" in rig.keeper.run("ip", "link", "show", "net7").stdout
    rig.node(11)
    with pytest.raises(FabricError, match="one-11-0"):
        rig.keeper.do(rig.fabric.drop_network, 7)
    rig.keeper.do(rig.fabric.drop_network, 8)
    assert "net7" in rig.keeper.links()
    rig.keeper.do(rig.fabric.unplug, 11)
    rig.keeper.do(rig.fabric.drop_network, 7)
    rig.keeper.do(rig.fabric.drop_network, 7)
    assert sorted(rig.keeper.links()) == ["lo", "machine", "public"]


def test_the_public_network_has_the_machine_and_the_outside(rig: Rig) -> None:
    rig.network(0, PUBLIC_BRIDGE)
    outside = rig.place()
    rig.keeper.do(rig.fabric.plug_outside, outside.pid)
    outside.ip("address add 198.18.2.1/24 dev eth0", "link set eth0 up")
    router = rig.node(10, 0, net="198.18.2")
    assert router.pings("198.18.2.1")
    assert router.pings("198.18.2.2")
    assert rig.machine.pings("198.18.2.1")
    assert rig.machine.pings("198.18.2.10")


def test_the_machine_is_nobodys_gateway() -> None:
    rig = Rig(services=(5030,))
    try:
        rig.open()
        rig.network(0, PUBLIC_BRIDGE)
        router = rig.node(10, 0, net="198.18.2")
        for port in (22, 5030):
            rig.machine.listen(port)
        assert router.reaches("198.18.2.2", 5030)
        assert not router.reaches("198.18.2.2", 22)
        rig.machine.ip(
            "link add name other type bridge", "address add 192.0.2.1/24 dev other"
        )
        router.ip("route add default via 198.18.2.2")
        assert not router.pings("192.0.2.1")
        assert router.pings("198.18.2.2")
    finally:
        rig.end()


def test_a_public_network_that_the_machine_has_is_refused() -> None:
    rig = Rig()
    try:
        rig.machine.ip(
            "link add name lan type bridge", "address add 198.18.2.77/25 dev lan"
        )
        with pytest.raises(NotPossibleError, match=r"198\.18\.2\.77/25 on lan"):
            rig.open()
        assert rig.keeper.links() == ["lo"]
        rig.machine.ip("address flush dev lan", "link set lan up")
        rig.machine.ip("route add 198.18.2.128/25 dev lan")
        with pytest.raises(NotPossibleError, match=r"198\.18\.2\.128/25 on lan"):
            rig.open()
    finally:
        rig.end()


@pytest.mark.parametrize(
    "text", ["", "198.18.2.1/24", "198.18.2.0/30", "fd00::/64", "x;y"]
)
def test_what_is_no_public_network_is_refused(text: str) -> None:
    with pytest.raises(NotPossibleError):
        Fabric(public=text, say=print)


def test_the_fabric_is_no_station_and_forwards_nothing(rig: Rig) -> None:
    node = rig.node(11)
    said = rig.keeper.run("ip", "-brief", "address").stdout
    assert not [word for word in said.split() if "/" in word]
    bridge = rig.keeper.run("cat", "/proc/sys/net/ipv4/ip_forward")
    assert bridge.stdout.strip() == "0"
    node.ip("route add default dev eth0")
    assert not node.pings("198.18.2.2")


def test_closing_leaves_nothing(rig: Rig) -> None:
    node = rig.node(11, rules=(ALL_OUT, WEB))
    rig.keeper.do(rig.fabric.close)
    rig.keeper.do(rig.fabric.close)
    assert node.links() == ["lo"]
    assert rig.machine.links() == ["lo"]
    assert rig.keeper.links() == ["lo"]
    assert rig.keeper.run("nft", "list", "ruleset").stdout == ""
    rig.open()
    assert rig.machine.links() == ["lo", rig.fabric.leg]


def test_nothing_outlives_the_keeper(rig: Rig) -> None:
    node = rig.node(11)
    rig.keeper.end()
    again = Rig()
    try:
        again.fabric = Fabric(public=PUBLIC, say=print, machine=rig.machine.pid)
        again.open()  # awaits the end of the leg that was there
        _await(lambda: node.links() == ["lo"])
        assert rig.machine.links() == ["lo", again.fabric.leg]
    finally:
        again.end()
        rig.places.remove(rig.keeper)
        for place in rig.places:
            place.end()
        rig.places = [Place()]
        rig.keeper = rig.places[0]


def test_counters_are_there_for_each_port_and_reason(rig: Rig) -> None:
    rig.node(11)
    found = rig.keeper.do(rig.fabric.counters)
    assert {port: set(reasons) for port, reasons in found.items()} == {
        "machine": set(REASONS),
        "one-11-0": set(REASONS),
    }


def _await(condition: Callable[[], bool]) -> None:
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.02)
