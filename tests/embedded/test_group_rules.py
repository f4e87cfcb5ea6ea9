"""What RULE vectors and ports become in nft's words, or why they are refused."""

from typing import Any

import pytest

from farmctl.embedded.netns import filters, grouprules
from farmctl.embedded.netns.ports import Port

VALID: dict[str, Any] = {
    "vm_id": 5,
    "nic_id": 0,
    "network_id": 7,
    "pid": 1,
    "device": "eth0",
    "mac": "02:00:00:00:00:05",
}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"PROTOCOL": "ALL"}, [""]),
        ({"PROTOCOL": "TCP"}, ["meta l4proto tcp"]),
        ({"PROTOCOL": "tcp", "RANGE": "80"}, ["tcp dport { 80 }"]),
        (
            {"PROTOCOL": "UDP", "RANGE": "53,100:200,150:300,301"},
            ["udp dport { 53, 100-301 }"],
        ),
        ({"PROTOCOL": "ICMP"}, ["meta protocol ip meta l4proto icmp"]),
        ({"PROTOCOL": "ICMP", "ICMP_TYPE": "8"}, ["icmp type 8"]),
        ({"PROTOCOL": "ICMP", "ICMP_TYPE": "3/4"}, ["icmp type 3 icmp code 4"]),
        ({"PROTOCOL": "ICMPV6", "ICMPV6_TYPE": "128"}, ["icmpv6 type 128"]),
        ({"PROTOCOL": "IPSEC"}, ["meta l4proto esp"]),
        (
            {"PROTOCOL": "TCP", "RANGE": "22", "IP": "10.0.0.0", "SIZE": "256"},
            ["ip saddr 10.0.0.0-10.0.0.255 tcp dport { 22 }"],
        ),
        (
            {"PROTOCOL": "ALL", "IP": "10.0.0.9", "SIZE": "1"},
            ["ip saddr 10.0.0.9"],
        ),
        (
            {"PROTOCOL": "ALL", "IP": "0.0.0.0", "SIZE": "4294967296"},
            ["meta protocol ip"],
        ),
        (
            {"PROTOCOL": "ALL", "IP": "255.255.255.0", "SIZE": "1000"},
            ["ip saddr 255.255.255.0-255.255.255.255"],
        ),
        (
            {"PROTOCOL": "ALL", "IP": "10.0.0.1", "IP6": "fd00::", "SIZE": "2"},
            ["ip saddr 10.0.0.1-10.0.0.2", "ip6 saddr fd00::-fd00::1"],
        ),
        ({"PROTOCOL": "ICMP", "IP6": "fd00::", "SIZE": "2"}, []),
        ({"PROTOCOL": "ICMPV6", "IP": "10.0.0.1", "SIZE": "2"}, []),
        ({"PROTOCOL": "ALL", "IP": "10.0.0.1"}, []),
        ({"PROTOCOL": "ALL", "NETWORK_ID": "12"}, []),
    ],
)
def test_a_rule_says_what_opennebulas_drivers_make_of_it(
    rule: dict[str, str], said: list[str]
) -> None:
    inbound = {**rule, "RULE_TYPE": "INBOUND"}
    assert list(grouprules.matches([inbound], "inbound")) == said
    assert list(grouprules.matches([inbound], "outbound")) == []


def test_an_outbound_rule_is_about_receivers() -> None:
    rule = {"PROTOCOL": "TCP", "RULE_TYPE": "outbound", "RANGE": "25"}
    rule |= {"IP": "10.0.0.4", "SIZE": "4"}
    assert list(grouprules.matches([rule], "outbound")) == [
        "ip daddr 10.0.0.4-10.0.0.7 tcp dport { 25 }"
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"PROTOCOL": "GRE"},
        {"PROTOCOL": "ALL", "RULE_TYPE": "both"},
        {"PROTOCOL": "ALL", "RANGE": "80"},
        {"PROTOCOL": "TCP", "RANGE": "80 }; accept"},
        {"PROTOCOL": "TCP", "RANGE": "65536"},
        {"PROTOCOL": "TCP", "RANGE": "90:80"},
        {"PROTOCOL": "TCP", "RANGE": "٨٠"},
        {"PROTOCOL": "TCP", "ICMP_TYPE": "8"},
        {"PROTOCOL": "ICMP", "ICMP_TYPE": "echo"},
        {"PROTOCOL": "ICMP", "ICMP_TYPE": "8/0/0"},
        {"PROTOCOL": "ICMP", "ICMP_TYPE": "256"},
        {"PROTOCOL": "ALL", "IP": "10.0.0.1", "SIZE": "0"},
        {"PROTOCOL": "ALL", "IP": "10.0.0.1", "SIZE": "-1"},
        {"PROTOCOL": "ALL", "IP": "10.0.0.1; accept", "SIZE": "1"},
        {"PROTOCOL": "ALL", "IP": "10.0.0.0/8", "SIZE": "1"},
    ],
)
def test_a_rule_that_is_none_is_refused(rule: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        list(grouprules.matches([{"RULE_TYPE": "inbound", **rule}], "inbound"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "eth0; reboot"},
        {"device": "sixteen-letters-"},
        {"device": ""},
        {"device": ".."},
        {"mac": "02:00:00:00:00"},
        {"mac": "01:00:5e:00:00:01"},
        {"mac": "02:00:00:00:00:05 accept"},
        {"addresses": ("10.0.0.1 }",)},
        {"addresses": ("10.0.0.0/24",)},
        {"pid": 0},
        {"mtu": 10},
        {"mtu": 70000},
        {"vm_id": -1},
        {"vm_id": 10**12},
        {"label": "a b"},
    ],
)
def test_a_port_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Port(**{**VALID, **wrong})


def test_a_port_without_addresses_sends_nothing_but_requests_for_one() -> None:
    said = filters.plugged(Port(**VALID, rules=()))
    assert "add rule bridge farmctl p_one_5_0_out meta protocol ip counter name " in (
        "\n".join(said)
    )
    assert not [line for line in said if "{  }" in line]


def test_what_is_plugged_is_what_is_unplugged() -> None:
    port = Port(**VALID, rules=())
    made = {
        (words[1], words[4])
        for line in filters.plugged(port)
        if (words := line.split())[0] == "add" and words[1] not in {"rule", "element"}
    }
    gone = {
        (words[1], words[4])
        for line in filters.unplugged(port.name)
        if (words := line.split())[0] == "delete" and words[1] != "element"
    }
    assert made == gone
    assert len(made) == 8 + 8 + 10  # counters, chains, sets
