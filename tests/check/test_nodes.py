import pytest

from farmctl.check import Probe, nodes
from farmctl.check.values import Verdict


@pytest.fixture
def judge(expected, seen):
    """Judge what the first worker saw, as `verdict message` by probe."""

    def made(probe, *, caller=None, first=False, outside="", expected=expected, **more):
        guest = next(e for e in expected.nodes if e.name == "alice-wn-001")
        found = nodes.judge(
            expected,
            guest,
            seen(**more),
            {probe},
            first=first,
            outside=outside,
            caller=caller,
        )
        return [f"{each.verdict.value}: {each.message}" for each in found]

    return made


@pytest.fixture
def dhcp(seen):
    def changed(**more):
        return {**seen()["dhcp"]["found"], **more}

    return changed


def test_a_node_in_order_has_no_fault(expected, seen):
    guest = next(e for e in expected.nodes if e.name == "alice-wn-001")
    found = nodes.judge(
        expected,
        guest,
        seen(),
        set(Probe),
        first=True,
        outside="outside.example.net",
        caller="203.0.113.10",
    )
    assert {each.verdict for each in found} == {Verdict.GOOD}


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("devices", {"eth0": {"mac": "02:00:00:00:00:09", "addresses": []}}, "is on"),
        ("gateway", "172.16.1.1", "its gateway is 172.16.1.1, not 172.16.1.254"),
        ("ping", {}, "the router (172.16.1.254) does not answer a ping"),
        ("dhcp", None, "the router's DHCP offers it nothing"),
    ],
)
def test_a_wrong_address_is_a_fault(judge, part, value, message):
    (found,) = judge(Probe.ADDRESS, **{part: value})
    assert found.startswith("fault: ")
    assert message in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"address": "172.16.1.9"}, "DHCP offers it 172.16.1.9"),
        ({"acknowledged": False}, "does not acknowledge"),
        ({"routers": []}, "DHCP names nobody as router"),
        ({"dns": ["9.9.9.9"]}, "DHCP names 9.9.9.9 as name server"),
        ({"server": "172.16.1.2"}, "172.16.1.2 answers DHCP, not the router"),
        ({"search": []}, "DHCP gives the search domains none"),
    ],
)
def test_a_wrong_lease_is_a_fault(judge, dhcp, change, message):
    (found,) = judge(Probe.ADDRESS, dhcp=dhcp(**change))
    assert found.startswith("fault: ")
    assert message in found


def test_what_a_node_could_not_try_is_not_checked(judge):
    trouble = {"trouble": "PermissionError: Operation not permitted"}
    assert judge(Probe.ADDRESS, dhcp=trouble) == [
        "not checked: dhcp: PermissionError: Operation not permitted"
    ]
    assert judge(Probe.TIME, ntp=trouble)[0].startswith("not checked: ntp: ")


def test_names_that_are_wrong_one_way_are_a_fault(judge, seen):
    right = seen()["names"]["found"]
    del right["outside.example.net"]
    wrong = {**right, "172.16.1.1": {"code": 3, "answers": []}}
    assert judge(Probe.NAMES, names=wrong) == [
        "fault: 172.16.1.1 is unknown, not alice-wn-001.alice.example.org"
    ]
    (found,) = judge(
        Probe.NAMES,
        names=right,
        resolver={"nameservers": ["9.9.9.9"], "search": ["example.org"]},
    )
    assert "/etc/resolv.conf asks 9.9.9.9, not 172.16.1.254" in found
    assert "searches example.org, not alice.example.org first" in found
    (found,) = judge(
        Probe.NAMES,
        names=right,
        looked_up={"alice-wn-001": ["127.0.1.1"], "alice-router": ["172.16.1.254"]},
    )
    assert "the node itself takes alice-wn-001 for 127.0.1.1" in found


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"code": 0, "answers": ["203.0.113.1"]}, "good"),
        ({"code": 3, "answers": []}, "good"),
        ({"code": 5, "answers": []}, "not checked"),
        ({"code": 2, "answers": []}, "fault"),
        ({"code": -1, "answers": []}, "fault"),
    ],
)
def test_a_name_outside_needs_name_servers_that_answer(judge, seen, answer, verdict):
    names = {**seen()["names"]["found"], "o.net": answer}
    found = judge(Probe.NAMES, names=names, outside="o.net")[-1]
    assert found.startswith(f"{verdict}: ")


def test_a_node_is_seen_outside_as_its_router(judge):
    assert judge(Probe.OUTWARD, caller="203.0.113.10") == [
        "good: reaches 198.51.100.5, seen as 203.0.113.10, the router"
    ]
    assert judge(Probe.OUTWARD, caller="172.16.1.1") == [
        "fault: is seen outside as 172.16.1.1, not as 203.0.113.10"
    ]
    assert judge(Probe.OUTWARD, echo={"text": "you are 203.0.113.10\n"}) == [
        "good: is seen outside as 203.0.113.10, the router"
    ]
    assert judge(Probe.OUTWARD, echo={"text": "you are 172.16.1.1\n"})[0].startswith(
        "fault: is seen outside as 172.16.1.1"
    )
    assert judge(Probe.OUTWARD, caller="") == [
        "good: reaches 203.0.113.1; as whom, nobody there tells us"
    ]
    assert judge(Probe.OUTWARD, knock={"203.0.113.1:53": "silent"}) == [
        "fault: reaches nothing outside (203.0.113.1)"
    ]


def test_clocks_and_the_routers_time(judge, expected):
    assert judge(Probe.TIME, ntp=None) == ["fault: the router's NTP does not answer"]
    wrong = {"offset": -3.2, "stratum": 3, "leap": 0}
    assert judge(Probe.TIME, ntp=wrong) == [
        "fault: the router's clock is -3.2 s off ours"
    ]
    assert nodes.clock(expected, "alice-head", 1.4, 0.1).verdict is Verdict.FAULT
    assert nodes.clock(expected, "alice-head", 1.4, 0.6).verdict is Verdict.GOOD
    assert nodes.clock(expected, "alice-head", -0.9, 0.0).verdict is Verdict.GOOD


def test_cores_and_memory_are_those_declared(judge):
    small = {"cpus": 1, "memory": 2048, "container": "", "name": "x"}
    assert judge(Probe.SIZE, machine=small) == [
        "fault: has 1 cores, not 2 and has 2048 MiB of memory, not 4096"
    ]
    contained = {**small, "container": "lxc"}
    assert judge(Probe.SIZE, machine=contained) == [
        "not checked: a container shows what its hypervisor has"
    ]


def test_strangers_get_no_lease(judge, dhcp):
    assert judge(Probe.STRANGERS, first=True)[0].startswith("good: ")
    (found,) = judge(
        Probe.STRANGERS, first=True, strangers={"frame": None, "client": dhcp()}
    )
    assert found == "fault: the router's DHCP offers an unknown client 172.16.1.1"
    found = judge(
        Probe.STRANGERS, first=True, strangers={"frame": dhcp(), "client": None}
    )
    assert found == [
        "fault: a machine with an unknown MAC is offered 172.16.1.1: its frames pass"
    ]
    # Where nobody is offered anything, that a stranger is not proves nothing.
    (found,) = judge(Probe.STRANGERS, first=True, dhcp=None)
    assert found.startswith("not checked: ")


def test_the_router_answers_nodes_on_declared_ports_only(judge):
    opened = {"172.16.1.254:60022": "open", "172.16.1.254:80": "open"}
    found = judge(Probe.ROUTER, first=True, knock=opened)
    assert found[:2] == ["fault: answers wn-001, from inside the farm"] * 2
    refused = "[Errno 111] Connection refused"
    assert judge(Probe.ROUTER, first=True, metrics=refused)[1] == (
        f"not checked: none answers: {refused}"
    )


@pytest.mark.parametrize(
    "answer",
    [
        5,
        {"found": 5},
        {"found": {"eth0": []}},
        {"found": None},
        [],
        "x",
        {"found": [1]},
    ],
)
def test_an_answer_that_makes_no_sense_is_no_end_of_the_check(expected, seen, answer):
    guest = next(e for e in expected.nodes if e.name == "alice-wn-001")
    (found,) = nodes.judge(
        expected,
        guest,
        {**seen(), "devices": answer},
        {Probe.ADDRESS},
        first=False,
        outside="",
        caller=None,
    )
    assert found.verdict is Verdict.UNSEEN
    assert found.message == "its answer makes no sense"
