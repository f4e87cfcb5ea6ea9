import pytest

from farmctl.cli import chronicle
from farmctl.journal import Journal


class Turned:
    at = 1_000.0

    def __call__(self):
        self.at += 1
        return self.at


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, now=Turned(), warn=pytest.fail)


def lines(journal, most=4):
    said = chronicle.told(journal.read("taf"), now=1_100.0, most=most)
    return [text.strip().partition("  ")[2] or text.strip() for text, _ in said]


def test_a_run_is_told_in_numbers(journal):
    journal.record(
        "taf", "apply began", "3 additions", command="farmctl apply taf.yaml"
    )
    journal.record("taf", "CreateObject done", "is new", subject="network taf")
    journal.record("taf", "CreateNode done", "is missing", subject="taf-wn-001")
    journal.record("taf", "CreateNode done", "is missing", subject="taf-wn-002")
    journal.record("taf", "run complete", "the cloud is as declared")
    assert lines(journal) == [
        "What was done last, from this machine:",
        "farmctl apply taf.yaml: 1 object made, 2 nodes made",
    ]


def test_what_went_wrong_is_told_by_name(journal):
    journal.record("taf", "apply began", "", command="farmctl apply taf.yaml")
    journal.record("taf", "CreateNode aside", "never ready", subject="taf-wn-001")
    journal.record("taf", "CreateNode untried", "no network", subject="taf-wn-002")
    journal.record("taf", "lock taken over", "its process is gone")
    journal.record("taf", "run incomplete", "see above")
    assert lines(journal)[1:] == [
        "farmctl apply taf.yaml, not finished",
        "taf-wn-001 not made (aside): never ready",
        "lock taken over: its process is gone",
    ]


def test_a_run_that_was_killed_has_no_end(journal):
    journal.record("taf", "apply began", "", command="farmctl apply taf.yaml")
    journal.record("taf", "scale began", "", command="farmctl scale taf wn 2")
    journal.record("taf", "RemoveNode done", "too many", subject="taf-wn-003")
    journal.record("taf", "run complete", "")
    assert lines(journal)[1:] == [
        "farmctl apply taf.yaml, not ended",
        "farmctl scale taf wn 2: 1 node ended",
    ]


def test_many_troubles_and_many_runs_are_cut(journal):
    for number in range(6):
        journal.record("taf", "apply began", "", command=f"farmctl apply {number}")
        for node in range(8):
            journal.record("taf", "CreateNode failed", "no", subject=f"n{node}")
        journal.record("taf", "run incomplete", "")
    said = lines(journal, most=2)
    assert said[1].startswith("farmctl apply 4")
    assert said[2:7] == [f"n{node} not made (failed): no" for node in range(5)]
    assert said[7] == "… 3 more"
    assert len(said) == 15


def test_an_empty_journal_says_so(journal):
    assert lines(journal) == ["The journal on this machine has nothing about it."]


def test_what_a_daemon_did_is_told_with_its_reason_and_its_runs_are_not(journal):
    journal.record("taf", "CreateNode waiting", "is on its way", subject="taf-wn-001")
    journal.record("taf", "run complete", "see status")
    journal.record("taf", "nodes started", "12 slots wait", nodes=["taf-wn-001"])
    journal.record("taf", "verdict", "start 1 of wn: 12 slots wait", standing={})
    for number in range(5):
        journal.record("taf", "node drained", "empty", subject=f"taf-wn-{number}")
    journal.record("taf", "the queue is not believed", "it lost 4 of 5 nodes")
    assert lines(journal)[1:] == [
        "nodes started (taf-wn-001): 12 slots wait",
        "node drained, 5 times (taf-wn-0, taf-wn-1, taf-wn-2 and 2 more): empty",
        "the queue is not believed: it lost 4 of 5 nodes",
    ]


def test_nodes_that_nobody_waits_for_are_asked_for_and_no_trouble(journal):
    journal.record("taf", "apply began", "", command="farmctl apply --no-wait taf.yaml")
    journal.record("taf", "CreateNode waiting", "is on its way", subject="taf-wn-001")
    journal.record("taf", "run complete", "")
    assert lines(journal)[1:] == [
        "farmctl apply --no-wait taf.yaml: 1 node asked for",
    ]
