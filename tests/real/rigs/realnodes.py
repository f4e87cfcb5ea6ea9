"""Words for tests with real nodes: VMs by XML-RPC, looked at from inside."""

import contextlib
import ipaddress
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from farmctl.embedded.netns import kernel
from farmctl.embedded.states import Lcm, State
from farmctl.testing import OpenNebula

PATIENCE = 30.0
READY = 'CONTEXT=[NETWORK="YES",TOKEN="YES",REPORT_READY="YES",SET_HOSTNAME="{name}"]'


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition, and return what it holds."""
    deadline = time.monotonic() + seconds
    while True:
        held = condition()
        if held:
            return held
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {condition}")
        time.sleep(0.02)


class Nodes:
    """A cloud of real nodes, and the words that its tests are written in."""

    def __init__(self, cloud: OpenNebula) -> None:
        self.cloud = cloud

    def __call__(self, method: str, *args: Any) -> Any:
        return self.cloud.call(f"one.{method}", *args)

    def info(self, vm: int) -> Any:
        return etree.fromstring(self("vm.info", vm, False).encode())

    def state(self, vm: int) -> str:
        info = self.info(vm)
        state = State(int(info.findtext("STATE")))
        if state is State.ACTIVE:
            return Lcm(int(info.findtext("LCM_STATE"))).name
        return state.name

    def told(self, vm: int, name: str) -> str:
        return self.info(vm).findtext(f"USER_TEMPLATE/{name}", "")

    def wait(self, vm: int, state: str) -> None:
        def there() -> bool:
            found = self.state(vm)
            assert found == state or "FAILURE" not in found, self.told(vm, "ERROR")
            return found == state

        until(there)

    def ready(self, vm: int) -> None:
        self.wait(vm, "RUNNING")
        until(lambda: self.told(vm, "READY") == "YES")

    def host(self, name: str) -> int:
        pool = etree.fromstring(self("hostpool.info").encode())
        return int(pool.findtext(f"HOST[NAME='{name}']/ID"))

    def store(self, name: str) -> int:
        pool = etree.fromstring(self("datastorepool.info").encode())
        return int(pool.findtext(f"DATASTORE[NAME='{name}']/ID"))

    def image(self, text: str) -> int:
        image = self("image.allocate", text, self.store("images"))

        def there() -> bool:
            info = etree.fromstring(self("image.info", image, False).encode())
            return info.findtext("STATE") == "1"

        until(there)
        return int(image)

    def network(self, name: str, text: str) -> int:
        network = self("vn.allocate", f'NAME="{name}"\n{text}', -1)

        def there() -> bool:
            info = etree.fromstring(self("vn.info", network, False).encode())
            return info.findtext("STATE") == "1"

        until(there)
        return int(network)

    def vm(
        self,
        name: str = "node",
        *,
        image: str = "debian-12",
        nics: str = 'NIC=[NETWORK="public"]',
        context: str = READY,
        more: str = "",
    ) -> int:
        text = f'NAME="{name}"\nCPU="1"\nMEMORY="256"\nDISK=[IMAGE="{image}"]\n{nics}\n'
        text += f"{context.format(name=name)}\n{more}"
        return int(self("vm.allocate", text, True))

    def started(self, *args: Any, host: str = "svc-00", **given: Any) -> int:
        """Allocate a VM, place it on a host and wait until it runs."""
        vm = self.vm(*args, **given)
        store = "gluster" if host.startswith("svc") else "lvm"
        self("vm.deploy", vm, self.host(host), False, self.store(store), "")
        self.wait(vm, "RUNNING")
        return vm

    def act(self, vm: int, action: str, state: str) -> None:
        self("vm.action", action, vm)
        self.wait(vm, state)

    def inside(self, vm: int | str, *words: str, **given: Any) -> str:
        return self.cloud.inside(vm, *words, **given).stdout.strip()

    def place(self, vm: int) -> str:
        """Return the hypervisor that the VM is on."""
        return str(self.info(vm).findtext("HISTORY_RECORDS/HISTORY[last()]/HOSTNAME"))

    def address(self, vm: int) -> str:
        return str(self.info(vm).findtext("TEMPLATE/NIC/IP"))


class Witness:
    """Knows a cloud's nodes while they run, and finds what is left of them later.

    Numbers of namespaces are used again, so it looks for processes that were there.
    """

    def __init__(self, cloud: OpenNebula, *pids: int) -> None:
        self._cloud = cloud
        self._moment = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf(
            "SC_CLK_TCK"
        )
        own = _spaces(Path("/proc/self"))
        self.spaces = {space for pid in pids for space in _spaces(Path(f"/proc/{pid}"))}
        self.spaces -= own

    def seen(self) -> dict[str, set[str]]:
        """Return what can be seen on the machine, from outside, of the cloud."""
        directory = str(self._cloud.settings.directory)
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        network = ipaddress.IPv4Network(self._cloud.settings.public_network)
        leg = f"fctl-{int(network.network_address):08x}"
        left: dict[str, set[str]] = {
            "mounts": {line for line in mounts if directory in line},
            "links": {name for _, name in socket.if_nameindex() if name == leg},
            "processes": set(),
        }
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                inside = directory in (process / "mountinfo").read_text()
                if inside or directory in (process / "cmdline").read_text():
                    left["processes"].add(process.name)
                elif self.spaces & _spaces(process):
                    started = kernel.started_at(int(process.name))
                    if started is not None and started <= self._moment:
                        left["processes"].add(process.name)
        return left

    def gone(self, seconds: float = 10.0) -> None:
        """Wait until nothing is left."""
        until(lambda: not any(self.seen().values()), seconds)


def _spaces(process: Path) -> set[str]:
    return {str(link.readlink()) for link in (process / "ns").iterdir()}
