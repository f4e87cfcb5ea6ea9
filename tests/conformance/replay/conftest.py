"""Plays the recordings of OpenNebula 7.4.0 to the embedded cloud.

Each recording is played in its order to a fresh cloud whose numbers are first brought
to where the recorded cloud's stood, so that ids need no mapping. The cloud's clock
stands still and is turned only as far as it takes for the recorded answer to come,
so that what was seen half way is seen half way. `recorded` compares the answers.
"""

import fcntl
import json
import os
import re
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from lxml import etree
from recorded import PARSER, RECORDINGS, compare, compare_gate, rows_of

from farmctl.embedded.settings import Timings
from farmctl.testing import OpenNebula

SETTINGS = {"content": False, "service_hosts": 2, "worker_hosts": 0}
SETTINGS |= {"service_cores": 8, "service_memory": 16384, "timings": Timings()}
"""The recorded cloud had four hosts of 8 cores and 16 GiB."""
STEP = 0.05
"""Seconds by which the clock is turned between two looks."""
REACH = 4.0
"""Seconds after which an answer that has not come is a difference."""

NEXT = {
    "farm-lifecycle": {
        "schedule": 2,
        "user": 4,
        "secgroup": 102,
        "vn": 4,
        "template": 4,
        "vm": 163,
    }
    | {"document": 2, "vrouter": 1, "vmgroup": 1},
    "failures": {"vn": 6, "template": 6, "vm": 166},
    "tenancy": {"group": 102, "user": 7, "acl": 14, "vn": 13, "vntemplate": 2}
    | {"secgroup": 104, "template": 7, "vm": 217, "document": 8},
    "changes-in-place": {"secgroup": 105, "vn": 17, "template": 8, "vm": 560},
    "text": {"document": 15, "vn": 19, "vm": 561},
    "onegate": {"vn": 11, "vm": 215},
}
"""What each kind's next number was when the recording began."""

HOST_0_GONE = ("tenancy", "changes-in-place", "text", "onegate")
"""Recorded after `failures` deleted that host."""

FAULTS = {
    ("failures", 3): "boot",
    ("failures", 8): "migrate",
    ("failures", 10): "shutdown",
}
"""Before which row the recorded driver was told to fail, once."""

RACES = {
    ("farm-lifecycle", 29): "seen after migrate's answer and before its start",
    ("farm-lifecycle", 30): "a poweroff in that gap was accepted, and lost",
    ("changes-in-place", 60): "read after its history was written, before its state",
}
"""Rows that came of a race inside the recorded daemon: not played."""

ENDED = {("tenancy", 39): (217, 218)}
"""VMs that were ended before a row without this being recorded."""


class Stage:
    """A fresh embedded cloud whose clock stands still unless it is turned."""

    def __init__(self, cloud: OpenNebula) -> None:
        self.cloud = cloud
        self.proxy = xmlrpc.client.ServerProxy(cloud.endpoint)
        self.auth = {"oneadmin": cloud.auth}

    def ask(self, method: str, args: list[Any], auth: str) -> Any:
        """Call; return the answer's list or the fault."""
        try:
            return getattr(self.proxy, method)(auth, *args)
        except xmlrpc.client.Fault as fault:
            return fault

    def do(self, method: str, *args: Any) -> Any:
        """Call as oneadmin what must succeed."""
        answer = self.ask(f"one.{method}", list(args), self.auth["oneadmin"])
        if isinstance(answer, xmlrpc.client.Fault) or not answer[0]:
            raise AssertionError(f"one.{method}{args}: {answer}")
        return answer[1]

    def play_gate(self, row: dict[str, Any]) -> list[str]:
        """Ask OneGate as a guest did."""
        token = self.cloud.token(int(row["headers"].get("X-ONEGATE-VMID", "0")))
        headers = {k: v.replace("<token>", token) for k, v in row["headers"].items()}
        if row["headers"].get("X-ONEGATE-VMID") == "215":
            headers["X-ONEGATE-TOKEN"] = self.cloud.token(216)
        body = row["body"]
        asked = urllib.request.Request(
            self.cloud.onegate + row["path"],
            None if body is None else body.encode(),
            headers,
            method=row["method"],
        )

        def ask() -> list[str]:
            try:
                answer = urllib.request.urlopen(asked, timeout=10)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                kind = answer.headers.get("Content-Type")
                return compare_gate(row, answer.status, kind, answer.read().decode())

        return self._turn_until_same(ask, lambda _: row["status"] < 400)

    def play(self, row: dict[str, Any]) -> list[str]:
        """Ask as recorded, when the recorded answer may come; return differences."""
        awaited = re.search(r"state ([A-Z_]+)", row.get("error") or "")
        if awaited and row["method"].startswith("one.vm."):
            self._reach(row["args"], awaited[1])
        auth = self.auth.get(row["user"], f"{row['user']}:x")
        if row.get("code") == 256:
            auth = f"{row['user']}:wrong"
        later = f'TIME="{int(self.cloud.now()) + 7200}"'
        args = [
            re.sub(r'TIME="\d{10}"', later, arg) if isinstance(arg, str) else arg
            for arg in row["args"]
        ]

        def ask() -> list[str]:
            return compare(row, self.ask(row["method"], args, auth))

        found = self._turn_until_same(ask, lambda found: may_come(row, found))
        if row["ok"] and row["method"] == "one.user.allocate":
            name, password = row["args"][:2]
            self.auth[name] = f"{name}:{password}"
        elif row["ok"] and row["method"] == "one.user.passwd":
            self.auth[row["user"]] = f"{row['user']}:{row['args'][1]}"
        return found

    def _turn_until_same(
        self, ask: Callable[[], list[str]], may_come: Callable[[list[str]], bool]
    ) -> list[str]:
        """Turn the clock until nothing differs, as long as that may come."""
        found = ask()
        for _ in range(int(REACH / STEP)):
            if not found or not may_come(found):
                break
            self.cloud.turn(STEP)
            found = ask()
        return found

    def _reach(self, args: list[Any], state: str) -> None:
        """Turn the clock until the VM is in the state that a refusal names."""
        number = next((arg for arg in args if isinstance(arg, int)), -1)
        for _ in range(int(REACH / STEP)):
            answer = self.ask("one.vm.info", [number, False], self.auth["oneadmin"])
            if not answer[0] or state_of(etree.fromstring(answer[1], PARSER)) == state:
                return
            self.cloud.turn(STEP)

    # The state that a recording began with

    def set(self, recording: str) -> None:
        """Bring hosts, the image and the numbers to the recording's beginning."""
        self.cloud.set_scale(0)
        for name in ("wrk-02", "wrk-03"):
            host = self.do("host.allocate", name, "dummy", "dummy", 0)
            self.do("host.update", host, 'FARM_CLASS="worker"', 1)
        self.cloud.turn(20)
        text = 'NAME="sysdummy"\nTYPE="SYSTEM_DS"\nTM_MAD="dummy"'
        self.do("datastore.allocate", text, 0)
        text = 'NAME="imgdummy"\nTYPE="IMAGE_DS"\nDS_MAD="dummy"\nTM_MAD="dummy"'
        store = self.do("datastore.allocate", text, 0)
        self.cloud.turn(20)
        text = 'NAME="wn"\nPATH="http://127.0.0.1/x"\nTYPE="OS"'
        image = self.do("image.allocate", text, store, False)
        self.cloud.turn(1)
        self.do("image.chmod", image, 1, 1, 0, 1, 0, 0, 1, 0, 0)
        if recording in HOST_0_GONE:
            self.do("host.delete", 0)
        for kind, number in NEXT[recording].items():
            while self._spend(kind) < number - 1:
                pass
        if recording == "onegate":
            self._set_onegate()

    def _set_onegate(self) -> None:
        """The network whose first address a VM 215 has had, and template 0."""
        text = 'NAME="farm1"\nVN_MAD="dummy"\nBRIDGE="br0"\n'
        self.do("vn.allocate", text + 'AR=[TYPE="IP4",IP="10.1.1.1",SIZE="250"]', -1)
        self.cloud.turn(1)
        nic = 'NIC=[NETWORK="farm1"]'
        first = self.do("vm.allocate", f'CPU="0.1"\nMEMORY="1"\n{nic}', True)
        self.do("vm.recover", first, 3)
        text = 'NAME="wn"\nCPU="0.1"\nVCPU="1"\nMEMORY="128"\nDISK=[IMAGE="wn"]\n'
        text += 'SCHED_REQUIREMENTS="FARM_CLASS=\\"worker\\""\n'
        self.do("template.allocate", text + nic)

    def _spend(self, kind: str) -> int:
        """Make an object and remove it: the next one has the next number."""
        text = 'NAME="spent"\nVN_MAD="dummy"\nBRIDGE="b"'
        match kind:
            case "vm":
                number = self.do("vm.allocate", 'CPU="0.1"\nMEMORY="1"', True)
                self.do("vm.recover", number, 3)
            case "schedule":
                vm = self.do("vm.allocate", 'CPU="0.1"\nMEMORY="1"', True)
                action = 'SCHED_ACTION=[ACTION="hold",TIME="4000000000"]'
                number = self.do("vm.schedadd", vm, action)
                self.do("vm.recover", vm, 3)
            case "acl":
                number = self.do("acl.addrule", "100000000", "1400000001", "1")
                self.do("acl.delrule", number)
            case "vn":
                number = self.do("vn.allocate", text, -1)
                self.cloud.turn(1)
                self.do("vn.delete", number, False)
                self.cloud.turn(1)
            case "user":
                number = self.do("user.allocate", "spent", "x", "core", [])
                self.do("user.delete", number)
            case "group":
                number = self.do("group.allocate", "spent")
                self.do("group.delete", number)
            case "document":
                number = self.do("document.allocate", text, 4270)
                self.do("document.delete", number)
            case _:
                number = self.do(f"{kind}.allocate", text)
                flag = (False,) if kind == "template" else ()
                self.do(f"{kind}.delete", number, *flag)
        return int(number)


def may_come(row: dict[str, Any], found: list[str]) -> bool:
    """Say whether asking again later is harmless and may help."""
    if row["method"].endswith((".info", ".infoextended", ".infoset")):
        return True
    return row["ok"] and found[0].startswith("'done' but")


def state_of(vm: Any) -> str:
    state = vm.findtext("STATE")
    return LCM.get(vm.findtext("LCM_STATE"), "") if state == "3" else STATE[state]


STATE = {"1": "PENDING", "2": "HOLD", "4": "STOPPED", "5": "SUSPENDED"}
STATE |= {"6": "DONE", "8": "POWEROFF", "9": "UNDEPLOYED"}
LCM = {"1": "PROLOG", "2": "BOOT", "3": "RUNNING", "7": "SAVE_MIGRATE"}
LCM |= {"35": "BOOT_MIGRATE", "18": "SHUTDOWN_POWEROFF", "25": "HOTPLUG_NIC"}
LCM |= {"36": "BOOT_FAILURE"}


# What the tests get


@pytest.fixture(scope="session")
def outcomes(
    opennebula_with: Callable[..., OpenNebula],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], dict[str, list[str]]]:
    """Play a recording once a run; return each row's differences.

    The first of pytest-xdist's workers that needs a recording plays it for all.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    @cache
    def of(recording: str) -> dict[str, list[str]]:
        file = folder / f"replay-{recording}.json"
        with (folder / f"replay-{recording}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                cloud = opennebula_with(**SETTINGS)
                file.write_text(json.dumps(play_all(Stage(cloud), recording)))
                cloud.stop()
        found: dict[str, list[str]] = json.loads(file.read_text())
        return found

    return of


def play_all(stage: Stage, recording: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    try:
        stage.set(recording)
    except AssertionError as error:
        # Said once for each row, and not tried again for each.
        said = [f"the recording's beginning fails: {error}"]
        return {row["i"]: said for row in rows_of(recording)}
    for row in rows_of(recording):
        place = (recording, row["i"])
        if place in RACES:
            continue
        if place in FAULTS:
            stage.cloud.fault(FAULTS[place], count=1)
        for vm in ENDED.get(place, ()):
            stage.do("vm.recover", vm, 3)
        play = stage.play_gate if "path" in row else stage.play
        found[row["i"]] = play(row)
    stage.proxy("close")()
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    cases = [
        pytest.param(
            (recording, row["i"]),
            id=f"{recording}-{row['i']}-{row['method']}",
        )
        for recording in RECORDINGS
        for row in rows_of(recording)
        if (recording, row["i"]) not in RACES
    ]
    metafunc.parametrize("row", cases)
