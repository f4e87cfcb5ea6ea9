"""Two farms of real nodes side by side, and the words that their tests are written in.

`alice` is a batch farm with Slurm: router, head, two workers and a big one. `bob` is a
plain one: router and two workers, configured by nothing. What is done to them is done
by the farmctl command, as a user would; what is seen is seen from inside the nodes and
from `outside`, the host that stands for the rest of the world.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import testinfra

from farmctl.embedded.netns import looking
from farmctl.errors import NotPossibleError
from farmctl.testing import OpenNebula, fast_settings

BIN = Path(sys.executable).parent

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {{requires: 'FARM_CLASS="service"', system_datastore: gluster}}
  worker: {{requires: 'FARM_CLASS="worker"', system_datastore: lvm}}
networks:
  farms: {{supernet: 172.16.0.0/16, driver: bridge}}
  public: {{name: public}}
images: {{debian: debian-12, slurm: debian-batch-12}}
login: {{user: root, key_file: key}}
playbook: site.yml
admin:
  addresses: [{machine}/32]
  ssh_keys: ["{key}"]
"""

ALICE = """\
farm: alice
kind: batch
batch: slurm
router:
  image: debian
  flavour: debian
  forwards:
    - {{name: ssh, port: 2222, to: head, to_port: 22}}
    - {{name: web, port: 8080, to: head, to_port: 80}}
    - {{name: theirs, port: 8081, to: wn-001, to_port: 80, from: [{outside}/32]}}
    - {{name: ours, port: 8082, to: wn-001, to_port: 80, from: [{machine}/32]}}
    - {{name: udp, port: 7007, protocol: udp, to: head, to_port: 7}}
head: {{image: slurm, cpus: 1, memory: 512MiB}}
pools:
  wn: {{image: slurm, cpus: 1, memory: 400MiB, count: {{min: 2, max: 20}}}}
  big: {{image: slurm, cpus: 2, memory: 700MiB, count: 1}}
"""

BOB = """\
farm: bob
kind: plain
playbook: none
router:
  image: debian
  flavour: debian
  forwards:
    - {name: ssh, port: 22, to: wn-001}
pools:
  wn: {image: debian, cpus: 1, memory: 256MiB, count: {min: 2, max: 4}}
"""


def until(condition: Callable[[], Any], seconds: float = 45.0, what: str = "") -> Any:
    """Wait for a condition, and return what it holds."""
    deadline = time.monotonic() + seconds
    while True:
        held = condition()
        if held:
            return held
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.1)


class Farmland:
    """A cloud of real nodes with farms on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        state = folder / "state"
        self.settings = fast_settings(state / "farmctl" / "cloud", driver="netns")
        self.cloud = OpenNebula(self.settings)
        net = self.settings.public_network.removesuffix("0/24")
        self.outside, self.machine = f"{net}1", f"{net}2"
        self.environment = {
            **{key: value for key, value in os.environ.items() if key[:4] != "ONE_"},
            "XDG_STATE_HOME": str(state),
            "FARMCTL_SITE": str(folder / "site.yaml"),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        self._hosts: dict[tuple[str, int], Any] = {}
        self._public: dict[str, str] = {}
        self.said = ""
        self.key = folder / "key"

    def prepare(self) -> None:
        """Write the files of the site and of both farms."""
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "t", "-f", self.key],
            check=True,
        )
        self.write("site", self.site())
        self.write("alice", self.alice())
        self.write("bob", BOB)
        script = self.folder / "farms"
        script.write_text('#!/bin/sh\nexec farmctl inventory "$@"\n')
        script.chmod(0o755)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text)

    def site(self) -> str:
        key = self.key.with_suffix(".pub").read_text().strip()
        return SITE.format(machine=self.machine, key=key)

    def alice(self) -> str:
        return ALICE.format(machine=self.machine, outside=self.outside)

    def run(
        self, *words: str, timeout: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run farmctl."""
        ran = subprocess.run(
            [BIN / "farmctl", *words],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            text=True,
            timeout=timeout,
        )
        self.said += ran.stdout + ran.stderr
        return ran

    def farmctl(self, *words: str, status: int = 0, timeout: float = 300.0) -> str:
        """Run farmctl, which ends with `status`, and return what it printed."""
        ran = self.run(*words, timeout=timeout)
        told = f"farmctl {' '.join(words)}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        assert ran.returncode == status, told
        return ran.stdout

    def apply(self, *farms: str) -> None:
        self.farmctl("apply", "--yes", *(f"{farm}.yaml" for farm in farms))

    def status(self, farm: str) -> dict[str, dict[str, Any]]:
        """Return what `farmctl status` has of each node of a farm."""
        told = json.loads(self.farmctl("status", farm, "--json"))
        (found,) = told["farms"]
        return {each["name"]: each for each in found["nodes"]}

    def steps(self, farm: str) -> list[Any]:
        """Return what `farmctl plan` would do."""
        ran = self.run("plan", f"{farm}.yaml", "--json")
        assert ran.returncode in (0, 3), ran.stderr
        (plan,) = json.loads(ran.stdout)["plans"]
        return list(plan["steps"])

    def public(self, farm: str) -> str:
        """Return the public address of a farm's router."""
        if farm not in self._public:
            router = self.status(farm)[f"{farm}-router"]
            self._public[farm] = str(router["public_address"])
        return self._public[farm]

    def inside(
        self, node: str, line: str, *, check: bool = True, timeout: float = 30.0
    ) -> str:
        """Run a line of shell inside a node, past its network."""
        ran = self.cloud.inside(node, "sh", "-c", line, check=False, timeout=timeout)
        told = f"{node}: {line}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        assert ran.returncode == 0 or not check, told
        return ran.stdout.strip()

    def python(self, node: str, script: str, *words: str, timeout: float = 60.0) -> str:
        """Run a Python script inside a node, past its network."""
        ran = self.cloud.inside(
            node, "python3", "-c", script, *words, check=False, timeout=timeout
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    @contextlib.contextmanager
    def serving(self, node: str, line: str, ready: str) -> Iterator[str]:
        """Have a program run inside a node for as long as the block lasts.

        Gives the file there with what it says, which is LOG in `ready`.

        Args:
            node: where.
            line: the program, which stays in the foreground.
            ready: a line that succeeds once it serves.
        """
        file = f"/run/serving-{secrets.token_hex(4)}"
        ready = ready.replace("LOG", f"{file}.log")
        began = f"setsid sh -c 'echo $$ >{file}; exec {line}'"
        self.inside(node, f"{began} </dev/null >{file}.log 2>&1 &")
        try:
            until(lambda: self.works(node, ready), 10, f"{node}: {line}")
            yield f"{file}.log"
        finally:
            with contextlib.suppress(NotPossibleError):
                self.inside(node, f"kill $(cat {file})", check=False)

    def works(self, node: str, line: str) -> bool:
        ran = self.cloud.inside(node, "sh", "-c", line, check=False)
        return ran.returncode == 0

    def host(self, node: str) -> Any:
        """Return a node for testinfra: over SSH, the way that the inventory tells."""
        vm = self.place(node)
        if (node, vm) not in self._hosts:
            told = json.loads(self.farmctl("inventory", "--host", node))
            assert told["ansible_host"] == f"vm-{vm}"
            option, file = told["ansible_ssh_common_args"].split()
            assert option == "-F"
            self._hosts[node, vm] = testinfra.get_host(
                f"ssh://{told['ansible_host']}", ssh_config=file
            )
        return self._hosts[node, vm]

    def counters(self, node: str, nic: int = 0) -> dict[str, int]:
        """Return how many frames of a node's NIC the fabric dropped, by reason."""
        told = self.cloud.inside("fabric", "nft", "-j", "list", "counters").stdout
        port = f"one-{self.place(node)}-{nic}."
        found = {}
        for each in json.loads(told)["nftables"]:
            counter = each.get("counter", {})
            if counter.get("name", "").startswith(port):
                found[counter["name"].removeprefix(port)] = counter["packets"]
        return found

    def place(self, node: str) -> int:
        """Return the id of the VM that a node is now."""
        return int(looking.find(self.settings.directory, node).place)

    def booted(self, node: str, *, after: int) -> bool:
        """Say whether a node runs with another init than that one."""
        try:
            return self.cloud.node(node) != after
        except NotPossibleError:
            return False

    def story(self) -> str:
        """Tell what alice's nodes say of themselves, for whoever reads of a failure."""
        told = []
        for line in (
            "squeue -o '%i %T %r %N'; sinfo -N -o '%N %T %E'; scontrol ping",
            "uptime; tail -n 40 /var/log/slurm/slurmctld.log",
        ):
            ran = self.run("ssh", "alice", "head", line)
            told.append(f"$ {line}\n{ran.stdout}{ran.stderr}")
        for node in ("alice-head", "alice-wn-001"):
            with contextlib.suppress(NotPossibleError, OSError):
                log = looking.console(self.settings.directory, node)
                said = log.read_text(errors="replace").splitlines()[-25:]
                told.append("\n".join([f"{node}'s console", *said]))
        return "\n".join(told)

    def slurm(self) -> dict[str, str]:
        """Return what Slurm has of each worker: state, cores, MiB, features."""
        lines = self.inside("alice-head", "sinfo -N -h -o '%N %T %c %m %f'")
        return dict(sorted(line.split(" ", 1) for line in lines.splitlines()))

    def idle(self, *names: str, seconds: float = 90.0) -> None:
        """Wait until those workers, and no others, wait for work."""

        def waiting() -> bool:
            states = {name: told.split()[0] for name, told in self.slurm().items()}
            return states == dict.fromkeys(names, "idle")

        try:
            until(waiting, seconds)
        except TimeoutError:
            raise AssertionError(self.slurm()) from None

    def wait(self, node: str, phase: str, seconds: float = 30.0) -> None:
        """Wait until OpenNebula shows a node so."""
        farm = node.partition("-")[0]
        until(
            lambda: self.status(farm)[node]["phase"] == phase,
            seconds,
            f"{node} {phase}",
        )


def number(text: str, words: str) -> float:
    """Return the number that a text has after some words."""
    found = re.search(rf"{re.escape(words)}\s*([0-9.]+)", text)
    assert found, text
    return float(found[1].rstrip("."))


def numbers(words: Sequence[str]) -> list[int]:
    """Return words as numbers, in order."""
    return sorted(int(word) for word in words)
