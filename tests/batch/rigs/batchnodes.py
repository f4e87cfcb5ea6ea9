"""Machines for a real batch system on this one: namespaces, a bridge, one hosts file.

Each machine has its own network, process, mount and host name; all die with the test
process (`--kill-child`, a parent death signal), or when they are ended by their pid.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NETWORK = "198.18.7"
HEAD = f"{NETWORK}.254"
WAIT = 30.0

_INIT = """
hostname "$1" && mount --make-rprivate / && mount --bind "$2" /etc/hosts &&
ip link set lo up && exec sleep 100000
"""


def missing(programs: Sequence[str]) -> str:
    """Return why real machines cannot be made here, or nothing."""
    if os.geteuid():
        return "needs root"
    lacking = [
        name
        for name in (*programs, "unshare", "nsenter", "setpriv", "ip")
        if not shutil.which(name)
    ]
    return f"needs {', '.join(lacking)}" if lacking else ""


def until(condition: Callable[[], T], *, what: str, seconds: float = WAIT) -> T:
    """Return what `condition` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come about in {seconds:.0f} s")
        time.sleep(0.1)


class Machine:
    """One of them: `run` and `start` in it, `end` it as a power cut would."""

    def __init__(self, name: str, address: str, hosts: Path) -> None:
        self.name, self.address = name, address
        self._daemons: list[subprocess.Popen] = []
        self.holder = subprocess.Popen([
            "setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "--mount",
            "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _INIT, "sh",
            name, str(hosts),
        ])  # fmt: skip
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        self.pid = until(
            lambda: children.read_text().split(), what=f"the holder of {name}"
        )[0]
        until(self._named, what=f"the host name of {name}")

    def _named(self) -> bool:
        ran = subprocess.run(
            [*self.inside, "sh", "-c", "hostname; ps -o args= -p 1"],
            check=False,
            capture_output=True,
            text=True,
        )
        return ran.stdout.startswith(f"{self.name}\nsleep")

    @property
    def inside(self) -> tuple[str, ...]:
        """What to put before a command that is to run in the machine."""
        return (
            "nsenter", "--target", self.pid, "--net", "--uts", "--mount", "--pid",
            "--wdns=/tmp", "--",
        )  # fmt: skip

    def run(self, *command: str, check: bool = True, **environment: str) -> str:
        """Run a program in the machine and return what it wrote."""
        ran = subprocess.run(
            [*self.inside, *command],
            check=False,
            capture_output=True,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=WAIT,
        )
        if check and ran.returncode:
            raise RuntimeError(f"{command}: {ran.stdout}{ran.stderr}")
        return ran.stdout if not ran.returncode else ran.stdout + ran.stderr

    def start(self, log: Path, *command: str, **environment: str) -> subprocess.Popen:
        """Start a daemon that stays in the foreground."""
        with log.open("ab") as out:
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.inside, *command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._daemons.append(daemon)
        return daemon

    def end(self) -> None:
        """End the machine and all that runs in it, at once."""
        self.holder.kill()
        for each in (self.holder, *self._daemons):
            each.wait()


class Machines:
    """A head and its workers on one bridge, which lives in the head's network."""

    def __init__(self, folder: Path, workers: int, *, pool: str = "wn") -> None:
        self.folder, self.pool = folder, pool
        hosts = folder / "hosts"
        lines = ["127.0.0.1 localhost", f"{HEAD} head"]
        lines += [f"{NETWORK}.{n} {pool}-{n:03d}" for n in range(1, workers + 1)]
        hosts.write_text("\n".join(lines) + "\n")
        self._hosts = hosts
        self.all: list[Machine] = []
        self.head = Machine("head", HEAD, hosts)
        self.all.append(self.head)
        self.head.run(
            "sh", "-c",
            f"ip link add br0 type bridge && ip addr add {HEAD}/24 dev br0 &&"
            " ip link set br0 up",
        )  # fmt: skip

    def worker(self, number: int) -> Machine:
        """Make `POOL-NNN` and plug it in."""
        name, address = f"{self.pool}-{number:03d}", f"{NETWORK}.{number}"
        machine = Machine(name, address, self._hosts)
        self.all.append(machine)
        link = f"v{number}-{len(self.all)}"
        subprocess.run(
            [
                "nsenter", "--target", self.head.pid, "--net", "ip", "link", "add",
                link, "type", "veth", "peer", "name", "eth0", "netns", machine.pid,
            ],
            check=True,
        )  # fmt: skip
        self.head.run("ip", "link", "set", link, "master", "br0", "up")
        machine.run(
            "sh", "-c", f"ip addr add {address}/24 dev eth0 && ip link set eth0 up"
        )
        return machine

    def close(self) -> None:
        """End every machine."""
        for machine in reversed(self.all):
            machine.end()  # a second end of a machine does nothing
