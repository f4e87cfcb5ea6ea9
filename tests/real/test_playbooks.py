"""A batch farm of real nodes, configured by the playbook that comes with farmctl.

One farm for all tests of this file, in their order: head, router and three workers,
later ten more. Everything goes the way that a site's would: the cloud's XML-RPC, SSH
through the farm's router, ansible-runner.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from farmctl import assets
from farmctl.assembly import worlds
from farmctl.assembly.guests import SiteGuests
from farmctl.model.guests import guests
from farmctl.playbook import private
from farmctl.spec import read_farm, read_site
from farmctl.testing import OpenNebula, fast_settings

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("playbooks"),
]

BIN = Path(sys.executable).parent

SITE = """\
site: torino
domain: farm.example.org
cloud: {{endpoint: "{endpoint}", auth_file: {auth}}}
hypervisors:
  service: {{requires: 'FARM_CLASS="service"', system_datastore: gluster}}
  worker: {{requires: 'FARM_CLASS="worker"', system_datastore: lvm}}
networks:
  farms: {{supernet: 172.16.0.0/16, driver: bridge}}
  public: {{name: public}}
images: {{debian: debian-12, batch: debian-batch-12}}
admin: {{addresses: ["{public}"], ssh_keys: ["{key}"]}}
login: {{user: root, key_file: key}}
playbook: site.yml
"""

FARM = """\
farm: f
kind: batch
batch: slurm
router: {image: debian, flavour: debian}
head: {image: batch, cpus: 1, memory: 1GiB}
pools:
  wn: {image: batch, cpus: 2, memory: 900MiB, count: {min: 3, max: 20}}
variables:
  SLURM_CONF: "# {{ lookup('pipe', 'touch TRAP') }}"
"""


class Batch:
    """A farm, and what is asked of it."""

    def __init__(self, folder: Path, cloud: OpenNebula) -> None:
        self.folder = folder
        self.cloud = cloud
        self.said = ""
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "FARMCTL_SITE": str(folder / "site.yaml"),
            "LC_ALL": "C.UTF-8",
        }

    def farmctl(self, *arguments: str) -> str:
        ran = subprocess.run(
            [BIN / "farmctl", *arguments],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            text=True,
            timeout=300,
        )
        self.said += ran.stdout + ran.stderr
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def on(self, node: str, line: str) -> str:
        return self.farmctl("ssh", "f", node, line)

    def slurm(self) -> dict[str, str]:
        """Return what Slurm has of each worker: state, cores, MiB, features."""
        lines = self.on("head", "sinfo -N -h -o '%N %T %c %m %f'").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def configure(self, *names, seen=lambda found: found):
        """Configure some nodes, or all, without asking whether they were before."""
        site = read_site(self.folder / "site.yaml")
        said = []
        cloud = worlds.connect(site, self.environment, patience=3, announce=said.append)
        try:
            found = seen(guests(cloud.look().farm("f")))
        finally:
            cloud.close()
        return SiteGuests(site, self.environment, announce=said.append).configure(
            read_farm(self.folder / "farm.yaml"),
            found,
            frozenset(names or (each.name for each in found)),
            lambda _: None,
            lambda: False,
        )


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playbooks")
    cloud = OpenNebula(fast_settings(folder / "cloud", driver="netns"))
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a", "-f", key],
        check=True,
    )
    cloud.start()
    try:
        (folder / "site.yaml").write_text(
            SITE.format(
                endpoint=cloud.endpoint,
                auth=cloud.auth_file,
                public=cloud.settings.public_network,
                key=key.with_suffix(".pub").read_text().strip(),
            )
        )
        trap = FARM.replace("TRAP", str(folder / "trap"))
        (folder / "farm.yaml").write_text(trap)
        made = Batch(folder, cloud)
        made.farmctl("apply", "farm.yaml", "--yes")
        yield made
        made.farmctl("destroy", "f", "--yes")
    finally:
        cloud.stop()


def test_the_workers_are_in_the_heads_slurm_with_what_they_have(batch):
    assert batch.slurm() == {
        "f-wn-001": "idle 2 900 wn",
        "f-wn-002": "idle 2 900 wn",
        "f-wn-003": "idle 2 900 wn",
    }


def test_a_job_on_three_nodes_answers_with_three_names(batch):
    names = batch.on("head", "srun -N3 -t1 hostname").split()
    assert sorted(names) == ["f-wn-001", "f-wn-002", "f-wn-003"]


def test_a_workers_name_resolves_both_ways_from_the_head(batch):
    assert batch.on("head", "getent hosts f-wn-002").split()[0] == "172.16.0.2"
    assert batch.on("head", "getent hosts 172.16.0.2").split()[1] == (
        "f-wn-002.f.farm.example.org"
    )


def test_a_variable_of_the_farm_is_no_template(batch):
    conf = batch.on("head", "cat /etc/slurm/slurm.conf")
    assert "# {{ lookup('pipe'" in conf
    assert not (batch.folder / "trap").exists()


def test_the_exporter_answers_on_the_farms_side_alone(batch):
    listening = batch.on("router", "ss -Hltn 'sport = 9100'").split()
    assert "172.16.0.254:9100" in listening
    assert "node_boot_time" in batch.on("head", "curl -s 172.16.0.254:9100/metrics")


def test_a_second_run_changes_nothing_as_plain_ansible_says(batch):
    (batch.folder / "farmctl.yml").write_text(
        f"plugin: farmctl_inventory\ncommand: {BIN / 'farmctl'}\nsite: site.yaml\n"
    )
    ran = subprocess.run(
        [BIN / "ansible-playbook", "-i", batch.folder / "farmctl.yml", "site.yml"],
        capture_output=True,
        check=False,
        cwd=assets.path("playbooks"),
        env=batch.environment
        | {"ANSIBLE_INVENTORY_PLUGINS": str(assets.path("inventories"))},
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    recap = ran.stdout.partition("PLAY RECAP")[2].strip().splitlines()[1:]
    assert {line.split()[0] for line in recap if line.strip()} == {
        *(f"f-{name}" for name in ("router", "head", "wn-001", "wn-002", "wn-003"))
    }
    assert all("changed=0" in line for line in recap if line.strip()), ran.stdout


def test_a_second_apply_has_nothing_to_configure(batch):
    plan = json.loads(batch.farmctl("plan", "farm.yaml", "--json"))
    assert plan["plans"][0]["steps"] == []


def test_the_munge_key_is_the_farms_own_and_stays_between_its_nodes(batch):
    """The key is nowhere but in the nodes, also while it is handed over."""
    read = "base64 -w0 /etc/munge/munge.key"
    key = batch.on("head", read).strip()
    kept = batch.said = batch.said.replace(key, "")  # we asked for it ourselves
    assert len(base64.b64decode(key)) == 1024
    mode = batch.on("head", "stat -c '%a %U' /etc/munge/munge.key").strip()
    assert mode == "400 munge"
    assert batch.on("wn-001", "rm /etc/munge/munge.key; echo gone").strip() == "gone"
    seen: set[str] = set()
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(key, seen, over))
    watcher.start()
    try:
        assert batch.configure("f-wn-001") == {"f-wn-001": ""}
    finally:
        over.set()
        watcher.join()
    assert seen == {"a run's folder", "a run's processes"}
    taken = batch.on("wn-001", read).strip()
    assert taken == key
    assert key[:80] not in kept
    nodes = batch.folder / "cloud" / "nodes"
    outside = [each for each in _holding(batch.folder, key) if str(nodes) not in each]
    assert outside == []
    assert list(_holding(nodes, key)) == [
        each for each in _holding(nodes, key) if each.endswith("etc/munge/munge.key")
    ]


def _watch(key, seen, over):
    """Note where the key can be seen while Ansible runs, and that one has looked."""
    while not over.wait(0.05):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if b"ansible-playbook" in data:
                seen.add("a run's processes")
            if key[:40].encode() in data:
                seen.add(f"argv: {data!r}")
        for folder in Path(tempfile.gettempdir()).glob(f"{private.PREFIX}*"):
            seen.add("a run's folder")
            seen.update(_holding(folder, key))


def _holding(folder, key):
    """Yield the files that have the key; folders may go while one looks."""
    raw = base64.b64decode(key)
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            try:
                data = path.read_bytes() if path.is_file() else b""
            except OSError:
                continue
            if raw[:60] in data or key[:80].encode() in data:
                yield str(path)


def test_a_node_that_fails_is_named_with_its_task_and_stops_no_other(batch):
    batch.on("wn-002", "rm /etc/default/slurmd; mkdir -p /etc/default/slurmd/x")
    told = batch.configure("f-wn-002", "f-wn-003")
    assert told["f-wn-003"] == ""
    assert told["f-wn-002"].startswith("Say what the node has: /etc/default/slurmd: ")
    batch.on("wn-002", "rm -r /etc/default/slurmd")
    assert batch.configure("f-wn-002") == {"f-wn-002": ""}


@pytest.mark.parametrize("head", ["out of sight", "out of reach"])
def test_a_worker_whose_head_is_away_says_so(head, batch):
    def away(found):
        gone = [each for each in found if each.name != "f-head"]
        if head == "out of sight":
            return gone
        was = next(each for each in found if each.name == "f-head")
        return [*gone, replace(was, vm_id=999, address="172.16.0.99")]

    assert batch.configure("f-wn-001", seen=away) == {
        "f-wn-001": "Have the head's munge key: f-head did not give its munge key"
    }


def test_ten_more_workers_join_at_once_and_leave_the_list_again(batch):
    before = time.monotonic()
    batch.farmctl("scale", "f", "wn", "13", "--yes")
    took = time.monotonic() - before
    assert batch.slurm() == {f"f-wn-{n:03d}": "idle 2 900 wn" for n in range(1, 14)}
    assert len(batch.on("head", "srun -N13 -t1 hostname").split()) == 13
    batch.farmctl("scale", "f", "wn", "3", "--yes", "--interrupt")
    assert sorted(batch.slurm()) == ["f-wn-001", "f-wn-002", "f-wn-003"]
    assert took < 150


def test_workers_come_back_whether_or_not_their_head_was_there_first(batch):
    batch.on("head", "service slurmctld stop >/dev/null")
    batch.on("wn-001", "service slurmd stop >/dev/null; service slurmd start; true")
    batch.on("head", "service slurmctld start >/dev/null")
    deadline = time.monotonic() + 60
    while batch.slurm().get("f-wn-001") != "idle 2 900 wn":
        assert time.monotonic() < deadline, batch.slurm()
        time.sleep(1)
    batch.on("wn-001", "pidof slurmd")
