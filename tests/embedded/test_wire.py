"""The XML-RPC codec agrees with Python's own."""

import xmlrpc.client

import pytest

from farmctl.embedded import wire
from farmctl.embedded.refusal import Fault


def test_calls_are_read_as_python_writes_them():
    params = ("a<b&c", 7, True, [1, "x", False], "ü\n", -1)
    text = xmlrpc.client.dumps(params, "one.vm.info").encode()
    call = wire.decode(text)
    assert call.method == "one.vm.info"
    assert call.params == list(params)


def test_answers_are_what_python_reads():
    values = [False, "no < yes & no\n", 2048, -1, wire.Long(-1)]
    [read], _ = xmlrpc.client.loads(wire.answer(values).decode())
    assert read == [False, "no < yes & no\n", 2048, -1, -1]


def test_faults_are_what_python_reads():
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(wire.fault(Fault(-506, "Method 'x' not defined")).decode())
    assert caught.value.faultCode == -506
    assert caught.value.faultString == "Method 'x' not defined"


@pytest.mark.parametrize(
    "body",
    [b"", b"<methodCall>", b"<a/>", b"not xml", b"<!DOCTYPE x [<!ENTITY e 'y'>]><x/>"],
)
def test_nonsense_is_a_fault(body):
    with pytest.raises(Fault) as caught:
        wire.decode(body)
    assert caught.value.code == -503
