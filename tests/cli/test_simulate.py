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


def test_our_looks_are_as_far_apart_as_is_said_and_may_be_at_each_change(
    farmctl, tmp_path
):
    trace = tmp_path / "work.csv"
    trace.write_text("job,submit,run,cores,user\na,1,9,1,ann\nb,90001,9,1,ann\n")

    def waited(*options):
        words = ("--price", 5, "--peers", "none", "--json", "-q", *options)
        (run,) = farmctl("simulate", trace, *words).json["traces"][0]["runs"]
        return run["waiting_hours"]

    assert waited("--poll", "0s") < waited("--poll", "7s") < waited("--poll", "1m")
    assert waited() == waited("--poll", "5s")


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


SWF = """; Version: 2.2
  1  10 5 100 4 -1 -1 4 -1 -1 1 7 1 -1 1 -1 -1 -1
  2  20 5  -1 4 -1 -1 4 -1 -1 0 7 1 -1 1 -1 -1 -1
  3  15 0  60 -1 -1 -1 2 -1 -1 1 8 1 -1 1 -1 -1 -1
"""
SACCT = """JobID|User|Submit|Elapsed|AllocCPUS
12|ann|2026-11-02T08:00:00|00:10:00|4
12.batch||2026-11-02T08:00:01|00:10:00|4
13_1|bob|2026-11-03T00:00:05|1-00:00:01|1
14|bob|2026-11-03T00:00:06|00:00:00|0
"""


@pytest.mark.parametrize(
    ("name", "content", "jobs", "tasks", "bound"),
    [
        # Both of the log's jobs run at once, on two nodes of 4 slots: two boots, and
        # two slots free for a minute; the cancelled one is left out.
        ("log.swf", SWF, 2, 6, 2 * 4 * 330 / 3600 + 2 * 60 / 3600),
        # Two jobs on two days: two boots, and three slots beside one for a day.
        ("jobs.txt", SACCT, 2, 5, 2 * 4 * 330 / 3600 + 3 * 86_401 / 3600),
    ],
)
def test_swf_and_what_sacct_prints_are_replayed(
    farmctl, tmp_path, name, content, jobs, tasks, bound
):
    path = tmp_path / name
    path.write_text(content)
    ran = farmctl("simulate", path, "--peers", "clues", "--json", "-q")
    assert (ran.status, ran.err) == (0, "")
    (found,) = ran.json["traces"]
    assert (found["jobs"], found["tasks"]) == (jobs, tasks)
    assert found["bound_core_hours"] == pytest.approx(bound)
    assert [run["starts"] for run in found["runs"]] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SWF.replace("20 5  -1", "20 5   x"), ":3:13  run time: 'x' is no number of"),
        (SWF.replace(" 8 1 -1 1 -1 -1 -1", ""), ":4:32  11 fields, and there are 18"),
        (
            SACCT.replace("00:10:00|4\n12.", "soon|4\n12."),
            ":2:28  Elapsed: 'soon' is no",
        ),
        (
            SACCT.replace("2026-11-03T00:00:05", "Unknown"),
            ":4:10  Submit: 'Unknown' is",
        ),
        (
            SACCT.replace("|1-00:00:01|1", "|1-00:00:01"),
            ":4:30  4 fields, and there are",
        ),
        (
            SACCT.replace("|Elapsed", "|Time"),
            ":1:1  ElapsedRaw: this column is missing",
        ),
    ],
)
def test_a_crooked_log_is_named_with_line_and_column(farmctl, tmp_path, content, said):
    path = tmp_path / "log"
    path.write_text(content)
    ran = farmctl("simulate", path)
    assert ran.status == 2
    assert f"log{said}" in ran.err


def test_a_mark_before_the_first_column_that_spreadsheets_leave_is_no_mistake(
    farmctl, tmp_path
):
    path = tmp_path / "work.csv"
    path.write_text("\ufeffsubmit,run,cores\n0,50,1\n")
    ran = farmctl("simulate", path, "--peers", "none", "--json", "-q")
    assert ran.json["traces"][0]["jobs"] == 1


def test_a_ladder_of_shapes_says_what_its_bound_and_the_others_rest_on(
    farmctl, tmp_path
):
    path = tmp_path / "long.csv"
    path.write_text("submit,run,cores\n0,36000,1\n90000,36000,1\n")
    page = tmp_path / "ladder.html"
    asked = ("simulate", path, "--slots", "8,1", "--peers", "clues", "--price", 1)
    ran = farmctl(*asked, "--report", page)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert "nodes of 8 or 1 slots" in lines[0]
    assert lines[0].endswith("can waste less than 0 core-hours")
    assert "The rules of others use the nodes of 8 slots only." in lines
    assert "The rules of others use the nodes of 8 slots only." in page.read_text()
    (found,) = farmctl(*asked, "--json", "-q").json["traces"]
    ours, clues = found["runs"]
    assert found["slots"] == [8, 1]
    assert found["bound_core_hours"] == pytest.approx(2 * 330 / 3600)
    assert ours["waste_core_hours"] < 1
    assert ours["most_slots"] == 1
    assert clues["most_slots"] == 8


def test_rules_under_which_work_waits_for_ever_are_named_everywhere(farmctl, tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("submit,run,cores\n0,50,1\n100,50,1\n")
    page = tmp_path / "few.html"
    asked = ("simulate", path, "--peers", "elastiq-example,clues", "--price", 1)
    ran = farmctl(*asked, "--report", page)
    said = "Left out, since some work waits for ever there: elastiq (example)."
    assert ran.status == 0
    assert said in ran.out
    assert said in page.read_text()
    (found,) = farmctl(*asked, "--json", "-q").json["traces"]
    assert found["stuck"] == ["elastiq (example)"]
    assert [run["policy"] for run in found["runs"]] == ["farmctl at 1", "CLUES"]


def test_costs_that_are_the_same_are_called_the_same(farmctl, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("submit,run,cores\n0,50,4\n")
    ran = farmctl("simulate", path, "--peers", "slurm", "--price", 20)
    assert ran.out.splitlines()[-1] == (
        "At a price of 20 farmctl costs the same as the best of the others, "
        "Slurm power save = CA."
    )


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
