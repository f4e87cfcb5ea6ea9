from dataclasses import replace

import pytest

from farmctl.check import neighbours
from farmctl.check.expected import Foreign

FOUND = {"arp": {}, "ping": {"172.16.1.254": 0.2}, "knock": {}}
BOB = Foreign(farm="bob", name="bob-head", address="172.16.2.253")


@pytest.fixture
def beside(expected):
    return replace(expected, foreign=(BOB,))


def told(findings):
    return [f"{each.verdict.value}: {each.message}" for each in findings]


def answers(**more):
    found = {**FOUND, **more}
    return {"alice-wn-001": {part: {"found": each} for part, each in found.items()}}


def test_a_farm_that_reaches_no_other_is_isolated(beside):
    assert told(neighbours.isolation(beside, answers(), {})) == [
        "good: reaches none of 1 addresses of 1 other farm"
    ]


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ({"ping": {BOB.address: 0.4}}, "by ping"),
        ({"arp": {BOB.address: "02:00:00:00:00:01"}}, "on the same wire"),
        ({"knock": {f"{BOB.address}:22": "open"}}, "at TCP port 22 (open)"),
        ({"knock": {f"{BOB.address}:53": "refused"}}, "at TCP port 53 (refused)"),
    ],
)
def test_any_way_to_another_farm_is_a_fault(beside, seen, message):
    (found,) = told(neighbours.isolation(beside, answers(**seen), {}))
    assert found.startswith("fault: reaches bob-head (172.16.2.253) ")
    assert message in found


def test_an_address_that_begins_alike_is_another(beside):
    seen = answers(knock={"172.16.2.2530:22": "open"}, ping={"172.16.2.25": 1})
    assert told(neighbours.isolation(beside, seen, {}))[0].startswith("good: ")


def test_isolation_that_nobody_tried_is_not_good(expected, beside):
    assert told(neighbours.isolation(expected, answers(), {})) == [
        "not checked: there is no other farm to reach"
    ]
    reasons = {"alice-wn-001": "no python3 is there"}
    assert told(neighbours.isolation(beside, {}, reasons)) == [
        "not checked: no python3 is there"
    ]
    trouble = {"alice-wn-001": {"arp": {"trouble": "PermissionError: no"}}}
    assert told(neighbours.isolation(beside, trouble, {})) == [
        "not checked: arp: PermissionError: no"
    ]


def test_odd_frames_that_arrive_are_a_fault():
    assert told(
        [neighbours.spoofing("a to b", {"rounds": 9}, {"heard": {"control": 6}})]
    ) == ["good: foreign MAC, IP and ARP are dropped, honest frames pass"]
    heard = {"control": 6, "mac": 2, "arp_ip": 1}
    (found,) = told([neighbours.spoofing("a to b", {"rounds": 9}, {"heard": heard})])
    assert found == (
        "fault: frames with a foreign MAC, that claim a foreign address by ARP arrive"
    )


def test_no_honest_frame_no_verdict():
    (found,) = told([neighbours.spoofing("a to b", {"rounds": 9}, {"heard": {}})])
    assert found.startswith("not checked: no honest frame arrived either (of 9 sent)")


def test_a_node_that_talks_nonsense_of_others_is_not_believed(beside):
    seen = {**answers(), "alice-wn-002": {"arp": {"found": 7}, "ping": 3}}
    assert told(neighbours.isolation(beside, seen, {})) == [
        "good: reaches none of 1 addresses of 1 other farm",
        "not checked: its answer makes no sense",
    ]
