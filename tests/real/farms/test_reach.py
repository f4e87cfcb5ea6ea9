"""What comes through a farm's router from outside, and what does not."""

import json
import socket

import pytest

pytestmark = pytest.mark.xdist_group("farms")

SWEEP = """
import json, random, socket, struct, sys, threading, time
target, source = sys.argv[1], sys.argv[2]

def total(data):
    data += b"\\0" * (len(data) % 2)
    found = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    found = (found & 0xFFFF) + (found >> 16)
    return ~((found & 0xFFFF) + (found >> 16)) & 0xFFFF

wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
wire.settimeout(1.0)
here, answered, over = 40000, {}, False

def hear():
    while True:
        try:
            data, (address, _) = wire.recvfrom(2000)
        except OSError:
            if over:
                return
            continue
        if address == target:
            part = data[(data[0] & 15) * 4:]
            port, to = struct.unpack("!HH", part[:4])
            if to == here:
                answered[port] = "open" if part[13] & 0x12 == 0x12 else "closed"

ear = threading.Thread(target=hear)
ear.start()
ends = socket.inet_aton(source) + socket.inet_aton(target)
for port in range(1, 65536):
    head = struct.pack("!HHIIBBHHH", here, port, 7, 0, 5 << 4, 2, 1024, 0, 0)
    found = total(ends + struct.pack("!BBH", 0, 6, len(head)) + head)
    wire.sendto(head[:16] + struct.pack("!H", found) + head[18:], (target, 0))
    if port % 256 == 0:
        time.sleep(0.005)
time.sleep(1)
over = True
ear.join()
print(json.dumps([sorted(p for p in answered if answered[p] == "open"), len(answered)]))
"""
"""Knocks at all 65,535 TCP ports of an address and prints those that are open."""

ASK = """
import socket, sys
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.settimeout(float(sys.argv[4]))
wire.sendto(bytes.fromhex(sys.argv[3]), (sys.argv[1], int(sys.argv[2])))
try:
    print(wire.recv(2000).hex())
except OSError as error:
    print(type(error).__name__)
"""

WEB = "busybox httpd -f -p 80 -h /etc"
WEB_IS_UP = "curl -sf http://127.0.0.1/hostname"
ECHO = """python3 -c "
import socket
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((str(), 7))
while True:
    data, who = wire.recvfrom(2000)
    wire.sendto(data[::-1], who)
" """


@pytest.fixture(scope="module")
def served(_farmland):
    """Alice's head and first worker serve their names, and echo."""
    land = _farmland
    with (
        land.serving("alice-head", WEB, WEB_IS_UP),
        land.serving("alice-wn-001", WEB, WEB_IS_UP),
        land.serving("alice-head", ECHO, "ss -Hlun sport = 7 | grep -q ."),
    ):
        yield land


def fetch(land, node, port, farm="alice"):
    """Return what a port of a farm's public address says to a node, "" for nothing."""
    line = f"curl -s -m 2 http://{land.public(farm)}:{port}/hostname"
    return land.inside(node, line, check=False)


def fetch_from_here(land, port):
    try:
        with socket.create_connection((land.public("alice"), port), 1.5) as connection:
            connection.settimeout(3)
            connection.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
            return connection.makefile("rb").read().split(b"\r\n\r\n")[1].decode()
    except OSError:
        return ""


def test_a_forward_leads_from_outside_to_its_node(served):
    assert fetch(served, "outside", 8080) == "alice-head"
    assert fetch_from_here(served, 8080) == "alice-head\n"


def test_a_forward_leads_from_inside_as_from_outside(served):
    for node in ("alice-wn-002", "alice-head", "alice-wn-001"):
        assert fetch(served, node, 8080) == "alice-head"


def test_a_forward_takes_those_that_it_names_and_nobody_else(served):
    assert fetch(served, "outside", 8081) == "alice-wn-001"
    assert fetch_from_here(served, 8081) == ""
    assert fetch(served, "outside", 8082) == ""
    assert fetch_from_here(served, 8082) == "alice-wn-001\n"


def test_a_forward_of_datagrams_brings_the_answer_back(served):
    told = served.python(
        "outside", ASK, served.public("alice"), "7007", b"hello".hex(), "3"
    )
    assert bytes.fromhex(told) == b"olleh"


def test_another_farm_comes_in_by_the_forwards_and_no_further(served):
    assert fetch(served, "bob-wn-001", 8080) == "alice-head"
    assert fetch(served, "bob-wn-001", 8082) == ""


@pytest.mark.parametrize(
    ("farm", "opened"), [("alice", [2222, 8080, 8081]), ("bob", [22])]
)
def test_from_outside_nothing_else_is_open(served, farm, opened):
    told = served.python("outside", SWEEP, served.public(farm), served.outside)
    found, _ = json.loads(told)
    assert found == opened


def test_services_of_the_router_are_for_the_farm_alone(served):
    question = (
        "000701000001000000000000046865616405616c696365"
        "046661726d076578616d706c65036f72670000010001"
    )
    # alice's router knows `head` for its farm, and is no name server for the world.
    for port, body in (("53", question), ("67", "00"), ("123", "e3" + "00" * 47)):
        told = served.python("outside", ASK, served.public("alice"), port, body, "0.7")
        assert told in {"TimeoutError", "ConnectionRefusedError"}, (port, told)
    inside = served.python("alice-wn-001", ASK, "172.16.0.254", "53", question, "3")
    assert inside.startswith("0007")


def test_administration_is_for_the_addresses_that_the_site_names(served):
    router = served.public("alice")
    with socket.create_connection((router, 60022), 3) as connection:
        assert connection.recv(4) == b"SSH-"
    assert "alice-router" in served.host("alice-router").check_output("hostname")
    line = f"nc -z -w 2 {router} 60022"
    assert not served.works("outside", line)
    assert not served.works("bob-wn-001", line)
    assert not served.works("alice-wn-001", line)


def test_a_node_reaches_the_world_under_its_routers_address(served):
    for farm in ("alice", "bob"):
        told = served.inside(f"{farm}-wn-001", f"curl -s http://{served.outside}/")
        assert told == f"you are {served.public(farm)}"


def test_check_finds_nothing_amiss(served):
    told = served.farmctl("check", "alice", "--json")
    found = json.loads(told)["findings"]
    assert [each for each in found if each["verdict"] == "fault"] == []
    assert len(found) > 50
