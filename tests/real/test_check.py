"""`farmctl check` on real nodes: green where a farm is in order, red where it is not.

Each fault is made by hand, behind farmctl's back, and taken away again.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from farmctl import ssh
from farmctl.cloud import opennebula
from farmctl.context import bundle
from farmctl.errors import UnreachableError
from farmctl.model.guests import guests
from farmctl.model.nodes import Role

SITE = """\
site: lab
domain: farm.example.org
hypervisors:
  service: {{requires: 'FARM_CLASS="service"', system_datastore: gluster}}
  worker: {{requires: 'FARM_CLASS="worker"', system_datastore: lvm}}
networks:
  farms: {{supernet: 172.21.0.0/16, driver: bridge}}
  public: {{name: public}}
images: {{debian: debian-12}}
admin:
  addresses: ["{admin}/32"]
  ssh_keys: ["{key}"]
login: {{user: root, key_file: key}}
"""
FARM = """\
farm: alice
kind: plain
router:
  image: debian
  flavour: debian
  forwards:
    - {name: ssh, port: 2222, to: wn-001, to_port: 22}
    - {name: web, port: 8080, to: wn-002, to_port: 22, from: [192.0.2.0/24]}
pools:
  wn: {image: debian, cpus: 1, memory: 256MiB, disk: 2GiB, count: 3}
"""
OTHER = """\
farm: bob
kind: plain
router: {image: debian, flavour: debian}
pools:
  wn: {image: debian, cpus: 1, memory: 256MiB, disk: 2GiB, count: 1}
"""


class Lab:
    """Two farms of real nodes, and `farmctl` as an admin beside them has it."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.net = cloud.settings.public_network.removesuffix("0/24")
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"],
            check=True,
        )
        self.site(f"{self.net}2")
        (folder / "alice.yaml").write_text(FARM)
        (folder / "bob.yaml").write_text(OTHER)

    def site(self, admin):
        key = (self.folder / "key.pub").read_text().strip()
        (self.folder / "site.yaml").write_text(SITE.format(admin=admin, key=key))

    def farmctl(self, *arguments, check=True):
        ran = subprocess.run(
            [sys.executable, "-m", "farmctl", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "ONE_XMLRPC": self.cloud.endpoint,
                "ONE_AUTH": str(self.cloud.auth_file),
                "XDG_STATE_HOME": str(self.folder / "state"),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check:
            assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def check(self, *only):
        """Probe alice; return status and `verdict message` by probe and subject."""
        ran = self.farmctl(
            "check",
            "alice",
            "--json",
            "--outside-name",
            "outside.example.net",
            "--echo",
            f"http://{self.net}1/",
            *(word for each in only for word in ("--only", each)),
            check=False,
        )
        found = {}
        for each in json.loads(ran.stdout)["findings"]:
            key = (each["probe"], each["subject"] or "")
            found.setdefault(key, []).append(f"{each['verdict']}: {each['message']}")
        return ran.returncode, found

    def inside(self, node, *words, check=True):
        return self.cloud.inside(node, *words, check=check).stdout.strip()

    def vm(self, name):
        """Return the VM's id of a node."""
        farm = name.partition("-")[0]
        shown = json.loads(self.farmctl("status", farm, "--json").stdout)
        nodes = shown["farms"][0]["nodes"]
        return next(each["vm_id"] for each in nodes if each["name"] == name)

    def bridge(self, port):
        """Return the bridge that a port is plugged into."""
        said = self.inside("fabric", "ip", "-o", "link", "show", port).split()
        return said[said.index("master") + 1]

    @contextlib.contextmanager
    def shell(self):
        """Give a way into alice's nodes, its router, and the files that it carries."""
        cloud = opennebula.connect(
            self.cloud.endpoint, str(self.cloud.auth_file), patience=3.0
        )
        view = cloud.look().farm("alice")
        cloud.close()
        nodes = guests(view)
        router = next(each for each in nodes if each.role is Role.ROUTER)
        files = next(vm.router_files for vm in view.vms if vm.id == router.vm_id)
        with ssh.OpenSsh(
            "alice",
            ssh.Identity(key_file=self.folder / "key"),
            nodes,
            site="lab",
            environment={"XDG_STATE_HOME": str(self.folder / "state")},
            announce=print,
        ) as made:
            yield made, router, files

    @contextlib.contextmanager
    def spoiled(self, node, spoil, mend):
        self.inside(node, "sh", "-c", spoil)
        try:
            yield
        finally:
            self.inside(node, "sh", "-c", mend)


@pytest.fixture(scope="module")
def lab(opennebula_with, tmp_path_factory):
    cloud = opennebula_with(driver="netns")
    made = Lab(cloud, tmp_path_factory.mktemp("lab"))
    made.farmctl("apply", "--yes", "alice.yaml", "bob.yaml")
    yield made
    cloud.stop()


def verdicts(found, probe):
    return {
        text.partition(":")[0]
        for (name, _), texts in found.items()
        if name == probe
        for text in texts
    }


def test_a_farm_in_order_has_no_fault(lab):
    status, found = lab.check()
    assert status == 0, found
    for probe in (
        "plan",
        "ready",
        "ports",
        "login",
        "address",
        "names",
        "outward",
        "time",
        "isolation",
        "spoofing",
        "strangers",
    ):
        assert verdicts(found, probe) == {"good"}, probe
    assert found["ports", "8080"][0].endswith(
        f"closed to {lab.net}2, as its `from` says"
    )
    assert found["login", "wn-001"] == ["good: lets us in, known by its host key"]
    assert found["outward", "wn-002"][0].startswith("good: is seen outside as ")
    # A container shows its hypervisor's cores: that is not called good.
    assert verdicts(found, "size") == {"not_checked"}
    left = lab.inside("alice-router", "sh", "-c", "ls /tmp; ip netns list")
    assert left == ""


def test_a_dead_dnsmasq_is_found(lab):
    conf = "/etc/farmctl/router/dnsmasq.conf"
    with lab.spoiled(
        "alice-router",
        "kill $(cat /run/farmctl/dnsmasq.pid)",
        f"dnsmasq -C {conf} -x /run/farmctl/dnsmasq.pid",
    ):
        status, found = lab.check("router", "address", "names", "strangers")
    assert status == 1
    assert "dnsmasq does not run" in found["router", "services"][0]
    assert "DHCP offers it nothing" in found["address", "wn-001"][0]
    assert verdicts(found, "names") == {"fault"}
    # That strangers got nothing proves nothing now.
    assert verdicts(found, "strangers") == {"not_checked"}


def test_a_firewall_changed_by_hand_is_found(lab):
    with lab.spoiled(
        "alice-router",
        "nft insert rule inet farmctl input tcp dport 60022 accept",
        "nft -f /run/farmctl/ruleset.nft",
    ):
        status, found = lab.check("router")
    assert status == 1
    assert "its firewall is not that of its files" in found["router", "services"][0]
    assert found["router", "60022"] == ["fault: answers wn-001, from inside the farm"]


def test_files_changed_by_hand_are_found(lab):
    live = "/etc/farmctl/router"
    with lab.spoiled(
        "alice-router",
        f"cp {live}/hosts /root/hosts; echo 172.21.0.9 intruder >>{live}/hosts",
        f"cp /root/hosts {live}/hosts",
    ):
        status, found = lab.check("router")
    assert status == 1
    assert found["router", "files"][0].startswith("fault: it has files ")


def test_a_service_that_does_not_listen_is_told_from_a_shut_port(lab):
    with lab.spoiled("alice-wn-001", "service ssh stop", "service ssh start"):
        status, found = lab.check("ports", "login", "names")
    assert status == 1
    assert found["ports", "2222"] == [
        "fault: ssh, to wn-001:22: the way is open, and nothing listens at its end"
    ]
    assert found["login", "wn-001"][0].startswith("fault: ")
    assert found["names", "wn-001"][0].startswith("not_checked: ")
    assert found["names", "wn-002"][0].startswith("good: ")


def test_a_node_that_asks_another_name_server_is_found(lab):
    with lab.spoiled(
        "alice-wn-002",
        "cp /etc/resolv.conf /root; echo nameserver 192.0.2.1 >/etc/resolv.conf",
        "cat /root/resolv.conf >/etc/resolv.conf",
    ):
        status, found = lab.check("names")
    assert status == 1
    assert "/etc/resolv.conf asks 192.0.2.1" in found["names", "wn-002"][0]
    assert found["names", "wn-001"][0].startswith("good: ")


def test_frames_that_nobody_filters_are_found(lab):
    # The chain of a port's outgoing frames is named by VM and interface.
    rules = lab.inside("fabric", "nft", "list", "table", "bridge", "farmctl")
    ids = [lab.vm(f"alice-wn-00{number}") for number in (1, 2, 3)]
    chains = [f"p_one_{number}_0_out" for number in ids]
    assert all(f"chain {each} " in rules for each in chains)
    open_up = "; ".join(
        f"nft insert rule bridge farmctl {each} accept" for each in chains
    )
    shut = "; ".join(
        f"nft delete rule bridge farmctl {each} handle "
        f"$(nft -a list chain bridge farmctl {each} | "
        "sed -n 's/^[[:space:]]*accept # handle //p' | head -n 1)"
        for each in chains
    )
    with lab.spoiled("fabric", open_up, shut):
        status, found = lab.check("spoofing")
    assert status == 1
    assert verdicts(found, "spoofing") == {"fault"}
    assert "with a foreign MAC" in found["spoofing", "wn-001 to wn-002"][0]
    status, found = lab.check("spoofing")
    assert (status, verdicts(found, "spoofing")) == (0, {"good"})


def test_two_farms_on_one_wire_are_found(lab):
    # Bob's worker is plugged into the bridge of Alice's.
    mine, other = (f"one-{lab.vm(name)}-0" for name in ("alice-wn-001", "bob-wn-001"))
    own = lab.bridge(other)
    with lab.spoiled(
        "fabric",
        f"ip link set {other} master {lab.bridge(mine)}",
        f"ip link set {other} master {own}",
    ):
        status, found = lab.check("isolation")
    assert status == 1
    reached = " ".join(text for texts in found.values() for text in texts)
    assert "reaches bob-" in reached
    assert "on the same wire" in reached


def test_a_node_is_logged_in_to_by_its_short_name(lab):
    ran = lab.farmctl("ssh", "alice", "wn-002", "echo $(hostname); exit 7", check=False)
    assert (ran.returncode, ran.stdout) == (7, "alice-wn-002\n")
    ran = lab.farmctl("ssh", "alice", "router", "printf", "%s", "a b  c")
    assert ran.stdout == "a b  c"


def test_a_forward_changes_in_place_and_at_once(lab):
    (lab.folder / "alice.yaml").write_text(FARM.replace("2222", "2223"))
    try:
        before = lab.cloud.node("alice-router")
        with lab.shell() as (_, router, _):
            address = router.public_address
        with socket.create_connection((address, 2222), 5) as kept:
            assert kept.recv(200).startswith(b"SSH-")
            began = time.monotonic()
            lab.farmctl("apply", "--yes", "alice.yaml")
            took = time.monotonic() - began
            assert lives(kept)
        assert lab.cloud.node("alice-router") == before
        assert took < 20  # with the start of Python and two looks, on a busy machine
        status, found = lab.check("ports", "router", "plan")
        assert status == 0, found
        assert found["ports", "2223"] == ["good: ssh, to wn-001:22: answers"]
        assert ("ports", "2222") not in found
    finally:
        (lab.folder / "alice.yaml").write_text(FARM)
        lab.farmctl("apply", "--yes", "alice.yaml")


def test_a_change_that_locks_us_out_is_taken_back(lab):
    with lab.shell() as (shell, router, files):
        changed = bundle.unpack(files)
        ruleset = changed["ruleset.nft"].replace(f"{lab.net}2", "192.0.2.9")
        assert ruleset != changed["ruleset.nft"]
        before = lab.inside("alice-router", "farmctl-router", "status")
        with pytest.raises(UnreachableError) as caught:
            ssh.change_router(
                shell,
                router,
                bundle.pack({**changed, "ruleset.nft": ruleset}),
                command="/usr/local/sbin/farmctl-router",
                script="farmctl-router",
                seconds=8,
            )
        assert "did not let us in again" in caught.value.message
        assert "it answers again, with the files that" in caught.value.message
        assert lab.inside("alice-router", "farmctl-router", "status") == before
    status, found = lab.check("router", "login", "ports")
    assert status == 0, found


def test_a_connection_outlives_the_change_of_its_own_forward(lab):
    with lab.shell() as (shell, router, files):
        changed = bundle.unpack(files)
        for name, text in changed.items():
            if name == "ruleset.nft":
                changed[name] = text.replace("dport 2222", "dport 2233")
        address = router.public_address
        with socket.create_connection((address, 2222), 5) as kept:
            assert kept.recv(200).startswith(b"SSH-")
            began = time.monotonic()
            assert change(shell, router, bundle.pack(changed))
            took = time.monotonic() - began
            assert lives(kept)
        with pytest.raises(TimeoutError):
            socket.create_connection((address, 2222), 1)
        assert change(shell, router, files)
        assert change(shell, router, files) is False
    assert took < 3


def lives(connection):
    """Whether sshd at the other end goes on with its key exchange."""
    connection.settimeout(5)
    connection.sendall(b"SSH-2.0-test\r\n")
    return len(connection.recv(2000)) > 100


def change(shell, router, files):
    return ssh.change_router(
        shell,
        router,
        files,
        command="/usr/local/sbin/farmctl-router",
        script="farmctl-router",
    )
