"""Ansible on farms of real nodes: what it does, tells and keeps to itself."""

import base64
import binascii
import subprocess
from pathlib import Path

import pytest
from farmland import BIN
from lxml import etree

from farmctl import assets

pytestmark = pytest.mark.xdist_group("farms")

PLAY = "site.yml"
READ = "base64 -w0 /etc/munge/munge.key"
ALL = ("alice-big-001", "alice-head", "alice-router", "alice-wn-001", "alice-wn-002")


def test_a_second_run_changes_nothing_on_any_host(land):
    """Plain Ansible, by farmctl's inventory script."""
    ran = subprocess.run(
        [
            BIN / "ansible-playbook",
            "-i",
            land.folder / "farms",
            "-l",
            "farm_alice",
            PLAY,
        ],
        capture_output=True,
        check=False,
        cwd=assets.path("playbooks"),
        env=land.environment,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    recap = ran.stdout.partition("PLAY RECAP")[2].splitlines()[1:]
    told = {line.split()[0]: line for line in recap if line.strip()}
    assert sorted(told) == sorted(ALL)
    changed = [line for line in told.values() if "changed=0 " not in line]
    assert changed == [], ran.stdout


def test_services_are_up_and_stay_up(land):
    for node, services in {
        "alice-head": ("munge", "slurmctld", "prometheus-node-exporter"),
        "alice-wn-001": ("munge", "slurmd", "prometheus-node-exporter"),
        "alice-router": ("prometheus-node-exporter",),
    }.items():
        host = land.host(node)
        for name in services:
            assert host.service(name).is_running, (node, name)
            assert host.service(name).is_enabled, (node, name)
    key = land.host("alice-wn-001").file("/etc/munge/munge.key")
    assert (key.user, key.mode) == ("munge", 0o400)


OWN = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Take the node in
      ansible.builtin.command: test {{ inventory_hostname }} != alice-wn-003
      changed_when: false
"""


@pytest.fixture
def own(land):
    """A playbook of the site's own, and one more worker, whom it does not take."""
    land.write("own", OWN)
    more = land.alice().replace("min: 2, max: 20", "min: 3, max: 20")
    land.write("alice", f"{more}playbook: own.yaml\n")
    yield
    land.write("alice", land.alice())
    land.farmctl("apply", "--yes", "--interrupt", "alice.yaml")
    assert land.steps("alice") == []


def test_a_worker_that_fails_is_put_aside_with_its_task_and_stops_no_other(land, own):
    ran = land.run("apply", "--yes", "alice.yaml")
    said = " ".join((ran.stdout + ran.stderr).split())
    assert ran.returncode == 1
    assert "alice-wn-003: Take the node in: " in said
    for node in ALL:
        assert f"{node} configured" in said
    found = land.status("alice")
    assert {name for name, each in found.items() if each["aside"]} == {"alice-wn-003"}
    assert "Take the node in" in found["alice-wn-003"]["reason"]
    assert all(found[node]["configured"] for node in ALL)


def test_the_munge_key_is_in_the_nodes_and_nowhere_else(land):
    """Not in any context, log, journal or state, plain or packed in base64."""
    key = base64.b64decode(land.inside("alice-head", READ))
    assert len(key) == 1024
    for node in ("alice-wn-001", "alice-wn-002"):
        assert base64.b64decode(land.inside(node, READ)) == key
    needles = forms(key)
    pool = land.cloud.call("one.vmpool.infoextended", -2, -1, -1, -1, "")
    seen = 0
    for element in etree.fromstring(pool.encode()).iter():
        text = (element.text or "").encode()
        assert not holds(text, needles), element.tag
        seen += unpacked(text) is not None
    assert seen > 5
    nodes = land.settings.directory / "nodes"
    for path in (path for path in land.folder.rglob("*") if path.is_file()):
        if nodes in path.parents and path.name == "munge.key":
            continue
        try:
            assert not holds(path.read_bytes(), needles), path
        except OSError:  # it has gone
            continue
    assert not holds(land.said.encode(), needles)
    for line in (line for line in argvs() if line):
        assert not holds(line, needles), line


def forms(key):
    """Return how a part of the key may be written."""
    part = key[300:420]
    return (part, part.hex().encode(), base64.b64encode(part))


def holds(data, needles):
    plain = unpacked(data)
    return any(needle in text for text in (data, plain or b"") for needle in needles)


def unpacked(data):
    if len(data) < 40 or len(data) % 4:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


def argvs():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes()
        except OSError:
            continue
