"""What a batch system is told of the nodes that are to drain."""

import time

import pytest

from farmctl.daemon import batchwork
from farmctl.daemon.deciding import Asked
from farmctl.daemon.telling import Teller
from farmctl.errors import NotPossibleError
from farmctl.journal import Journal


class Told:
    """Remembers the calls; one reason is refused."""

    def __init__(self, refused=""):
        self.refused = refused
        self.calls = []

    def drain(self, nodes, reason):
        if self.refused and self.refused in reason:
            raise NotPossibleError("refused")
        self.calls.append((list(nodes), reason))
        return dict.fromkeys(nodes, "")


DRAINS = {
    "f-wn-001": "empty for 300 s, and more",
    "f-wn-002": "empty for 312 s, and more",
    "f-wn-003": "its hypervisor kvm-1 is disabled",
    "f-wn-004": "its hypervisor kvm-2 is disabled",
    "f-wn-005": "its hypervisor kvm7 is disabled",
}


@pytest.fixture
def teller(tmp_path):
    return Teller("f", Journal(tmp_path / "journal", now=time.time))


def test_each_node_is_drained_for_its_own_reason(teller):
    batch = Told()
    batchwork.drain(batch, Asked(drains=dict(DRAINS)), teller)
    assert batch.calls == [
        (["f-wn-001", "f-wn-002"], "empty for 300 s, and more"),
        (["f-wn-003"], "its hypervisor kvm-1 is disabled"),
        (["f-wn-004"], "its hypervisor kvm-2 is disabled"),
        (["f-wn-005"], "its hypervisor kvm7 is disabled"),
    ]


def test_a_drain_that_fails_keeps_no_other_back(teller):
    batch = Told(refused="kvm-1")
    batchwork.drain(batch, Asked(drains=dict(DRAINS)), teller)
    assert [nodes for nodes, _ in batch.calls] == [
        ["f-wn-001", "f-wn-002"],
        ["f-wn-004"],
        ["f-wn-005"],
    ]
