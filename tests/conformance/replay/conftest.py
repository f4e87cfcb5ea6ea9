"""Plays the recordings of OpenNebula 7.4.0 to the embedded cloud.

Each recording is played in its order to a fresh cloud whose numbers are first brought
to where the recorded cloud's stood, so that ids need no mapping. The cloud's clock
stands still and is turned only as far as it takes for the recorded answer to come,
so that what was seen half way is seen half way. Then the answers are compared element
by element; `ignored` is the whole list of what is not, each with its reason.
"""

import gzip
import json
import re
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from farmctl.embedded.settings import Timings
from farmctl.testing import OpenNebula

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = ("farm-lifecycle", "failures", "tenancy", "changes-in-place", "text")
RECORDINGS += ("onegate",)

SETTINGS = {"content": False, "service_hosts": 2, "worker_hosts": 0}
SETTINGS |= {"service_cores": 8, "service_memory": 16384, "timings": Timings()}
"""The recorded cloud had four hosts of 8 cores and 16 GiB."""
STEP = 0.05
"""Seconds by which the clock is turned between two looks."""
REACH = 4.0
"""Seconds after which an answer that has not come is a difference."""

NEXT = {
    "farm-lifecycle": {"user": 4, "secgroup": 102, "vn": 4, "template": 4, "vm": 163}
    | {"document": 2, "vrouter": 1, "vmgroup": 1, "schedule": 2},
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
}
"""Rows that came of a race inside the recorded daemon: not played."""

ignored = {
    r"/(\w*[SE]TIME|REGTIME|MODTIME|TIME)$": "times; only whether there is one",
    r"/(REQUEST_ID|REQ_ID)$": "random; only its sign is compared",
    r"/OS/UUID$": "random",
    r"/(PASSWORD|TOKEN_PASSWORD|ONE_KEY)$": "removed from the recordings",
    r"/(MONITORING(/|$)|LAST_POLL$)": "what the probes of the dummy driver draw by lot",
    r"/HOST_SHARE/(PCI_DEVICES|NUMA_NODES)": "made-up hardware of the dummy driver",
    r"/(TOTAL|FREE|USED)_MB$": "the recorded machine's own disk",
    r"/DATASTORES/(DISK_USAGE|FREE_DISK|MAX_DISK|USED_DISK)$": "likewise",
    r"/HOST/TEMPLATE/(KVM_CPU_\w+|MODELNAME|MEMORY_ENCRYPTION|CPUSPEED)$": "likewise",
}
"""Paths that are not compared, and why."""
SIGN_ONLY = re.compile("TIME$|REQUEST_ID$|REQ_ID$")
IGNORED = re.compile("|".join(f"(?:{path})" for path in ignored))

DATE = re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}")
RANDOM = (
    (DATE, "DATE"),
    (re.compile(r"at line \d+"), "at line N"),
    (re.compile(r"(?<=\[one\.document\.lock\] )\d+"), "TIME"),
)
PARSER = etree.XMLParser(huge_tree=True)


def rows_of(recording: str) -> list[dict[str, Any]]:
    """The rows in the order in which they were recorded, each with its number."""
    if recording == "onegate":
        guests = [row | {"i": 100 + i} for i, row in enumerate(read("onegate"))]
        setup = read("onegate-setup")
        return setup[:2] + guests + setup[2:]
    return read(recording)


def read(name: str) -> list[dict[str, Any]]:
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def plain(text: Any) -> Any:
    """Take out of a text what differs from run to run."""
    if isinstance(text, str):
        for pattern, stands_for in RANDOM:
            text = pattern.sub(stands_for, text)
    return text


# Comparing


def differences(wanted: Any, seen: Any, path: str = "") -> Iterator[str]:
    """Yield where two elements differ, ignored paths aside."""
    path = f"{path}/{wanted.tag}"
    if IGNORED.search(path):
        if SIGN_ONLY.search(path) and sign(wanted) != sign(seen):
            yield f"{path}: {wanted.text!r} but {seen.text!r}"
        return
    if len(wanted) == 0 and len(seen) == 0:
        if plain(wanted.text or "") != plain(seen.text or ""):
            yield f"{path}: {wanted.text!r} but {seen.text!r}"
        return
    tags, others = [e.tag for e in wanted], [e.tag for e in seen]
    if tags == others:
        for one, other in zip(wanted, seen, strict=True):
            yield from differences(one, other, path)
        return
    missing, surplus = list(tags), []
    for tag in others:
        if tag in missing:
            missing.remove(tag)
        else:
            surplus.append(tag)
    missing = [tag for tag in missing if not IGNORED.search(f"{path}/{tag}")]
    surplus = [tag for tag in surplus if not IGNORED.search(f"{path}/{tag}")]
    if missing or surplus:
        yield f"{path}: without {missing}, with {surplus} in addition"
    elif not any(IGNORED.search(f"{path}/{tag}") for tag in {*tags, *others}):
        yield f"{path}: the order is {others}, not {tags}"
    for tag in dict.fromkeys(tags):
        both = zip(wanted.findall(tag), seen.findall(tag), strict=False)
        for one, other in both:
            yield from differences(one, other, path)


def sign(element: Any) -> str:
    text = element.text or "0"
    return text if text in {"0", "-1"} else "some"


def compare(row: dict[str, Any], answer: Any) -> list[str]:
    """Compare one answer with the recorded one."""
    if isinstance(answer, xmlrpc.client.Fault):
        seen = f"FAULT {answer.faultCode} {answer.faultString}"
        wanted = row.get("error")
        return [] if wanted == seen else [f"{wanted!r} but {seen!r}"]
    ok, value = answer[0], answer[1]
    if ok != row["ok"]:
        return [f"{row.get('error', 'done')!r} but {value!r:.300}"]
    if not ok:
        wanted = (plain(row["error"]), row["code"], row["rest"])
        seen = (plain(value), answer[2], answer[3:])
        return [] if wanted == seen else [f"{wanted} but {seen}"]
    if row["method"] == "one.vmpool.accounting":
        return compare_accounting(row["value"], value)
    if row["method"] == "one.user.login":
        return [] if re.fullmatch("[0-9a-f]{64}", value) else [f"{value!r}"]
    if isinstance(value, str) and value.startswith("<"):
        first = etree.fromstring(row["value"], PARSER)
        return list(differences(first, etree.fromstring(value, PARSER)))
    return [] if value == row["value"] else [f"{row['value']!r} but {value!r}"]


def compare_gate(row: dict[str, Any], status: int, kind: Any, text: str) -> list[str]:
    """Compare one answer of OneGate's; the recorded server stood at port 5030."""
    wanted: Any = row["response"]
    seen: Any = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:5030", text)
    if wanted.startswith("{"):
        wanted, seen = json.loads(wanted), json.loads(seen)
    pairs = {
        "status": (row["status"], status),
        "content type": (row["content_type"], kind),
        "answer": (wanted, seen),
    }
    return [
        f"{k}: {one!r} but {two!r}" for k, (one, two) in pairs.items() if one != two
    ]


def compare_accounting(wanted: str, seen: str) -> list[str]:
    """The recorded answer is cut, and of VMs older than the recording."""
    shapes = [
        [e.tag for e in etree.fromstring(text, PARSER)[0]] for text in (wanted, seen)
    ]
    return [] if shapes[0] == shapes[1] else [f"{shapes[0]} but {shapes[1]}"]


# Playing


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
        try:
            answer = urllib.request.urlopen(asked, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kind = answer.headers.get("Content-Type")
            return compare_gate(row, answer.status, kind, answer.read().decode())

    def play(self, row: dict[str, Any]) -> list[str]:
        """Ask as recorded, when the recorded answer may come; return differences."""
        if awaited := re.search(r"state ([A-Z_]+)", row.get("error") or ""):
            self._reach(row["args"], awaited[1])
        auth = self.auth.get(row["user"], f"{row['user']}:x")
        if row.get("code") == 256:
            auth = f"{row['user']}:wrong"
        found = compare(row, self.ask(row["method"], row["args"], auth))
        for _ in range(int(REACH / STEP)):
            if not found or not may_come(row, found):
                break
            self.cloud.turn(STEP)
            found = compare(row, self.ask(row["method"], row["args"], auth))
        if row["ok"] and row["method"] == "one.user.allocate":
            name, password = row["args"][:2]
            self.auth[name] = f"{name}:{password}"
        elif row["ok"] and row["method"] == "one.user.passwd":
            self.auth[row["user"]] = f"{row['user']}:{row['args'][1]}"
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
    return row["ok"] and " state" in found[0]


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
) -> Callable[[str], dict[int, list[str]]]:
    """Play a recording once; return each row's differences."""
    played: dict[str, dict[int, list[str]]] = {}

    def of(recording: str) -> dict[int, list[str]]:
        if recording not in played:
            cloud = opennebula_with(**SETTINGS)
            stage = Stage(cloud)
            played[recording] = play_all(stage, recording)
            stage.proxy("close")()
            cloud.stop()
        return played[recording]

    return of


def play_all(stage: Stage, recording: str) -> dict[int, list[str]]:
    stage.set(recording)
    found: dict[int, list[str]] = {}
    for row in rows_of(recording):
        place = (recording, row["i"])
        if place in RACES:
            continue
        if place in FAULTS:
            stage.cloud.fault(FAULTS[place], count=1)
        play = stage.play_gate if "path" in row else stage.play
        found[row["i"]] = play(row)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    cases = [
        pytest.param(
            (recording, row["i"]),
            id=f"{recording}-{row['i']}-{row['method']}",
            marks=pytest.mark.xdist_group(recording),
        )
        for recording in RECORDINGS
        for row in rows_of(recording)
        if (recording, row["i"]) not in RACES
    ]
    metafunc.parametrize("row", cases)
