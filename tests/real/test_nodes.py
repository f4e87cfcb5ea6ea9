"""VMs that are real nodes: what OpenNebula's would do, they do."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from realnodes import Witness, until

from farmctl.embedded import process
from farmctl.embedded.netns import looking
from farmctl.embedded.netns.bounds import Bounds
from farmctl.embedded.settings import Settings
from farmctl.errors import NotPossibleError
from farmctl.testing import free_public_network


def test_a_node_boots_to_ready_through_onegate(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    assert nodes.info(vm).findtext("DEPLOY_ID") == f"one-{vm}"


def test_a_node_has_a_name_processes_and_a_disk_of_its_own(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    assert nodes.inside(vm, "hostname") == "alice"
    assert nodes.inside(vm, "ps", "-p", "1", "-o", "comm=") == "init"
    assert len(nodes.inside(vm, "ps", "ax").splitlines()) < 20
    nodes.inside(vm, "touch", "/etc/was-here")
    other = nodes.started("bob", host="svc-01")
    assert nodes.cloud.inside(
        other, "test", "-e", "/etc/was-here", check=False
    ).returncode
    assert nodes.inside(other, "cat", "/proc/sys/kernel/hostname") != "alice"


def test_a_node_reaches_the_outside_and_the_outside_reaches_it(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    address = nodes.address(vm)
    outside = nodes.cloud.settings.public_network.replace("0/24", "1")
    assert nodes.inside(vm, "curl", "-s", f"http://{outside}/") == f"you are {address}"
    assert nodes.inside(vm, "getent", "hosts", "www.example.net").split()[0] == outside
    nodes.inside("outside", "ping", "-c", "1", "-W", "2", address)


def test_a_node_cannot_harm_the_machines_kernel(nodes):
    vm = nodes.started("alice")
    for whose in ("1", "self"):
        line = nodes.inside(vm, "grep", "CapBnd", f"/proc/{whose}/status")
        rights = int(line.split()[1], 16)
        # CAP_DAC_READ_SEARCH, CAP_LINUX_IMMUTABLE, CAP_SYS_MODULE, CAP_SYS_RAWIO,
        # CAP_SYS_TIME, CAP_MKNOD, CAP_AUDIT_CONTROL, CAP_SYSLOG, CAP_PERFMON, CAP_BPF
        unwanted = (2, 9, 16, 17, 25, 27, 30, 34, 38, 39)
        assert [n for n in unwanted if rights & 1 << n] == []
    mounted = nodes.inside(vm, "grep", "-E", " /proc/sys | /sys ", "/proc/mounts")
    assert [line.split()[3].split(",")[0] for line in mounted.splitlines()] == [
        "ro"
    ] * 2


def test_device_nodes_that_come_with_an_image_or_a_disk_open_nothing(nodes, tmp_path):
    tarball = _small_root(tmp_path, devices=("null",))
    nodes.image(f'NAME="small"\nPATH="{tarball}"')
    vm = nodes.started("alice", image="small")
    place = nodes.cloud.settings.directory / "nodes" / str(vm)
    for name in ("media", "context"):
        os.mknod(place / name / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for path in ("/null", "/media/null", "/context/null"):
        nodes.inside(vm, "test", "-c", path)
        told = nodes.cloud.inside(vm, "cat", path, check=False)
        assert (told.returncode, "denied" in told.stderr) == (1, True), path
    nodes.inside(vm, "cat", "/dev/null")


def test_a_node_has_neither_login_nor_keys_of_whoever_started_the_cloud():
    words = """
import ctypes, os, pathlib
from farmctl.embedded.netns import kernel

call = ctypes.CDLL(None, use_errno=True).syscall
keyctl = kernel._KEYCTL[os.uname().machine]
add_key = {"x86_64": 248, "ppc64le": 269}.get(os.uname().machine, 217)
session, join, read = -3, 1, 11
call(keyctl, join, None)
key = call(add_key, b"user", b"of-the-admin", b"secret", 6, session)
login = pathlib.Path("/proc/self/loginuid")
login.write_text("65533")
print(login.read_text(), call(keyctl, read, key, None, 0))
kernel.forget_login()
print(login.read_text(), call(keyctl, read, key, None, 0))
"""
    ran = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["65533 6", "4294967295 -1"]


def test_what_the_keeper_has_in_its_environment_stays_with_it(nodes_of, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@proxy.example.org:3128/")
    nodes = nodes_of()
    vm = nodes.started("alice")
    nodes.ready(vm)
    script = "#!/bin/sh\nenv > /root/env\nexec /sbin/halt -p\n"
    command = (
        'rm /sbin/poweroff; printf %s "$1" > /sbin/poweroff; chmod 755 /sbin/poweroff'
    )
    nodes.inside(vm, "sh", "-c", command, "sh", script)
    nodes.act(vm, "poweroff", "POWEROFF")
    place = nodes.cloud.settings.directory / "nodes" / str(vm)
    (told,) = place.glob("disk-*/upper/root/env")
    assert "HOME=/" in told.read_text().splitlines()
    assert "secret" not in told.read_text()


def test_a_node_whose_console_cannot_be_kept_fails_to_boot_and_can_be_ended(nodes):
    vm = nodes.started("alice")
    nodes.act(vm, "poweroff-hard", "POWEROFF")
    log = nodes.cloud.settings.directory / "nodes" / str(vm) / "console.log"
    log.unlink()
    log.mkdir()
    nodes("vm.action", "resume", vm)
    until(lambda: "console.log" in nodes.told(vm, "ERROR"))
    log.rmdir()
    nodes.act(vm, "terminate-hard", "DONE")


def test_poweroff_keeps_the_disk_and_resume_boots_it_again(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes.inside(vm, "sh", "-c", "echo kept > /root/note; touch /run/gone")
    first = nodes.cloud.node(vm)
    nodes.act(vm, "poweroff", "POWEROFF")
    with pytest.raises(NotPossibleError, match="No node is called"):
        nodes.cloud.node(vm)
    nodes.act(vm, "resume", "RUNNING")
    assert nodes.cloud.node(vm) != first
    assert nodes.inside(vm, "cat", "/root/note") == "kept"
    assert (
        nodes.cloud.inside(vm, "test", "-e", "/run/gone", check=False).returncode == 1
    )


def test_a_graceful_poweroff_lets_the_guests_processes_say_goodbye(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    waiting = "trap 'touch /root/goodbye; exit' TERM; while :; do sleep 0.1; done"
    missed = ("test", "-e", "/root/goodbye")
    for action, status in (("poweroff-hard", 1), ("poweroff", 0)):
        start = f'setsid sh -c "{waiting}" >/dev/null 2>&1 &'
        nodes.inside(vm, "sh", "-c", start)
        nodes.act(vm, action, "POWEROFF")
        nodes.act(vm, "resume", "RUNNING")
        nodes.ready(vm)
        assert nodes.cloud.inside(vm, *missed, check=False).returncode == status


def test_a_guest_that_powers_off_is_seen_as_powered_off(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes.cloud.inside(vm, "poweroff", check=False)
    nodes.wait(vm, "POWEROFF")


def test_a_guest_that_is_killed_is_seen_as_powered_off(nodes):
    vm = nodes.started("alice")
    os.kill(nodes.cloud.node(vm), signal.SIGKILL)
    nodes.wait(vm, "POWEROFF")


def test_a_guest_that_reboots_is_the_same_node_again(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes.inside(vm, "touch", "/root/note")
    first = nodes.cloud.node(vm)
    nodes.cloud.inside(vm, "reboot", check=False)
    until(lambda: _pid(nodes, vm) not in (0, first))
    nodes.inside(vm, "test", "-e", "/root/note")
    assert nodes.state(vm) == "RUNNING"
    until(lambda: nodes.address(vm) in nodes.inside(vm, "ip", "-br", "addr"))


@pytest.mark.parametrize("action", ["reboot", "reboot-hard"])
def test_reboot_boots_the_node_again_and_it_stays_running(nodes, action):
    vm = nodes.started("alice")
    nodes.ready(vm)
    first = nodes.cloud.node(vm)
    nodes("vm.action", action, vm)
    until(lambda: _pid(nodes, vm) not in (0, first))
    assert nodes.state(vm) == "RUNNING"


@pytest.mark.parametrize("action", ["reboot", "reboot-hard"])
def test_a_node_that_does_not_come_back_from_a_reboot_is_seen_as_powered_off(
    nodes, action
):
    vm = nodes.started("alice")
    nodes.ready(vm)
    place = nodes.cloud.settings.directory / "nodes" / str(vm)
    # What its disk is made of is there no more when it boots again.
    (place / "disk-0").rename(place / "aside")
    nodes("vm.action", action, vm)
    nodes.wait(vm, "POWEROFF")
    (place / "aside").rename(place / "disk-0")
    nodes.act(vm, "resume", "RUNNING")


def test_a_command_that_runs_inside_does_not_keep_a_node_from_rebooting(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    first = nodes.cloud.node(vm)
    stubborn = ("sh", "-c", "trap '' TERM; sleep 60; :")
    seen = looking.find(nodes.cloud.settings.directory, str(vm))
    with subprocess.Popen(looking.entering(seen, stubborn)) as command:
        nodes("vm.action", "reboot", vm)
        until(lambda: _pid(nodes, vm) not in (0, first), 20)
        assert command.wait(5)


@pytest.mark.parametrize(
    ("action", "state"), [("suspend", "SUSPENDED"), ("stop", "STOPPED")]
)
def test_a_node_that_is_saved_stands_still_and_goes_on_after(nodes, action, state):
    vm = nodes.started("alice")
    nodes.ready(vm)
    counting = "i=0; while :; do i=$((i+1)); echo $i > /run/count; sleep 0.05; done"
    nodes.inside(vm, "sh", "-c", f"nohup sh -c '{counting}' >/dev/null 2>&1 &")
    until(lambda: int(nodes.inside(vm, "cat", "/run/count") or 0) > 2)
    nodes.act(vm, action, state)
    frozen = int(nodes.inside(vm, "cat", "/run/count"))
    seen = nodes.cloud.inside(
        "outside",
        "ping",
        "-c",
        "3",
        "-i",
        "0.2",
        "-W",
        "1",
        nodes.address(vm),
        check=False,
    )
    assert seen.returncode == 1
    assert int(nodes.inside(vm, "cat", "/run/count")) == frozen
    nodes.act(vm, "resume", "RUNNING")
    until(lambda: int(nodes.inside(vm, "cat", "/run/count")) > frozen)
    nodes.inside("outside", "ping", "-c", "1", "-W", "2", nodes.address(vm))


def test_terminate_leaves_nothing_of_a_node(nodes):
    vm = nodes.started("alice")
    place = nodes.cloud.settings.directory / "nodes" / str(vm)
    assert place.is_dir()
    pid = nodes.cloud.node(vm)
    nodes.act(vm, "terminate", "DONE")
    until(lambda: not place.exists())
    assert not Path(f"/proc/{pid}").exists()
    assert f"one-{vm}-0" not in nodes.inside("fabric", "ip", "link")


def test_a_disk_goes_back_to_its_snapshot(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes.inside(vm, "sh", "-c", "echo before > /root/note; rm /etc/issue")
    nodes.act(vm, "poweroff", "POWEROFF")
    snapshot = nodes("vm.disksnapshotcreate", vm, 0, "before")
    nodes.wait(vm, "POWEROFF")
    nodes.act(vm, "resume", "RUNNING")
    nodes.inside(vm, "sh", "-c", "echo after > /root/note; touch /etc/issue /root/new")
    nodes.act(vm, "poweroff", "POWEROFF")
    nodes("vm.disksnapshotrevert", vm, 0, snapshot)
    nodes.wait(vm, "POWEROFF")
    nodes.act(vm, "resume", "RUNNING")
    assert nodes.inside(vm, "cat", "/root/note") == "before"
    for gone in ("/etc/issue", "/root/new"):
        assert nodes.cloud.inside(vm, "test", "-e", gone, check=False).returncode == 1


def test_a_changed_context_reaches_a_running_guest(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    text = 'CONTEXT=[NETWORK="YES",TOKEN="YES",REPORT_READY="YES",SET_HOSTNAME="carol"]'
    nodes("vm.updateconf", vm, text, 1)
    until(
        lambda: "SET_HOSTNAME='carol'" in nodes.inside(vm, "cat", "/context/context.sh")
    )
    until(lambda: nodes.inside(vm, "hostname") == "carol")


def test_values_of_the_context_are_quoted_for_the_shell(nodes):
    vm = nodes.vm("alice")
    text = 'CONTEXT=[NOTE="it\'s a \\"$(touch /tmp/x)\\" `id`"]'.replace("$", "\\$")
    nodes("vm.updateconf", vm, text, 1)
    nodes("vm.deploy", vm, nodes.host("svc-00"), False, nodes.store("gluster"), "")
    nodes.wait(vm, "RUNNING")
    note = nodes.inside(vm, "sh", "-c", '. /context/context.sh; printf %s "$NOTE"')
    assert note.replace("\\", "") == 'it\'s a "$(touch /tmp/x)" `id`'


def test_a_nic_comes_and_goes_while_the_node_runs(nodes):
    inner = nodes.network(
        "inner", 'VN_MAD="bridge"\nBRIDGE="br7"\nAR=[TYPE="IP4",IP="10.7.0.1",SIZE="9"]'
    )
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes("vm.attachnic", vm, f'NIC=[NETWORK_ID="{inner}"]')
    nodes.wait(vm, "RUNNING")
    until(lambda: "eth1" in nodes.inside(vm, "ip", "-br", "link"))
    assert "ETH1_IP='10.7.0.1'" in nodes.inside(vm, "cat", "/context/context.sh")
    nodes("vm.detachnic", vm, 1)
    nodes.wait(vm, "RUNNING")
    assert "eth1" not in nodes.inside(vm, "ip", "-br", "link")
    assert "ETH1_IP" not in nodes.inside(vm, "cat", "/context/context.sh")


def test_a_live_migration_keeps_the_process_and_its_connections(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    first = nodes.cloud.node(vm)
    with socket.create_connection((nodes.address(vm), 22), 5) as connection:
        assert connection.recv(4) == b"SSH-"
        nodes("vm.migrate", vm, nodes.host("svc-01"), True, False, -1, 0)
        until(lambda: nodes.place(vm) == "svc-01")
        nodes.wait(vm, "RUNNING")
        connection.sendall(b"SSH-2.0-test\r\n")
        assert connection.recv(1)
    assert nodes.cloud.node(vm) == first


def test_a_cold_migration_boots_from_the_same_disk(nodes):
    vm = nodes.started("alice", host="wrk-00")
    nodes.ready(vm)
    nodes.inside(vm, "touch", "/root/note")
    first = nodes.cloud.node(vm)
    nodes("vm.migrate", vm, nodes.host("wrk-01"), False, False, -1, 1)
    until(lambda: nodes.state(vm) == "RUNNING" and _pid(nodes, vm) not in (0, first))
    nodes.inside(vm, "test", "-e", "/root/note")


def test_a_migration_with_its_memory_saved_goes_on_where_it_was(nodes):
    vm = nodes.started("alice", host="wrk-00")
    nodes.ready(vm)
    nodes.inside(vm, "touch", "/run/note")
    nodes("vm.migrate", vm, nodes.host("wrk-01"), False, False, -1, 0)
    nodes.wait(vm, "RUNNING")
    nodes.inside(vm, "test", "-e", "/run/note")
    assert nodes.place(vm) == "wrk-01"


def test_with_its_hypervisor_a_node_dies_at_once(nodes):
    vm = nodes.started("alice", host="wrk-00")
    other = nodes.started("bob", host="wrk-01")
    pid = nodes.cloud.node(vm)
    nodes.cloud.kill_host("wrk-00")
    until(lambda: not Path(f"/proc/{pid}").exists(), 2)
    nodes.wait(vm, "UNKNOWN")
    assert nodes.state(other) == "RUNNING"
    nodes.cloud.revive_host("wrk-00")
    nodes.wait(vm, "POWEROFF")
    nodes.act(vm, "resume", "RUNNING")
    nodes.ready(vm)


def test_a_vm_of_a_dead_hypervisor_is_made_anew_elsewhere(nodes):
    vm = nodes.started("alice", host="wrk-00")
    nodes.inside(vm, "touch", "/root/note")
    nodes.cloud.kill_host("wrk-00")
    nodes.wait(vm, "UNKNOWN")
    nodes("vm.recover", vm, 4)
    nodes.wait(vm, "RUNNING")
    assert nodes.place(vm) != "wrk-00"
    assert (
        nodes.cloud.inside(vm, "test", "-e", "/root/note", check=False).returncode == 1
    )


def test_a_persistent_image_outlives_its_vm(nodes):
    nodes.image('NAME="home"\nPATH="tree:debian-12"\nPERSISTENT="YES"')
    vm = nodes.started("alice", image="home")
    nodes.inside(vm, "touch", "/root/note")
    nodes.act(vm, "terminate-hard", "DONE")
    again = nodes.started("bob", image="home")
    nodes.inside(again, "test", "-e", "/root/note")


def test_any_tarball_is_an_image_even_without_an_init(nodes, tmp_path):
    tarball = _small_root(tmp_path)
    nodes.image(f'NAME="small"\nPATH="{tarball}"')
    vm = nodes.started("alice", image="small")
    until(
        lambda: nodes.cloud.inside(vm, "cat", "/started", check=False).stdout == "yes\n"
    )
    assert "farmctl" in nodes.inside(vm, "cat", "/proc/1/cmdline")
    nodes.inside(vm, "sh", "-c", "(sleep 0.1; exec sleep 0.1) & exit 0")

    def zombies() -> list[str]:
        stats = nodes.inside(vm, "sh", "-c", "cat /proc/[0-9]*/stat").splitlines()
        return [line for line in stats if line.split()[2] == "Z"]

    until(lambda: "sleep" not in nodes.inside(vm, "ps"))
    assert zombies() == []
    nodes.act(vm, "poweroff", "POWEROFF")


def test_an_image_that_is_not_there_is_refused_or_fails_the_prolog(nodes, tmp_path):
    with pytest.raises(Exception, match="No such file or directory"):
        nodes.image('NAME="none"\nPATH="/nowhere/root.tar.gz"')
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"not a tarball")
    nodes.image(f'NAME="broken"\nPATH="{broken}"')
    vm = nodes.vm("alice", image="broken")
    nodes("vm.deploy", vm, nodes.host("svc-00"), False, nodes.store("gluster"), "")
    until(lambda: nodes.state(vm) == "PROLOG_FAILURE")
    assert "broken.tar.gz" in nodes.told(vm, "ERROR")


def test_a_vm_without_a_disk_does_not_boot(nodes):
    vm = int(nodes("vm.allocate", 'NAME="bare"\nCPU="1"\nMEMORY="64"', True))
    nodes("vm.deploy", vm, nodes.host("svc-00"), False, nodes.store("gluster"), "")
    until(lambda: nodes.state(vm) == "BOOT_FAILURE")
    assert "no disk with an image to boot from" in nodes.told(vm, "ERROR")


def test_faults_strike_real_nodes_as_well(nodes):
    with nodes.cloud.fault("boot", message="no luck", count=1):
        vm = nodes.vm("alice")
        nodes("vm.deploy", vm, nodes.host("svc-00"), False, nodes.store("gluster"), "")
        until(lambda: nodes.state(vm) == "BOOT_FAILURE")
    assert "no luck" in nodes.told(vm, "ERROR")
    nodes("vm.recover", vm, 2)
    nodes.wait(vm, "RUNNING")


def test_nodes_start_side_by_side_without_holding_up_the_server(nodes):
    vms = [nodes.vm(f"n{number}") for number in range(8)]
    stop, slowest = threading.Event(), [0.0]

    def ask() -> None:
        while not stop.is_set():
            begun = time.monotonic()
            nodes("vmpool.info", -2, -1, -1, -1)
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    for number, vm in enumerate(vms):
        nodes(
            "vm.deploy",
            vm,
            nodes.host(f"wrk-0{number % 4}"),
            False,
            nodes.store("lvm"),
            "",
        )
    for vm in vms:
        nodes.ready(vm)
    stop.set()
    asking.join()
    assert slowest[0] < 0.5


@pytest.mark.parametrize("killed", ["none", "server", "keeper", "both"])
def test_nothing_is_left_behind(nodes_of, killed):
    nodes = nodes_of()
    vm = nodes.started("alice")
    nodes.ready(vm)
    inside, keeper = nodes.cloud.node(vm), nodes.cloud.node("fabric")
    witness = Witness(nodes.cloud, inside, keeper, nodes.cloud.node("outside"))
    assert len(witness.spaces) == 12
    assert witness.seen()["processes"] >= {str(inside), str(keeper)}
    assert len(witness.seen()["links"]) == 1
    match killed:
        case "none":
            nodes.cloud.stop()
        case "server":
            os.kill(nodes.cloud.pid, signal.SIGKILL)
        case "keeper":
            os.kill(keeper, signal.SIGKILL)
            nodes.wait(vm, "POWEROFF")
            until(lambda: _pid(nodes, "fabric") not in {0, keeper})
            nodes.act(vm, "resume", "RUNNING")
            nodes.cloud.stop()
        case _:
            os.kill(nodes.cloud.pid, signal.SIGKILL)
            os.kill(keeper, signal.SIGKILL)
    witness.gone()
    nodes.cloud.kill()
    nodes.cloud.start()
    nodes.wait(vm, "POWEROFF")
    nodes.act(vm, "resume", "RUNNING")
    nodes.ready(vm)
    nodes.act(vm, "terminate-hard", "DONE")
    place = nodes.cloud.settings.directory / "nodes" / str(vm)
    until(lambda: not place.exists())
    nodes.cloud.stop()
    witness.gone()


_DEAF = """\
mv /sbin/init /sbin/init.real
printf '%s\\n' '#!/bin/sh' \\
    'exec setpriv --pdeathsig clear sh -c "while :; do sleep 1; done"' >/sbin/init
chmod 755 /sbin/init
"""


@pytest.mark.parametrize("then", ["start", "stop"])
def test_a_node_that_outlives_its_keeper_is_ended_before_another_has_its_disk(
    nodes_of, then
):
    nodes = nodes_of()
    vm = nodes.started("alice")
    nodes.ready(vm)
    nodes.cloud.inside(str(vm), "sh", "-c", _DEAF)
    nodes.act(vm, "poweroff-hard", "POWEROFF")
    nodes.act(vm, "resume", "RUNNING")
    deaf, keeper = nodes.cloud.node(vm), nodes.cloud.node("fabric")
    # Not before setpriv, which names the same script, has done its work.
    until(lambda: Path(f"/proc/{deaf}/cmdline").read_text().startswith("sh\0-c\0while"))
    # It would end its nodes itself if it saw the server go: both die at once.
    os.kill(keeper, signal.SIGSTOP)
    os.kill(nodes.cloud.pid, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{keeper}").exists())
    assert Path(f"/proc/{deaf}").exists(), "then this test proves nothing"
    if then == "start":
        nodes.cloud.kill()
        nodes.cloud.start()
        nodes.wait(vm, "POWEROFF")
    else:
        nodes.cloud.stop()
    until(lambda: not Path(f"/proc/{deaf}").exists(), 2.0)
    nodes.cloud.stop()


def test_a_start_removes_the_disks_of_vms_that_are_gone_and_nothing_else(nodes_of):
    nodes = nodes_of()
    vm = nodes.vm("alice")
    nodes.cloud.stop()
    folder = nodes.cloud.settings.directory / "nodes"
    (folder / "77" / "disk-0").mkdir(parents=True)
    (folder / "notes-of-mine").mkdir()
    nodes.cloud.start()
    until(lambda: not (folder / "77").exists())
    assert (folder / "notes-of-mine").is_dir()
    assert nodes.state(vm) == "HOLD"
    nodes.cloud.stop()


def test_a_step_that_a_kill_cut_short_is_taken_again(nodes_of):
    nodes = nodes_of()
    vm = nodes.vm("alice")
    nodes("vm.deploy", vm, nodes.host("svc-00"), False, nodes.store("gluster"), "")
    nodes.cloud.kill()
    nodes.cloud.start()
    until(lambda: nodes.state(vm) in ("RUNNING", "POWEROFF"))


def test_a_second_cloud_is_refused_the_same_public_network(nodes, tmp_path):
    taken = nodes.cloud.settings.public_network
    settings = Settings.of_nodes(
        directory=tmp_path, port=0, onegate_port=0, public_network=taken
    )
    with pytest.raises(NotPossibleError, match=f"{taken} is on this machine already"):
        process.start(settings)


def test_without_root_it_names_the_other_driver():
    words = (
        "import os, pathlib\n"
        "from farmctl.embedded.netns import needs\n"
        "from farmctl.embedded.settings import Settings\n"
        "os.setuid(65534)\n"
        "needs.fulfil(Settings.of_nodes(directory=pathlib.Path('/tmp')), print)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False
    )
    assert "Real nodes need root" in ran.stderr
    assert "farmctl cloud start --driver dummy" in ran.stderr


def test_public_networks_for_tests_are_free():
    assert free_public_network().startswith("198.")


def _pid(nodes, who) -> int:
    try:
        return nodes.cloud.node(who)
    except NotPossibleError:
        return 0


def _small_root(folder: Path, *, devices: Sequence[str] = ()) -> Path:
    """Make a root file system of busybox alone, without an init."""
    root = folder / "small"
    for name in ("bin", "etc", "proc", "usr/bin"):
        (root / name).mkdir(parents=True)
    busybox = Path("/bin/busybox").resolve()
    linked = subprocess.run(
        ["ldd", busybox], capture_output=True, text=True, check=False
    )
    if "not a dynamic" not in linked.stderr + linked.stdout:
        for line in linked.stdout.splitlines():
            for word in line.split():
                if word.startswith("/"):
                    target = root / word.lstrip("/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(Path(word).read_bytes())
                    target.chmod(0o755)
    (root / "bin/busybox").write_bytes(busybox.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for name in ("sh", "cat", "sleep", "ps", "grep", "test", "touch"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "usr/bin/env").symlink_to("../../bin/busybox")
    script = root / "etc/rc.local"
    script.write_text("#!/bin/sh\necho yes > /started\n")
    script.chmod(0o755)
    tarball = folder / "small.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(root, ".")
        for name in devices:
            node = tarfile.TarInfo(f"./{name}")
            node.type, node.mode = tarfile.CHRTYPE, 0o666
            node.devmajor, node.devminor = 1, 3
            archive.addfile(node)
    return tarball


def test_a_node_is_bounded_where_the_machine_has_cgroups(nodes):
    vm = nodes.started("alice")
    nodes.ready(vm)
    with contextlib.closing(Bounds.of(nodes.cloud.settings.directory)) as bounds:
        given = bounds.bounded
    if not given:
        pytest.skip("this machine gives no cgroups")
    groups = Path(f"/proc/{nodes.cloud.node(vm)}/cgroup").read_text()
    for each in given:
        line = next(
            line
            for line in groups.splitlines()
            if f":{each}:" in line or line.startswith("0::")
        )
        assert line.rpartition("/")[2] == str(vm)
    # What comes of its init is in the same group, whatever it does.
    shown = nodes.inside(vm, "cat", "/proc/1/cgroup")
    assert f"/{vm}" in shown
