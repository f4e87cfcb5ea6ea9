"""The farms in openwrt/: case.yaml, and beside it what their routers get.

`FARMCTL_GOLDEN=write pytest tests/context/test_openwrt_files.py` writes the files anew;
what changed is then read in the diff.
"""

import os
import re

import pytest
import yaml

from farmctl.context import bundle, openwrt
from farmctl.errors import NotPossibleError

SECTION = re.compile(r"config ([A-Za-z0-9_-]+) '([A-Za-z0-9_]+)'")
OPTION = re.compile(r"\t(?:option|list) ([A-Za-z0-9_]+) '([^'\n]*)'")


@pytest.fixture
def load(golden):
    """Read one golden file: section by section, options in lists."""

    def read(name, folder=golden):
        found = {}
        for line in (folder / name).read_text().splitlines():
            if match := SECTION.fullmatch(line):
                options = found.setdefault((match[1], match[2]), {})
            elif match := OPTION.fullmatch(line):
                options.setdefault(match[1], []).append(match[2])
            else:
                assert not line
        return found

    return read


def test_a_router_gets_the_files_of_the_collection(golden, golden_values):
    files = openwrt.files(golden_values)
    if os.environ.get("FARMCTL_GOLDEN") == "write":
        for name, text in files.items():
            (golden / name).write_text(text)
    assert tuple(files) == openwrt.FILES
    assert files == {name: (golden / name).read_text() for name in openwrt.FILES}
    assert {each.name for each in golden.iterdir()} == {*openwrt.FILES, "case.yaml"}


def test_every_node_has_a_lease_and_a_name(golden, golden_values, load):
    dhcp = load("dhcp")
    hosts = {
        options["name"][0]: (options["ip"][0], options["mac"][0])
        for (kind, _), options in dhcp.items()
        if kind == "host"
    }
    case = yaml.safe_load((golden / "case.yaml").read_text())
    assert len(hosts) == sum(case["nodes"].values())
    assert hosts == {
        lease.name: (lease.address, lease.mac) for lease in golden_values.leases
    }
    assert all(
        options["dns"] == ["1"] for (kind, _), options in dhcp.items() if kind == "host"
    )


def test_dnsmasq_is_never_told_a_limit_of_none(load):
    lan = load("dhcp")["dhcp", "lan"]
    assert int(lan["limit"][0]) > 0
    assert int(lan["start"][0]) > 0
    assert int(lan["start"][0]) + int(lan["limit"][0]) <= 253


def test_outsiders_reach_only_what_is_declared(golden, load):
    case = yaml.safe_load((golden / "case.yaml").read_text())
    firewall = load("firewall")
    assert firewall["defaults", "defaults"]["forward"] == ["DROP"]
    if case["public"] is None:
        assert ("zone", "zone_wan") not in firewall
        assert all("wan" not in options.get("src", []) for options in firewall.values())
        return
    zone = firewall["zone", "zone_wan"]
    assert (zone["input"], zone["forward"], zone["masq"]) == (["DROP"], ["DROP"], ["1"])
    ports = {
        (protocol, int(options["src_dport"][0]))
        for (kind, _), options in firewall.items()
        if kind == "redirect"
        for protocol in options["proto"]
    }
    there = {
        f"{pool}-{number:03d}"
        for pool, count in case["nodes"].items()
        for number in range(1, count + 1)
    } | {"head"}
    declared = {
        (protocol, forward["port"])
        for forward in case["farm"]["router"].get("forwards", [])
        if forward["to"] in there
        for protocol in {"both": ("tcp", "udp")}.get(
            forward.get("protocol", "tcp"), (forward.get("protocol", "tcp"),)
        )
    }
    assert ports == declared
    assert {
        options["dest_port"][0]
        for (kind, _), options in firewall.items()
        if kind == "rule" and options["src"] == ["wan"] and "dest_port" in options
    } <= {"60022", "60443"}


def test_admins_are_limited_to_their_addresses_or_to_the_inside(load, golden):
    rules = [
        (options["src"][0], options.get("src_ip", []))
        for (kind, _), options in load("firewall").items()
        if kind == "rule" and options.get("dest_port") == ["60022"]
    ]
    expected = {
        "closed": [("wan", ["203.0.113.1/32"])],
        "empty": [("wan", []), ("lan", [])],
        "open": [("lan", [])],
        "no-public": [("lan", [])],
        "no-head": [("wan", ["203.0.113.0/24"])],
        "own-dns": [
            ("wan", ["10.0.0.0/8", "198.51.100.0/24", "203.0.113.1/32"]),
            ("lan", []),
        ],
        "many-forwards": [("wan", ["198.51.100.0/24", "203.0.113.1/32"])],
    }
    assert rules == expected.get(golden.name, [("wan", ["203.0.113.1/32"])])


def test_a_forward_to_a_node_that_is_not_there_is_closed(draw_router):
    case = yaml.safe_load(
        """
        cidr: 172.16.40.0/24
        public: {address: 203.0.113.10}
        nodes: {vm: 1}
        farm:
          farm: f
          kind: plain
          router:
            image: openwrt
            flavour: openwrt
            forwards:
              - {name: one, port: 1, to: vm-001}
              - {name: two, port: 2, to: vm-002}
          pools: {vm: {image: el9, cpus: 1, memory: 1GiB, count: 2}}
        """
    )
    values = draw_router(case)
    assert [forward.name for forward in values.forwards] == ["one"]
    assert values.absent == ("two",)
    assert "'2'" not in openwrt.files(values)["firewall"]


def test_section_names_never_meet(golden, load):
    for name in openwrt.FILES:
        text = (golden / name).read_text()
        assert len(load(name)) == text.count("config ")


def test_the_largest_farm_fits_into_one_variable_of_the_context(draw_router):
    case = {
        "cidr": "172.16.40.0/24",
        "public": {"address": "203.0.113.10"},
        "nodes": {"head": 1, "p" * 18: 252},
        "farm": {
            "farm": "f" * 40,
            "kind": "plain",
            "router": {
                "image": "openwrt",
                "flavour": "openwrt",
                "forwards": [
                    {
                        "name": f"{'x' * 28}{number:03d}",
                        "port": 1000 + number,
                        "to": "head",
                        "from": ["203.0.113.1"],
                    }
                    for number in range(40)
                ],
            },
            "head": {"image": "el9", "cpus": 1, "memory": "1GiB"},
            "pools": {
                "p" * 18: {"image": "el9", "cpus": 1, "memory": "1GiB", "count": 252}
            },
        },
    }
    files = openwrt.files(draw_router(case))
    packed = bundle.pack(files)
    assert len(packed) < 131_000
    assert bundle.unpack(packed) == files


def test_equal_values_give_the_same_text(golden_values):
    assert bundle.pack(openwrt.files(golden_values)) == bundle.pack(
        dict(reversed(openwrt.files(golden_values).items()))
    )


@pytest.mark.parametrize("name", ["../etc/passwd", "", "A", "a/b", "-rf", "a\n"])
def test_a_bundle_holds_plain_file_names_only(name):
    with pytest.raises(NotPossibleError, match="no plain file name"):
        bundle.pack({name: "x"})


@pytest.mark.parametrize("text", ["é", "AAAA", "x", "QUJD" * 300])
def test_what_is_no_bundle_is_said_to_be_none(text):
    with pytest.raises(NotPossibleError, match="cannot be read"):
        bundle.unpack(text)
