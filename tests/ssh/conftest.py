import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from farmctl.model.guests import Guest
from farmctl.model.nodes import Role
from farmctl.ssh import Identity, OpenSsh

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"

CONFIG = """\
ListenAddress {address}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 3:100:3
Subsystem none /bin/false
"""


def key(path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)],
        check=True,
    )
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


class Server:
    """A real sshd on a loopback address: one guest."""

    def __init__(self, folder: Path, address: str, port: int, authorized: str):
        self.folder, self.address, self.port = folder, address, port
        folder.mkdir()
        self.host_key = key(folder / "host")
        (folder / "authorized").write_text(authorized)
        self.process = None

    def start(self):
        (self.folder / "config").write_text(
            CONFIG.format(address=self.address, port=self.port, folder=self.folder)
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [SSHD, "-D", "-f", str(self.folder / "config"), "-E", f"{self.folder}/log"]
        )
        until = time.monotonic() + 10
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        return self

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def new_host_key(self):
        for name in ("host", "host.pub"):
            (self.folder / name).unlink()
        self.host_key = key(self.folder / "host")


class Farm:
    """A router and a head, both of them sshds of this machine."""

    def __init__(self, folder: Path):
        self.folder = folder
        number = os.getpid() % 250 + 1
        self.key_file = folder / "key"
        public = key(self.key_file)
        self.servers = {
            "router": Server(folder / "router", f"127.91.{number}.254", 60022, public),
            "head": Server(folder / "head", f"127.91.{number}.253", 22, public),
        }
        self.said = []
        self.shells = []

    def guest(self, name, **more):
        server = self.servers[name]
        router = name == "router"
        made = Guest(
            vm_id=7 if router else 8,
            name=f"alice-wn-{name}",
            role=Role(name),
            address="172.16.40.254" if router else server.address,
            public_address=server.address if router else "",
            host_key=server.host_key,
        )
        return replace(made, **more)

    def shell(self, *, guests=None, key_file=None):
        made = OpenSsh(
            "alice-wn",
            Identity(key_file=key_file or self.key_file),
            [self.guest("router"), self.guest("head")] if guests is None else guests,
            site="torino",
            environment={
                "XDG_STATE_HOME": str(self.folder / "state"),
                "XDG_RUNTIME_DIR": str(self.folder),
            },
            announce=self.said.append,
        )
        self.shells.append(made)
        return made


@pytest.fixture
def farm(tmp_path_factory):
    if not Path(SSHD).exists():
        pytest.skip("sshd is not installed (apt install openssh-server)")
    if os.geteuid() != 0:
        pytest.skip("sshd of a guest listens on port 22, which takes root")
    made = Farm(tmp_path_factory.mktemp("f"))
    for server in made.servers.values():
        server.start()
    yield made
    for shell in made.shells:
        shell.close()
    for server in made.servers.values():
        server.stop()
