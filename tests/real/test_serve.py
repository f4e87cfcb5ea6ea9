"""`farmctl serve` on real nodes: a farm goes from nothing to its work and back.

Everything is real but the size: OpenNebula's API, nodes, SSH, Ansible, Slurm. What is
done is done by the daemon alone, which is handed a farm file; what is seen is what
Slurm itself says of its jobs, and which VMs were there while they ran.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farmctl.model.nodes import Role, VmState
from farmctl.testing import OpenNebula, fast_settings

pytest.importorskip("ansible_runner", reason="the extra `ansible` is not installed")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="real nodes need root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="openssh-client is needed"),
    pytest.mark.xdist_group("serve"),
]

BIN = Path(sys.executable).parent
PUBLIC = "198.18.9.0/24"
JOBS = 30

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
price: 1
router: {image: debian, flavour: debian}
head: {image: batch, cpus: 1, memory: 1GiB}
pools:
  wn: {image: batch, cpus: 2, memory: 600MiB, count: {min: 0, max: 4}}
"""


class Served:
    """A site of real nodes, the farm on it, and the daemons that keep it."""

    def __init__(self, folder: Path, cloud: OpenNebula) -> None:
        self.folder, self.cloud = folder, cloud
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "FARMCTL_SITE": str(folder / "site.yaml"),
            "LC_ALL": "C.UTF-8",
        }

    def serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"serve{len(self.daemons)}.log").open("wb")
        command = [str(BIN / "farmctl"), "serve", *arguments]
        with log:
            daemon = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stderr=log, stdout=log
            )
        self.daemons.append(daemon)
        return daemon

    def farmctl(self, *arguments: str) -> str:
        ran = subprocess.run(
            [BIN / "farmctl", *arguments],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def on_head(self, line: str) -> str:
        return self.farmctl("ssh", "f", "head", line)

    def workers(self) -> dict[str, int]:
        """Return the VM of each worker that is not on its way out."""
        told = json.loads(self.farmctl("status", "f", "--json"))
        (farm,) = told["farms"]
        return {
            node["name"]: node["vm_id"]
            for node in farm["nodes"]
            if node["role"] == Role.WORKER.value
            and node["phase"] not in {VmState.ENDING.value, VmState.GONE.value}
        }

    def jobs(self) -> dict[str, tuple[str, int, str]]:
        """Return state, restarts and node of each job that Slurm still knows."""
        shown = self.on_head("scontrol -o show jobs 2>/dev/null || true")
        found = {}
        for line in shown.splitlines():
            fields = dict(
                part.split("=", 1) for part in line.split() if part.count("=") >= 1
            )
            if "JobId" in fields:
                found[fields["JobId"]] = (
                    fields["JobState"],
                    int(fields["Restarts"]),
                    fields.get("NodeList", ""),
                )
        return found

    def log(self) -> str:
        return "".join(
            each.read_text(errors="replace")
            for each in sorted(self.folder.glob("serve*.log"))
        )

    def end(self) -> None:
        for daemon in self.daemons:
            with contextlib.suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(5)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    settings = fast_settings(folder / "cloud", driver="netns", public_network=PUBLIC)
    cloud = OpenNebula(settings)
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a", "-f", key],
        check=True,
    )
    cloud.start()
    (folder / "site.yaml").write_text(
        SITE.format(
            endpoint=cloud.endpoint,
            auth=cloud.auth_file,
            public=PUBLIC,
            key=key.with_suffix(".pub").read_text().strip(),
        )
    )
    (folder / "farm.yaml").write_text(FARM)
    made = Served(folder, cloud)
    try:
        yield made
    finally:
        made.end()
        cloud.stop()


def until(holds, served, *, seconds: float, what: str):
    ends = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < ends, f"never: {what}\n{served.log()[-6000:]}"
        assert all(each.poll() is None for each in served.daemons), served.log()
        time.sleep(1)


def is_up(served: Served) -> bool:
    try:
        return "UP" in served.on_head("scontrol ping")
    except AssertionError:
        return False


def test_a_farm_is_made_follows_its_queue_and_goes_back_to_nothing(served):
    served.serve("farm.yaml", "--poll", "2s", "--first-boot", "10s")
    until(lambda: is_up(served), served, seconds=240, what="the head is up")
    assert served.workers() == {}
    served.on_head(
        f"for n in $(seq {JOBS}); do "
        'sbatch -n1 --requeue -o /dev/null --wrap "sleep $((n % 6 + 2))"; done'
    )
    submitted = time.monotonic()
    until(served.workers, served, seconds=60, what="workers are asked for")
    asked = time.monotonic() - submitted
    ended: dict[str, tuple[str, int, str]] = {}
    most = 0

    def all_ended() -> bool:
        nonlocal most
        workers = served.workers()
        most = max(most, len(workers))
        ended.update(
            (job, seen)
            for job, seen in served.jobs().items()
            if seen[0] not in {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}
        )
        return len(ended) == JOBS

    until(all_ended, served, seconds=300, what="all jobs end")
    assert {seen[:2] for seen in ended.values()} == {("COMPLETED", 0)}
    assert 1 <= most <= 4
    until(lambda: not served.workers(), served, seconds=240, what="all workers go")
    until(
        lambda: not served.on_head("sinfo -h -N -o %N").strip(),
        served,
        seconds=60,
        what="Slurm has forgotten all of them",
    )
    print(f"asked for {asked:.1f} s after the submission, at most {most} workers")
