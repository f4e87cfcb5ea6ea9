"""A root file system of OpenWrt's layout, made of busybox, boots and contextualises.

Its scripts run as OpenWrt runs them, in the order of their START; those that count are
the ones of the image recipe. uci and the network script are as little as these need.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from realnodes import until

from farmctl import assets
from farmctl.context import bundle
from farmctl.errors import NotPossibleError

UCI = Path(__file__).parents[1] / "context/rigs/uci.sh"
PROGRAMS = ("curl", "flock")
"""What is taken from this machine beside busybox."""

INITTAB = """\
::sysinit:/etc/init.d/rcS
::shutdown:/bin/touch /said-goodbye
"""
RCS = """\
#!/bin/sh
mount -t tmpfs tmpfs /tmp
for script in /etc/rc.d/S*; do "$script" boot; done
"""
# As much of rc.common and procd as the image's scripts use.
RC_COMMON = """\
#!/bin/sh
initscript=$1 action=$2
boot() { start; }
start() { start_service; }
reload() { start; }
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() {
    [ "$1" != command ] || { shift; setsid "$@" </dev/null >>/log 2>&1 & }
}
. "$initscript"
"$action"
"""
# OpenWrt's has this START as well, which is before the context's.
SYSTEM = """\
#!/bin/sh /etc/rc.common
START=10
start() {
    uci -c /etc/config get system.system.hostname >/proc/sys/kernel/hostname
}
"""
NETWORK = """\
#!/bin/sh /etc/rc.common
START=20
start() {
    ip link set lo up
    for zone in wan lan; do
        device=$(uci -c /etc/config get "network.$zone.device")
        ip link set "$device" up
        ip addr add "$(uci -c /etc/config get "network.$zone.ipaddr")/24" dev "$device"
    done
    ip route add default via "$(uci -c /etc/config get network.wan.gateway)"
}
"""
AT_LAST = """\
#!/bin/sh /etc/rc.common
START=98
start() {
    echo boot >>/boots
    mount -o remount,ro /tmp 2>/dev/null && echo remounted || echo refused >/remount
}
"""
FILES = {
    "network": """\
config device 'device_wan'
\toption name 'eth0'
config interface 'wan'
\toption device 'eth0'
\toption proto 'none'
config device 'device_lan'
\toption name 'eth1'
config interface 'lan'
\toption device 'eth1'
\toption ipaddr '172.16.40.254'
""",
    "system": "config system 'system'\n\toption hostname 'ow-router'\n",
}
CONTEXT = (
    'CONTEXT=[NETWORK="YES",TOKEN="YES",REPORT_READY="YES",'
    'SSH_PUBLIC_KEY="ssh-ed25519 AAAA ann",FARMCTL_ROUTER_BASE64="{files}"]'
)


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    """Make the tarball; it is the same for all tests."""
    missing = [name for name in (*PROGRAMS, "busybox") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed")
    root = tmp_path_factory.mktemp("openwrt") / "root"
    shutil.copytree(assets.path("templates", "router", "openwrt", "files"), root)
    for name in ("bin", "sbin", "usr/bin", "etc/config", "etc/rc.d", "tmp", "proc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("busybox", *PROGRAMS):
        take(shutil.which(name), root)
    applets = subprocess.run(
        ["busybox", "--list-full"], capture_output=True, text=True, check=True
    )
    for applet in applets.stdout.split():
        if not (root / applet).exists() and not (root / applet).is_symlink():
            (root / applet).parent.mkdir(parents=True, exist_ok=True)
            (root / applet).symlink_to("/usr/bin/busybox")
    for name in ("ash", "sh"):
        (root / "bin" / name).unlink(missing_ok=True)
        (root / "bin" / name).symlink_to("/usr/bin/busybox")
    (root / "sbin/init").unlink(missing_ok=True)
    (root / "sbin/init").symlink_to("/usr/bin/busybox")
    for name, text in {
        "etc/inittab": INITTAB,
        "etc/rc.common": RC_COMMON,
        "etc/init.d/rcS": RCS,
        "etc/init.d/system": SYSTEM,
        "etc/init.d/network": NETWORK,
        "etc/init.d/at-last": AT_LAST,
        "usr/bin/uci": UCI.read_text(),
        "etc/config/system": "config system 'system'\n\toption hostname 'OpenWrt'\n",
        "etc/shadow": "root::0:0:99999:7:::\n",
    }.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    for script in (root / "etc/init.d").iterdir():
        for line in script.read_text().splitlines():
            if line.startswith("START="):
                link = root / f"etc/rc.d/S{line.removeprefix('START=')}{script.name}"
                link.symlink_to(f"../init.d/{script.name}")
    # The same each time, so that the cache of trees keeps one only.
    made = root.with_name("openwrt-rootfs.tar")
    with tarfile.open(made, "w") as archive:
        archive.add(root, ".", filter=without_a_time)
    return made


def without_a_time(entry):
    entry.mtime = 0
    return entry


def take(program, root):
    """Copy a program of this machine, and what it is linked with."""
    linked = subprocess.run(
        ["ldd", program], capture_output=True, text=True, check=False
    ).stdout
    wanted = {word for word in linked.split() if word.startswith("/")}
    target = root / "usr/bin" / Path(program).name
    shutil.copy(program, target)
    for library in wanted:
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


@pytest.fixture
def router(nodes, tarball):
    """A router of the tarball, its interfaces not in the order that it expects."""
    nodes.image(f'NAME="openwrt"\nPATH="{tarball}"')
    inner = nodes.network(
        "inner",
        'VN_MAD="bridge"\nBRIDGE="br7"\nAR=[TYPE="IP4",IP="172.16.40.254",SIZE="1"]',
    )
    vm = nodes.started(
        "ow-router",
        image="openwrt",
        nics=f'NIC=[NETWORK_ID="{inner}"]\nNIC=[NETWORK="public"]',
        context=CONTEXT.replace("{files}", bundle.pack(FILES)),
    )
    nodes.ready(vm)
    return vm


def uci(nodes, vm, name):
    return nodes.inside(vm, "uci", "-c", "/etc/config", "get", name)


def booted(nodes, vm, times):
    """Wait until the node has come to the end of so many boots."""

    def there():
        try:
            said = nodes.cloud.inside(vm, "cat", "/boots", check=False)
        except NotPossibleError:
            return False
        return said.stdout.split() == ["boot"] * times

    until(there)


def test_a_root_file_system_of_openwrts_layout_contextualises_itself(nodes, router):
    public = nodes.info(router).findtext("TEMPLATE/NIC[NETWORK='public']/IP")
    # By their MACs: the image expects them the other way round.
    assert uci(nodes, router, "network.lan.device") == "eth0"
    assert uci(nodes, router, "network.wan.device") == "eth1"
    assert uci(nodes, router, "network.wan.proto") == "static"
    assert uci(nodes, router, "network.wan.ipaddr") == public
    addresses = nodes.inside(router, "ip", "-o", "-4", "addr")
    assert f" {public}/24 " in addresses
    assert " 172.16.40.254/24 " in addresses
    assert nodes.inside(router, "hostname") == "ow-router"
    keys = nodes.inside(router, "cat", "/etc/dropbear/authorized_keys")
    assert keys == "ssh-ed25519 AAAA ann"
    assert nodes.inside(router, "cat", "/etc/shadow").startswith("root:!:")
    said = nodes.inside(router, "farmctl-router", "status")
    assert said.startswith("confirmed ")
    # What an init cannot unmount, it remounts; some of that may be the machine's.
    assert nodes.inside(router, "cat", "/remount") == "refused"


def test_what_an_admin_set_outlives_reboots_until_other_files_come(nodes, router):
    by_hand = "config system 'system'\n\toption hostname 'by-hand'\n"
    write = 'printf %s "$1" >/etc/config/system; exec reboot'
    nodes.inside(router, "sh", "-c", write, "sh", by_hand)
    booted(nodes, router, 2)
    assert nodes.inside(router, "cat", "/etc/config/system") == by_hand.strip()
    assert nodes.inside(router, "hostname") == "by-hand"
    other = FILES | {"system": by_hand.replace("by-hand", "another")}
    text = CONTEXT.replace("{files}", bundle.pack(other))
    nodes("vm.updateconf", router, text, 1)
    nodes.wait(router, "RUNNING")
    nodes.act(router, "reboot", "RUNNING")
    booted(nodes, router, 3)
    assert nodes.inside(router, "hostname") == "another"


def test_its_own_init_powers_it_off(nodes, router):
    place = nodes.cloud.settings.directory / "nodes" / str(router)
    nodes.act(router, "poweroff", "POWEROFF")
    assert list(place.glob("disk-*/upper/said-goodbye"))
