import subprocess
import sys
import time

import pytest

import farmctl as package
from farmctl.cli.names import COMMANDS


def test_help_names_every_command(farmctl):
    ran = farmctl("--help")
    assert ran.status == 0
    for name, line in COMMANDS.items():
        assert f"  {name} " in ran.out
        assert line in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(farmctl, command):
    ran = farmctl(command, "--help")
    assert ran.status == 0
    assert ran.err == ""
    assert f"farmctl {command}" in ran.out
    assert "Examples:" in ran.out
    assert all(len(line) <= 100 for line in ran.out.splitlines())


def test_the_version_is_told(farmctl):
    ran = farmctl("--version")
    assert (ran.status, ran.out) == (0, f"farmctl {package.__version__}\n")


def test_a_slip_of_the_keyboard_is_recognised(farmctl):
    ran = farmctl("aply")
    assert ran.status == 2
    assert "No such command 'aply'. Did you mean 'apply'?" in ran.err


def test_no_command_at_all_is_a_usage_error(farmctl):
    ran = farmctl()
    assert ran.status == 2
    assert "Usage: farmctl" in ran.out + ran.err


def test_help_imports_nothing_heavy_and_is_quick():
    program = (
        "import sys; from farmctl.cli.main import run; run(['--help']); "
        "heavy = {'pydantic', 'rich', 'lxml', 'pyone', 'jinja2', 'requests', 'yaml'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
    assert time.monotonic() - began < 5  # a hang is noticed; `make bench` measures


def test_farmctl_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "farmctl", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"farmctl {package.__version__}\n"
