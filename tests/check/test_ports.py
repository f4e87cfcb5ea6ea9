from dataclasses import replace

from farmctl.check import expect, ports
from farmctl.check.direct import Inner
from farmctl.check.knocking import Answer
from farmctl.spec import Forward

ORDERLY = {2222: Answer.OPEN, 8443: Answer.SILENT, 9000: Answer.SILENT}
ADMIN = {60022: Answer.OPEN, 60443: Answer.SILENT}
CLOSED = Inner(answers={("172.16.1.254", 22): Answer.SILENT})


def told(expected, outer, inner=CLOSED, *, reached=False):
    found = ports.judge(expected, outer, inner, reached=reached)
    return {each.subject: (each.verdict.value, each.message) for each in found}


def test_a_farm_in_order_has_no_fault(expected):
    assert told(expected, ORDERLY | ADMIN | {23: Answer.SILENT}) == {
        "2222": ("good", "ssh, to head:22: answers"),
        "8443": (
            "good",
            "web, to wn-001:443: closed to 198.51.100.5, as its `from` says",
        ),
        "60022": ("good", "the router's SSH: answers, as we are an admin"),
        "others": ("good", "3 other ports do not answer"),
        "172.16.1.0/24": (
            "good",
            "addresses of the class C cannot be reached from here",
        ),
    }


def test_a_forward_without_service_is_told_from_one_that_is_dropped(expected):
    refused = told(expected, ORDERLY | {2222: Answer.REFUSED})["2222"]
    assert refused == (
        "fault",
        "ssh, to head:22: the way is open, and nothing listens at its end",
    )
    dropped = told(expected, ORDERLY | {2222: Answer.SILENT})["2222"]
    assert dropped[0] == "fault"
    assert "the packets are dropped" in dropped[1]


def test_a_forward_must_not_answer_who_is_not_in_its_from(expected):
    verdict, message = told(expected, ORDERLY | {8443: Answer.OPEN})["8443"]
    assert verdict == "fault"
    assert "answers from here (198.51.100.5), which is not in its `from`" in message


def test_behind_a_nat_nobody_knows_whether_the_from_fits(expected):
    masked = replace(expected, here="192.168.1.5", masked=True)
    assert told(masked, ORDERLY)["8443"][0] == "not checked"


def test_whoever_is_in_the_from_is_answered(draw):
    expected = draw(here="192.0.2.7")
    assert told(expected, ORDERLY | {8443: Answer.OPEN})["8443"][0] == "good"
    assert told(expected, ORDERLY)["8443"][0] == "fault"


def test_what_nobody_declared_must_not_answer(expected, draw):
    assert told(expected, ORDERLY | {23: Answer.OPEN})["23"] == (
        "fault",
        "answers from outside, and nothing declares it",
    )
    assert told(expected, ORDERLY | {9000: Answer.OPEN})["9000"] == (
        "fault",
        "answers from outside, and there is no wn-009 that it could lead to",
    )
    assert told(draw(here="192.0.2.7"), ORDERLY | {60022: Answer.OPEN})["60022"] == (
        "fault",
        "answers from outside, and 192.0.2.7 is not in admin.addresses",
    )


def test_an_admin_who_is_locked_out_is_a_fault(expected):
    found = told(expected, ORDERLY | {60022: Answer.SILENT})["60022"]
    assert found == (
        "fault",
        "the router's SSH: silent from here, which is in admin.addresses",
    )


def test_silence_proves_nothing_where_nothing_ever_answers(expected):
    silent = dict.fromkeys((2222, 8443, 23), Answer.SILENT)
    assert told(expected, silent)["others"][0] == "not checked"
    assert told(expected, silent, reached=True)["others"][0] == "good"


def test_a_class_c_that_answers_is_a_fault_unless_everything_does(expected):
    node, nobody = ("172.16.1.253", 22), ("172.16.1.3", 22)
    inner = Inner(answers={node: Answer.OPEN, nobody: Answer.SILENT})
    assert told(expected, ORDERLY, inner)["172.16.1.253:22"][0] == "fault"
    inner = Inner(answers={node: Answer.OPEN, nobody: Answer.OPEN})
    found = told(expected, ORDERLY, inner)["172.16.1.0/24"]
    assert found[0] == "not checked"
    assert "even 172.16.1.3, which no machine has" in found[1]


def test_a_refusal_counts_only_beside_the_router(expected):
    answers = {("172.16.1.253", 22): Answer.REFUSED}
    far = told(expected, ORDERLY, Inner(answers=answers))
    near = told(expected, ORDERLY, Inner(answers=answers, beside=True))
    assert far["172.16.1.0/24"][0] == "good"
    assert near["172.16.1.253:22"][0] == "fault"
    away = told(expected, ORDERLY, Inner(why_not="the way leads elsewhere"))
    assert away["172.16.1.0/24"] == ("not checked", "the way leads elsewhere")


def test_the_ports_to_try_hold_all_that_is_declared_and_what_is_drawn(expected):
    tried = ports.to_try(expected, [31_337])
    assert {22, 2222, 8443, 9000, 60022, 60443, 31_337} <= set(tried)
    assert list(tried) == sorted(set(tried))
    assert set(ports.inner_to_try(expected)[-3:]) == {
        ("172.16.1.1", 22),
        ("172.16.1.253", 22),
        ("172.16.1.3", 22),
    }


def test_udp_is_never_said_to_be_good(site, farm, view):
    router = farm.router.model_copy(
        update={
            "forwards": (
                Forward.model_validate(
                    {"name": "dns", "port": 53, "to": "head", "protocol": "udp"}
                ),
            )
        }
    )
    farm = farm.model_copy(update={"router": router})
    expected = expect(site, farm, view, here="198.51.100.5")
    assert told(expected, {}, reached=True)["53/udp"][0] == "not checked"
