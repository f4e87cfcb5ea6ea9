"""What was recorded of OpenNebula 7.4.0, and how an answer is compared with it.

Compared element by element; `IGNORED_PATHS` is the whole list of what is not, each with
its reason.
"""

import gzip
import json
import re
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = ("farm-lifecycle", "failures", "tenancy", "changes-in-place", "text")
RECORDINGS += ("onegate",)

IGNORED_PATHS = {
    r"/(\w*[SE]TIME|REGTIME|MODTIME|TIME)$": "times; only whether there is one",
    r"/(REQUEST_ID|REQ_ID)$": "random; only its sign is compared",
    r"/OS/UUID$": "random",
    r"^/OPENNEBULA_CONFIGURATION/PORT$": "the cloud's own",
    r"/(PASSWORD|TOKEN_PASSWORD|ONE_KEY)$": "removed from the recordings",
    r"/(MONITORING(/|$)|LAST_POLL$)": "what the probes of the dummy driver draw by lot",
    r"/HOST_SHARE/(PCI_DEVICES|NUMA_NODES)": "made-up hardware of the dummy driver",
    r"/(TOTAL|FREE|USED)_MB$": "the recorded machine's own disk",
    r"/DATASTORES/(DISK_USAGE|FREE_DISK|MAX_DISK|USED_DISK)$": "likewise",
    r"/HOST/TEMPLATE/(KVM_CPU_\w+|MODELNAME|MEMORY_ENCRYPTION|CPUSPEED)$": "likewise",
}
SIGN_ONLY = re.compile("TIME$|REQUEST_ID$|REQ_ID$")
IGNORED = re.compile("|".join(f"(?:{path})" for path in IGNORED_PATHS))

DATE = re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}")
RANDOM = (
    (DATE, "DATE"),
    (re.compile(r"at line \d+"), "at line N"),
    (re.compile(r"(?<=http://127\.0\.0\.1:)\d+"), "PORT"),
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
