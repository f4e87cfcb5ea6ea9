"""A site of real nodes whose farms `farmctl serve` keeps, and words for its tests.

Everything is real but the size: OpenNebula's API, nodes, SSH, Ansible, Slurm. What is
done is done by daemons, which are handed farm files; what is seen is what Slurm itself
says, and which VMs are there.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farmctl.cloud.opennebula import connect
from farmctl.daemon.peers import whose
from farmctl.journal import Journal, Record
from farmctl.model.keeping import PREFIX
from farmctl.model.nodes import Role, VmState
from farmctl.model.view import CloudView
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
        self._logs: dict[int, Path] = {}
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "FARMCTL_SITE": str(folder / "site.yaml"),
            "LC_ALL": "C.UTF-8",
        }

    def serve(self, *arguments: str, machine: str = "") -> subprocess.Popen[bytes]:
        """Start a daemon; as if on another `machine`, if one is named."""
        self._begun += 1
        path = self.folder / f"serve{self._begun:02d}.log"
        log = path.open("wb")
        command = [str(BIN / "farmctl"), "serve", *arguments]
        if machine:
            line = f'hostname {machine} && exec "$@"'
            command = ["unshare", "--uts", "sh", "-c", line, "sh", *command]
        with log:
            daemon = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stderr=log, stdout=log
            )
        self._logs[daemon.pid] = path
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
        """Return the VM of each worker that is neither sick nor on its way out."""
        out = {VmState.ENDING, VmState.GONE, VmState.FAILED}
        return {
            vm.name: vm.id
            for vm in self.look().farm("f").vms
            if vm.tag is not None
            and vm.tag.role is Role.WORKER
            and vm.state not in out
            and not vm.mark.aside
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

    def journal(self, event: str) -> list[Record]:
        """Return what the farm's journal says of something, the oldest first."""
        folder = self.folder / "state" / "farmctl" / "journal"
        kept = Journal(folder, now=time.time, warn=print)
        return [each for each in kept.read("f") if each.event == event]

    def owner(self) -> subprocess.Popen[bytes]:
        """Return the daemon that has the farm, as all of them reckon."""
        holders = {
            each.holder.nonce: each.holder.pid
            for each in self.look().documents
            if each.name.startswith(PREFIX) and each.holder is not None
        }
        pids = {each.pid: each for each in self.daemons}
        living = [nonce for nonce, pid in holders.items() if pid in pids]
        return pids[holders[whose("f", living)]]

    def look(self) -> CloudView:
        """Return what the cloud shows, asked past any proxy."""
        cloud = connect(self.cloud.endpoint, str(self.cloud.auth_file))
        with contextlib.closing(cloud):
            return cloud.look()

    def said_by(self, *daemons: subprocess.Popen[bytes]) -> str:
        """Return what some of the daemons have logged."""
        return "".join(self._logs[each.pid].read_text() for each in daemons)

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
