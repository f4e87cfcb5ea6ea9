"""`ssh` and `check` as far as they go without a node that one could log in to."""

import pytest

from farmctl.check.values import Probe, Report, fault, good, unseen
from farmctl.cli import check_view, terminal
from farmctl.cli.check_view import document
from farmctl.cli.commands import ssh

REPORT = Report(
    farm="alice",
    site="torino",
    at=10.0,
    seconds=2.25,
    findings=(
        good(Probe.PLAN, "", "3 nodes are as declared"),
        fault(Probe.PORTS, "23", "answers from outside", hint="Shut it."),
        good(Probe.PORTS, "2222", "ssh: answers"),
        good(Probe.NAMES, "wn-001", "4 names"),
        good(Probe.NAMES, "wn-002", "4 names"),
        unseen(Probe.SIZE, "wn-001", "a container"),
        unseen(Probe.SIZE, "wn-002", "a container"),
    ),
    left_out=(Probe.BATCH,),
)


LOGIN = """\
admin:
  addresses: [192.0.2.0/24]
  ssh_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7YHVNcuEWxfSDEAO+1AoN8y8GuI522vSzNXX3u5Taz
login: {key_file: key}
"""


@pytest.fixture
def sandbox(farmctl, cloud, folder):
    """A farm that is up, at a site that says not how to log in."""
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0
    return folder


@pytest.fixture
def with_login(sandbox):
    site = (sandbox / "site.yaml").read_text()
    (sandbox / "site.yaml").write_text(f"{site}{LOGIN}")
    return sandbox


def test_nobody_logs_in_where_the_site_says_not_how(farmctl, sandbox):
    ran = farmctl("ssh", "sandbox", "router")
    assert ran.status == 1
    assert "does not say how to log in" in ran.err
    assert "login: {user: root, key_file: ~/.ssh/farmctl}" in ran.err


def test_a_key_that_is_none_is_told_with_its_line(farmctl, with_login):
    ran = farmctl("ssh", "sandbox", "router")
    assert ran.status == 2
    assert "site.yaml:15:19  login.key_file: " in ran.err
    assert "is not there. Make one with `ssh-keygen -t ed25519 -f " in ran.err


def test_a_node_is_known_by_its_whole_name_or_the_end_of_it(farmctl, with_login):
    for name in ("wn-001", "sandbox-wn-001", "router"):
        assert "key_file" in farmctl("ssh", "sandbox", name).err
    ran = farmctl("ssh", "sandbox", "wn-01")
    assert ran.status == 1
    assert "sandbox has no node 'wn-01'" in ran.err
    assert "Did you mean 'wn-001'?" in ran.err
    ran = farmctl("ssh", "sandbax", "wn-001")
    assert "There is no farm 'sandbax'" in ran.err
    assert "Did you mean 'sandbox'?" in ran.err


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ((), ""),
        (("squeue --me | tail -n 3",), "squeue --me | tail -n 3"),
        (("echo", "two  words"), "echo 'two  words'"),
        (("--", "uname", "-a"), "uname -a"),
        (("--", "echo --"), "echo --"),
        (("ls", "--", "-x"), "ls -- -x"),
    ],
)
def test_one_word_is_a_line_for_the_nodes_shell_and_several_arrive_as_they_are(
    command, line
):
    assert ssh.line(command) == line


def test_the_names_of_nodes_are_completed(farmctl, sandbox, monkeypatch):
    monkeypatch.setenv("COMP_WORDS", "farmctl ssh sandbox w")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_FARMCTL_COMPLETE", "bash_complete")
    words = [line.partition(",")[2] for line in farmctl().out.split()]
    assert words == ["wn-001", "wn-002"]


def test_a_check_without_login_says_what_it_could_not_see(farmctl, sandbox):
    ran = farmctl("check", "sandbox", "--json", "--skip", "ports")
    assert ran.status == 0
    found = ran.json
    assert (found["format"], found["command"], found["faulty"]) == (1, "check", False)
    verdicts = {each["probe"]: each["verdict"] for each in found["findings"]}
    assert verdicts == {
        "plan": "good",
        "ready": "good",
        **dict.fromkeys(
            (
                "login",
                "router",
                "address",
                "names",
                "outward",
                "time",
                "size",
                "isolation",
                "spoofing",
                "strangers",
            ),
            "not_checked",
        ),
    }
    assert found["left_out"] == ["ports"]
    assert farmctl("check", "sandbox", "--skip", "ports", "--strict").status == 1


def test_a_node_that_is_off_is_a_fault(farmctl, sandbox, cloud):
    vm = farmctl("status", "sandbox", "--json").json["farms"][0]["nodes"][1]
    cloud.call("one.vm.action", "poweroff-hard", vm["vm_id"])
    cloud.turn(5)
    ran = farmctl("check", "sandbox", "--only", "ready", "--only", "plan")
    assert ran.status == 1
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["✗", "ready", "wn-001", "is", "off"] in lines
    assert ["✗", "plan", "wn-001", "!", "powered", "off", "by", "hand"] in lines


def test_a_farm_that_is_not_there_cannot_be_checked(farmctl, sandbox):
    ran = farmctl("check", "sandbax")
    assert ran.status == 1
    assert "There is no farm 'sandbax'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "plan", "--skip", "plan"), "Nothing is left to probe"),
        (("--only", "plans"), "'plans' is not one of"),
        (("--echo", "https://x"), "is no http:// URL"),
        (("--echo", "http://x:99999/"), "is no http:// URL"),
    ],
)
def test_wrong_options_are_told(farmctl, sandbox, arguments, message):
    ran = farmctl("check", "sandbox", *arguments)
    assert ran.status == 2
    assert message in ran.err


def drawn(capsys, *, everything):
    console = terminal.out()
    terminal.put(console, check_view.draw(console, REPORT, everything=everything))
    return capsys.readouterr().out.splitlines()


def test_a_report_tells_faults_and_sums_up_the_rest(capsys):
    assert drawn(capsys, everything=False) == [
        "Farm alice at torino, probed in 2.2 s",
        "",
        "  ✓  plan                      the cloud is as the farm declares it",
        "  ✗  ports  23                 answers from outside",
        "                               Shut it.",
        "  ✓                            1 more are as they should be",
        "  ✓  names                     names resolve both ways, those outside too (2)",
        "  ?  size   wn-001 and wn-002  not checked: a container",
        "",
        "1 of 5 findings is a fault.",
        "Not checked: size: a container.",
        "Left out, as asked: batch.",
    ]


def test_verbose_shows_every_finding(capsys):
    lines = drawn(capsys, everything=True)
    assert "  ✓  names  wn-001  4 names" in lines
    assert "  ✓  names  wn-002  4 names" in lines


def test_the_json_has_every_finding():
    found = document(REPORT)
    assert found["counts"] == {"good": 4, "fault": 1, "not_checked": 2}
    assert found["findings"][1] == {
        "probe": "ports",
        "subject": "23",
        "verdict": "fault",
        "message": "answers from outside",
        "hint": "Shut it.",
    }
    assert (found["began_at"], found["seconds"]) == (10.0, 2.25)
