"""What a broken connection or a strange answer becomes, and what is asked again."""

import socket
import time
import traceback

import pytest

from farmctl.errors import (
    AnswerLostError,
    BadAnswerError,
    CloudError,
    InputError,
    NotAuthenticatedError,
    UnreachableError,
)
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Mark, Tag

TAG = Tag(farm="taf")
POOL = "<DOCUMENT_POOL></DOCUMENT_POOL>"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def create(cloud):
    return cloud.create(Kind.DOCUMENT, "taf", TAG, {})


def test_nobody_at_the_endpoint_is_unreachable_and_asked_again_for_a_while(
    connect, clock
):
    cloud = connect(f"http://127.0.0.1:{free_port()}/RPC2")
    with pytest.raises(UnreachableError, match="Connection refused") as caught:
        create(cloud)
    assert "Is OpenNebula running" in caught.value.hint
    assert 5 < sum(clock.slept) <= 10
    assert clock.slept[-1] > clock.slept[0]
    assert max(clock.slept) <= 5


def test_a_name_that_is_no_host_is_unreachable(connect):
    cloud = connect("http://no-such-host.invalid:2633/RPC2", patience=0)
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid:2633"):
        cloud.documents()


def test_a_call_that_was_never_sent_is_repeated_even_if_it_is_not_repeatable(
    connect, clock, start
):
    port = free_port()
    cloud = connect(f"http://127.0.0.1:{port}/RPC2")
    come_up = clock.sleep
    servers = []

    def sleep(seconds: float) -> None:
        come_up(seconds)
        if len(clock.slept) == 2:
            servers.append(start(port, always=7))

    clock.sleep = sleep
    assert create(cloud) == 7
    assert servers[0].methods == ["one.document.allocate"]


@pytest.mark.parametrize("hangs_up", ["cleanly", "hard"])
def test_a_lost_answer_is_told_where_repeating_would_make_two(
    cloud, wayward, shapes, hangs_up
):
    wayward.always = None if hangs_up == "cleanly" else shapes.hang_up_hard
    with pytest.raises(AnswerLostError, match="broke during"):
        create(cloud)
    assert wayward.methods == ["one.document.allocate"]


@pytest.mark.parametrize("hangs_up", ["cleanly", "hard"])
def test_reading_is_repeated_after_a_lost_answer(cloud, wayward, shapes, hangs_up):
    lost = None if hangs_up == "cleanly" else shapes.hang_up_hard
    wayward.script = [lost, lost, shapes.rpc(True, POOL, 0)]
    assert cloud.documents() == []
    assert wayward.methods == ["one.documentpool.info"] * 3


def test_what_is_harmless_to_repeat_is_repeated(cloud, wayward, shapes):
    for harmless in (
        lambda: cloud.change(Kind.DOCUMENT, 1, "t", TAG, {"CPU": "1"}),
        lambda: cloud.delete(Kind.TEMPLATE, 1),
        lambda: cloud.end(1),
        lambda: cloud.start(1),
        lambda: cloud.mark(1, Mark(aside=True)),
        lambda: cloud.unlock(1),
        lambda: cloud.write_document(1, {}, None),
    ):
        wayward.calls.clear()
        wayward.script = [None, shapes.rpc(True, 1, 0)]
        harmless()
        assert len(wayward.calls) == 2


def test_what_is_not_harmless_to_repeat_is_asked_once(cloud, wayward):
    wayward.always = None
    for once in (
        lambda: create(cloud),
        lambda: cloud.instantiate(1, "n", TAG, {}, hold=True),
        lambda: cloud.deploy(1, host_id=1, datastore_id=1),
        lambda: cloud.lock(1),
    ):
        wayward.calls.clear()
        with pytest.raises(AnswerLostError):
            once()
        assert len(wayward.calls) == 1


def test_an_answer_that_does_not_come_in_time_is_lost(connect, wayward):
    wayward.always = lambda _: wayward.done.wait(5)
    cloud = connect(wayward.endpoint, timeout=0.2, patience=0)
    before = time.monotonic()
    with pytest.raises(AnswerLostError, match="did not answer"):
        create(cloud)
    assert time.monotonic() - before < 2


def test_an_answer_that_trickles_for_ever_is_lost(connect, wayward):
    def trickle(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not wayward.done.wait(0.02):
            connection.sendall(b" ")

    wayward.always = trickle
    cloud = connect(wayward.endpoint, timeout=0.1, patience=0)
    with pytest.raises(AnswerLostError):
        create(cloud)


def test_an_answer_that_breaks_off_is_lost(cloud, wayward, shapes):
    whole = shapes.rpc(True, 7, 0)
    wayward.always = lambda connection: (
        connection.sendall(whole[:-40]),
        connection.shutdown(socket.SHUT_RDWR),
    )
    with pytest.raises(AnswerLostError):
        create(cloud)


def test_xml_rpc_that_breaks_off_is_lost_whatever_its_length_says(
    cloud, wayward, shapes
):
    wayward.always = shapes.http("<?xml version='1.0'?><methodResponse><params>")
    with pytest.raises(AnswerLostError, match="breaks off"):
        create(cloud)


ONE_TEXT = """\
<methodResponse><params><param><value><string>x</string></value></param></params>
</methodResponse>"""
STRANGE = {
    "a web page": ("<!DOCTYPE html><html><body>Sunstone</body></html>", "text/html"),
    "JSON": ('{"error": "nope"}', "application/json"),
    "nothing": ("", "text/xml"),
    "something that is not XML-RPC": ("<feed/>", "text/xml"),
    "XML-RPC without OpenNebula's array": (ONE_TEXT, "text/xml"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_opennebula_is_said_to_be_none(cloud, wayward, shapes, what):
    body, kind = STRANGE[what]
    wayward.always = shapes.http(body, kind=kind)
    with pytest.raises(BadAnswerError, match=what) as caught:
        cloud.documents()
    assert "2633/RPC2" in caught.value.hint
    assert len(wayward.calls) == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Oh"])
def test_an_http_error_is_a_bad_answer(cloud, wayward, shapes, status):
    wayward.always = shapes.http("no", status=status)
    with pytest.raises(BadAnswerError, match=f"HTTP status {status[:3]}"):
        cloud.documents()


def test_a_proxy_before_an_opennebula_that_is_away_is_asked_again(
    cloud, wayward, shapes
):
    away = shapes.http("Bad gateway", status="502 Bad Gateway")
    wayward.script = [away, away, shapes.rpc(True, POOL, 0)]
    assert cloud.documents() == []
    wayward.script = [away]
    with pytest.raises(AnswerLostError, match="HTTP status 502"):
        create(cloud)


def test_the_password_is_never_sent_on_after_a_redirect(
    cloud, wayward, connect, shapes
):
    elsewhere = f"Location: {wayward.endpoint}/other\r\n"
    for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
        wayward.calls.clear()
        wayward.always = shapes.http("", status=status, more=elsewhere)
        with pytest.raises(BadAnswerError, match="to http://127"):
            cloud.documents()
        assert len(wayward.calls) == 1


def test_http_that_wants_a_password_of_its_own_says_so(cloud, wayward, shapes):
    wayward.always = shapes.http("", status="401 Unauthorized")
    with pytest.raises(NotAuthenticatedError, match="HTTP itself"):
        cloud.documents()


@pytest.mark.parametrize(
    "values",
    [(), (True,), ("yes", "x", 0), (True, 1.5, 0), (False, 3, 4), (False, "no", "x")],
)
def test_an_array_of_other_types_is_a_bad_answer(cloud, wayward, shapes, values):
    wayward.always = shapes.rpc(*values)
    with pytest.raises(BadAnswerError, match="not OpenNebula's"):
        cloud.documents()


def test_a_text_where_an_id_belongs_is_a_bad_answer(cloud, wayward, shapes):
    wayward.always = shapes.rpc(True, "seven", 0)
    with pytest.raises(BadAnswerError, match="not an id"):
        create(cloud)


@pytest.mark.parametrize(
    "text", ["<DOCUMENT_POOL><DOCUMENT>", "", "plain", "<VM_POOL></VM_POOL>"]
)
def test_broken_xml_in_a_good_answer_is_a_bad_answer(cloud, wayward, shapes, text):
    wayward.always = shapes.rpc(True, text, 0)
    with pytest.raises(BadAnswerError, match=r"one\.documentpool\.info"):
        cloud.documents()


def test_entities_are_not_followed(cloud, wayward, shapes, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("abc")
    text = (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>'
        "<DOCUMENT_POOL><DOCUMENT><ID>1</ID><NAME>&x;</NAME></DOCUMENT></DOCUMENT_POOL>"
    )
    wayward.always = shapes.rpc(True, text, 0)
    assert [each.name for each in cloud.documents()] == [""]


def test_environment_proxies_are_not_used_on_the_loopback(
    monkeypatch, connect, wayward, shapes
):
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    wayward.always = shapes.rpc(True, POOL, 0)
    assert connect(wayward.endpoint, patience=0).documents() == []


def test_connections_are_kept(cloud, wayward, shapes):
    wayward.always = shapes.rpc(True, POOL, 0)
    for _ in range(20):
        cloud.documents()
    assert wayward.connections == 1


def test_a_kept_connection_that_was_closed_meanwhile_does_no_harm(
    cloud, wayward, shapes
):
    def answer_and_close(connection):
        connection.sendall(shapes.rpc(True, 7, 0))
        connection.shutdown(socket.SHUT_RDWR)

    wayward.always = answer_and_close
    assert [create(cloud) for _ in range(5)] == [7] * 5


@pytest.mark.parametrize(
    "endpoint", ["", "one.example.org:2633", "ftp://one/RPC2", "http://", "http://a:b"]
)
def test_an_endpoint_that_is_no_url_is_a_mistake(connect, endpoint):
    with pytest.raises(InputError, match="is no http or https URL"):
        connect(endpoint)


def test_an_endpoint_with_a_password_is_refused_without_repeating_it(connect):
    with pytest.raises(InputError) as caught:
        connect("http://tina:hunter2@one.example.org:2633/RPC2")
    assert "hunter2" not in str(caught.value)


def test_no_error_shows_the_password(cloud, connect, wayward, shapes, caplog):
    password = shapes.secret.partition(":")[2]
    caplog.set_level(0)
    echo = f"You sent {shapes.secret}"
    fault = (
        "<methodResponse><fault><value><struct><member><name>faultCode</name>"
        "<value><int>-503</int></value></member><member><name>faultString</name>"
        f"<value><string>{echo}</string></value></member></struct></value></fault>"
        "</methodResponse>"
    )
    for answer in (
        None,
        shapes.http(echo, kind="text/html"),
        shapes.http(echo, status="500 Oh"),
        shapes.http(fault),
        shapes.rpc(False, f"[one.x] {echo}", 8192),
        shapes.rpc(False, echo, 77),
    ):
        wayward.always = answer
        with pytest.raises(CloudError) as caught:
            create(cloud)
        told = "".join(traceback.format_exception(caught.value))
        assert password not in told
        assert password not in repr(vars(caught.value.__cause__ or caught.value))
    assert password not in caplog.text
    assert password not in repr(vars(cloud)) + repr(vars(cloud._wire))


def test_closing_ends_the_repeating(connect, clock):
    cloud = connect(f"http://127.0.0.1:{free_port()}/RPC2", patience=1000)
    sleep = clock.sleep

    def close_at_the_third(seconds: float) -> None:
        sleep(seconds)
        if len(clock.slept) == 3:
            cloud._wire.close()

    clock.sleep = close_at_the_third
    with pytest.raises(UnreachableError):
        cloud.documents()
    assert len(clock.slept) == 3
