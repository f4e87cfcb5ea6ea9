"""A sample, sorted for deciding: who is idle, what is on its way, what frees up when.

Built once per decision from the sample and the guesses of `runtimes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from farmctl.elastic.ladder import could_run
from farmctl.elastic.queueing import Slots, Task
from farmctl.elastic.runtimes import Runtimes, place_of
from farmctl.elastic.terms import Terms, Times
from farmctl.model.sample import Drainer, NodeSample, NodeState, Sample, Waiting

PLACES = (0.5, 0.9, 0.1, 0.7, 0.3)
"""Places among an owner's runs: those of waiting jobs, as if there were five."""


@dataclass(slots=True, kw_only=True)
class Outlook:
    """What decisions are made from.

    `queued`: slots that wait and could run here, in `pieces`. `never`: pieces that fit
    no pool. `waited`: slot-seconds that they have waited so far. `ends`: in how many
    seconds all work of an owner is over, as guessed. `idle`: empty ready nodes, first
    the ones that get work first. `freeing`: when the slots of working nodes are free,
    seconds from now; `boots`: when those of booting nodes are; `coming`: how many these
    are.
    """

    now: float
    queued: int = 0
    pieces: int = 0
    waited: float = 0.0
    running: int = 0
    never: int = 0
    widest: int = 1
    memory_mib: int = 0
    oldest: float | None = None
    coming: int = 0
    ends: dict[str, float] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    freeing: list[Slots] = field(default_factory=list)
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


def look(sample: Sample, terms: Terms, times: Times, runtimes: Runtimes) -> Outlook:
    """Return `sample` sorted for deciding."""
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
        busy = 0
        if state is NodeState.BOOTING:
            whole = times.resume if node.joined else times.boot
            out.boots.append((max(0.0, whole - (now - node.since)), slots))
            out.coming += slots
        else:
            taking = state is NodeState.READY
            for work in node.work:
                busy += work.slots
                if taking:
                    if work.ends is None:
                        place = place_of(work.job)
                        left = runtimes.on(work.owner, now - work.began, place)
                    else:
                        left = max(work.ends - now, 1.0)
                    out.freeing.append((left, work.slots))
                    if left > out.ends.get(work.owner, 0.0):
                        out.ends[work.owner] = left
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
                    out.freeing.append((0.0, slots - taken))
        out.slots_by_pool[pool] = out.slots_by_pool.get(pool, 0) + slots
        out.live_by_pool[pool] = out.live_by_pool.get(pool, 0) + 1
    out.idle.sort(key=_order)
    return out


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
    if out.queued and limits:
        held = "; ".join(f"{pool}: {why}" for pool, why in sorted(limits.items()))
        parts.append(f"{out.queued} slots of work wait ({held})")
    elif out.queued:
        parts.append(
            f"{out.queued} slots of work wait for {out.coming} that boot, or for "
            "slots that are free before a boot would help"
        )
    if out.never:
        parts.append(f"{out.never} pieces of work fit no pool of this farm")
    return "; ".join(parts)


def _order(node: NodeSample) -> tuple[int, float, str]:
    """Sort as work comes: the largest shape first, the oldest of equals.

    The batch adapters see to it that it does, by the nodes' weights or ranks.
    """
    return (-node.slots, node.joined, node.name)


def _queue(
    out: Outlook, waiting: Sequence[Waiting], terms: Terms, runtimes: Runtimes
) -> None:
    tasks: dict[tuple[str, float], int] = {}
    for piece in waiting:
        if not any(could_run(pool, piece) for pool in terms.pools):
            out.never += piece.count
            continue
        slots = piece.slots * piece.count
        out.queued += slots
        out.pieces += piece.count
        out.waited += slots * max(0.0, out.now - piece.since)
        out.widest = max(out.widest, piece.slots)
        out.memory_mib = max(out.memory_mib, piece.memory_mib)
        if out.oldest is None or piece.since < out.oldest:
            out.oldest = piece.since
        runs = runtimes.guess(piece.owner) if piece.runs is None else piece.runs
        out.ends[piece.owner] = max(out.ends.get(piece.owner, 0.0), terms.boot + runs)
        for count, seconds in _spread(piece, runtimes):
            key = (piece.owner, seconds)
            tasks[key] = tasks.get(key, 0) + piece.slots * count
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
