import io
from dataclasses import replace

import pytest
from rich.console import Console

from farmctl.cli import (
    documents,
    failure,
    outcome_view,
    plan_view,
    status_view,
    terminal,
)
from farmctl.cli.board import NodeState, Snapshot
from farmctl.cli.progress import draw
from farmctl.cli.running import Ran
from farmctl.errors import InputError, Mistake, NotPossibleError, PlanOutdatedError
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Phase, Role, Tag
from farmctl.model.rolling import Refusal, Roll, Rolled
from farmctl.model.steps import (
    ChangeRouter,
    CreateObject,
    Note,
    Plan,
    RemoveNode,
)
from farmctl.reconcile import (
    FarmStatus,
    NodeStatus,
    Outcome,
    Result,
    Status,
    StepOutcome,
)

HOSTILE = "a\x1b[31mb\u202ec [bold]d[/bold] :smile:"
MADE = CreateObject(
    kind=Kind.NETWORK, name="taf", tag=Tag(farm="taf"), attributes={}, because="is new"
)


def gone(ordinal, because="too many"):
    return RemoveNode(
        vm_id=ordinal,
        name=f"taf-wn-{ordinal:03d}",
        role=Role.WORKER,
        pool="wn",
        may_work=False,
        because=because,
    )


def plan(*steps, **more):
    return Plan(
        farm="taf",
        kind="plain",
        site="torino",
        endpoint="http://one",
        version="7.4.0",
        seen_at=0.0,
        cidr="172.16.40.0/24",
        waves=(steps,) if steps else (),
        **more,
    )


def node(name, **more):
    return NodeStatus(
        **{
            "name": name,
            "vm_id": 7,
            "role": Role.WORKER,
            "pool": "wn",
            "phase": Phase.READY,
            "address": "172.16.40.1",
            "public_address": "",
            "host": "wrk-01",
            "since": 100,
            **more,
        }
    )


def status(*nodes, **more):
    farm = FarmStatus(
        **{
            "farm": "taf",
            "kind": "interactive",
            "cidr": "172.16.40.0/24",
            "nodes": nodes,
            "sizes": {"wn": 2},
            "counts": {Phase.READY: 1},
            "lock": None,
            **more,
        }
    )
    return Status(
        site="torino",
        endpoint="http://one",
        version="7.4.0",
        seen_at=200.0,
        age=0.3,
        farms=(farm,),
    )


@pytest.fixture
def paper():
    """A console of any width, and what was printed on it."""

    def make(width=140, encoding="utf-8", *, terminal_there=False):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
        console = Console(
            file=stream,
            width=width,
            theme=terminal.THEME,
            markup=False,
            force_terminal=terminal_there,
            color_system=None,
        )

        def read():
            stream.flush()
            return raw.getvalue().decode(encoding)

        return console, read

    return make


def test_a_plan_is_read_at_a_glance(paper):
    console, read = paper()
    plan_view.show(console, plan(MADE, gone(1), gone(2), gone(3)), None)
    lines = read().splitlines()
    assert lines[0].startswith("Farm taf at torino (OpenNebula 7.4.0), as seen ")
    assert lines[2] == "  +  network     172.16.40.0/24"
    assert lines[3] == "  -  wn-001…003  too many        nothing runs there"
    assert lines[5] == "1 addition, 3 removals. No running job is interrupted."


def test_the_lines_of_a_changed_router_stand_below_it_shortened(paper):
    console, read = paper()
    change = ChangeRouter(
        vm_id=7,
        name="taf-router",
        variable="FARMCTL_ROUTER_BASE64",
        files="",
        changes=tuple(f"firewall: + option number '{n}'" for n in range(12)),
        because="names and leases: 2 nodes come",
    )
    plan_view.show(console, plan(change), None)
    lines = [line.rstrip() for line in read().splitlines()]
    assert lines[2].split("  ")[1:4] == [
        "~",
        "router",
        "names and leases: 2 nodes come",
    ]
    assert lines[2].endswith("  in place, no interruption")
    assert lines[3] == "             firewall: + option number '0'"
    assert lines[10:12] == [
        "             firewall: + option number '7'",
        "             … and 4 more lines; --json has them all",
    ]


def test_a_narrow_plan_keeps_its_effects_below(paper):
    console, read = paper(60)
    plan_view.show(console, plan(gone(1)), None)
    assert read().splitlines()[2:4] == [
        "  -  wn-001  too many",
        "             nothing runs there",
    ]


def test_a_plan_without_steps_says_so_and_keeps_its_notes(paper):
    console, read = paper()
    plan_view.show(
        console, plan(notes=(Note(subject="vm 7", message="is a stranger"),)), None
    )
    assert "  !  vm 7  is a stranger" in read()
    console, read = paper()
    plan_view.show(console, plan(), None)
    assert read().endswith("\n\nNothing to do: as declared.\n")


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_a_terminal_without_our_signs_gets_plain_ones(paper, encoding):
    console, read = paper(encoding=encoding)
    plan_view.show(console, plan(gone(1), gone(2)), None)
    assert "wn-001...002" in read()


def test_nothing_from_the_cloud_steers_the_terminal(paper):
    console, read = paper(200)
    plan_view.show(
        console,
        plan(gone(1, HOSTILE), notes=(Note(subject=HOSTILE, message=HOSTILE),)),
        None,
    )
    seen = status(node("taf-wn-001", reason=HOSTILE, host=HOSTILE))
    terminal.put(console, status_view.one_farm(console, seen, seen.farms[0]))
    text = read()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a<U+001B>[31mb<U+202E>c [bold]d[/bold] :smile:" in text


def test_nodes_are_shown_with_what_is_wrong_with_them(paper):
    seen = status(
        node("taf-wn-001"),
        node("taf-wn-002", phase=Phase.BOOTING, aside=True, reason="never got ready"),
        node("taf-wn-003", draining=True),
        notes=(Note(subject="stray", message="is a stranger"),),
    )
    console, read = paper()
    terminal.put(console, status_view.one_farm(console, seen, seen.farms[0]))
    text = read()
    assert "torino (OpenNebula 7.4.0), as seen 0.3 s ago" in text
    assert "ready 1  wanted: wn 2" in text
    (line,) = [each for each in text.splitlines() if "wn-002" in each]
    assert line.split() == [
        "taf-wn-002",
        "aside",
        "172.16.40.1",
        "wrk-01",
        "1",
        "min",
        "40",
        "s",
        "7",
        "never",
        "got",
        "ready",
    ]
    assert "ready, draining" in text
    assert "! stray: is a stranger" in text
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_pool_that_rolls_and_a_make_that_was_refused_have_a_line_each(paper):
    roll = Roll(old="a", new="b", began=1.0, proven=2.0)
    refusal = Refusal(digest="c", why="2 canaries failed: no Slurm", at=3.0)
    seen = status(
        node("taf-wn-001"),
        rolling={"wn": Rolled(old=2, of=4, roll=roll)},
        refused={"ml": refusal},
    )
    console, read = paper()
    terminal.put(console, status_view.one_farm(console, seen, seen.farms[0]))
    terminal.put(console, status_view.overview(console, seen))
    text = read()
    assert "Rolling wn: 2 of 4 on the new image, canary proven" in text
    assert "Refused for ml: 2 canaries failed: no Slurm" in text
    assert "rolling  image refused" in text
    (told,) = documents.status(seen)["farms"]
    assert told["rolling"][0]["new"] == 2
    assert told["refused"][0]["because"] == "2 canaries failed: no Slurm"


def test_at_eighty_columns_no_word_is_cut_and_what_is_wrong_stands_below(paper):
    seen = status(
        node("taf-router", public_address="193.205.66.200", host="hypervisor-12"),
        node("taf-wn-002", vm_id=1234, phase=Phase.BOOTING, reason="waits " * 20),
    )
    console, read = paper(80, terminal_there=True)
    terminal.put(console, status_view.one_farm(console, seen, seen.farms[0]))
    lines = read().splitlines()
    (row,) = [
        each for each in lines if each.startswith("taf-wn-002 ") and "(" not in each
    ]
    assert row.split()[:4] == ["taf-wn-002", "booting", "172.16.40.1", "wrk-01"]
    assert row.split()[-1] == "1234"
    (at,) = [
        n for n, each in enumerate(lines) if each.startswith("taf-wn-002 (VM 1234): ")
    ]
    assert lines[at - 1] == ""
    assert len(lines[at]) > 60
    assert any(each.split() == ["193.205.66.200"] for each in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 1000])
def test_no_line_is_wider_than_the_terminal(paper, width):
    seen = status(
        *(node(f"taf-wn-{number:03d}", reason="x" * 50) for number in range(1, 4))
    )
    console, read = paper(width, terminal_there=True)
    terminal.put(console, status_view.overview(console, seen))
    terminal.put(console, status_view.one_farm(console, seen, seen.farms[0]))
    plan_view.show(console, plan(MADE, gone(1, "a reason " * 20)), None)
    assert max(len(line) for line in read().splitlines()) <= width


def outcome(*steps, **more):
    return Outcome(
        **{
            "farm": "taf",
            "plan": plan(),
            "steps": steps,
            "seconds": 3.2,
            "complete": True,
            **more,
        }
    )


def step(number, result, reason=""):
    made = gone(number)
    return StepOutcome(step=made, subject=made.name, result=result, reason=reason)


def test_what_was_done_is_counted(paper):
    console, read = paper()
    done = outcome(
        step(1, Result.DONE),
        step(2, Result.DONE),
        StepOutcome(step=MADE, subject="network taf", result=Result.DONE),
    )
    outcome_view.show(console, [done])
    assert read() == "taf  done after 3.2 s: 2 nodes ended, 1 object made\n"


def test_what_failed_is_told_by_reason_with_what_to_do(paper, capsys):
    console, read = paper()
    bad = outcome(
        step(1, Result.FAILED, "no room"),
        step(2, Result.FAILED, "no room"),
        step(3, Result.ASIDE, "never ready"),
        complete=False,
        left=(Note(subject="taf-wn-001", message="too many"),),
        stopped="OpenNebula went away.",
        advice="Apply again.",
    )
    ran = Ran(outcomes=(bad,), refused={"m5l": NotPossibleError("No.", hint="Yes.")})
    outcome_view.show(console, ran.outcomes)
    outcome_view.refusals(ran.refused)
    assert read().splitlines() == [
        "taf  not finished after 3.2 s",
        "  failed: taf-wn-001 and 1 more: no room",
        "  aside: taf-wn-003: never ready",
        "  left: taf-wn-001: too many",
        "  Stopped: OpenNebula went away.",
        "  Apply again.",
    ]
    assert capsys.readouterr().err == "m5l: No.\nYes.\n"
    assert ran.failed


def test_what_is_left_is_told_once_and_by_reason(paper):
    console, read = paper()
    bad = outcome(
        step(1, Result.SKIPPED, "may be working"),
        complete=False,
        left=(
            Note(subject="taf-wn-001", message="may be working"),
            Note(subject="taf-wn-002", message="too many"),
            Note(subject="taf-wn-003", message="too many"),
        ),
    )
    outcome_view.show(console, [bad])
    assert read().splitlines() == [
        "taf  left as it is in places after 3.2 s",
        "  skipped: taf-wn-001: may be working",
        "  left: taf-wn-002 and 1 more: too many",
    ]


def test_skipped_steps_are_no_failure_but_not_complete(paper):
    console, read = paper()
    skipped = outcome(step(1, Result.SKIPPED, "may be working"), complete=False)
    outcome_view.show(console, [skipped])
    assert read().splitlines() == [
        "taf  left as it is in places after 3.2 s",
        "  skipped: taf-wn-001: may be working",
    ]


def test_the_live_display_fits_its_rows(paper):
    console, read = paper(80)
    moving = tuple(
        NodeState(name=f"taf-wn-{n:03d}", phase=Phase.BOOTING, host="w", began=0.0)
        for n in range(1, 51)
    )
    shot = Snapshot(
        farm="taf",
        steps=60,
        done=9,
        failed=1,
        wave=1,
        waves=2,
        phases={Phase.BOOTING: 50},
        moving=moving,
        waiting="OpenNebula does not answer",
        seconds=12.0,
    )
    console.print(draw(console, shot, rows=5))
    lines = read().splitlines()
    assert lines[0].split("  ")[2:] == ["10 of 60, 1 failed", "12 s"]
    assert lines[1].strip() == "OpenNebula does not answer"
    assert lines[2].strip() == "booting 50"
    assert [line.split()[0] for line in lines[3:8]] == [
        f"taf-wn-{n:03d}" for n in range(1, 6)
    ]
    assert lines[8].strip() == "… 45 more"
    assert len(lines) == 9


def test_every_mistake_is_described():
    error = InputError(
        [
            Mistake(file="a.yaml", line=1, column=2, path="x", message="is wrong."),
            Mistake(file="b.yaml", message="is \x1b too.", hint="Write it."),
        ]
    )
    assert failure.describe(error) == (
        "a.yaml:1:2  x: is wrong.\n"
        "b.yaml  is <U+001B> too. Write it.\n"
        "2 mistakes; nothing was sent to OpenNebula."
    )


def test_what_moved_is_described_once():
    error = PlanOutdatedError(
        "The cloud has moved on:\n  VM 7 is gone",
        moved=["VM 7 is gone", "image el9 was changed"],
        hint="Make a new plan.",
    )
    assert failure.describe(error) == (
        "The cloud has moved on:\n  VM 7 is gone\n  image el9 was changed\n"
        "Make a new plan."
    )


def test_of_much_that_moved_the_first_is_described():
    moved = [f"VM {number} is gone" for number in range(1, 16)]
    error = PlanOutdatedError("The cloud has moved on:", moved=moved)
    assert failure.describe(error).splitlines() == [
        "The cloud has moved on:",
        *(f"  VM {number} is gone" for number in range(1, 13)),
        "  … 3 more; --json has them all",
    ]


def test_an_unexpected_error_is_honest_and_brief(capsys, monkeypatch):
    assert failure.report(ZeroDivisionError("division by zero")) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said
    assert "FARMCTL_DEBUG=1" in said
    assert "Traceback" not in said
    monkeypatch.setenv("FARMCTL_DEBUG", "1")
    assert failure.report(ZeroDivisionError("division by zero")) == 1
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 // 0
    failure.report(raised.value)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_has_a_status_of_its_own(capsys):
    assert failure.report(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_waits_for_consent_is_named_before_anybody_asks():
    def old(name, role, pool="", ordinal=0):
        return RemoveNode(
            vm_id=ordinal, name=name, role=role, pool=pool, may_work=True, because="old"
        )

    steps = (
        old("taf-head", Role.HEAD),
        old("taf-wn-001", Role.WORKER, "wn", 1),
        old("taf-wn-002", Role.WORKER, "wn", 2),
        old("taf-router", Role.ROUTER),
    )
    batch = replace(plan(*steps), kind="batch")
    assert plan_view.without_consent([batch]) == (
        "taf-head with its queue and 2 workers that may run jobs are left as they are, "
        "unless you add --interrupt."
    )
    assert plan_view.without_consent([replace(batch, waves=(steps[:1],))]) == (
        "taf-head with its queue is left as it is, unless you add --interrupt."
    )
    assert plan_view.without_consent([replace(batch, kind="plain")]) == ""
