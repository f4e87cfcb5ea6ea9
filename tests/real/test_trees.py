"""Image trees built, unpacked and booted for real: root only.

The trees of the recipes go to the usual cache, which keeps them for the next run; what
fails or is killed goes to a cache of the test's own.
"""

import base64
import io
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from farmctl.embedded import trees
from farmctl.embedded.trees import debian, store
from farmctl.embedded.trees.contained import Runner, StepFailedError
from farmctl.errors import NotPossibleError

PROGRAMS = ("debootstrap", "unshare", "setpriv", "nsenter", "ip", "ssh-keygen")
BUILD = """
import pathlib, sys
from farmctl.embedded import trees
from farmctl.errors import NotPossibleError
try:
    print(trees.tree(sys.argv[1], cache=pathlib.Path(sys.argv[2]), say=print))
except NotPossibleError as error:
    print(error)
"""
BOOT = r"""
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$node/up,workdir=$node/work" \
    "$node/root"
cd "$node/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run -o mode=755
mount -t tmpfs tmpfs dev -o mode=755
mkdir dev/pts dev/shm context old
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620,gid=5
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for each in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${each%:*}" c 1 "${each#*:}"
done
mkfifo dev/console
mount --bind "$node/context" context
mount -o remount,bind,ro context
ip link add eth0 type veth peer name other
ip link set eth0 address 02:00:c6:12:03:0a
pivot_root . old
umount -l /old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec env -i "PATH=$PATH" container=farmctl /sbin/init <>/dev/console
"""


@pytest.fixture(autouse=True)
def _root():
    if os.geteuid() != 0:
        pytest.skip("image trees are made by root only")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    for program in PROGRAMS:
        if shutil.which(program, path=path) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def base():
    return trees.tree("tree:debian-12", cache=trees.usual_cache(), say=print)


@pytest.fixture(scope="module")
def batch():
    return trees.tree("tree:debian-batch-12", cache=trees.usual_cache(), say=print)


def run(*command, **given):
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, **given
    )


def packed(path, *members):
    """A tarball of (name, kind, content or target)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return path


SHELL = ("bin/sh", tarfile.REGTYPE, b"#!/bin/false\n")


def test_a_tree_names_no_machine_and_holds_no_secret(batch):
    for gone in (
        "etc/machine-id",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/munge/munge.key",
        "usr/sbin/policy-rc.d",
        "debootstrap",
        "usr/share/doc/bash",
        "usr/share/man/man1",
    ):
        assert not (batch / gone).exists(), gone
    assert list((batch / "etc/ssh").glob("ssh_host_*")) == []
    assert list((batch / "var/cache/apt").rglob("*.deb")) == []
    assert list((batch / "var/lib/apt/lists").glob("*_*")) == []
    shadow = (batch / "etc/shadow").read_text()
    assert shadow.startswith("root:*:")


def test_services_that_wait_are_installed_and_not_started(batch):
    links = {link.name[3:] for link in batch.glob("etc/rc[2S].d/S*")}
    assert {"ssh", "farmctl-context", "farmctl-watch", "farmctl-node"} <= links
    for waits in ("munge", "slurmctld", "slurmd", "chrony", "nftables"):
        assert (batch / "etc/init.d" / waits).exists()
        assert waits not in links


def test_asking_again_is_quick_and_builds_nothing(base):
    said = []
    began = time.monotonic()
    again = trees.tree("tree:debian-12", cache=trees.usual_cache(), say=said.append)
    assert (again, said) == (base, [])
    assert time.monotonic() - began < 1


def test_a_node_boots_takes_its_context_and_powers_off(base, tmp_path):
    for folder in ("up", "work", "root", "context"):
        (tmp_path / folder).mkdir()
    start = base64.b64encode(b"id -un >/start-script-ran\n").decode()
    (tmp_path / "context/context.sh").write_text(
        "ETH0_MAC='02:00:c6:12:03:0a'\nETH0_IP='198.18.3.10'\n"
        "ETH0_MASK='255.255.255.0'\nSET_HOSTNAME='wn-1'\n"
        f"START_SCRIPT_BASE64='{start}'\n"
    )
    host = platform.node()
    up = tmp_path / "up"
    with subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--uts"),
            *("--ipc", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", BOOT),
        ],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "tree": str(base),
            "node": str(tmp_path),
        },
    ) as node:
        try:
            until((up / "start-script-ran").is_file, node)
            (init,) = (
                Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
            )
            inside = ("nsenter", "-t", init, "-a")
            until(lambda: "running" in run(*inside, "service", "ssh", "status").stdout)
            shown = run(*inside, "ip", "-br", "address", "show", "eth0").stdout
            assert "198.18.3.10/24" in shown
            assert run(*inside, "hostname").stdout == "wn-1\n"
            assert run(*inside, "getent", "hosts", "wn-1").stdout.split() == [
                "198.18.3.10",
                "wn-1",
            ]
            assert platform.node() == host
            used = cpu_seconds(init)
            assert used < 1.5, f"{used} s of CPU from init to sshd"
            began = time.monotonic()
            run(*inside, "poweroff")
            # reboot(2) in a PID namespace ends its init with SIGINT.
            assert node.wait(20) in (-signal.SIGINT, 128 + signal.SIGINT)
            assert time.monotonic() - began < 5
        finally:
            node.kill()
    assert (up / "etc/ssh/ssh_host_ed25519_key.pub").is_file()


def cpu_seconds(init):
    """What init and all that it reaped took."""
    fields = Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def until(holds, process=None):
    end = time.monotonic() + 30
    while not holds():
        assert process is None or process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_build_leaves_nothing_that_runs_or_counts(tmp_path):
    recipe = tmp_path / "mine"
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text("extends: debian-12\n")
    # Long enough to be killed in, and easy to find.
    (recipe / "finish.sh").write_text("sleep 3607\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    for tree in trees.usual_cache().glob("debian-12-*"):
        (cache / tree.name).symlink_to(tree)
    mounts = Path("/proc/self/mounts").read_text()
    with subprocess.Popen(
        [sys.executable, "-u", "-c", BUILD, f"tree:{recipe}", str(cache)],
        stdout=subprocess.PIPE,
        text=True,
    ) as build:
        for line in build.stdout:
            if "finish.sh" in line:
                break
        until(lambda: run("pgrep", "-f", "^sleep 3607$").stdout)
        build.kill()
    until(lambda: not run("pgrep", "-f", "^sleep 3607$").stdout)
    assert Path("/proc/self/mounts").read_text() == mounts
    assert len(list(cache.glob(".building-mine-*"))) == 1
    assert [path for path in cache.glob("mine-*") if path.is_dir()] == []
    key = (
        next(cache.glob(".building-mine-*"))
        .name[len(".building-") :]
        .rpartition("-")[0]
    )
    with store.locked(cache, key, print), store.building(cache, key):
        assert [path.name for path in cache.glob(".building-*")] == [
            f".building-{key}-{os.getpid()}"
        ]
    assert list(cache.glob(".building-*")) == []


def test_a_build_cannot_write_to_the_machine(tmp_path):
    said = []
    folder = tmp_path / "build"
    folder.mkdir()
    with (tmp_path / "lock").open("w") as lock:
        runner = Runner(log=tmp_path / "log", folder=folder, lock=lock.fileno())
        runner.run(
            'for each in "$1" /etc /usr /var/lib/dpkg /var/lib/apt "$HOME"; do '
            'if touch "$each/.farmctl-test"; then echo "wrote $each"; fi; done',
            folder,
            heard=said.append,
        )
    assert [line for line in said if line.startswith("wrote")] == [f"wrote {folder}"]


def test_apt_installs_nothing_unless_it_acts_on_the_tree(tmp_path):
    folder = tmp_path / "build"
    (folder / "tree").mkdir(parents=True)
    (folder / "apt.conf").write_text("")  # the machine's own configuration
    with (tmp_path / "lock").open("w") as lock:
        runner = Runner(log=tmp_path / "log", folder=folder, lock=lock.fileno())
        with pytest.raises(StepFailedError) as caught:
            runner.run(debian.INSTALL, folder / "tree", folder / "apt.conf", "hello")
    assert caught.value.lines[-1].startswith("apt does not take its configuration")


def test_a_build_that_fails_tells_its_log_and_leaves_nothing(tmp_path):
    recipe = tmp_path / "mine"
    (recipe / "files/etc").mkdir(parents=True)
    (recipe / "files/etc/mine").write_text("x")
    (recipe / "recipe.yaml").write_text("extends: debian-12\ndisabled: [no-such]\n")
    with pytest.raises(NotPossibleError, match="no service no-such") as caught:
        trees.tree(f"tree:{recipe}", cache=trees.usual_cache(), say=print)
    assert "The whole log: " in caught.value.message
    assert list(trees.usual_cache().glob(".building-mine-*")) == []


def test_without_a_network_the_mirror_is_said_not_to_answer(tmp_path):
    done = run(
        *("unshare", "--net", sys.executable, "-c", BUILD),
        *("tree:debian-12", str(tmp_path)),
    )
    assert "cannot be made: a package mirror does not answer." in done.stdout
    assert "root file system tarball" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_disk_that_fills_up_leaves_no_half_tree(tmp_path):
    big = packed(tmp_path / "big.tar.gz", ("zeros", tarfile.REGTYPE, bytes(90 << 20)))
    script = (
        'mount -t tmpfs -o size=64m tmpfs "$2" && "$3" -c "$4" "$1" "$2" && ls "$2"'
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    done = run(
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "x"),
        *(str(big), str(cache), sys.executable, BUILD),
    )
    assert f"the disk of {cache} is full" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(".log")


def test_a_tarball_keeps_owners_devices_and_links(tmp_path):
    source = tmp_path / "source"
    (source / "sbin").mkdir(parents=True)
    shutil.copy("/bin/true", source / "sbin/init")
    (source / "bin").symlink_to("/sbin")
    os.mknod(source / "null", 0o666 | 0o020000, os.makedev(1, 3))
    (source / "owned").write_text("")
    os.chown(source / "owned", 1234, 5678)
    (source / "owned").chmod(0o4755)
    cache = tmp_path / "cache"
    for suffix, flag in ((".tar", ""), (".tar.gz", "-z"), (".tar.xz", "-J")):
        file = tmp_path / f"root{suffix}"
        run("tar", "-C", str(source), "-c", *([flag] if flag else []), "-f", file, ".")
        tree = trees.tree(str(file), cache=cache, say=print)
        assert (tree / "owned").stat().st_uid == 1234
        assert (tree / "owned").stat().st_mode & 0o7777 == 0o4755
        assert os.major((tree / "null").stat().st_rdev) == 1
        assert str((tree / "bin").readlink()) == "/sbin"
    assert tree.name.startswith("root-")


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", tarfile.REGTYPE, b"x")],
        [("/tmp/farmctl-escaped", tarfile.REGTYPE, b"x")],
        [("a", tarfile.SYMTYPE, "/tmp"), ("a/escaped", tarfile.REGTYPE, b"x")],
        [("a", tarfile.SYMTYPE, "../.."), ("a/escaped", tarfile.REGTYPE, b"x")],
        [("a", tarfile.LNKTYPE, "/etc/shadow")],
        [("a", tarfile.LNKTYPE, "../../../../../../../../etc/shadow")],
    ],
    ids=["dots", "absolute", "link", "link-up", "hard-link", "hard-link-up"],
)
def test_nothing_of_a_hostile_tarball_leaves_the_tree(tmp_path, members):
    file = packed(tmp_path / "hostile.tar.gz", SHELL, *members)
    cache = tmp_path / "cache"
    before = Path("/etc/shadow").stat().st_nlink
    try:
        trees.tree(str(file), cache=cache, say=print)
    except NotPossibleError as error:
        assert "unpacking failed" in error.message  # noqa: PT017 - either will do
    outside = [
        path
        for path in (*tmp_path.rglob("*escaped*"), *Path("/tmp").glob("*escaped*"))
        if not path.is_relative_to(cache / "tree") and "hostile-" not in str(path)
    ]
    assert outside == []
    assert Path("/etc/shadow").stat().st_nlink == before
    assert list(cache.glob(".building-*")) == []


def test_a_damaged_tarball_is_refused_whole(tmp_path):
    file = packed(
        tmp_path / "a.tar.gz", SHELL, ("b", tarfile.REGTYPE, os.urandom(9999))
    )
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(NotPossibleError, match="unpacking failed") as caught:
        trees.tree(str(file), cache=tmp_path / "cache", say=print)
    assert "fetch it again" in caught.value.hint
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_a_tarball_that_no_node_can_boot_is_told(tmp_path):
    wrong = b"\x7fELF\x02\x01" + bytes(12) + b"\x16\x00" + bytes(40)
    file = packed(tmp_path / "s390.tar.gz", ("sbin/init", tarfile.REGTYPE, wrong))
    with pytest.raises(NotPossibleError, match="is made for s390x"):
        trees.tree(str(file), cache=tmp_path / "cache", say=print)
    file = packed(tmp_path / "none.tar.gz", ("readme", tarfile.REGTYPE, b""))
    with pytest.raises(NotPossibleError, match="holds no root file system"):
        trees.tree(str(file), cache=tmp_path / "cache", say=print)
    name, kind, content = SHELL
    file = packed(tmp_path / "deep.tar.gz", (f"rootfs/{name}", kind, content))
    with pytest.raises(NotPossibleError) as caught:
        trees.tree(str(file), cache=tmp_path / "cache", say=print)
    assert caught.value.hint == (
        "Its files are in 'rootfs': pack them from inside that folder."
    )
