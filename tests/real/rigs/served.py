"""A site of real nodes whose farms `farmctl serve` keeps, and words for its tests.

Everything is real but the size: OpenNebula's API, nodes, SSH, Ansible, Slurm. What is
done is done by daemons, which are handed farm files; what is seen is what Slurm itself
says, and which VMs are there.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farmctl.model.nodes import Role, VmState
from farmctl.testing import OpenNebula, fast_settings

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


class Served:
    """A site of real nodes, the farm on it, and the daemons that keep it."""

    def __init__(self, folder: Path, cloud: OpenNebula) -> None:
        self.folder, self.cloud = folder, cloud
        self.daemons: list[subprocess.Popen[bytes]] = []
        self._begun = 0
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "FARMCTL_SITE": str(folder / "site.yaml"),
            "LC_ALL": "C.UTF-8",
        }

    def serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._begun += 1
        log = (self.folder / f"serve{self._begun:02d}.log").open("wb")
        command = [str(BIN / "farmctl"), "serve", *arguments]
        with log:
            daemon = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stderr=log, stdout=log
            )
        self.daemons.append(daemon)
        return daemon

    def kill(self, daemon: subprocess.Popen[bytes]) -> None:
        """Kill a daemon with SIGKILL; it is none of those any more that are to run."""
        daemon.kill()
        daemon.wait(10)
        self.daemons.remove(daemon)

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


@contextlib.contextmanager
def serving(
    folder: Path,
    public: str,
    farm: str,
    *,
    through: Callable[[str], str] = lambda endpoint: endpoint,
    more: str = "",
) -> Iterator[Served]:
    """Start a site with its own cloud of real nodes; no daemon runs yet.

    Args:
        folder: where everything lies; `farm.yaml` in it is the farm's file.
        public: the site's public network.
        farm: the text of the farm's file.
        through: given the cloud's endpoint, returns the one that farmctl is told.
        more: lines for the end of the site's file.
    """
    settings = fast_settings(folder / "cloud", driver="netns", public_network=public)
    cloud = OpenNebula(settings)
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a", "-f", key],
        check=True,
    )
    cloud.start()
    (folder / "site.yaml").write_text(
        SITE.format(
            endpoint=through(cloud.endpoint),
            auth=cloud.auth_file,
            public=public,
            key=key.with_suffix(".pub").read_text().strip(),
        )
        + more
    )
    (folder / "farm.yaml").write_text(farm)
    made = Served(folder, cloud)
    try:
        yield made
    finally:
        made.end()
        cloud.stop()


def until(
    holds: Callable[[], Any], served: Served, *, seconds: float, what: str
) -> Any:
    """Wait for a condition, and return what it holds; the daemons run all the time."""
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
