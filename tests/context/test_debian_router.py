"""farmctl-router of the Debian flavour, with the real nft and dnsmasq.

In a network and a mount namespace of its own: what it writes below /etc, /run, /var/lib
and /usr/local is gone with the test.
"""

import os
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from farmctl.context import bundle, debian
from farmctl.model.router import Forwarding

CASE = """
cidr: 172.16.40.0/24
public: {address: 203.0.113.10}
nodes: {vm: 1}
site: {admin: {addresses: [203.0.113.1]}}
farm:
  farm: f
  kind: plain
  router: {image: openwrt, flavour: debian}
  pools: {vm: {image: el9, cpus: 1, memory: 1GiB, count: 1}}
"""
SETUP = """
set -eu
PATH=/usr/local/sbin:$PATH:/usr/sbin:/sbin
mount --make-rprivate /
mount -t tmpfs tmpfs "$layers"
for each in etc run var/lib usr/local; do
    up=$layers/$each.up work=$layers/$each.work
    mkdir -p "$up" "$work"
    mount -t overlay -o "lowerdir=/$each,upperdir=$up,workdir=$work" overlay "/$each"
done
mkdir -p /etc/chrony/conf.d /etc/ssh/sshd_config.d
ip link set lo up
ip link add inner type veth peer name inner-peer
ip link add outer type veth peer name outer-peer
ip link set inner-peer up
ip link set outer-peer up
ip address add 172.16.40.254/24 dev inner
ip address add 203.0.113.10/24 dev outer
ip link set inner up
ip link set outer up
ip route add default via 203.0.113.1
rm -rf /run/systemd /run/farmctl /etc/farmctl
sh "$new/script" boot <"$new/one"
trap 'kill "$(cat /run/farmctl/dnsmasq.pid)"' EXIT
"""


@pytest.fixture
def machine(tmp_path, draw_router):
    """Run a program on a router on which the bundle `one` was put in force at boot."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    for program in ("nft", "dnsmasq", "ip", "unshare", "flock", "sysctl"):
        if shutil.which(program, path=path) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    one = draw_router(yaml.safe_load(CASE))
    two = replace(
        one,
        forwards=(
            Forwarding(
                name="added",
                protocols=("tcp",),
                port=4444,
                address="172.16.40.1",
                to_port=22,
            ),
        ),
    )
    refused = dict(debian.files(two))
    refused["ruleset.nft"] = refused["ruleset.nft"].replace("policy drop", "policy x")
    alien = dict(debian.files(two))
    alien["dnsmasq.conf"] += "no-such-option=1\n"
    new = tmp_path / "new"
    new.mkdir()
    (new / "script").write_text(debian.script())
    (new / "one").write_text(bundle.pack(debian.files(one)))
    (new / "two").write_text(bundle.pack(debian.files(two)))
    (new / "refused").write_text(bundle.pack(refused))
    (new / "alien").write_text(bundle.pack(alien))
    (tmp_path / "layers").mkdir()

    def run(program):
        done = subprocess.run(
            ["unshare", "-m", "-n", "sh", "-c", SETUP + program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": path, "new": str(new), "layers": str(tmp_path / "layers")},
        )
        if "unshare failed" in done.stderr:
            pytest.skip("no namespaces here")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_what_the_context_brings_is_put_in_force(machine):
    said = machine(
        """
        nft list table inet farmctl | grep -c 60022
        grep -c '^define wan = "outer"$' /etc/nftables.conf
        cat /proc/sys/net/ipv4/ip_forward
        cat "/proc/$(cat /run/farmctl/dnsmasq.pid)/comm"
        cat /etc/ssh/sshd_config.d/60-farmctl.conf | grep Port
        ls /etc/chrony/conf.d/farmctl.conf
        farmctl-router status | cut -c 1-10
        """
    )
    assert said[0].startswith("applied ")
    assert said[1:] == [
        "1",
        "1",
        "1",
        "dnsmasq",
        "Port 60022",
        "/etc/chrony/conf.d/farmctl.conf",
        "confirmed ",
    ]


def test_a_change_is_made_in_place_and_the_same_again_changes_nothing(machine):
    said = machine(
        """
        before=$(cat /run/farmctl/dnsmasq.pid)
        farmctl-router apply <"$new/two" | cut -c 1-8
        nft list chain inet farmctl inward | grep -c 'dport 4444'
        [ "$before" = "$(cat /run/farmctl/dnsmasq.pid)" ] && echo "dnsmasq goes on"
        nft list ruleset >/run/before
        farmctl-router apply <"$new/two" | cut -c 1-10
        nft list ruleset | cmp - /run/before && echo same
        farmctl-router boot <"$new/one" | cut -c 1-10
        nft list chain inet farmctl inward | grep -c 'dport 4444'
        """
    )
    assert said[1:] == [
        "applied ",
        "2",
        "dnsmasq goes on",
        "unchanged ",
        "same",
        "unchanged ",
        "2",
    ]


def test_a_context_with_what_came_over_ssh_before_changes_nothing(machine):
    said = machine(
        """
        farmctl-router apply 60 <"$new/two" | cut -c 1-8
        farmctl-router confirm | cut -c 1-10
        before=$(cat /run/farmctl/dnsmasq.pid)
        nft list ruleset >/run/before
        farmctl-router boot <"$new/two" | cut -c 1-10
        farmctl-router boot <"$new/two" | cut -c 1-10
        nft list ruleset | cmp - /run/before && echo same
        [ "$before" = "$(cat /run/farmctl/dnsmasq.pid)" ] && echo "dnsmasq goes on"
        farmctl-router status | cut -c 1-10
        """
    )
    assert said[1:] == [
        "applied ",
        "confirmed ",
        "unchanged ",
        "unchanged ",
        "same",
        "dnsmasq goes on",
        "confirmed ",
    ]


def test_a_change_that_nobody_confirms_is_taken_back(machine):
    said = machine(
        """
        farmctl-router apply 1 <"$new/two" | cut -c 1-8
        farmctl-router status | cut -c 1-8
        farmctl-router apply <"$new/one" 2>&1 || echo refused
        tries=100
        while [ -f /etc/farmctl/router.waiting ] && [ "$tries" -gt 0 ]; do
            sleep 0.05
            tries=$((tries - 1))
        done
        farmctl-router status | cut -c 1-10
        nft list chain inet farmctl inward | grep -c 'dport 4444' || true
        """
    )
    assert said[1:] == [
        "applied ",
        "waiting ",
        "farmctl-router: a change waits to be confirmed: confirm or rollback first",
        "refused",
        "confirmed ",
        "0",
    ]


DIES = """
        mkdir -p /usr/local/sbin
        printf '#!/bin/sh\nkill -9 "$PPID"\n' >/usr/local/sbin/sysctl
        chmod 755 /usr/local/sbin/sysctl
        sh -c 'farmctl-router apply "$1"; exit $?' sh {seconds} <"$new/two" || echo $?
        rm /usr/local/sbin/sysctl
        nft list chain inet farmctl inward | grep -c 'dport 4444'
        farmctl-router status | cut -c 1-10
"""


def test_a_change_that_dies_half_way_is_taken_back_and_cannot_be_confirmed(machine):
    said = machine(
        DIES.format(seconds=1)
        + """
        farmctl-router confirm 2>&1 || echo refused
        tries=100
        while [ -f /etc/farmctl/router.waiting ] && [ "$tries" -gt 0 ]; do
            sleep 0.05
            tries=$((tries - 1))
        done
        farmctl-router status | cut -c 1-10
        nft list chain inet farmctl inward | grep -c 'dport 4444' || true
        """
    )
    assert said[1:] == [
        "137",
        "2",
        "unfinished",
        "farmctl-router: the change was never put in force as a whole",
        "refused",
        "confirmed ",
        "0",
    ]


def test_a_change_that_died_half_way_does_not_outlive_a_reboot(machine):
    said = machine(
        DIES.format(seconds=60)
        + """
        farmctl-router boot <"$new/one" | cut -c 1-10
        farmctl-router status | cut -c 1-10
        nft list chain inet farmctl inward | grep -c 'dport 4444' || true
        """
    )
    assert said[1:] == ["137", "2", "unfinished", "unchanged ", "confirmed ", "0"]


def test_a_confirmed_change_stays_until_it_is_taken_back(machine):
    said = machine(
        """
        farmctl-router apply 1 <"$new/two" | cut -c 1-8
        farmctl-router confirm | cut -c 1-10
        sleep 1.2
        nft list chain inet farmctl inward | grep -c 'dport 4444'
        farmctl-router rollback | cut -c 1-12
        nft list chain inet farmctl inward | grep -c 'dport 4444' || true
        farmctl-router rollback 2>/dev/null || echo refused
        """
    )
    assert said[1:] == [
        "applied ",
        "confirmed ",
        "2",
        "rolled back ",
        "0",
        "refused",
    ]


def test_a_change_that_was_not_confirmed_before_a_reboot_is_taken_back(machine):
    said = machine(
        """
        farmctl-router apply 60 <"$new/two" | cut -c 1-8
        farmctl-router boot <"$new/one" | cut -c 1-10
        nft list chain inet farmctl inward | grep -c 'dport 4444' || true
        """
    )
    assert said[1:] == ["applied ", "unchanged ", "0"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("refused", "nftables refuses the ruleset"),
        ("alien", "dnsmasq refuses its file"),
        ("script", "what came is not base64"),
    ],
)
def test_files_that_a_service_refuses_change_nothing(machine, name, message):
    said = machine(
        f"""
        nft list ruleset >/run/before
        farmctl-router apply <"$new/{name}" >/run/said 2>&1 || echo refused
        tail -n 1 /run/said
        nft list ruleset | cmp - /run/before && echo same
        """
    )
    assert said[1:] == ["refused", f"farmctl-router: {message}", "same"]


def test_a_router_without_a_way_out_is_told_so(machine):
    said = machine(
        """
        ip link del outer
        farmctl-router apply <"$new/two" 2>&1 || echo refused
        """
    )
    assert said[1:] == ["farmctl-router: no interface leads outside", "refused"]
