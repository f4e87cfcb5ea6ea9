"""Playbooks really run, on this machine alone (`connection: local`)."""

import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from farmctl.errors import NotPossibleError
from farmctl.playbook import Inventory, configure, running

pytest.importorskip("ansible", reason="the extra `ansible` is not installed")
pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

SECRET = "4f6c7a1e-not-to-be-told"


@pytest.fixture(autouse=True)
def own_tmp(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == [], "something was left behind"


@pytest.fixture
def run(tmp_path):
    def go(tasks, *names, targets=None, give_up=lambda: False, told=None):
        playbook = tmp_path / "own.yml"
        playbook.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
            }
            for name in names
        }
        return configure(
            playbook,
            Inventory(hosts=hosts),
            frozenset(names if targets is None else targets),
            report=(lambda _: None) if told is None else told.append,
            give_up=give_up,
        )

    return go


def test_a_node_that_fails_is_named_with_its_task_and_stops_no_other(run):
    told = []
    tasks = (
        "  - name: Be the right one\n    ansible.builtin.assert:\n"
        "      that: inventory_hostname != 'b'\n      fail_msg: not b\n"
        "  - name: Go on\n    ansible.builtin.debug: {msg: hello}\n"
    )
    assert run(tasks, "a", "b", "c", told=told) == {
        "a": "",
        "b": "Be the right one: not b",
        "c": "",
    }
    assert {(each.name, each.failure) for each in told if each.over} == {
        ("a", ""),
        ("b", "Be the right one: not b"),
        ("c", ""),
    }
    assert ("c", "Go on") in {(each.name, each.task) for each in told}


def test_only_the_targets_are_touched(run, tmp_path):
    tasks = (
        "  - name: Touch\n    ansible.builtin.copy:\n      content: x\n"
        f"      dest: {tmp_path}/of-{{{{ inventory_hostname }}}}\n"
    )
    assert run(tasks, "a", "b", targets=["b", "gone"]) == {
        "b": "",
        "gone": "it does not run",
    }
    assert [each.name for each in tmp_path.glob("of-*")] == ["of-b"]


def test_what_a_failing_task_hides_is_told_nobody(run):
    told = []
    tasks = (
        "  - name: Take the key\n    no_log: true\n    ansible.builtin.assert:\n"
        f"      that: false\n      fail_msg: {SECRET}\n"
    )
    outcome = run(tasks, "a", told=told)
    assert outcome == {"a": "Take the key: what it says is hidden (no_log)"}
    assert SECRET not in repr(told)


def test_a_playbook_that_is_none_is_refused_with_ansibles_words(run):
    with pytest.raises(NotPossibleError) as caught:
        run("  - name: What\n    no.such.module: {}\n", "a")
    assert "couldn't resolve module/action 'no.such.module'" in str(caught.value)
    assert "--syntax-check" in str(caught.value)


def test_a_run_is_given_up_within_a_moment(run, tmp_path):
    begun = tmp_path / "begun"
    tasks = (
        f"  - name: Begin\n    ansible.builtin.file: {{path: {begun}, state: touch}}\n"
        "  - name: Wait\n    ansible.builtin.command: sleep 60\n"
    )
    stop = threading.Event()

    def give_up():
        if begun.exists():
            stop.set()
        return stop.is_set()

    start = time.monotonic()
    assert run(tasks, "a", give_up=give_up) == {}
    assert time.monotonic() - start < 15


def test_without_ansible_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(running.shutil, "which", lambda *_, **__: None)
    with pytest.raises(NotPossibleError, match=r"pip install 'farmctl\[ansible\]'"):
        run("  []\n", "a")


def test_a_folder_of_a_killed_run_is_removed(run, own_tmp):
    left = own_tmp / "farmctl-playbook-left"
    left.mkdir(mode=0o700)
    (left / "lock").touch()
    (left / "hosts.yml").write_text("all: {}\n")
    run("  - name: Say\n    ansible.builtin.debug: {msg: x}\n", "a")
    assert not Path(left).exists()
