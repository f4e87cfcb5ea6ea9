"""Two farms side by side cannot see each other, and no node passes for another."""

import json

import pytest
from farmland import until

pytestmark = pytest.mark.xdist_group("farms")

SAY = """
import base64, socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
for text in sys.argv[2:]:
    wire.send(bytes.fromhex(text).ljust(60, bytes(1)))
"""
"""Sends frames as they are."""

HEAR = """
import socket, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((sys.argv[1], 0))
print("hears", flush=True)
while True:
    frame = wire.recv(2000)
    print(frame.hex(), flush=True)
"""
"""Prints every frame that comes, and that goes."""

EVERYBODY = "ff" * 6


def raw(mac: str) -> str:
    return mac.replace(":", "")


def address(text: str) -> str:
    return bytes(int(part) for part in text.split(".")).hex()


def mac_of(land, node, device="eth0"):
    return land.inside(node, f"cat /sys/class/net/{device}/address")


def arp(*, source: str, sender: str, ip: str, wanted: str, reply: bool = False) -> str:
    """Write an ARP frame: who sends it, and what it says."""
    word = "0002" if reply else "0001"
    body = f"0001080006 04{word}".replace(" ", "")
    body += raw(sender) + address(ip) + "00" * 6 + address(wanted)
    return EVERYBODY + raw(source) + "0806" + body


def datagram(*, source: str, ip: str, text: str) -> str:
    """Write a broadcast with a text in it."""
    data = text.encode().hex()
    size = len(data) // 2
    head = bytearray.fromhex(f"4500{28 + size:04x}000100004011")
    ends = bytes.fromhex(address(ip) + "ffffffff")
    whole = bytes(head) + bytes(2) + ends
    found = sum(int.from_bytes(whole[at : at + 2]) for at in range(0, 20, 2))
    found = (found & 0xFFFF) + (found >> 16)
    head += (~((found & 0xFFFF) + (found >> 16)) & 0xFFFF).to_bytes(2)
    udp = f"0fa00fa1{8 + size:04x}0000{data}"
    return EVERYBODY + raw(source) + "0800" + (bytes(head) + ends).hex() + udp


class Ear:
    """What a node hears while the block lasts."""

    def __init__(self, land, node, device="eth0"):
        self._land, self._node = land, node
        self._serving = land.serving(
            node, f"python3 /run/hear.py {device}", "grep -q hears LOG"
        )
        land.python(node, "open('/run/hear.py', 'w').write(" + repr(HEAR) + ")")

    def __enter__(self):
        self._file = self._serving.__enter__()
        return self

    def __exit__(self, *what):
        self._serving.__exit__(*what)

    def heard(self) -> str:
        return self._land.inside(self._node, f"cat {self._file}")


def reaches(land, node, to, port=22):
    return land.works(node, f"nc -z -w 1 {to} {port}")


def pings(land, node, to):
    return land.works(node, f"ping -c 1 -W 1 {to}")


def test_within_a_farm_nodes_see_each_other(land):
    assert pings(land, "alice-wn-001", "172.16.0.2")
    assert reaches(land, "alice-wn-001", "172.16.0.253")


@pytest.mark.parametrize(
    ("node", "others"),
    [
        ("alice-wn-001", ("172.16.1.1", "172.16.1.254")),
        ("bob-wn-001", ("172.16.0.1", "172.16.0.253", "172.16.0.254")),
    ],
)
def test_nothing_of_another_farm_answers(land, node, others):
    for other in others:
        assert not pings(land, node, other)
        assert not reaches(land, node, other)


def test_another_farms_router_leads_nobody_in(land):
    """Neither the world outside nor a router that has been taken over gets past it."""
    for node, farm, target in (
        ("outside", "alice", "172.16.0.1"),
        ("bob-router", "alice", "172.16.0.1"),
        ("alice-router", "bob", "172.16.1.1"),
    ):
        line = f"route add {target}/32 via {land.public(farm)}"
        land.inside(node, f"ip {line}")
        try:
            assert not pings(land, node, target)
            assert not reaches(land, node, target)
        finally:
            land.inside(node, f"ip {line.replace('add', 'del')}")


def test_a_node_with_an_address_in_another_farm_finds_nobody(land):
    """ARP for another farm's nodes ends at the edge of the segment."""
    dropped = land.counters("alice-wn-001")
    line = "ip address {} 172.16.1.77/24 dev eth0"
    land.inside("alice-wn-001", line.format("add"))
    try:
        assert not pings(land, "alice-wn-001", "172.16.1.1")
        assert not reaches(land, "alice-wn-001", "172.16.1.254", 53)
    finally:
        land.inside("alice-wn-001", line.format("del"))
    now = land.counters("alice-wn-001")
    assert now["arp_ip"] > dropped["arp_ip"]


def test_what_a_node_says_to_all_comes_to_its_own_farm_alone(land):
    own = mac_of(land, "alice-wn-001")
    frames = [
        datagram(source=own, ip="172.16.0.1", text="to my own farm"),
        arp(source=own, sender=own, ip="172.16.0.1", wanted="172.16.1.1"),
    ]
    with (
        Ear(land, "alice-wn-002") as near,
        Ear(land, "bob-wn-001") as far,
        Ear(land, "bob-router", "eth1") as gate,
        Ear(land, "outside") as world,
    ):
        land.python("alice-wn-001", SAY, "eth0", *frames)
        until(lambda: frames[0] in near.heard())
        until(lambda: frames[1] in near.heard())
        for other in (far, gate, world):
            assert raw(own) not in other.heard()


@pytest.mark.parametrize("reason", ["mac", "ip", "arp_mac", "arp_ip"])
def test_a_node_that_says_it_is_another_is_not_heard(land, reason):
    own, other = mac_of(land, "alice-wn-001"), "02:00:ac:10:00:63"
    honest = datagram(source=own, ip="172.16.0.1", text=f"honest after {reason}")
    lie = {
        "mac": datagram(source=other, ip="172.16.0.1", text="lie"),
        "ip": datagram(source=own, ip="172.16.0.254", text="lie"),
        "arp_mac": arp(source=own, sender=other, ip="172.16.0.1", wanted="172.16.0.2"),
        "arp_ip": arp(
            source=own,
            sender=own,
            ip="172.16.0.254",
            wanted="172.16.0.254",
            reply=True,
        ),
    }[reason]
    before = land.counters("alice-wn-001")
    with Ear(land, "alice-wn-002") as near:
        land.python("alice-wn-001", SAY, "eth0", lie, lie, lie, honest)
        until(lambda: honest in near.heard())
        assert lie not in near.heard()
    after = land.counters("alice-wn-001")
    changed = {why: after[why] - before[why] for why in after}
    assert changed.pop(reason) == 3
    assert {why for why, count in changed.items() if count} <= {"ip6"}


def test_a_router_cannot_pass_for_another_on_the_public_network(land):
    own = mac_of(land, "bob-router")
    theirs = land.public("alice")
    before = land.counters("bob-router")
    lie = arp(source=own, sender=own, ip=theirs, wanted=theirs, reply=True)
    land.python("bob-router", SAY, "eth0", lie, lie)
    assert land.counters("bob-router")["arp_ip"] - before["arp_ip"] == 2


def test_check_sees_both_farms_apart(land):
    told = land.farmctl("check", "bob", "--only", "isolation", "--json")
    found = json.loads(told)["findings"]
    assert found
    assert {each["verdict"] for each in found} <= {"good", "unchecked", "not checked"}
