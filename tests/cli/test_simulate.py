import importlib.util
from pathlib import Path

import pytest

TORINO = Path(__file__).parent.parent / "simulate/traces/lcg2005-torino.csv.gz"


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "work.csv"
    rows = "".join(f"{at},{500 * at},300,3,ann\n" for at in range(20))
    path.write_text(f"job,submit,run,cores,user\n{rows}")
    return path


def test_our_policy_and_the_peers_stand_side_by_side(farmctl):
    ran = farmctl("simulate", TORINO, "--peers", "clues,karpenter", "--days", 3)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("lcg2005-torino days 0-3: 380 jobs, nodes of 4 slots")
    assert lines[1].split() == [
        "policy", "C1", "C5", "C20", "waste", "/", "bound", "wait", "h", "mean", "s",
        "p95", "s", "starts",
    ]  # fmt: skip
    assert [line[:12].strip() for line in lines[2:7]] == [
        "farmctl at 1",
        "farmctl at 5",
        "farmctl at 2",
        "CLUES",
        "Karpenter 0",
    ]
    assert lines[7].startswith("At a price of 1 farmctl costs ")
    assert "days 0-3: 5 replays" in ran.err


def test_the_json_has_every_run_and_its_ratio_to_the_bound(farmctl, trace):
    ran = farmctl("simulate", trace, "--price", 5, "--peers", "clues", "--json", "-q")
    assert (ran.status, ran.err) == (0, "")
    (found,) = ran.json["traces"]
    assert (found["jobs"], found["tasks"], found["slots"]) == (20, 60, [4])
    ours, clues = found["runs"]
    assert (ours["policy"], ours["price"]) == ("farmctl at 5", 5)
    assert (clues["policy"], clues["price"]) == ("CLUES", None)
    assert clues["waste_to_bound"] == pytest.approx(
        clues["waste_core_hours"] / found["bound_core_hours"]
    )
    (cost,) = ours["costs"]
    assert cost["cost"] == pytest.approx(
        ours["waste_core_hours"] + 5 * ours["waiting_hours"]
    )


def test_costs_are_told_in_money_when_a_core_hour_has_a_price(farmctl, trace):
    plain = farmctl("simulate", trace, "--peers", "none", "--json").json
    money = farmctl(
        "simulate", trace, "--peers", "none", "--json", "--idle-cost", 0.02
    ).json
    assert [
        cost["cost"] * 0.02 for cost in plain["traces"][0]["runs"][0]["costs"]
    ] == pytest.approx(
        [cost["cost"] for cost in money["traces"][0]["runs"][0]["costs"]]
    )


def test_the_report_is_one_file_for_all_traces(farmctl, trace, tmp_path):
    page = tmp_path / "replay.html"
    ran = farmctl(
        "simulate", trace, trace, "--peers", "clues", "--price", 5, "--report", page
    )
    assert ran.status == 0
    assert f"The report is in {page}." in ran.err
    text = page.read_text()
    assert text.count("<h1>Replay of work</h1>") == 2
    assert text.count("</html>") == 1
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".html"] == [
        "replay.html"
    ]


def test_mistakes_of_all_traces_are_named_with_line_and_column(farmctl, tmp_path):
    (tmp_path / "a.csv").write_text("job,submit\n1,2\n")
    (tmp_path / "b.csv").write_text("submit,run,cores\n0,x,1\n")
    ran = farmctl("simulate", tmp_path / "a.csv", tmp_path / "b.csv")
    assert ran.status == 2
    assert "a.csv:1:1  run: this column is missing" in ran.err
    assert "b.csv:2:3  run: 'x' is no number of seconds." in ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--peers", "foo"], "no rule is called 'foo'; there are elastiq"),
        (["--price", "1,x"], "'x' is no number"),
        (["--price", "0"], "0 is out of range"),
        (["--slots", "1.5"], "'1.5' is no number"),
        (["--peers", "none", "--no-policy"], "Nothing to replay"),
        (["--report", "none/x.html"], "there is no folder none"),
        (["--boot", "soon"], "--boot"),
        (["--days", "-1"], "--days"),
        (["--synthetic", "heap"], "no kind is called 'heap'; there are ramps, steady"),
        (["--synthetic", "heavy:x"], "'x' is no seed"),
        (["--synthetic", "heavy:"], "'' is no seed"),
    ],
)
def test_crooked_options_are_named(farmctl, trace, options, said):
    ran = farmctl("simulate", trace, *options)
    assert ran.status == 2
    assert said in ran.err


def test_made_up_work_needs_no_file_and_brings_its_own_nodes(farmctl):
    ran = farmctl(
        "simulate", "--synthetic", "wide", "--synthetic", "batch:7", "--days", 1,
        "--peers", "karpenter", "--no-policy", "--json", "-q",
    )  # fmt: skip
    assert ran.status == 0
    assert [
        (each["name"], each["jobs"], each["slots"]) for each in ran.json["traces"]
    ] == [
        ("multi-slot (1) days 0-1", 180, [8]),
        ("small batch site (7) days 0-1", 401, [4]),
    ]


def test_slots_that_are_given_hold_for_made_up_work_too(farmctl):
    ran = farmctl(
        "simulate", "--synthetic", "quiet", "--slots", 2, "--peers", "clues",
        "--no-policy", "--json", "-q",
    )  # fmt: skip
    assert ran.json["traces"][0]["slots"] == [2]


def test_all_stands_for_every_made_up_kind(farmctl):
    ran = farmctl(
        "simulate", "--synthetic", "all:1", "--days", 2, "--peers", "karpenter",
        "--no-policy", "--json", "-q",
    )  # fmt: skip
    assert [each["name"] for each in ran.json["traces"]] == [
        f"{kind} (1) days 0-2"
        for kind in (
            "ramps", "steady", "day and night", "heavy tails", "multi-slot",
            "small batch site", "sessions", "chains", "by the clock", "quiet",
        )
    ]  # fmt: skip


def test_nothing_to_replay_is_told(farmctl):
    ran = farmctl("simulate")
    assert ran.status == 2
    assert "Nothing to replay: give a TRACE, or --synthetic." in ran.err


def test_later_days_are_replayed_and_empty_ones_refused(farmctl, trace):
    later = farmctl(
        "simulate", TORINO, "--from-day", 7, "--days", 1, "--shift", 3,
        "--peers", "clues", "--no-policy",
    )  # fmt: skip
    assert later.out.startswith("lcg2005-torino days 7-8 shifted (3): ")
    none = farmctl("simulate", trace, "--from-day", 30)
    assert none.status == 2
    assert "work.csv  no job came after day 30." in none.err
    none = farmctl("simulate", trace, "--from-day", 30, "--days", 2)
    assert "no job came between day 30 and day 32." in none.err


def test_work_that_fits_no_node_is_an_error_and_no_hang(farmctl, tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("submit,run,cores\n0,50,8\n")
    ran = farmctl("simulate", path, "--whole", "--peers", "none")
    assert ran.status == 1
    assert "8 slots of work wait for ever under farmctl at 1." in ran.err
    assert "--slots" in ran.err


def test_a_trace_that_is_not_there_is_named(farmctl, tmp_path):
    ran = farmctl("simulate", tmp_path / "none.csv")
    assert ran.status == 2
    assert "none.csv" in ran.err
    assert "cannot be read: No such file or directory" in ran.err


def test_the_reference_is_what_the_command_says():
    docs = Path(__file__).parents[2] / "docs"
    spec = importlib.util.spec_from_file_location("generate", docs / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    written = (docs / "reference/simulate.md").read_text()
    assert written == generate.simulate(), "run: python docs/generate.py"
