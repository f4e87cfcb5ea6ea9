"""Slurm's jobs: what waits, by shape and reason, and what runs on which node.

Pure: records in, values out. A job array that waits is one record; as many of its
tasks count as waiting as its own limit lets begin, the rest is held.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from farmctl.batch import arrays
from farmctl.batch.names import unfolded
from farmctl.batch.slurm import constraints, reasons
from farmctl.batch.slurm.answers import Record, amount, listed, number, text, words
from farmctl.errors import BatchAnswerError
from farmctl.model.sample import Waiting, Work

RUNS = frozenset({
    "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING",
    "RESIZING", "STAGE_OUT", "POWER_UP_NODE",
})  # fmt: skip
"""States in which a job holds its nodes; one that is suspended will go on there."""

WAITS = frozenset({
    "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT",
})  # fmt: skip

OVER = frozenset({
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED",
    "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED", "LAUNCH_FAILED",
    "RECONFIG_FAIL",
})  # fmt: skip
"""States of jobs that are listed until MinJobAge is over."""

NEVER_ENDS = 365 * 24 * 3600
"""Slurm shows a job without a time limit as one that ends in a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """What a partition lets begin: seconds and nodes, None without limit."""

    up: bool
    seconds: int | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """All jobs of one look."""

    waiting: tuple[Waiting, ...]
    held: tuple[Waiting, ...]
    work: Mapping[str, tuple[Work, ...]]


def read(
    records: Sequence[Record],
    partitions: Mapping[str, Partition],
    *,
    now: float,
    memory_counts: bool = False,
) -> Jobs:
    """Return what waits, what is held and what runs on each node.

    Args:
        records: The jobs.
        partitions: The partitions by name.
        now: When they were asked for.
        memory_counts: Whether nodes give memory away as they do cores: a job that
            says nothing of memory, where no default does, then takes all of a node's.

    Raises:
        BatchAnswerError: a record lacks what every job has.
    """
    work: dict[str, list[Work]] = defaultdict(list)
    pending: list[Record] = []
    of_array: dict[int, int] = defaultdict(int)
    for record in records:
        states = words(record.get("job_state"))
        if states & RUNS or not states & WAITS:
            if not states:
                raise BatchAnswerError("A job of Slurm's list is in no state.")
            if states & RUNS or not states & OVER:
                _run(record, work)
                of_array[amount(record, "array_job_id")] += 1
        else:
            pending.append(record)
    waiting, held = _waiting(
        pending, partitions, of_array, now=now, memory_counts=memory_counts
    )
    return Jobs(
        waiting=waiting,
        held=held,
        work={name: tuple(each) for name, each in work.items()},
    )


def named(record: Record) -> str:
    """Return a job's name as squeue shows it: `12`, `12_7`, `12+1`."""
    job = number(record.get("job_id"))
    if job is None:
        raise BatchAnswerError("A job of Slurm's list has no number.")
    array, task = amount(record, "array_job_id"), number(record.get("array_task_id"))
    if array and task is not None:
        return f"{array}_{task}"
    together = amount(record, "het_job_id")
    if together:
        return f"{together}+{amount(record, 'het_job_offset')}"
    return str(job)


def _run(record: Record, work: dict[str, list[Work]]) -> None:
    """Add a running job's share to each of its nodes."""
    nodes = unfolded(text(record, "nodes"))
    began, ends = amount(record, "start_time"), amount(record, "end_time")
    limited = number(record.get("time_limit")) is not None and ends > began
    for node, slots in _shares(record, nodes).items():
        work[node].append(
            Work(
                job=named(record),
                owner=_owner(record),
                slots=slots,
                began=float(began),
                latest=float(ends) if limited and ends - began < NEVER_ENDS else None,
            )
        )


def _shares(record: Record, nodes: Sequence[str]) -> dict[str, int]:
    """Return how many of the job's CPUs each of its nodes gives."""
    cpus = max(amount(record, "cpus"), len(nodes))
    if len(nodes) <= 1:
        return dict.fromkeys(nodes, cpus)
    weights = dict.fromkeys(nodes, 0)
    for name, weight in _allocated(record.get("job_resources")):
        if name in weights:
            weights[name] = weight
    total = sum(weights.values())
    if not all(weights.values()):
        weights, total = dict.fromkeys(nodes, 1), len(nodes)
    return {name: -(-cpus * weight // total) for name, weight in weights.items()}


def _allocated(resources: object) -> Iterable[tuple[str, int]]:
    """Return each node's share of cores or CPUs, whichever this version tells."""
    if not isinstance(resources, dict):
        return
    nodes = resources.get("nodes")
    found = resources.get("allocated_nodes")
    if isinstance(nodes, dict):
        found = nodes.get("allocation")
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, dict):
            continue
        name = str(each.get("nodename") or each.get("name") or "")
        cpus = each.get("cpus")
        if isinstance(cpus, dict):
            yield name, amount(cpus, "count")
        else:
            yield name, _cores(each.get("sockets"))


def _cores(sockets: object) -> int:
    """Return how many cores of a node's sockets are allocated (until 23.11)."""
    total = 0
    for socket in sockets.values() if isinstance(sockets, dict) else ():
        cores = socket.get("cores") if isinstance(socket, dict) else None
        for state in cores.values() if isinstance(cores, dict) else ():
            total += "ALLOCATED" in words(state)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    slots: int
    pieces: int
    apart: bool = False
    whole: bool = False


def _shape(record: Record, *, all_memory: bool) -> _Shape:
    """Return the pieces in which a job can be laid on nodes.

    Slurm guesses `node_count` from the nodes that there are now; only where the job
    itself limits its nodes (`max_nodes`) is it a wish.
    """
    cpus, tasks = max(1, amount(record, "cpus")), max(1, amount(record, "tasks"))
    nodes, most = max(1, amount(record, "node_count")), amount(record, "max_nodes")
    least = max(1, amount(record, "minimum_cpus_per_node"))
    each = amount(record, "cpus_per_task") or max(1, cpus // tasks)
    shared = words(record.get("shared")) | words(record.get("exclusive"))
    whole = bool(shared & {"NONE", "EXCLUSIVE", "TRUE"}) or all_memory
    if most == nodes or whole:
        slots = max(least, -(-cpus // nodes))
        return _Shape(slots=slots, pieces=nodes, apart=nodes > 1, whole=whole)
    per_node = amount(record, "tasks_per_node")
    if per_node:
        pieces = -(-tasks // per_node)
        return _Shape(slots=per_node * each, pieces=pieces, apart=pieces > 1)
    slots = max(each, least)
    return _Shape(slots=slots, pieces=-(-cpus // slots))


@dataclass(slots=True)
class _Pile:
    """Waiting work of one kind and reason, counted together."""

    first: Waiting
    jobs: int = 0
    since: float = 0.0
    job: Record = field(default_factory=dict)

    def add(self, record: Record, tasks: int, since: float) -> None:
        """Count `tasks` more jobs, that of `record` among them."""
        if not self.jobs or since < self.since:
            self.since, self.job = since, record
        self.jobs += tasks

    def whole(self) -> Waiting:
        """Return the work counted here."""
        return replace(
            self.first,
            count=self.first.count * self.jobs,
            jobs=self.jobs,
            since=self.since,
            job=named(self.job),
        )


def _waiting(
    pending: Sequence[Record],
    partitions: Mapping[str, Partition],
    of_array: Mapping[int, int],
    *,
    now: float,
    memory_counts: bool,
) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Return what waits for nodes and what for something else, the oldest first.

    Thousands of jobs are of some dozens of kinds: each kind is understood once.
    """
    piles: dict[object, _Pile] = {}
    held: dict[object, _Pile] = {}
    for record in pending:
        kind = _kind(record)
        pile = piles.get(kind) or held.get(kind)
        if pile is None:
            why = _why(record, partitions)
            pile = _Pile(_first(record, why, memory_counts=memory_counts))
            (piles if why in reasons.HELPED else held)[kind] = pile
        expression = record.get("array_task_string")
        tasks = arrays.tasks(expression) if expression else 1
        free = tasks
        if expression and kind in piles:
            limit = amount(record, "array_max_tasks")
            runs = of_array.get(amount(record, "array_job_id"), 0)
            free = min(tasks, max(0, limit - runs)) if limit else tasks
        since = _since(record, now)
        if free:
            pile.add(record, free, since)
        if tasks > free:
            late = held.setdefault(
                (kind, reasons.ARRAY), _Pile(replace(pile.first, why=reasons.ARRAY))
            )
            late.add(record, tasks - free, since)
    return _listed(piles.values()), _listed(held.values())


def _listed(piles: Iterable[_Pile]) -> tuple[Waiting, ...]:
    found = [pile.whole() for pile in piles if pile.jobs]
    found.sort(key=lambda each: (each.since, each.job))
    return tuple(found)


_ALIKE = (
    "user_name", "user_id", "account", "state_reason", "partition", "cpus", "tasks",
    "cpus_per_task", "tasks_per_node", "node_count", "max_nodes", "shared", "exclusive",
    "minimum_cpus_per_node", "memory_per_node", "memory_per_cpu", "features",
    "minimum_tmp_disk_per_node", "time_limit", "tres_per_job", "tres_per_node",
    "tres_per_socket", "tres_per_task", "resv_name", "required_nodes",
)  # fmt: skip
"""What makes jobs of one kind, with what `_kind` adds."""


def _kind(record: Record) -> object:
    """Return a key that two jobs share when they differ in nothing that matters."""
    values: tuple[object, ...] = tuple(map(record.get, _ALIKE))
    values += (bool(record.get("dependency")), record.get("priority") == 0)
    try:
        hash(values)
    except TypeError:
        values = tuple(map(_hashed, values))
        values += (number(record.get("priority")) == 0,)
    return values


def _hashed(value: object) -> object:
    if isinstance(value, dict):
        return number(value)
    return tuple(value) if isinstance(value, list) else value


def _first(record: Record, why: str, *, memory_counts: bool) -> Waiting:
    """Return one job of a kind: its pieces, and what they ask of a node."""
    per_node, per_cpu = (
        amount(record, "memory_per_node"),
        amount(record, "memory_per_cpu"),
    )
    all_memory = memory_counts and not per_node and not per_cpu
    shape = _shape(record, all_memory=all_memory)
    seconds = amount(record, "time_limit") * 60.0
    return Waiting(
        owner=_owner(record),
        account=text(record, "account"),
        slots=shape.slots,
        count=shape.pieces,
        since=0.0,
        memory_mib=per_node or per_cpu * shape.slots,
        disk_mib=amount(record, "minimum_tmp_disk_per_node"),
        why=(text(record, "state_description") if why == "Resources" else "") or why,
        limit=seconds if 0 < seconds < NEVER_ENDS else None,
        together=shape.pieces,
        apart=shape.apart,
        whole=shape.whole,
        features=constraints.features(text(record, "features")),
        queues=listed(record.get("partition")),
        devices=_devices(record),
    )


def _since(record: Record, now: float) -> float:
    """Return when it could have begun: dependencies and begin times count."""
    eligible, came = amount(record, "eligible_time"), amount(record, "submit_time")
    return float(eligible if 0 < eligible <= now else came)


def _why(record: Record, partitions: Mapping[str, Partition]) -> str:
    """Return why it waits: Slurm's reason, or what Slurm has not come to yet.

    Slurm gives one reason of several. An empty partition's hides that it is down, and
    a job that came this second has none.
    """
    why = text(record, "state_reason")
    if why not in reasons.HELPED:
        return why
    if record.get("priority") is not None and number(record["priority"]) == 0:
        return reasons.HELD
    if text(record, "dependency"):
        return reasons.DEPENDENCY
    if text(record, "resv_name"):
        return reasons.RESERVATION
    if record.get("required_nodes"):
        return reasons.BY_NAME
    own = [
        partitions[name]
        for name in text(record, "partition").split(",")
        if name in partitions
    ]
    if not own:
        return why
    up = [each for each in own if each.up]
    if not up:
        return reasons.PARTITION_DOWN
    minutes, nodes = amount(record, "time_limit"), amount(record, "node_count")
    if all(each.seconds is not None and minutes * 60 > each.seconds for each in up):
        return reasons.PARTITION_TIME
    if all(each.nodes is not None and nodes > each.nodes for each in up):
        return reasons.PARTITION_NODES
    return why


def _owner(record: Record) -> str:
    return text(record, "user_name") or str(amount(record, "user_id"))


def _devices(record: Record) -> frozenset[str]:
    """Return what it asks for besides cores and memory, such as `gpu:2`."""
    found: set[str] = set()
    for name in _DEVICES:
        for each in listed(record.get(name)):
            kind = each.removeprefix("gres:").removeprefix("gres/").replace("=", ":")
            if kind and not kind.startswith(("cpu:", "mem:", "billing:", "node:")):
                found.add(kind)
    return frozenset(found)


_DEVICES = ("tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task")
