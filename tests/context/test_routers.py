from dataclasses import replace

import pytest
import yaml

from farmctl.context import bundle, debian, openwrt, routers
from farmctl.errors import NotPossibleError
from farmctl.model.router import Forwarding

CASE = """
cidr: 172.16.40.0/24
public: {address: 203.0.113.10}
nodes: {vm: 1}
farm:
  farm: f
  kind: plain
  router: {image: openwrt, flavour: openwrt}
  pools: {vm: {image: el9, cpus: 1, memory: 1GiB, count: 1}}
"""


@pytest.fixture
def values(draw_router):
    return draw_router(yaml.safe_load(CASE))


def forward(number, **more):
    told = {
        "name": f"gate-{number}",
        "protocols": ("tcp",),
        "port": 1000 + number,
        "address": "172.16.40.1",
        "to_port": 22,
    }
    return Forwarding(**{**told, **more})


@pytest.mark.parametrize(
    ("flavour", "module"), [("openwrt", openwrt), ("debian", debian)]
)
def test_a_context_carries_the_files_of_its_flavour(values, flavour, module):
    found = routers.variable(flavour, values)
    assert list(found) == ["FARMCTL_ROUTER_BASE64"]
    assert bundle.unpack(found["FARMCTL_ROUTER_BASE64"]) == dict(
        sorted(module.files(values).items())
    )
    assert routers.command(flavour) == module.COMMAND


@pytest.mark.parametrize("flavour", ["openwrt", "debian"])
def test_files_too_large_for_a_context_are_refused(values, flavour):
    many = replace(values, forwards=tuple(forward(number) for number in range(3000)))
    with pytest.raises(NotPossibleError, match="Name fewer forwards"):
        routers.variable(flavour, many)


def test_what_changed_is_told_line_by_line(values):
    before = routers.files("openwrt", values)
    after = routers.files("openwrt", replace(values, forwards=(forward(1),)))
    assert routers.changes(before, before) == ()
    assert routers.changes(before, after) == (
        "firewall: + config redirect 'forward1_gate_1'",
        "firewall: + option name 'gate-1'",
        "firewall: + option family 'ipv4'",
        "firewall: + option src 'wan'",
        "firewall: + list proto 'tcp'",
        "firewall: + option src_dport '1001'",
        "firewall: + option dest 'lan'",
        "firewall: + option dest_ip '172.16.40.1'",
        "firewall: + option dest_port '22'",
        "firewall: + option target 'DNAT'",
        "firewall: + option reflection '1'",
    )
    assert routers.changes(after, before)[0] == (
        "firewall: - config redirect 'forward1_gate_1'"
    )


def test_another_version_of_the_script_is_one_line_after_all_others(values):
    before = dict(routers.files("debian", values))
    after = {**before, "hosts": before["hosts"] + "172.16.40.9 x\n"}
    after["farmctl-router"] = "#!/bin/sh\nexit 0\n"
    assert routers.changes(before, after) == (
        "hosts: + 172.16.40.9 x",
        "farmctl-router: another version of the script",
    )


def test_the_texts_of_two_contexts_are_compared(values):
    before = routers.variable("openwrt", values)["FARMCTL_ROUTER_BASE64"]
    with_one = replace(values, forwards=(forward(1),))
    after = routers.variable("openwrt", with_one)["FARMCTL_ROUTER_BASE64"]
    assert routers.differences(before, before) == ()
    assert len(routers.differences(before, after)) == 11
    assert routers.readable(before)
    for text in ("", "bm8gdGFy", "$(id)", "\N{SNOWMAN}"):
        assert not routers.readable(text)
        assert routers.differences(text, after)[0].startswith("dhcp: + ")


def test_a_lease_more_is_one_line_on_a_debian(values):
    before = routers.files("debian", values)
    one = values.leases[0]
    after = routers.files(
        "debian", replace(values, leases=(one, replace(one, name="another")))
    )
    assert routers.changes(before, after) == (
        "dhcp-hosts: + 02:00:ac:10:28:01,172.16.40.1,another",
    )
