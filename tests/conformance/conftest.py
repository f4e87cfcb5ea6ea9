"""What the contract is held against, and the words that its tests are written in.

The target is the OpenNebula at `$ONE_XMLRPC` (with `$ONE_AUTH`) where that is set, else
an embedded cloud of this run's own. The tests speak raw XML-RPC, so that neither
farmctl's adapter nor pyone stands between them and the answer. Everything a test
makes has a name with a random prefix and is removed after it, whether it passed or
not. `docs/reference/conformance.md` says how to run it and what a target needs.
"""

import fcntl
import os
import secrets
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from farmctl.embedded.settings import Timings
from farmctl.testing import OpenNebula

PARSER = etree.XMLParser(huge_tree=True)
STATES = ("INIT", "PENDING", "HOLD", "ACTIVE", "STOPPED", "SUSPENDED", "DONE")
STATES += ("", "POWEROFF", "UNDEPLOYED", "CLONING", "CLONING_FAILURE")
LCM_STATES = {0: "LCM_INIT", 1: "PROLOG", 2: "BOOT", 3: "RUNNING", 4: "MIGRATE"}
LCM_STATES |= {
    12: "SHUTDOWN",
    25: "HOTPLUG_NIC",
    36: "BOOT_FAILURE",
    39: "PROLOG_FAILURE",
    44: "BOOT_MIGRATE_FAILURE",
}
DOCUMENT_TYPE = 4270
PATIENCE = 30.0
"""Seconds that a target gets for anything that is not done at once."""


class Refused(Exception):  # noqa: N818
    """What OpenNebula answers when it does not do it; -5xx: the XML-RPC layer's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class Session:
    """One user's session: `session("vm.info", 7, False)` is `one.vm.info`."""

    def __init__(self, endpoint: str, auth: str, user_id: int = 0) -> None:
        self.auth = auth
        self.user_id = user_id
        self.endpoint = endpoint
        self.proxy = xmlrpc.client.ServerProxy(endpoint)

    def __call__(self, method: str, *args: Any) -> Any:
        try:
            answer = getattr(self.proxy, f"one.{method}")(self.auth, *args)
        except xmlrpc.client.Fault as fault:
            raise Refused(fault.faultCode, fault.faultString) from fault
        if not answer[0]:
            raise Refused(answer[2], answer[1])
        return answer[1]

    def close(self) -> None:
        self.proxy("close")()

    def xml(self, method: str, *args: Any) -> Any:
        return etree.fromstring(self(method, *args), PARSER)

    def refusal(self, method: str, *args: Any) -> tuple[int, str]:
        """Call what must be refused; return code and message."""
        try:
            answer = self(method, *args)
        except Refused as refused:
            return refused.code, refused.message
        pytest.fail(f"one.{method}{args} was not refused but answered {answer!r:.200}")

    def works(self, method: str, *args: Any) -> bool:
        try:
            self(method, *args)
        except Refused:
            return False
        return True


class Target:
    """The OpenNebula that is held to the contract."""

    endpoint: str
    auth: str
    onegate: str | None = None
    real: bool

    def pass_time(self, seconds: float) -> None:
        """Let that much time pass for the cloud."""
        time.sleep(seconds)


class RealTarget(Target):
    """An installation, whose dummy driver is told by files what to fail."""

    real = True

    def __init__(self) -> None:
        self.endpoint = os.environ["ONE_XMLRPC"]
        named = os.environ.get("ONE_AUTH", "~/.one/one_auth")
        self.auth = Path(named).expanduser().read_text().strip()
        self.onegate = os.environ.get("CONFORMANCE_ONEGATE")
        actions = os.environ.get("CONFORMANCE_DUMMY_ACTIONS")
        self.actions = Path(actions) if actions else None

    @contextmanager
    def fault(self, action: str, *, slow: bool = False) -> Iterator[None]:
        if self.actions is None:
            pytest.skip(
                "$CONFORMANCE_DUMMY_ACTIONS is unset: the folder in which the dummy "
                "driver looks for failures, by default /tmp/opennebula_dummy_actions"
            )
        file = self.actions / action
        file.write_text("success 2\n" if slow else "failure 1\n")
        try:
            yield
        finally:
            file.unlink()


class EmbeddedTarget(Target):
    """A cloud of this run's own."""

    real = False

    def __init__(self, cloud: OpenNebula) -> None:
        self.cloud = cloud
        self.endpoint, self.onegate = cloud.endpoint, cloud.onegate
        self.auth = cloud.auth

    @contextmanager
    def fault(self, action: str, *, slow: bool = False) -> Iterator[None]:
        effect, seconds = ("slow", 2.0) if slow else ("fail", 0.0)
        step = STEPS.get(action, action)
        with self.cloud.fault(step, effect=effect, seconds=seconds):
            yield

    def pass_time(self, seconds: float) -> None:
        self.cloud.turn(seconds)


STEPS = {"deploy": "boot", "attach_nic": "hotplug"}
"""The embedded cloud's steps behind the dummy driver's actions."""


class Cloud:
    """One test's view of the target: its sessions, and its objects by their prefix."""

    def __init__(self, target: Target, shared: dict[str, Any]) -> None:
        self.target = target
        self.shared = shared
        self.prefix = f"cf{secrets.token_hex(3)}-"
        self.sessions: list[Session] = []
        self.admin = self.session(target.auth)

    def session(self, auth: str, user_id: int = 0) -> Session:
        """A session that is closed after the test."""
        self.sessions.append(Session(self.target.endpoint, auth, user_id))
        return self.sessions[-1]

    def __call__(self, method: str, *args: Any) -> Any:
        return self.admin(method, *args)

    def xml(self, method: str, *args: Any) -> Any:
        return self.admin.xml(method, *args)

    def refusal(self, method: str, *args: Any) -> tuple[int, str]:
        return self.admin.refusal(method, *args)

    def name(self, stem: str) -> str:
        return self.prefix + stem

    # What a test starts from

    def hosts(self) -> list[int]:
        """Two hosts that are up, with dummy drivers."""
        return self.shared["hosts"]

    def datastore(self) -> int:
        return self.shared["system_datastore"]

    def image(self, stem: str = "image") -> int:
        text = f'NAME="{self.name(stem)}"\nPATH="http://127.0.0.1/x"\nTYPE="OS"'
        image = self("image.allocate", text, self.shared["image_datastore"], False)
        self.until(lambda: self.xml("image.info", image, False).findtext("STATE"), "1")
        return image

    def network(self, stem: str = "net", *, extra: str = "", size: int = 20) -> int:
        """A network of the dummy driver from 10.77.1.1 on, ready."""
        text = f'NAME="{self.name(stem)}"\nVN_MAD="dummy"\nBRIDGE="br"\n{extra}\n'
        text += f'AR=[TYPE="IP4",IP="10.77.1.1",SIZE="{size}"]'
        network = self("vn.allocate", text, -1)
        self.until(lambda: self.xml("vn.info", network, False).findtext("STATE"), "1")
        return network

    def template(self, text: str = "", stem: str = "template") -> int:
        text = f'NAME="{self.name(stem)}"\nCPU="0.1"\nMEMORY="64"\n{text}'
        return self("template.allocate", text)

    def instantiate(
        self, template: int, extra: str = "", *, by: Session | None = None
    ) -> int:
        name = self.name("node")
        session = by or self.admin
        return session("template.instantiate", template, name, True, extra, False)

    def vm(self, text: str = "", *, hold: bool = True, stem: str = "vm") -> int:
        text = f'NAME="{self.name(stem)}"\nCPU="0.1"\nMEMORY="64"\n{text}'
        return self("vm.allocate", text, hold)

    def deploy(self, vm: int, host: int = 0) -> None:
        host_id = self.hosts()[host]
        self("vm.deploy", vm, host_id, False, self.datastore(), "")

    def running(self, text: str = "", host: int = 0) -> int:
        vm = self.vm(text)
        self.deploy(vm, host)
        self.wait(vm, "RUNNING")
        return vm

    def document(self, body: str = 'BODY="x"') -> int:
        return self(
            "document.allocate", f'NAME="{self.name("doc")}"\n{body}', DOCUMENT_TYPE
        )

    def security_group(self, text: str = "", stem: str = "group") -> int:
        text = text or 'RULE=[PROTOCOL="TCP",RULE_TYPE="inbound",RANGE="22"]'
        return self("secgroup.allocate", f'NAME="{self.name(stem)}"\n{text}')

    def tenant(self, stem: str = "tenant", group: int | None = None) -> Session:
        """A user of a group of its own, which may create VMs and all they need."""
        if group is None:
            group = self("group.allocate", self.name(f"{stem}s"))
            self("acl.addrule", f"{0x200000000 + group:x}", "121429400000000", "8")
        name, password = self.name(stem), secrets.token_hex(6)
        user = self("user.allocate", name, password, "core", [group])
        return self.session(f"{name}:{password}", user)

    def group_of(self, user: Session) -> int:
        return int(user.xml("user.info", -1, False).findtext("GID"))

    # What it sees

    def info(self, vm: int) -> Any:
        return self.xml("vm.info", vm, False)

    def state(self, vm: int) -> str:
        element = self.info(vm)
        state = STATES[int(element.findtext("STATE"))]
        lcm = int(element.findtext("LCM_STATE"))
        return LCM_STATES.get(lcm, f"LCM {lcm}") if state == "ACTIVE" else state

    def wait(self, vm: int, *states: str) -> str:
        self.until(lambda: self.state(vm) in states, True)
        return self.state(vm)

    def until(self, look: Callable[[], Any], wanted: Any) -> None:
        """Look again and again until `wanted` is seen; fail after `PATIENCE`."""
        end = time.monotonic() + PATIENCE
        while (seen := look()) != wanted:
            if time.monotonic() > end:
                pytest.fail(f"waited {PATIENCE:.0f} s for {wanted!r}, still {seen!r}")
            time.sleep(0.03)

    def mine(self, pool: str, *args: int, session: Session | None = None) -> list[Any]:
        """The rows of a pool that carry the prefix."""
        rows = (session or self.admin).xml(pool, *(args or (-2, -1, -1)))
        return [row for row in rows if row.findtext("NAME").startswith(self.prefix)]

    def fault(self, action: str, *, slow: bool = False) -> Any:
        """Let the dummy driver fail every `action` meanwhile, or take two seconds."""
        return self.target.fault(action, slow=slow)

    # And leaves behind: nothing

    def sweep(self) -> None:
        """Remove everything that carries the prefix, in the order of dependence."""
        for vm in self.mine("vmpool.info", -2, -1, -1, -1):
            self._remove("vm.recover", row_id(vm), 3)
        for kind in ("vrouter", "template", "vntemplate", "vmgroup"):
            flag = (False,) if kind == "template" else ()
            for row in self.mine(f"{kind}pool.info"):
                self._remove(f"{kind}.delete", row_id(row), *flag)
        for row in self.mine("documentpool.info", -2, -1, -1, DOCUMENT_TYPE):
            self._remove("document.delete", row_id(row))
        for row in self.mine("vnpool.info"):
            self._release_holds(row_id(row))
        self._again("vnpool.info", "vn.delete", False)
        self._again("secgrouppool.info", "secgroup.delete")
        self._again("imagepool.info", "image.delete", False)
        for pool in ("hostpool", "clusterpool", "userpool", "grouppool"):
            for row in self.xml(f"{pool}.info"):
                if (row.findtext("NAME") or "").startswith(self.prefix):
                    self._remove(f"{pool.removesuffix('pool')}.delete", row_id(row))

    def _release_holds(self, network: int) -> None:
        for lease in self.xml("vn.info", network, False).iter("LEASE"):
            if lease.findtext("VM") == "-1":
                held = lease.findtext("IP")
                self._remove("vn.release", network, f'LEASES=[IP="{held}"]')

    def _again(self, pool: str, method: str, *flags: bool) -> None:
        end = time.monotonic() + PATIENCE
        while rows := self.mine(pool):
            for row in rows:
                with suppress(Refused):
                    self._remove(method, row_id(row), *flags)
            if time.monotonic() > end:
                names = ", ".join(row.findtext("NAME") for row in rows)
                pytest.fail(f"still there after {PATIENCE:.0f} s: {names}")
            time.sleep(0.03)

    def _remove(self, method: str, number: int, *flags: Any) -> None:
        with suppress(Refused):
            self(f"{method.partition('.')[0]}.unlock", number)
        with suppress(Refused):
            self(method, number, *flags)


def row_id(row: Any) -> int:
    return int(row.findtext("ID"))


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    if "ONE_XMLRPC" in os.environ:
        return RealTarget()
    start = request.getfixturevalue("opennebula_with")
    return EmbeddedTarget(start(timings=Timings(ready=0.1, scheduler=0.1)))


@pytest.fixture(scope="session")
def shared(target: Target) -> dict[str, Any]:
    """What the target must bring along, found by looking; skips where it is missing."""
    session = Session(target.endpoint, target.auth)
    hosts = [
        row_id(host)
        for host in session.xml("hostpool.info")
        if host.findtext("VM_MAD") == "dummy" and host.findtext("STATE") in {"1", "2"}
    ]
    stores = {
        store.findtext("TYPE"): row_id(store)
        for store in session.xml("datastorepool.info")
        if store.findtext("TM_MAD") == "dummy" and int(store.findtext("FREE_MB"))
    }
    session.close()
    if len(hosts) < 2 or not {"0", "1"} <= set(stores):
        pytest.skip(
            "the target needs two hosts that are up, a system datastore and an image "
            "datastore, monitored, all with dummy drivers; "
            f"it has {len(hosts)} such hosts and datastores of types {sorted(stores)}"
        )
    found = {"system_datastore": stores["1"], "image_datastore": stores["0"]}
    return {"hosts": sorted(hosts)[:2], **found}


@pytest.fixture
def one(
    target: Target,
    shared: dict[str, Any],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cloud]:
    """The target. A test marked `alone` runs while no other uses it."""
    alone = request.node.get_closest_marker("alone") is not None
    lock = tmp_path_factory.getbasetemp().parent / "conformance.lock"
    with lock.open("w") as file:
        if target.real:
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        cloud = Cloud(target, shared)
        try:
            yield cloud
        finally:
            cloud.sweep()
            for session in cloud.sessions:
                session.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: no other test may use the target")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.conformance)
