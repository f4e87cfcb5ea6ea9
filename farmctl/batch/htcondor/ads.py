"""HTCondor's ads as values: slots of one machine are one node, jobs are matched.

Whether a job could run on a pool's nodes is not guessed from its requests: the job's
ad and an ad of such a node are matched both ways, as HTCondor's negotiator would.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farmctl.batch.htcondor.pool import Ad, Pool
from farmctl.batch.port import OURS
from farmctl.errors import BatchAnswerError
from farmctl.model.matching import NodeShape
from farmctl.model.sample import Drainer, NodeSample, NodeState, Waiting, Work

SLOT = (
    "Name", "Machine", "MyAddress", "SlotType", "State", "Activity", "Cpus",
    "TotalSlotCpus", "TotalCpus", "TotalSlotMemory", "TotalMemory", "JobId",
    "RemoteOwner", "JobStart", "EnteredCurrentActivity", "DaemonStartTime", "Draining",
    "DrainReason", "DrainingRequestId", "Start", "Offline",
)  # fmt: skip
JOB = (
    "ClusterId", "ProcId", "Owner", "AcctGroup", "JobStatus", "JobUniverse", "QDate",
    "EnteredCurrentStatus", "RequestCpus", "RequestMemory", "RequestDisk",
    "RequestGPUs", "Requirements", "AutoClusterId", "HoldReason", "LastRejMatchReason",
    "AllowedJobDuration", "MinHosts",
)  # fmt: skip
"""Attributes that are asked for; `lacking` tells what the requirements want besides."""

_EXPRESSIONS = ("Requirements", "RequestCpus", "RequestMemory", "RequestDisk")

IDLE, RUNNING, HELD, SUSPENDED = 1, 2, 5, 7
ON_WORKERS = frozenset({5, 11, 13})
"""Universes whose jobs run on workers: vanilla, parallel, VM."""

_UNMATCHED = "no pool's nodes match its requirements"
_LIMITED = ("concurrency limit", "submitter limit", "limit reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An ad of the node that a pool would start."""

    pool: str
    ad: Ad


def offers(
    pool: Pool, shapes: Sequence[NodeShape], extra: Mapping[str, str]
) -> tuple[Offer, ...]:
    """Return an ad for each shape.

    Args:
        pool: Whose ClassAds.
        shapes: The pools' shapes; a feature is an attribute that is true.
        extra: More attributes of a pool's nodes, as ClassAd text by pool: what the
            configuration of their startd adds.
    """
    found = []
    for shape in shapes:
        cpus, memory = shape.slots, shape.memory_mib or 1 << 30
        disk = (shape.disk_mib or 1 << 30) * 1024
        text = (
            f'MyType="Machine"; Arch="X86_64"; OpSys="LINUX"; Cpus={cpus}; '
            f"TotalCpus={cpus}; TotalSlotCpus={cpus}; Memory={memory}; "
            f"TotalMemory={memory}; TotalSlotMemory={memory}; Disk={disk}; "
            f"TotalDisk={disk}; HasFileTransfer=true; PartitionableSlot=true; "
            'SlotType="Partitionable"; State="Unclaimed"; Activity="Idle"; '
            "Start=true; Requirements=Start && (TARGET.RequestCpus ?: 1) <= MY.Cpus "
            "&& (TARGET.RequestMemory ?: 0) <= MY.Memory; "
        )
        text += "".join(f"{name}=true; " for name in sorted(shape.features))
        ad = pool.parse(f"[{text}]")
        if extra.get(shape.pool):
            ad.update(pool.parse(f"[{extra[shape.pool]}]"))
        found.append(Offer(pool=shape.pool, ad=ad))
    return tuple(found)


def number(ad: Ad, name: str, default: float = 0.0) -> float:
    """Return what an attribute evaluates to, `default` where that is no number."""
    if name not in ad:
        return default
    value = ad.eval(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return default


def word(ad: Ad, name: str) -> str:
    """Return what an attribute evaluates to, empty where that is no text."""
    value = ad.eval(name) if name in ad else ""
    return value if isinstance(value, str) else ""


def true(ad: Ad, name: str) -> bool:
    """Tell whether an attribute evaluates to true."""
    return name in ad and ad.eval(name) is True


def queue(
    jobs: Sequence[Ad], offered: Sequence[Offer]
) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return what waits for nodes and what for something else, the oldest first.

    Raises:
        BatchAnswerError: an ad lacks what every job has.
    """
    kinds: dict[tuple[object, ...], list[Ad]] = defaultdict(list)
    for ad in jobs:
        status, universe = number(ad, "JobStatus"), number(ad, "JobUniverse", 5)
        if not status or "ClusterId" not in ad:
            raise BatchAnswerError("A job of HTCondor's list has no number or status.")
        if status in {IDLE, HELD} and universe in ON_WORKERS:
            kinds[_kind(ad, status)].append(ad)
    waiting: list[Waiting] = []
    held: list[Waiting] = []
    for kind, alike in kinds.items():
        first = min(alike, key=_since)
        why = str(kind[-1])
        found = _waiting(first, alike, why, offered)
        (held if why else waiting).append(found)
    return _ordered(waiting), _ordered(held)


def _ordered(found: Iterable[Waiting]) -> tuple[Waiting, ...]:
    return tuple(sorted(found, key=lambda each: (each.since, each.job)))


def lacking(jobs: Sequence[Ad], asked: frozenset[str]) -> frozenset[str]:
    """Return attributes that the jobs' requirements name and that were not asked for.

    A projection leaves them out, and a requirement without them matches nothing.
    """
    named: set[str] = set()
    seen: set[str] = set()
    for ad in jobs:
        for name in _EXPRESSIONS:
            if name in ad and (text := str(ad.lookup(name))) not in seen:
                seen.add(text)
                expression = ad.lookup(name)
                named.update(ad.internalRefs(expression), ad.externalRefs(expression))
    known = {each.lower() for each in asked}
    names = {each.rpartition(".")[2] for each in named}
    return frozenset(each for each in names if each.lower() not in known)


def _kind(ad: Ad, status: float) -> tuple[object, ...]:
    """Return what jobs share that differ in nothing that matters; last, what holds."""
    cluster: object = number(ad, "AutoClusterId", -1)
    if cluster == -1:
        cluster = str(ad.get("Requirements"))
    why = ""
    rejected = word(ad, "LastRejMatchReason")
    if status == HELD:
        why = word(ad, "HoldReason") or "held"
    elif any(each in rejected.lower() for each in _LIMITED):
        why = rejected
    asked = tuple(number(ad, name) for name in ("RequestCpus", "RequestMemory"))
    return (word(ad, "Owner"), word(ad, "AcctGroup"), cluster, *asked, why)


def _since(ad: Ad) -> float:
    return number(ad, "EnteredCurrentStatus") or number(ad, "QDate")


def _waiting(
    first: Ad, alike: Sequence[Ad], why: str, offered: Sequence[Offer]
) -> Waiting:
    hosts = max(1, int(number(first, "MinHosts", 1)))
    pools = frozenset(o.pool for o in offered if first.symmetricMatch(o.ad))
    duration = number(first, "AllowedJobDuration")
    gpus = int(number(first, "RequestGPUs"))
    return Waiting(
        owner=word(first, "Owner"),
        account=word(first, "AcctGroup"),
        slots=max(1, int(number(first, "RequestCpus", 1))),
        count=hosts * len(alike),
        since=_since(first),
        memory_mib=int(number(first, "RequestMemory")),
        disk_mib=int(number(first, "RequestDisk")) // 1024,
        why=why or ("Idle" if pools else _UNMATCHED),
        job=f"{int(number(first, 'ClusterId'))}.{int(number(first, 'ProcId'))}",
        jobs=len(alike),
        limit=duration or None,
        together=hosts,
        devices=frozenset({f"gpu:{gpus}"} if gpus else ()),
        pools=pools,
    )


def machines(slots: Sequence[Ad]) -> dict[str, list[Ad]]:
    """Return the slots of each machine, by the first part of its host name.

    Raises:
        BatchAnswerError: an ad lacks what every slot has.
    """
    found: dict[str, list[Ad]] = defaultdict(list)
    for ad in slots:
        machine = word(ad, "Machine")
        if not machine or not word(ad, "State"):
            raise BatchAnswerError("A slot of HTCondor's list has no machine or state.")
        found[machine.partition(".")[0]].append(ad)
    return dict(found)


def work(slots: Sequence[Ad]) -> tuple[Work, ...]:
    """Return what runs in a machine's slots."""
    return tuple(
        Work(
            job=word(ad, "JobId") or word(ad, "Name"),
            owner=word(ad, "RemoteOwner").partition("@")[0],
            slots=max(1, int(number(ad, "Cpus", 1))),
            began=number(ad, "JobStart") or number(ad, "EnteredCurrentActivity"),
        )
        for ad in slots
        if word(ad, "State") in {"Claimed", "Preempting", "Matched"}
        and word(ad, "SlotType") != "Partitionable"
    )


def drained_by(slots: Sequence[Ad]) -> Drainer:
    """Return whose drain a machine carries: a startd drains as a whole."""
    for ad in slots:
        if word(ad, "State") == "Drained" or true(ad, "Draining"):
            ours = word(ad, "DrainReason").startswith(OURS)
            return Drainer.US if ours else Drainer.OTHERS
    return Drainer.NOBODY


def node(
    name: str,
    slots: Sequence[Ad],
    *,
    joined: float,
    idle_since: float | None,
    now: float,
) -> NodeSample:
    """Return a machine as a node."""
    drainer, runs = drained_by(slots), work(slots)
    whole = [ad for ad in slots if word(ad, "SlotType") != "Dynamic"]
    cpus = sum(number(ad, "TotalSlotCpus") or number(ad, "Cpus") for ad in whole)
    memory = sum(number(ad, "TotalSlotMemory") for ad in whole)
    states = sorted({f"{word(ad, 'State')}/{word(ad, 'Activity')}" for ad in slots})
    reason = next((r for ad in slots if (r := word(ad, "DrainReason"))), "")
    state = NodeState.READY
    if drainer is Drainer.US:
        state = NodeState.DRAINING
    elif drainer is Drainer.OTHERS or any(word(ad, "State") == "Owner" for ad in whole):
        state = NodeState.ASIDE
    started = max(number(ad, "DaemonStartTime") for ad in slots)
    return NodeSample(
        name=name,
        pool="",
        slots=int(cpus),
        state=state,
        since=min(now, joined if idle_since is None else idle_since),
        joined=started or joined,
        idle_since=idle_since,
        work=runs,
        memory_mib=int(memory),
        claimed=sum(each.slots for each in runs),
        shown=" ".join(states),
        reason=reason,
        drained_by=drainer,
    )
