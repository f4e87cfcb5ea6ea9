"""The same farms for a Debian, held against the real nft and dnsmasq where they are."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from farmctl.context import bundle, debian
from farmctl.errors import NotPossibleError
from farmctl.model.router import Forwarding, Lease, Name

DEFINED = (
    'define lan = "eth1"\ndefine wan = "eth0"\ndefine wan_address = 203.0.113.10\n'
)


@pytest.fixture
def files(golden_values):
    return debian.files(golden_values)


def needs(program):
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def test_a_router_gets_all_its_files(files):
    assert sorted(files) == sorted((*debian.FILES, debian.SCRIPT))
    assert bundle.unpack(bundle.pack(files)) == dict(sorted(files.items()))


def test_dnsmasq_takes_its_files(files, tmp_path):
    program = needs("dnsmasq")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "--test", "-C", str(tmp_path / "dnsmasq.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "dnsmasq: syntax check OK.\n")


def test_nftables_takes_the_ruleset(files, tmp_path):
    program = needs("nft")
    path = tmp_path / "ruleset"
    path.write_text(DEFINED + files["ruleset.nft"])
    done = subprocess.run(
        [program, "-c", "-f", str(path)], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft checks a ruleset for root only")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_node_has_a_lease_and_a_name(golden_values, files):
    leases = [line.split(",") for line in files["dhcp-hosts"].splitlines()]
    assert leases == [
        [lease.mac, lease.address, lease.name] for lease in golden_values.leases
    ]
    named = dict(
        line.split(" ", 1)
        for line in files["hosts"].splitlines()
        if not line.startswith("#")
    )
    domain = golden_values.domain
    assert all(
        named[lease.address] == f"{lease.name}.{domain} {lease.name}"
        for lease in golden_values.leases
    )
    assert f"{golden_values.hostname}.{domain}" in named[golden_values.lan.address]


def test_unknown_machines_get_an_address_only_where_the_farm_says_so(golden, files):
    case = yaml.safe_load((golden / "case.yaml").read_text())
    (line,) = re.findall("(?m)^dhcp-range=.*$", files["dnsmasq.conf"])
    is_open = case["farm"]["router"].get("dhcp_open", False)
    assert (",static," in line) is not is_open


def test_a_router_without_a_way_out_has_no_way_in(golden, files):
    if golden.name != "no-public":
        assert "$wan" in files["ruleset.nft"]
        return
    assert "wan" not in re.sub("(?m)^#.*$", "", files["ruleset.nft"])
    assert "nat hook" not in files["ruleset.nft"]
    assert "no-resolv\n" in files["dnsmasq.conf"]


def test_both_flavours_open_the_same_ports(golden, files):
    firewall = (golden / "firewall").read_text()
    redirects = {
        (protocol, port, to)
        for block in firewall.split("\n\n")
        if block.startswith("config redirect")
        for protocol in re.findall(r"list proto '(\w+)'", block)
        for port in re.findall(r"src_dport '(\d+)'", block)
        for to in (":".join(re.findall(r"option dest_(?:ip|port) '([\d.]+)'", block)),)
    }
    assert redirects == set(
        re.findall(
            r"\$wan ip daddr \$wan_address (?:ip saddr \{[^}]*\} )?"
            r"(tcp|udp) dport (\d+) dnat ip to ([\d.:]+)",
            files["ruleset.nft"],
        )
    )


HOSTILE = ["a b", "a\nb", "a,b", 'a"b', "a{b", "a;b", "$wan", "", "-a", "é", "a#b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_is_no_plain_word_is_refused(draw_router, text):
    case = {
        "cidr": "172.16.40.0/24",
        "public": {"address": "203.0.113.10"},
        "nodes": {},
        "farm": {
            "farm": "f",
            "kind": "plain",
            "router": {"image": "openwrt", "flavour": "debian"},
        },
    }
    values = draw_router(case)
    forward = Forwarding(
        name=text, protocols=("tcp",), port=1, address="172.16.40.1", to_port=1
    )
    for bad in (
        replace(values, domain=text),
        replace(values, search=(text,)),
        replace(values, private=(text,)),
        replace(values, upstream=(text,)),
        replace(values, time_servers=(text,)),
        replace(values, cidr=values.cidr, forwards=(forward,)),
        replace(values, names=(Name(address="172.16.40.1", names=(text,)),)),
        replace(values, leases=(Lease(name=text, address="172.16.40.1", mac="02:00"),)),
    ):
        with pytest.raises(NotPossibleError, match="no plain word"):
            debian.files(bad)
