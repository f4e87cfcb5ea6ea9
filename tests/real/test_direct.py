"""Getting into a class C past the router's forwards, in network namespaces by hand."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

ROUTER, NODE, NOBODY = "198.51.100.2", "172.31.9.253", "172.31.9.9"
BEYOND = "203.0.113.7"  # another address of the router, one hop away
ASK = f"""
import json, sys
from farmctl.check.direct import enter
found = enter(sys.argv[1], [("{NODE}", 22), ("{NODE}", 23), ("{NOBODY}", 22)])
answers = {{f"{{a}}:{{p}}": each.value for (a, p), each in found.answers.items()}}
print(json.dumps([answers, found.why_not, found.beside]))
"""
LISTEN = "import socket, time; s = socket.create_server(('', 22)); time.sleep(60)"


class Wires:
    """A place outside, a router and a node behind it: `outer`, `router`, `node`."""

    def __init__(self, number):
        self.names = {each: f"s{number}{each}" for each in ("outer", "router", "node")}

    def run(self, where, *words, check=True):
        return subprocess.run(
            ["ip", "netns", "exec", self.names[where], *words],
            capture_output=True,
            text=True,
            check=check,
            timeout=30,
        )

    def ip(self, where, text):
        for line in text.strip().splitlines():
            self.run(where, "ip", *line.split())

    def enter(self, public=ROUTER):
        ran = self.run("outer", sys.executable, "-c", ASK, public)
        return json.loads(ran.stdout)


@pytest.fixture
def wires():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made = Wires(os.getpid() % 10_000)
    with contextlib.ExitStack() as stack:
        for name in made.names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        router, node = made.names["router"], made.names["node"]
        made.ip("outer", f"link add wan type veth peer name wan netns {router}")
        made.ip("router", f"link add lan type veth peer name lan netns {node}")
        made.ip("outer", "address add 198.51.100.1/24 dev wan\nlink set wan up")
        made.ip(
            "router",
            f"""address add {ROUTER}/24 dev wan
            address add {BEYOND}/32 dev wan
            address add 172.31.9.254/24 dev lan
            link set wan up
            link set lan up""",
        )
        made.ip(
            "node",
            f"""address add {NODE}/24 dev lan
            link set lan up
            route add default via 172.31.9.254""",
        )
        made.run("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        served = subprocess.Popen(
            ["ip", "netns", "exec", node, sys.executable, "-c", LISTEN]
        )
        stack.callback(served.wait)
        stack.callback(served.terminate)
        until = time.monotonic() + 10
        while ":22 " not in made.run("node", "ss", "-Hltn").stdout:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield made


def test_a_router_that_lets_its_neighbours_in_is_seen(wires):
    assert wires.enter() == [
        {f"{NODE}:22": "open", f"{NODE}:23": "refused", f"{NOBODY}:22": "silent"},
        "",
        True,
    ]


def test_a_router_that_does_not_answers_nothing(wires):
    wires.run(
        "router",
        "nft",
        "add table inet t; add chain inet t f { type filter hook forward priority 0; "
        "policy drop; }",
    )
    answers, why_not, beside = wires.enter()
    assert set(answers.values()) == {"silent"}
    assert (why_not, beside) == ("", True)


def test_from_farther_away_our_own_routes_are_taken(wires):
    wires.ip(
        "outer", f"route add {BEYOND} via {ROUTER}\nroute add default via {ROUTER}"
    )
    answers, why_not, beside = wires.enter(BEYOND)
    assert (answers[f"{NODE}:22"], answers[f"{NODE}:23"]) == ("open", "refused")
    assert (why_not, beside) == ("", False)


def test_nothing_is_sent_where_the_way_leads_elsewhere(wires):
    wires.ip(
        "outer",
        f"""route add {BEYOND} via {ROUTER}
        link add other type veth peer name elsewhere
        link set elsewhere up
        link set other up
        address add 192.0.2.1/24 dev other
        route add default via 192.0.2.254""",
    )
    wires.run("outer", "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    sent = "/sys/class/net/other/statistics/tx_packets"
    before = wires.run("outer", "cat", sent).stdout
    assert wires.enter(BEYOND) == [
        {},
        "the way there leads through other, not to the router",
        False,
    ]
    assert wires.run("outer", "cat", sent).stdout == before
