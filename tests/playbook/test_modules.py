"""The modules that the roles are made of, as they would run on a node."""

import getpass
import grp
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farmctl import assets

pytest.importorskip("ansible", reason="the extra `ansible` is not installed")

BIN = Path(sys.executable).parent
SPLIT = "set -- $SLURMD_OPTIONS"
PYTHON = ("-e", f"ansible_python_interpreter={sys.executable}")


@pytest.fixture(scope="module")
def module():
    path = assets.path("playbooks", "library", "farmctl_files.py")
    spec = importlib.util.spec_from_file_location("farmctl_files", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def make(module, tmp_path):
    def go(name, *, check=False, **given):
        each = {
            "path": str(tmp_path / name),
            "content": None,
            "base64": None,
            "random": None,
            "unless": None,
            "state": "present",
            "mode": "0644",
            "owner": getpass.getuser(),
            "group": grp.getgrgid(os.getegid()).gr_name,
            **given,
        }
        return module.make(each, check=check)

    return go


def test_a_file_is_written_once_and_then_left_alone(make, tmp_path):
    assert make("a/b", content="x\n", mode="0600") is True
    assert (tmp_path / "a" / "b").read_text() == "x\n"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "a" / "b").stat().st_ino
    assert make("a/b", content="x\n", mode="0600") is False
    assert (tmp_path / "a" / "b").stat().st_ino == before


def test_another_mode_is_a_difference(make, tmp_path):
    make("a", content="x")
    assert make("a", content="x", mode="0400") is True
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400


def test_a_look_ahead_writes_nothing(make, tmp_path):
    assert make("a", check=True, content="x") is True
    assert not (tmp_path / "a").exists()


def test_a_key_is_made_once_for_its_farm_whatever_the_image_brought(make, tmp_path):
    (tmp_path / "key").write_bytes(b"of the image")
    marker = str(tmp_path / "made")
    assert make("key", random=64, unless=marker, mode="0400") is True
    key = (tmp_path / "key").read_bytes()
    assert len(key) == 64
    assert make("key", random=64, unless=marker, mode="0400") is False
    assert (tmp_path / "key").read_bytes() == key
    (tmp_path / "key").unlink()
    assert make("key", random=64, unless=marker, mode="0400") is True


def test_random_bytes_without_a_marker_are_refused(make):
    with pytest.raises(ValueError, match="random needs unless"):
        make("key", random=64)


def test_a_file_of_two_contents_is_refused(make):
    with pytest.raises(ValueError, match="needs one of"):
        make("a", content="x", base64="eA==")


def test_what_is_no_base64_is_refused(make):
    with pytest.raises(ValueError, match=r"base64|padding|Only"):
        make("a", base64="no!")


def test_a_link_keeps_being_one(make, tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert make("link", content="new") is True
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_file_can_be_taken_away(make, tmp_path):
    (tmp_path / "a").write_text("x")
    assert make("a", state="absent") is True
    assert make("a", state="absent") is False


def test_the_facts_are_there_without_any_package(tmp_path):
    playbook = tmp_path / "look.yml"
    playbook.write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        "  - {name: Look, farmctl_facts: {packages: [no-such-package]}}\n"
        "  - name: Say\n    ansible.builtin.debug:\n"
        '      msg: "<{{ ansible_facts.farmctl_node.installed }}|'
        "{{ ansible_facts.farmctl_node.memory_mib > 100 }}|"
        '{{ ansible_facts.service_mgr }}>"\n'
    )
    ran = subprocess.run(
        [
            BIN / "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            *PYTHON,
            playbook,
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(assets.path("playbooks", "ansible.cfg")),
        },
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "<[]|True|" in ran.stdout


def test_ansible_takes_the_playbook_for_one():
    ran = subprocess.run(
        [BIN / "ansible-playbook", "--syntax-check", "-i", "localhost,", "site.yml"],
        capture_output=True,
        check=False,
        cwd=assets.path("playbooks"),
        text=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("manager", ["systemd", "service"])
def test_slurmds_options_arrive_as_they_are_meant(manager, tmp_path):
    """What the start script makes of the file, and what systemd would."""
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  vars:\n"
        f"    ansible_facts: {{service_mgr: {manager}}}\n"
        "    slurm_worker_known: /usr/local/sbin/farmctl-slurmd-known\n"
        "    slurm_worker_arguments: ['-Z', '--conf', 'CPUs=2 Feature=wn', '-b']\n"
        "  tasks:\n  - name: Write\n    ansible.builtin.template:\n      src: "
        f"{assets.path('playbooks')}/roles/slurm_worker/templates/slurmd.j2\n"
        f"      dest: {tmp_path}/slurmd\n"
    )
    ran = subprocess.run(
        [
            BIN / "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            *PYTHON,
            "play.yml",
        ],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        text=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # systemd splits as a shell does, quotes respected; the start script without them.
    split = 'eval "set -- $SLURMD_OPTIONS"' if manager == "systemd" else SPLIT
    show = split + '; for each in "$@"; do printf "[%s]" "$each"; done'
    said = subprocess.run(
        ["sh", "-c", f". ./slurmd; {show}", "sh", "status"],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        text=True,
    ).stdout
    assert said == "[-Z][--conf][CPUs=2 Feature=wn][-b]"
