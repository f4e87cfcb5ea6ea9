"""The real command, as a process of its own: on a terminal, in pipes, interrupted."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "farmctl"]
PATIENCE = 30.0
FULL = Path("/dev/full")


@pytest.fixture
def environment(cloud, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    return dict(os.environ)


class OnTerminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments):
        self.text = ""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)

    def until(self, words):
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if not self._read(0.1):
                break
        assert words in self.text, self.text

    def type(self, words):
        os.write(self._master, words.encode())

    def press_ctrl_c(self):
        # Again if need be, as people do: a signal may come just before the read.
        for _ in range(3):
            self.process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + PATIENCE / 3
            while self.process.poll() is None and time.monotonic() < deadline:
                self._read(0.1)
            if self.process.poll() is not None:
                return

    def end(self):
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read(0.1)
        while self._read(0.0):
            pass
        os.close(self._master)
        return self.process.returncode

    def _read(self, seconds):
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return seconds > 0
        try:
            chunk = os.read(self._master, 65_536)
        except OSError:
            return False
        self.text += chunk.decode(errors="replace")
        return bool(chunk)


def test_apply_asks_and_shows_it_happening(environment, folder):
    ran = OnTerminal("apply", "sandbox.yaml")
    ran.until("Apply this to sandbox? [y/N]: ")
    ran.type("y\n")
    assert ran.end() == 0
    assert "\x1b[32m" in ran.text
    assert "█" in ran.text
    assert "sandbox  " in ran.text
    assert re.search(r"done.* after ", ran.text)


def test_saying_no_changes_nothing(environment, folder, farmctl):
    ran = OnTerminal("apply", "sandbox.yaml")
    ran.until("[y/N]: ")
    ran.type("\n")
    assert ran.end() == 1
    assert "Nothing was changed." in ran.text
    assert farmctl("status", "--json").json["farms"] == []


def test_ctrl_c_at_the_question_changes_nothing(environment, folder, farmctl):
    ran = OnTerminal("apply", "sandbox.yaml")
    ran.until("[y/N]: ")
    ran.press_ctrl_c()
    assert ran.end() == 130
    assert "Interrupted." in ran.text
    assert "Traceback" not in ran.text
    assert farmctl("status", "--json").json["farms"] == []


def test_no_color_is_obeyed(environment, folder, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    ran = OnTerminal("plan", "sandbox.yaml")
    assert ran.end() == 3
    assert "\x1b[3" not in ran.text
    assert "  +  network" in ran.text


def test_a_dumb_terminal_gets_plain_lines(environment, folder, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    ran = OnTerminal("apply", "--yes", "sandbox.yaml")
    assert ran.end() == 0
    assert "\x1b" not in ran.text
    assert "sandbox-wn-001 ready on " in ran.text


def test_watching_ends_with_ctrl_c(environment, folder):
    ran = OnTerminal("status", "--watch", "--interval", "0.5")
    ran.until("Ctrl-C ends.")
    ran.press_ctrl_c()
    assert ran.end() == 130
    assert "Traceback" not in ran.text


def test_a_reader_that_leaves_is_no_trouble(environment, folder):
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -n 1', "sh", *COMMAND, "schema", "farm"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_other_encodings_are_served(environment, folder, encoding):
    done = subprocess.run(
        [*COMMAND, "plan", "sandbox.yaml"],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 3
    assert "wn-001...002" in done.stdout.decode(encoding)


def test_sigterm_in_the_middle_gives_the_farm_back(environment, cloud, folder, farmctl):
    with cloud.fault("boot", effect="slow", seconds=8.0):
        process = subprocess.Popen(
            [*COMMAND, "apply", "--yes", "sandbox.yaml"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + PATIENCE
        while cloud.calls().get("one.vm.deploy", 0) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Stopping: " in said
    (farm,) = farmctl("status", "--json").json["farms"]
    assert farm["lock"] is None
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0


@pytest.mark.skipif(not FULL.exists(), reason="Linux has /dev/full")
def test_output_that_cannot_be_written_is_said():
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, "schema", "farm"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 1
    assert done.stderr == "The output cannot be written: No space left on device.\n"


def test_a_closed_standard_output_is_no_mistake_of_ours():
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "schema", "farm"]
    done = subprocess.run(
        shell, check=False, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
