import socket
import threading
import time

import pytest

from farmctl.check.inside import Clock, _clock
from farmctl.check.knocking import Answer, Witness, is_masked, knock, own_address


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def shut():
    server = socket.create_server(("127.0.0.1", 0))
    with server:
        return server.getsockname()


def test_open_and_refused_ports_are_told_apart(listening, shut):
    counted = []
    found = knock([listening, shut], report=counted.append)
    assert found == {listening: Answer.OPEN, shut: Answer.REFUSED}
    assert counted == [1, 2]
    assert knock([]) == {}


def test_a_port_that_says_nothing_is_silent_in_time():
    # A backlog that is full drops what comes.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        target = server.getsockname()
        first, second = socket.create_connection(target), socket.socket()
        second.setblocking(False)
        second.connect_ex(target)
        began = time.monotonic()
        found = knock([target] * 1, seconds=0.5)
        assert time.monotonic() - began < 2
        first.close()
        second.close()
    assert found[target] in (Answer.SILENT, Answer.OPEN)


def test_many_ports_are_tried_at_once(shut):
    address, _ = shut
    found = knock([(address, port) for port in range(1, 3000)], at_once=64)
    assert len(found) == 2999


def test_a_witness_notes_who_calls():
    witness = Witness("127.0.0.1")
    try:
        with socket.create_connection(witness.target) as sock:
            sock.sendall(b"alice-wn-001")
        with socket.create_connection(witness.target):
            pass  # somebody who says nothing
        until = time.monotonic() + 5
        while not witness.caller("alice-wn-001") and time.monotonic() < until:
            time.sleep(0.01)
        assert witness.caller("alice-wn-001") == "127.0.0.1"
        assert witness.caller("alice-wn-002") == ""
    finally:
        witness.close()
    assert not [each for each in threading.enumerate() if "_listen" in each.name]


def test_our_own_address_and_whether_another_one_is_seen():
    assert own_address("127.0.0.1") == "127.0.0.1"
    assert is_masked("192.168.1.5", "193.206.1.1")
    assert not is_masked("192.168.1.5", "192.168.1.9")
    assert not is_masked("", "193.206.1.1")


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("100.500000000\n", Clock(offset=0.0, uncertain=0.5)),
        ("100.%N\n", Clock(offset=0.0, uncertain=1.0)),
        ("100\n", Clock(offset=0.0, uncertain=1.0)),
        ("what?\n", None),
    ],
)
def test_a_clock_is_read_as_well_as_the_guest_tells_it(text, clock):
    assert _clock(text, 100.0, 101.0) == clock
