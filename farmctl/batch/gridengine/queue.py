"""GridEngine's waiting jobs, from `qstat -s p -r -xml`: their pieces and why they wait.

Pure. GridEngine gives no reason, but tells holds (`h`), errors (`E`) and, in a list of
their own, jobs whose begin time is yet to come. A job array whose tasks run and whose
rest has no priority waits for its own limit (`-tc`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

from farmctl.batch import arrays
from farmctl.errors import BatchAnswerError
from farmctl.model.sample import Waiting

Element = Any
"""An element of lxml's tree."""

HOLD = "Hold"
DEPENDENCY = "Dependency"
BEGIN = "BeginTime"
ERROR = "Error"
ARRAY = "TaskLimit"
BY_NAME = "HostByName"
QUEUED = "Queued"
"""Waits for slots: the one reason that a node could lift."""

_SIZE = re.compile(r"([0-9.]+)([KkMmGgTt]?)")
_UNIT = {"": 1 / 1024**2, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
_MEMORY = frozenset({"mem_free", "virtual_free", "mem_total"})
_MEMORY_EACH = frozenset({"h_vmem", "s_vmem"})  # for each slot
_USUAL = frozenset({"lx-amd64", "lx*", "*"})
_TIME = frozenset({"h_rt", "s_rt"})
_MEANT_FOR_ALL = frozenset(
    {"h_cpu", "s_cpu", "h_fsize", "h_stack", "slots", "num_proc"}
)


def waiting(
    jobs: Iterable[Element],
    *,
    rules: Mapping[str, str],
    late: frozenset[str],
    running: frozenset[str],
) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return what waits for nodes and what for something else, the oldest first.

    Args:
        jobs: The `job_list` elements of pending jobs.
        rules: The allocation rule of each parallel environment.
        late: Jobs that are held or whose begin time is yet to come.
        running: Jobs of which something runs.
    """
    help_: dict[Waiting, list[tuple[float, str, int]]] = {}
    held: dict[Waiting, list[tuple[float, str, int]]] = {}
    for job in jobs:
        work, tasks = _work(job, rules, late, running)
        into = help_ if work.why == QUEUED else held
        kind = replace(work, since=0.0, job="", jobs=0)
        into.setdefault(kind, []).append((work.since, work.job, tasks))
    return _listed(help_), _listed(held)


def _listed(
    kinds: Mapping[Waiting, list[tuple[float, str, int]]],
) -> tuple[Waiting, ...]:
    found = []
    for kind, alike in kinds.items():
        since, job, _ = min(alike)
        many = sum(tasks for _, _, tasks in alike)
        found.append(
            replace(kind, count=kind.count * many, since=since, job=job, jobs=many)
        )
    return tuple(sorted(found, key=lambda each: (each.since, each.job)))


def _work(
    job: Element,
    rules: Mapping[str, str],
    late: frozenset[str],
    running: frozenset[str],
) -> tuple[Waiting, int]:
    """Return one pending job's piece, and how many tasks of it wait."""
    name, owner = job.findtext("JB_job_number"), job.findtext("JB_owner")
    state = job.findtext("state") or ""
    if not name or not owner or not state:
        raise BatchAnswerError("A job of GridEngine's list has no number or no owner.")
    expression = job.findtext("tasks") or ""
    slots, pieces, apart = _pieces(job, rules)
    work = Waiting(
        owner=owner,
        slots=slots,
        count=pieces,
        since=moment(job.findtext("JB_submission_time") or ""),
        job=name,
        together=pieces,
        apart=apart,
        why=_why(job, name, state, late, running),
    )
    return _requests(job, work), arrays.tasks(expression) if expression else 1


def _why(
    job: Element,
    name: str,
    state: str,
    late: frozenset[str],
    running: frozenset[str],
) -> str:
    if "E" in state:
        return ERROR
    if job.findtext("predecessor_jobs"):
        return DEPENDENCY
    if "h" in state:
        return HOLD
    if name in late:
        return BEGIN
    unranked = not float(job.findtext("JAT_prio") or "0")
    if job.findtext("tasks") and name in running and unranked:
        return ARRAY
    return QUEUED


def _pieces(job: Element, rules: Mapping[str, str]) -> tuple[int, int, bool]:
    """Return slots on one node, how many such, and whether on as many nodes."""
    asked = job.find("requested_pe")
    if asked is None:
        return 1, 1, False
    least = re.match(r"[0-9]+", asked.text or "")
    total = int(least[0]) if least else int(job.findtext("slots") or "1")
    rule = rules.get(asked.get("name", ""), "$fill_up")
    if rule == "$pe_slots":
        return total, 1, False
    if rule.isdigit() and int(rule):
        each = int(rule)
        return min(each, total), ceil(total / each), total > each
    return 1, total, False


def _requests(job: Element, work: Waiting) -> Waiting:
    """Return `work` with what it asks of a node besides slots."""
    memory, limit, why = work.memory_mib, work.limit, work.why
    devices: set[str] = set()
    features: set[str] = set()
    for each in job.findall("hard_request"):
        name, value = each.get("name", ""), each.text or ""
        if name in _MEMORY:
            memory = max(memory, mebibytes(value))
        elif name in _MEMORY_EACH:
            memory = max(memory, mebibytes(value) * work.slots)
        elif name in _TIME:
            limit = seconds(value)
        elif name == "arch":
            features |= set() if value in _USUAL else {f"arch={value}"}
        elif name == "hostname":
            why = BY_NAME if why == QUEUED else why
        elif name not in _MEANT_FOR_ALL:
            devices.add(f"{name}:{value}")
    queues = {each.text or "" for each in job.findall("hard_req_queue")}
    if any("@" in each for each in queues) and why == QUEUED:
        why = BY_NAME
    return replace(
        work,
        memory_mib=memory,
        limit=limit,
        why=why,
        devices=frozenset(devices),
        features=(frozenset(features),) if features else (),
        queues=frozenset(each.partition("@")[0] for each in queues),
    )


def mebibytes(text: str) -> int:
    """Return the MiB that `4G`, `23.5G` or a number of bytes says; 0 for none."""
    match = _SIZE.fullmatch(text)
    return ceil(float(match[1]) * _UNIT[match[2].lower()]) if match else 0


def seconds(text: str) -> float | None:
    """Return the seconds that `3600` or `1:00:00` says; None for no limit."""
    parts = text.split(":")
    if not all(each.isdigit() for each in parts):
        return None
    total = 0
    for each in parts:
        total = total * 60 + int(each)
    return float(total)


def moment(text: str) -> float:
    """Return a time that qstat wrote in UTC, as ISO text or in milliseconds."""
    if text.isdigit():
        return float(text) / (1000 if len(text) > len("1795367108") else 1)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise BatchAnswerError(f"{text[:40]!r} is no time of GridEngine's.") from error
