"""Open vSwitch, set up as OpenNebula's driver sets it up, keeps farms apart.

The ports get what `ovswitch/OpenvSwitch.rb` of 7.4 runs for a NIC: a tag, the trunks
of VLAN_TAGGED_ID (none: all of them), `vlan_mode=native-untagged`. The switch is the
real one, in user space, where the kernel's module is not needed.
"""

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Place, ethernet, ipv4, mac, packet, seen, udp

from farmctl.plan import segments
from farmctl.spec import FarmNetworks

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(
        not SCHEMA.exists()
        or not all(shutil.which(tool) for tool in ("ovs-vswitchd", "ovsdb-server")),
        reason="Debian's openvswitch-switch is needed",
    ),
]

ALICE, BOB = 100, 200


class Switch:
    """One Open vSwitch, in a network namespace of its own."""

    def __init__(self, directory: Path) -> None:
        self.place = Place()
        self.nodes: list[Place] = []
        self._socket = f"unix:{directory}/db.sock"
        self._logs = directory
        self.run("ovsdb-tool", "create", f"{directory}/conf.db", str(SCHEMA))
        self._daemons = [
            self._start(
                "ovsdb-server", f"{directory}/conf.db", f"--remote=p{self._socket}"
            )
        ]
        self.vsctl("--retry", "--no-wait", "init")
        self._daemons.append(self._start("ovs-vswitchd", self._socket))
        self.vsctl(
            "add-br", "ovs0", "--", "set", "bridge", "ovs0", "datapath_type=netdev"
        )

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        places = dict.fromkeys(
            ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(self._logs)
        )
        return self.place.do(
            lambda: subprocess.Popen(
                command,
                env={**os.environ, **places},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def run(self, *command: str) -> None:
        done = self.place.run(*command)
        assert done.returncode == 0, done.stderr

    def vsctl(self, *words: str) -> None:
        self.run("ovs-vsctl", "--timeout=10", f"--db={self._socket}", *words)

    def node(self, number: int, vlan: int, tagged: str) -> Place:
        node = Place()
        self.nodes.append(node)
        port = f"one-{number}-0"
        self.place.ip(
            f"link add name {port} type veth peer name eth0 "
            f"address {mac(number)} netns {node.pid}",
            f"link set dev {port} up",
        )
        node.ip("link set eth0 addrgenmode none", "link set eth0 up")
        self.vsctl("add-port", "ovs0", port)
        self.vsctl("set", "Port", port, f"tag={vlan}")
        self.vsctl("set", "Port", port, f"trunks={tagged or '[]'}")
        self.vsctl("set", "Port", port, "vlan_mode=native-untagged")
        return node

    def end(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(10)
        for place in (*self.nodes, self.place):
            place.end()


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    made = Switch(tmp_path)
    try:
        yield made
    finally:
        made.end()


def tagged(vlan: int, *, source: str) -> bytes:
    """Return a frame that claims to be of a VLAN."""
    inner = ipv4(17, udp(b"hop", source=1, to=2), source="10.0.0.1", to="10.0.0.255")
    return ethernet(
        struct.pack("!HH", vlan, 0x0800) + inner, source=source, kind=0x8100
    )


def plain(number: int) -> bytes:
    return packet(b"honest", source=mac(number), address=f"10.0.0.{number}")


def hops(wire: socket.socket) -> int:
    """Return how many frames came that were tagged, up to an honest one."""
    return sum(b"hop" in frame for frame in seen(wire, b"honest"))


def asked_for(block: int) -> tuple[int, str]:
    """Return the VLAN and the VLAN_TAGGED_ID of a farm's network."""
    farms = FarmNetworks.model_validate(
        {
            "supernet": "172.16.0.0/16",
            "driver": "ovswitch",
            "bridge": "ovs0",
            "vlan_ids": {"first": 100, "last": 200},
        }
    )
    asked = segments.attributes(farms, f"172.16.{block}.0/24")
    return int(asked["VLAN_ID"]), asked["VLAN_TAGGED_ID"]


def test_a_farm_is_a_vlan_that_no_other_farm_enters(switch: Switch) -> None:
    alice, bob = asked_for(0), asked_for(1)
    liar, mate = switch.node(1, *alice), switch.node(2, *alice)
    other, next_to = switch.node(3, *bob), switch.node(4, *bob)
    of_mate, of_other, sender = mate.wire(), other.wire(), liar.wire()
    for vlan in (bob[0], 1, 2, 4094, 4095):
        sender.send(tagged(vlan, source=mac(1)))
    sender.send(plain(1))
    next_to.wire().send(plain(4))
    assert hops(of_other) == 0
    assert hops(of_mate) == 0


def test_without_it_a_node_of_one_farm_sends_into_another(switch: Switch) -> None:
    liar, other, next_to = (
        switch.node(1, ALICE, ""),
        switch.node(3, BOB, ""),
        switch.node(4, BOB, ""),
    )
    of_other = other.wire()
    liar.wire().send(tagged(BOB, source=mac(1)))
    next_to.wire().send(plain(4))
    assert hops(of_other) == 1
