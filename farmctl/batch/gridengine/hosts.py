"""GridEngine's execution hosts, from `qhost -q -j -xml`: state, slots, what runs.

Pure. A host is drained when every queue instance on it is disabled. GridEngine keeps
no reason for that; hosts that we drained are in a host group of ours.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from farmctl.batch.gridengine.queue import mebibytes
from farmctl.errors import BatchAnswerError
from farmctl.model.sample import Drainer, NodeSample, NodeState, Work

Element = Any
"""An element of lxml's tree."""

_SICK = frozenset("ucEo")
"""Unknown (its execd is not heard), configured ambiguously, in error, orphaned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One execution host as GridEngine shows it."""

    name: str
    heard: bool
    slots: int
    used: int
    memory_mib: int
    queues: Mapping[str, str]
    arch: str
    work: tuple[Work, ...]

    @property
    def disabled(self) -> bool:
        """Whether no queue on it takes work because each was disabled."""
        return bool(self.queues) and all("d" in each for each in self.queues.values())

    @property
    def lost(self) -> bool:
        """Whether its execd is not heard, or every queue on it is sick."""
        return not self.heard or all(_SICK & set(each) for each in self.queues.values())


def read(elements: Iterable[Element]) -> dict[str, Host]:
    """Return the hosts by name.

    Raises:
        BatchAnswerError: one has no name, or a value that is none.
    """
    found: dict[str, Host] = {}
    for element in elements:
        name = element.get("name")
        if not name:
            raise BatchAnswerError("A host of GridEngine's list has no name.")
        if name != "global":
            try:
                found[name] = _host(element, name)
            except ValueError as error:
                raise BatchAnswerError(
                    f"GridEngine's answer about {name} cannot be read: {error}"
                ) from error
    return found


def _host(element: Element, name: str) -> Host:
    values = {each.get("name"): each.text or "" for each in element.iter("hostvalue")}
    queues: dict[str, str] = {}
    total = largest = used = 0
    for queue in element.findall("queue"):
        of = {each.get("name"): each.text or "" for each in queue.iter("queuevalue")}
        queues[queue.get("name", "")] = of.get("state_string", "")
        slots = int(of.get("slots") or 0)
        total, largest = total + slots, max(largest, slots)
        used += int(of.get("slots_used") or 0)
    processors = values.get("num_proc", "-")
    cores = int(processors) if processors.isdigit() else 0
    return Host(
        name=name,
        heard=values.get("load_avg", "-") != "-" or values.get("mem_used", "-") != "-",
        slots=min(total, max(cores, largest)),
        used=used,
        memory_mib=mebibytes(values.get("mem_total", "-")),
        queues=queues,
        arch=values.get("arch_string", ""),
        work=_work(element.findall("job"), used),
    )


def _work(jobs: Iterable[Element], used: int) -> tuple[Work, ...]:
    """Return what runs: a parallel job has a row for each slot it holds.

    Where its environment does not count the master as a task, there is one row more.
    """
    rows: dict[tuple[str, str, float], int] = defaultdict(int)
    for job in jobs:
        of = {each.get("name"): each.text or "" for each in job.iter("jobvalue")}
        name = job.get("name") or ""
        if task := of.get("taskid", ""):
            name += f"_{task}"
        rows[name, of.get("job_owner", ""), float(of.get("start_time") or 0)] += 1
    surplus = sum(rows.values()) - used
    found = []
    for (name, owner, began), many in rows.items():
        slots = many
        if surplus > 0 and many > 1:
            slots, surplus = many - 1, surplus - 1
        found.append(Work(job=name, owner=owner, slots=slots, began=began))
    return tuple(found)


def drained_by(host: Host, ours: frozenset[str]) -> Drainer:
    """Return whose drain the host carries."""
    if not host.disabled:
        return Drainer.NOBODY
    return Drainer.US if host.name in ours else Drainer.OTHERS


def sampled(
    host: Host,
    ours: frozenset[str],
    *,
    joined: float,
    idle_since: float | None,
    now: float,
) -> NodeSample:
    """Return the host as a node."""
    drainer = drained_by(host, ours)
    states = sorted(f"{name}:{state or 'ok'}" for name, state in host.queues.items())
    return NodeSample(
        name=host.name,
        pool="",
        slots=host.slots,
        state=_state(host, drainer),
        since=min(now, joined if idle_since is None else idle_since),
        joined=joined,
        idle_since=idle_since,
        work=host.work,
        memory_mib=host.memory_mib,
        features=frozenset({f"arch={host.arch}"} if host.heard else ()),
        queues=frozenset(host.queues),
        claimed=host.used,
        shown=" ".join(states) or "no queue",
        drained_by=drainer,
    )


def _state(host: Host, drainer: Drainer) -> NodeState:
    if not host.queues or host.lost or drainer is Drainer.OTHERS:
        return NodeState.ASIDE
    return NodeState.DRAINING if drainer is Drainer.US else NodeState.READY
