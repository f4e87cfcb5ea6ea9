import ast
import json
from dataclasses import replace

from farmctl import assets
from farmctl.check import Probe, asking
from farmctl.check.expected import Foreign
from farmctl.model.router import Name

EVERYTHING = frozenset(Probe)


def ask(expected, number=0, name="alice-wn-001", wanted=EVERYTHING):
    guest = next(each for each in expected.nodes if each.name == name)
    return asking.look(
        expected, guest, wanted, number=number, outside="o.net", home=None, echo=None
    )


def test_a_node_asks_for_every_name_both_ways(expected):
    asked = ask(expected)
    assert asked["forward"] == [
        "alice-wn-001.alice.example.org",
        "alice-router.alice.example.org",
        "alice-wn-002.alice.example.org",
        "alice-head.alice.example.org",
        "o.net",
    ]
    assert asked["reverse"] == [
        "172.16.1.1",
        "172.16.1.254",
        "172.16.1.2",
        "172.16.1.253",
    ]
    json.dumps(asked)


def test_in_a_large_farm_only_the_first_asks_for_all(expected):
    names = tuple(
        Name(
            address=f"172.16.1.{n}", names=(f"w{n:03d}.alice.example.org", f"w{n:03d}")
        )
        for n in range(1, 201)
    )
    values = replace(expected.values, names=(*names, expected.values.names[0]))
    large = replace(expected, values=values)
    assert len(ask(large, 0)["forward"]) > 200
    assert len(ask(large, 1)["forward"]) < 30


def test_only_two_nodes_try_to_reach_other_farms(expected):
    bob = Foreign(farm="bob", name="bob-head", address="172.16.2.253")
    beside = replace(expected, foreign=(bob,))
    assert ask(beside, 0)["arp"] == ["172.16.2.253"]
    assert ("172.16.2.253", 22) in ask(beside, 1)["knock"]
    assert ask(beside, 2)["arp"] == []
    assert ask(beside, 0, wanted={Probe.NAMES})["arp"] == []


def test_strangers_and_the_exporter_are_tried_by_one_node(expected):
    assert ask(expected, 0)["parts"] == [
        "lease",
        "metrics",
        "names",
        "strangers",
        "time",
    ]
    assert ask(expected, 1)["parts"] == ["lease", "names", "time"]
    assert ask(expected, 0, wanted={Probe.TIME})["parts"] == ["time"]


def test_the_script_is_python_of_old_times():
    text = assets.path("templates", "check", "node.py").read_text()
    ast.parse(text, feature_version=(3, 6))
