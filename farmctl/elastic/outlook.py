"""A sample, sorted for deciding: who is idle, what is on its way, what frees up when.

Built once per decision from the sample and the guesses of `runtimes`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from farmctl.elastic.ladder import could_run
from farmctl.elastic.queueing import Slots, Task
from farmctl.elastic.runtimes import Runtimes, place_of
from farmctl.elastic.terms import Terms, Times
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample, Waiting, Work

PLACES = (0.5, 0.9, 0.1, 0.7, 0.3)
"""Places among an owner's runs: those of waiting jobs, as if there were five."""

FUTURES = 5
"""Futures that are weighed where the ends of work are guessed."""

GUESSES = 2000
"""Pieces in all of them: of much work, one future tells as much as five."""


@dataclass(slots=True, kw_only=True)
class Outlook:
    """What decisions are made from.

    `queued`: slots that wait and could run here, in `pieces`. `never`: pieces that fit
    no pool. `waited`: slot-seconds that they have waited so far; `wide`, `wide_waited`:
    those of pieces of several slots. `ends`: in how many seconds all work of an owner
    is over, as guessed. `idle`: empty ready nodes, first
    the ones that get work first. `freeing`: when the slots of working nodes are free,
    seconds from now; `told` are those that are free now or of which the batch system
    told it, the others those of the work in `guessed`; `boots`: when those of booting
    nodes are. `room`: slots that are free now for what waits, or at all if nothing
    does. `awaited`: empty nodes that will get what waits as soon as the batch system
    looks; `coming`: the slots of such nodes and of booting ones.
    """

    now: float
    queued: int = 0
    pieces: int = 0
    waited: float = 0.0
    wide: int = 0
    wide_waited: float = 0.0
    running: int = 0
    never: int = 0
    widest: int = 1
    narrowest: int = 1
    memory_mib: int = 0
    oldest: float | None = None
    coming: int = 0
    room: int = 0
    awaited: set[str] = field(default_factory=set)
    ends: dict[str, float] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    freeing: list[Slots] = field(default_factory=list)
    told: list[Slots] = field(default_factory=list)
    guessed: list[Work] = field(default_factory=list)
    boots: list[Slots] = field(default_factory=list)
    idle: list[NodeSample] = field(default_factory=list)
    drained: list[NodeSample] = field(default_factory=list)
    draining: list[NodeSample] = field(default_factory=list)
    standby: list[NodeSample] = field(default_factory=list)
    working: list[NodeSample] = field(default_factory=list)
    slots_by_pool: dict[str, int] = field(default_factory=dict)
    live_by_pool: dict[str, int] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """Slots of a piece of waiting work, on average."""
        return self.queued / self.pieces if self.pieces else 1.0

    @property
    def demand(self) -> int:
        """Slots waiting and running."""
        return self.queued + self.running


def look(
    sample: Sample,
    terms: Terms,
    times: Times,
    runtimes: Runtimes,
    unused: Collection[str] = (),
) -> Outlook:
    """Return `sample` sorted for deciding.

    Args:
        sample: What was seen.
        terms: Of the farm.
        times: Measured times.
        runtimes: What was learned of how long work runs.
        unused: Nodes whose free slots are not for what waits (`Unused`).
    """
    out = Outlook(now=sample.taken)
    _queue(out, sample.waiting, terms, runtimes)
    now = sample.taken
    for node in sample.nodes:
        state = node.state
        if state is NodeState.ASIDE or state is NodeState.ENDING:
            continue
        if state is NodeState.STANDBY:
            out.standby.append(node)
            continue
        pool, slots = node.pool, node.slots
        if state is NodeState.BOOTING:
            whole = times.resume if node.joined else times.boot
            out.boots.append((max(0.0, whole - (now - node.since)), slots))
            out.coming += slots
        else:
            taking = state is NodeState.READY
            busy = node.busy
            if taking:
                _ends(out, node.work, runtimes)
            out.running += busy
            if not taking:
                if node.drained_by is not Drainer.OTHERS:
                    (out.drained if node.empty else out.draining).append(node)
                continue
            taken = max(busy, node.claimed)
            if not taken:
                out.idle.append(node)
            else:
                out.working.append(node)
                if taken < slots:
                    entry = (0.0, slots - taken)
                    if node.name not in unused:
                        out.room += _fits(slots - taken, out.narrowest)
                    out.freeing.append(entry)
                    out.told.append(entry)
        out.slots_by_pool[pool] = out.slots_by_pool.get(pool, 0) + slots
        out.live_by_pool[pool] = out.live_by_pool.get(pool, 0) + 1
    out.idle.sort(key=_order)
    _await(out, unused)
    return out


def futures(out: Outlook, runtimes: Runtimes, stretch: float) -> list[list[Slots]]:
    """Return when the slots of working nodes are free, in some futures alike likely.

    The first is as guessed; in the others work ends at other places among its owner's
    runs. Whether it pays to wait for slots is decided by how often they come late,
    which no single guess tells.

    Args:
        out: The sample, sorted.
        runtimes: What was learned of how long work runs.
        stretch: How much later slots become free than guessed (`Releases`).
    """
    found = [[(left * stretch, many) for left, many in out.freeing]]
    if not out.guessed:
        return found
    count = min(FUTURES, GUESSES // (len(out.freeing) + len(out.tasks)))
    for at in range(1, count):
        shift = at / count
        slots = [(left * stretch, many) for left, many in out.told]
        for work in out.guessed:
            place = (place_of(work.job) + shift) % 1.0
            left = runtimes.on(work.owner, out.now - work.began, place)
            slots.append((left * stretch, work.slots))
        found.append(slots)
    return found


def free_at(freeing: Sequence[Slots], times: Sequence[float]) -> list[int]:
    """Return how many slots are free at each of the rising `times`."""
    counts = [0] * len(times)
    last = len(times)
    for when, many in freeing:
        at = 0
        while at < last and times[at] < when:
            at += 1
        if at < last:
            counts[at] += many
    total = 0
    for at, many in enumerate(counts):
        total += many
        counts[at] = total
    return counts


def calm(out: Outlook, limits: Mapping[str, str]) -> str:
    """Return why nothing is done; `limits` says, by pool, what keeps nodes away."""
    parts = [f"{out.running} slots work, {len(out.idle)} nodes are empty"]
    held = "; ".join(f"{pool}: {why}" for pool, why in sorted(limits.items()))
    if out.queued and held:
        parts.append(f"{out.queued} slots of work wait ({held})")
    elif held:
        parts.append(held)
    elif out.queued:
        parts.append(
            f"{out.queued} slots of work wait for {out.coming} that boot or are empty, "
            "or for slots that are free before a boot would help"
        )
    if out.never:
        parts.append(f"{out.never} pieces of work fit no pool of this farm")
    return "; ".join(parts)


def _order(node: NodeSample) -> tuple[int, float, str]:
    """Sort as work comes: the largest shape first, the oldest of equals.

    The batch adapters see to it that it does, by the nodes' weights or ranks.
    """
    return (-node.slots, node.joined, node.name)


def _ends(out: Outlook, works: Sequence[Work], runtimes: Runtimes) -> None:
    """Note when the work of a node that takes work ends, as told or as guessed."""
    for work in works:
        if work.ends is None:
            place = place_of(work.job)
            left = runtimes.on(work.owner, out.now - work.began, place)
            entry = (left, work.slots)
            out.guessed.append(work)
        else:
            left = max(work.ends - out.now, 1.0)
            entry = (left, work.slots)
            out.told.append(entry)
        out.freeing.append(entry)
        if left > out.ends.get(work.owner, 0.0):
            out.ends[work.owner] = left


def _await(out: Outlook, unused: Collection[str]) -> None:
    """Note which empty nodes what waits will take; without work all are just room."""
    left = out.queued
    for node in out.idle:
        if not out.queued:
            out.room += node.slots
            continue
        fits = _fits(node.slots, out.narrowest)
        if node.name in unused or node.stale or node.unwanted or not fits:
            continue
        out.room += fits
        out.coming += node.slots
        if left > 0:
            out.awaited.add(node.name)
            left -= fits


def _fits(slots: int, width: int) -> int:
    """Return how many of the slots work of this width could use."""
    return slots // width * width


def _queue(
    out: Outlook, waiting: Sequence[Waiting], terms: Terms, runtimes: Runtimes
) -> None:
    tasks: dict[tuple[str, float], int] = {}
    narrowest = max((piece.slots for piece in waiting), default=1)
    for piece in waiting:
        if not any(could_run(pool, piece) for pool in terms.pools):
            out.never += piece.count
            continue
        slots = piece.slots * piece.count
        out.queued += slots
        out.pieces += piece.count
        waited = slots * max(0.0, out.now - piece.since)
        out.waited += waited
        if piece.slots > 1:
            out.wide += slots
            out.wide_waited += waited
        out.widest = max(out.widest, piece.slots)
        narrowest = min(narrowest, piece.slots)
        out.memory_mib = max(out.memory_mib, piece.memory_mib)
        if out.oldest is None or piece.since < out.oldest:
            out.oldest = piece.since
        runs = runtimes.guess(piece.owner) if piece.runs is None else piece.runs
        out.ends[piece.owner] = max(out.ends.get(piece.owner, 0.0), terms.boot + runs)
        for count, seconds in _spread(piece, runtimes):
            key = (piece.owner, seconds)
            tasks[key] = tasks.get(key, 0) + piece.slots * count
    out.narrowest = narrowest if out.queued else 1
    out.tasks = [(slots, runs) for (_, runs), slots in tasks.items()]


def _spread(piece: Waiting, runtimes: Runtimes) -> list[tuple[int, float]]:
    """Return how many of the jobs of a piece run for how long, as its owner's did."""
    if piece.runs is not None:
        return [(piece.count, piece.runs)]
    each, more = divmod(piece.count, len(PLACES))
    return [
        (count, runtimes.on(piece.owner, 0.0, place))
        for at, place in enumerate(PLACES)
        if (count := each + (at < more))
    ]
