"""Draining, taking back and forgetting: what is sent to Slurm, and what is not."""

import json

import pytest
import replayed

from farmctl.batch.slurm import Slurm, left_over
from farmctl.errors import BatchRefusedError, NotPossibleError
from farmctl.model.guests import Ran


class Fake:
    """Nodes that Slurm's programs show and change."""

    def __init__(self, **nodes):
        self.nodes = {
            name.replace("_", "-"): {
                "name": name.replace("_", "-"),
                "state": "idle",
                "state_flags": ["DYNAMIC_NORM"],
                "reason": "",
                "cpus": 4,
                "alloc_cpus": 0,
                **each,
            }
            for name, each in nodes.items()
        }
        self.jobs = []
        self.pauses = []
        self.replay = replayed.Replay(self.answer)
        self.slurm = Slurm(self.replay, now=lambda: 1e9, pause=self.pauses.append)
        self.sent = []

    def answer(self, words):
        """Answer as the programs do."""
        if words[-1] == "--version":
            return "slurm-wlm 22.05.8"
        nodes = json.dumps({"errors": [], "nodes": list(self.nodes.values())})
        if words[0] == "sinfo":
            return nodes
        if words[0] == "sh":
            config = "SLURM_VERSION = 22.05.8\nClusterName = farm\nPrivateData = none"
            jobs = json.dumps({"errors": [], "jobs": self.jobs})
            return replayed.joined(
                ["root", config, "batch|up|infinite|1-9", nodes, jobs]
            )
        self.sent.append(words)
        return Ran(status=0, out="", err="")


@pytest.fixture
def sees(monkeypatch):
    """A fake whose changes take effect."""

    def make(**nodes):
        fake = Fake(**nodes)
        answer = fake.answer
        names = {}

        def act(command, *, timeout):
            line = list(command)
            if "update" in line:
                fields = dict(each.split("=", 1) for each in line if "=" in each)
                for name in fields["nodename"].split(","):
                    names[name] = fields
                    node = fake.nodes[name]
                    if fields["state"] == "drain":
                        node["state_flags"] = ["DYNAMIC_NORM", "DRAIN"]
                        node["reason"] = fields["reason"]
                    elif fields["state"] == "undrain":
                        node["state_flags"], node["reason"] = ["DYNAMIC_NORM"], ""
                    elif fields["state"] == "down":
                        node["state"], node["alloc_cpus"] = "down", 0
            elif "delete" in line:
                for name in line[-1].partition("=")[2].split(","):
                    fake.nodes.pop(name)
            if "update" in line or "delete" in line:
                at = line.index("scontrol")
                fake.sent.append(line[at:])
                return Ran(status=0, out="", err="")
            out = answer([e for e in line if e != "env" and "=" not in e[:20]])
            return out if isinstance(out, Ran) else Ran(status=0, out=out, err="")

        monkeypatch.setattr(fake.replay, "run", act)
        return fake

    return make


DRAINED = {"state_flags": ["DYNAMIC_NORM", "DRAIN"]}


def test_a_drain_carries_our_word_and_is_one_command_for_all(sees):
    fake = sees(wn_001={}, wn_002={})
    assert fake.slurm.drain(["wn-001", "wn-002"], "nothing waits") == {
        "wn-001": "",
        "wn-002": "",
    }
    assert fake.sent == [
        [
            "scontrol",
            "update",
            "nodename=wn-001,wn-002",
            "state=drain",
            "reason=farmctl: nothing waits",
        ]
    ]


def test_a_second_drain_sends_nothing(sees):
    fake = sees(wn_001={**DRAINED, "reason": "farmctl: old image"})
    assert fake.slurm.drain(["wn-001"], "nothing waits") == {"wn-001": ""}
    assert fake.sent == []


def test_a_persons_drain_is_neither_overwritten_nor_taken_back(sees):
    fake = sees(wn_001={**DRAINED, "reason": "bad disk"})
    assert fake.slurm.drain(["wn-001"], "x") == {
        "wn-001": "drained already, and not by us: bad disk"
    }
    assert fake.slurm.undrain(["wn-001"]) == {
        "wn-001": "drained by somebody else: bad disk"
    }
    assert fake.sent == []


def test_a_node_that_slurm_does_not_know_stops_no_other(sees):
    fake = sees(wn_001={})
    assert fake.slurm.drain(["wn-009", "wn-001"], "x") == {
        "wn-009": "Slurm does not know it",
        "wn-001": "",
    }


def test_a_drain_that_slurm_did_not_take_is_said(sees):
    fake = Fake(wn_001={})
    assert fake.slurm.drain(["wn-001"], "x") == {
        "wn-001": "Slurm did not drain it: it is IDLE+DYNAMIC_NORM"
    }


@pytest.mark.parametrize(
    "name", ["", "-w", "wn 001", "wn-001;reboot", "wn-[1-3]", "ALL=1", "a,b", "wn\n1"]
)
def test_only_plain_names_reach_slurm(sees, name):
    fake = sees(wn_001={})
    for change in (fake.slurm.undrain, fake.slurm.forget):
        with pytest.raises(NotPossibleError):
            change([name])
    with pytest.raises(NotPossibleError):
        fake.slurm.drain([name], "x")
    assert fake.sent == []


def test_a_reason_is_one_printable_line(sees):
    fake = sees(wn_001={})
    fake.slurm.drain(["wn-001"], "two\nlines\tand \x1b[31mred")
    assert fake.sent[0][-1] == "reason=farmctl: two lines and [31mred"


def test_a_node_that_works_or_could_is_not_forgotten(sees):
    fake = sees(
        wn_001={},
        wn_002={"alloc_cpus": 1},
        wn_003={**DRAINED, "reason": "farmctl: x", "alloc_cpus": 2},
    )
    fake.jobs = [
        {
            "job_id": 7,
            "job_state": "RUNNING",
            "nodes": "wn-003",
            "user_name": "ann",
            "cpus": 2,
        }
    ]
    assert fake.slurm.forget(["wn-001", "wn-002", "wn-003"]) == {
        "wn-001": "takes work: drain it first",
        "wn-002": "works: Slurm counts cores of it as taken",
        "wn-003": "works: job 7 of ann",
    }
    assert fake.sent == []


def test_a_node_that_is_drained_and_empty_or_down_is_forgotten_and_one_gone_is_done(
    sees,
):
    fake = sees(wn_001={**DRAINED, "reason": "farmctl: x"}, wn_002={"state": "down"})
    assert fake.slurm.forget(["wn-001", "wn-002", "wn-003"]) == {
        "wn-001": "",
        "wn-002": "",
        "wn-003": "",
    }
    assert fake.nodes == {}


def test_a_node_whose_vm_has_ended_is_set_down_before_it_is_forgotten(sees):
    fake = sees(wn_001={"alloc_cpus": 1})
    assert fake.slurm.forget(["wn-001"], ended=True) == {"wn-001": ""}
    assert [line[1:4] for line in fake.sent] == [
        ["update", "nodename=wn-001", "state=down"],
        ["delete", "nodename=wn-001"],
    ]


def test_a_node_on_which_a_job_still_ends_is_never_deleted(sees):
    fake = sees(wn_001={"alloc_cpus": 1}, wn_002={})
    job = {"job_id": 7, "job_state": "COMPLETING", "user_name": "ann", "cpus": 2}
    fake.jobs = [{**job, "nodes": "wn-[001,003]"}]
    assert fake.slurm.forget(["wn-001", "wn-002"], ended=True) == {
        "wn-001": "Slurm still ends job 7 of ann there",
        "wn-002": "",
    }
    assert list(fake.nodes) == ["wn-001"]
    assert fake.pauses == [0.5] * 6


def test_a_node_of_slurms_own_file_cannot_be_forgotten(sees):
    fake = sees(wn_001={"state_flags": []})
    assert fake.slurm.forget(["wn-001"], ended=True) == {
        "wn-001": "slurm.conf names it, and only its file can forget it"
    }


def test_a_refused_change_is_an_error():
    fake = Fake(wn_001={})
    fake.replay._answer = lambda words: (
        Ran(status=1, out="", err="slurm_update error: Invalid user id")
        if "update" in words
        else fake.answer(words)
    )
    with pytest.raises(BatchRefusedError, match=r"change wn-001: .*Invalid user id"):
        fake.slurm.drain(["wn-001"], "x")


def test_left_over_are_the_farms_own_names_that_joined_by_themselves():
    fake = Fake(
        alice_wn_001={},
        alice_wn_002={"state": "down"},
        alice_wn_003={"state_flags": []},
        alice_wn_big_1004={},
        alice_login={},
        bob_wn_005={},
    )
    sample = fake.slurm.sample()
    assert left_over(sample, "alice", frozenset({"alice-wn-001"})) == (
        "alice-wn-002",
        "alice-wn-big-1004",
    )
    assert left_over(sample, "a.*", frozenset()) == ()
