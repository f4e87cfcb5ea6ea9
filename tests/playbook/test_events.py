from farmctl.model.guests import GuestProgress
from farmctl.playbook.events import Ledger


def start(host, task):
    return {"event": "runner_on_start", "event_data": {"host": host, "task": task}}


def failed(host, task, result, **more):
    data = {"host": host, "task": task, "res": result, **more}
    return {"event": "runner_on_failed", "event_data": data}


def stats(**counted):
    return {"event": "playbook_on_stats", "event_data": counted}


def ledger(*events):
    told = []
    made = Ledger(told.append)
    for event in events:
        made.take(event)
    return made, told


def test_a_task_that_begins_is_told():
    _, told = ledger(start("wn-001", "Install munge"))
    assert told == [GuestProgress(name="wn-001", task="Install munge")]


def test_a_host_that_failed_is_told_with_its_task_and_message():
    made, _ = ledger(
        start("wn-001", "Install munge"),
        failed("wn-001", "Install munge", {"msg": "No package munge\nat all"}),
        stats(failures={"wn-001": 1}, ok={"wn-001": 3, "wn-002": 4}),
    )
    assert made.outcomes(["wn-001", "wn-002"]) == {
        "wn-001": "Install munge: No package munge at all",
        "wn-002": "",
    }


def test_a_failure_that_is_ignored_or_rescued_is_none():
    made, _ = ledger(
        failed("wn-001", "Look", {"msg": "no"}, ignore_errors=True),
        failed("wn-002", "Try", {"msg": "no"}),
        stats(ok={"wn-001": 1, "wn-002": 1}, rescued={"wn-002": 1}, ignored={}),
    )
    assert made.outcomes(["wn-001", "wn-002"]) == {"wn-001": "", "wn-002": ""}


def test_a_host_out_of_reach_says_so():
    event = failed("wn-001", "Look at the node", {"msg": "Connection refused"})
    made, _ = ledger(
        event | {"event": "runner_on_unreachable"}, stats(dark={"wn-001": 1})
    )
    assert made.outcomes(["wn-001"]) == {
        "wn-001": "Look at the node: it cannot be reached: Connection refused"
    }


def test_what_a_task_hides_stays_hidden():
    hidden = {"censored": "the output has been hidden", "msg": "key=c2VjcmV0"}
    made, _ = ledger(
        failed("wn-001", "Take the key", hidden), stats(failures={"wn-001": 1})
    )
    assert made.outcomes(["wn-001"]) == {
        "wn-001": "Take the key: what it says is hidden (no_log)"
    }


def test_of_a_loop_the_item_that_failed_speaks():
    results = [{"changed": True}, {"failed": True, "msg": "uid 7 is taken"}]
    made, _ = ledger(
        failed(
            "wn-001", "Have users", {"msg": "One or more failed", "results": results}
        ),
        stats(failures={"wn-001": 1}),
    )
    assert made.outcomes(["wn-001"])["wn-001"] == "Have users: uid 7 is taken"


def test_of_a_run_that_was_ended_only_failures_are_told():
    made, _ = ledger(
        start("wn-001", "Install munge"),
        start("wn-002", "Install munge"),
        failed("wn-002", "Install munge", {"msg": "no"}),
    )
    assert made.outcomes(["wn-001", "wn-002"]) == {"wn-002": "Install munge: no"}


def test_the_end_of_each_node_is_told_once():
    made, told = ledger(
        start("wn-001", "Run slurmd"),
        failed(
            "wn-001", "Run slurmd", {"stderr": "slurmd: cannot \x1b[31mfork\x1b[0m"}
        ),
        stats(failures={"wn-001": 1}),
    )
    made.close(["wn-001"])
    assert told[-1] == GuestProgress(
        name="wn-001",
        task="Run slurmd",
        over=True,
        failure="Run slurmd: slurmd: cannot fork",
    )


def test_what_a_guest_says_is_cut_and_has_no_control_characters():
    made, _ = ledger(
        failed("wn-001", "Run", {"msg": "a\x07\n" + "b" * 1000}),
        stats(failures={"wn-001": 1}),
    )
    said = made.outcomes(["wn-001"])["wn-001"]
    assert said.startswith("Run: a bbb")
    assert said.endswith("…")
    assert len(said) == 305


def test_why_a_playbook_did_not_begin_is_kept():
    made, _ = ledger(
        {"event": "verbose", "event_data": {}, "stdout": "[WARNING]: old thing"},
        {
            "event": "verbose",
            "event_data": {},
            "stdout": "\x1b[31m[ERROR]: couldn't resolve module 'no.such'\x1b[0m",
        },
    )
    assert made.complaints() == "couldn't resolve module 'no.such'"
