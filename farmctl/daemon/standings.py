"""How a farm stands after a round, put together for whoever asks why.

Pure: from what the round saw, decided and was held back by to one `Standing`. What is
done with it, in the journal, the farm's document and the metrics, is left to `rounds`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from farmctl.daemon import barred, bounds
from farmctl.daemon.deciding import Asked
from farmctl.daemon.leases import Lease
from farmctl.daemon.seeing import Seen, Watched
from farmctl.daemon.values import Settings, Told
from farmctl.elastic.terms import PRICE
from farmctl.model.matching import Never, Sorted
from farmctl.model.nodes import Role
from farmctl.model.sample import (
    Decision,
    Drain,
    Drainer,
    End,
    Keep,
    NodeSample,
    NodeState,
    Park,
    Sample,
    Start,
    Undrain,
    Verdict,
    Waiting,
    Wake,
)
from farmctl.model.standing import Barred, Due, PoolStanding, Queued, Standing
from farmctl.model.steps import CreateNode, RemoveNode
from farmctl.model.view import Holder
from farmctl.reconcile import StepOutcome
from farmctl.spec import Farm

_FOREVER = float("inf")
_NAMED = 3
_MOST_CHANGES = 8


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round rested on, found and decided.

    `farm`: as declared. `asked`: what was asked for because of the verdict, and what
    limits that. `sizes`: nodes by pool as decided before, for pools of which the round
    asks nothing. `boot`: seconds that a boot takes, as far as is known. `no_room`: by
    pool, until when it is taken for lacking, and why. `bars`: why nothing may be
    started of a pool now, by pool.
    """

    now: float
    me: Holder
    farm: Farm
    seen: Seen
    verdict: Verdict
    asked: Asked
    watched: Watched
    settings: Settings
    sizes: Mapping[str, int]
    boot: float
    lease: Lease | None = None
    no_room: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    bars: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def known(self) -> Sorted:
        """What counts: of a look that is not believed, the last one that was."""
        now = Sorted(sample=self.seen.sample, never=self.seen.never)
        if self.seen.believed or self.farm.batch is None:
            return now
        return self.watched.believed() or now

    @property
    def shown(self) -> Sample:
        """The nodes and the work that count."""
        return self.known.sample

    @property
    def never(self) -> tuple[Never, ...]:
        """The work that can never run."""
        return self.known.never

    @cached_property
    def barred(self) -> tuple[Barred, ...]:
        """The work that waits for pools which may not grow now."""
        terms = bounds.terms(self.farm, boot=self.boot, stop=self.settings.stop)
        return barred.waits(self.shown.waiting, terms.pools, self.bars)


def standing(it: Round) -> Standing:
    """Return how a farm stands after a round."""
    farm, evidence = it.farm, it.watched.evidence
    last = evidence.last
    queue = farm.batch is not None
    shown = it.shown
    pools = tuple(_pool(it, name) for name in farm.pools)
    return Standing(
        at=it.now,
        host=it.me.host,
        pid=it.me.pid,
        system=shown.system if queue else "",
        truth=last.taken if last is not None and queue else 0.0,
        doubt=evidence.doubt if queue else "",
        doubted=evidence.since if queue and evidence.doubt else 0.0,
        restarting=evidence.restarting if queue else "",
        waiting=_slots(shown.waiting),
        running=sum(node.busy for node in shown.nodes),
        held=_slots(shown.held),
        oldest=min((each.since for each in shown.waiting), default=0.0),
        pools=pools,
        queue=_queued(shown.waiting),
        others=_queued(shown.held),
        barred=it.barred,
        never=tuple(str(each) for each in it.never),
        decided=tuple(decided(it.verdict.decisions)),
        less=_less(it) if queue else "",
        next=tuple(_next(it, pools)),
        price=PRICE[farm.kind] if farm.price is None else farm.price,
        boot=it.boot,
        lease_ends=it.lease.ends if it.lease else 0.0,
        again=min(it.verdict.look_again, it.now + it.settings.poll),
    )


def told(
    farm: str,
    standing: Standing,
    seen: Seen,
    verdict: Verdict,
    *,
    limits: Mapping[str, str],
    done: Sequence[StepOutcome],
    aside: int,
) -> Told:
    """Return what a round tells of itself besides, for those who count.

    Args:
        farm: its name.
        standing: how it stands.
        seen: both witnesses.
        verdict: what was decided.
        limits: why not more, by pool.
        done: what became of each step of the round's run.
        aside: sick nodes that are kept.
    """
    steps = [each.step for each in done]
    return Told(
        farm=farm,
        at=standing.at,
        truth=standing.truth,
        sizes={pool.pool: pool.size for pool in standing.pools},
        states={
            (pool.pool, state): count
            for pool in standing.pools
            for state, count in pool.states.items()
        },
        waiting=standing.waiting,
        running=standing.running,
        oldest=standing.oldest,
        decisions=verdict.decisions,
        doubt=standing.doubt,
        never=standing.never,
        limits=limits,
        started=sum(isinstance(each, CreateNode) for each in steps),
        ended=sum(
            isinstance(each, RemoveNode) and each.role is Role.WORKER for each in steps
        ),
        aside=aside,
        boots=seen.came_up,
        failed=seen.failed,
        lease_ends=standing.lease_ends,
        again=verdict.look_again,
        standing=standing,
    )


def decided(decisions: Iterable[Decision]) -> Iterator[str]:
    """Say what was decided, what has the same reason in one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    key, what = ("", ""), ""
    for each in decisions:
        match each:
            case Start():
                key, what = ("start", each.because), f"{each.count} of {each.pool}"
            case Drain():
                key, what = ("drain", each.because), each.node
            case Undrain():
                key, what = ("take the drain back of", each.because), each.node
            case End():
                key, what = ("end", each.because), each.node
            case Park():
                key, what = ("suspend", each.because), each.node
            case Wake():
                key, what = ("resume", each.because), each.node
            case Keep():
                key, what = ("", each.because), ""
        groups.setdefault(key, []).append(what)
    for (verb, because), names in groups.items():
        yield f"{verb} {_some(names)}: {because}" if verb else because


def _pool(it: Round, name: str) -> PoolStanding:
    pool, facts = it.farm.pools[name], it.seen.facts[name]
    states = Counter(node.state.value for node in it.shown.nodes if node.pool == name)
    limit, until = _limit(it, name, facts.digest)
    tripped = it.watched.breaker.allows(facts.digest, now=it.now).until
    return PoolStanding(
        pool=name,
        size=it.asked.sizes.get(name, it.sizes.get(name, pool.count.start)),
        least=pool.count.min,
        most=pool.count.max,
        slots=pool.cpus,
        image=pool.image,
        states=dict(sorted(states.items())),
        limit=limit,
        until=until,
        tripped=tripped if tripped > it.now else 0.0,
        shunned=dict(it.watched.breaker.shunned(facts.digest, now=it.now)),
    )


def _limit(it: Round, name: str, digest: str) -> tuple[str, float]:
    """Return why no more nodes of a pool come than do, and when that changes."""
    asked, limits = it.asked, it.verdict.limits
    starts = sum(
        each.count
        for each in it.verdict.decisions
        if isinstance(each, Start) and each.pool == name
    )
    parts, until = [], 0.0
    allowed = it.watched.breaker.allows(digest, now=it.now)
    ends, why = it.no_room.get(name, (0.0, ""))
    waits = bool(starts or name in limits or it.shown.waiting)
    if allowed.until > it.now:
        parts.append(_untimed(allowed.because))
        until = allowed.until
    elif waits and it.now < ends:
        parts.append(why)
        until = ends
    elif name in asked.limits and waits and starts >= asked.most.get(name, starts + 1):
        parts.append(asked.limits[name])
    if name in limits:
        parts.append(limits[name])
    return "; ".join(parts), until


def _untimed(because: str) -> str:
    """Return a breaker's reason without how long it still holds: that passes."""
    return because.rpartition("; ")[0] or because


def _queued(work: Sequence[Waiting]) -> tuple[Queued, ...]:
    found = [
        Queued(
            owner=each.owner,
            slots=each.slots,
            count=each.count,
            jobs=each.jobs,
            memory_mib=each.memory_mib,
            since=each.since,
            why=each.why,
        )
        for each in work
    ]
    found.sort(key=lambda each: (-each.slots * each.count, each.owner))
    return tuple(found)


def _slots(work: Iterable[Waiting]) -> int:
    return sum(each.slots * each.count for each in work)


def _less(it: Round) -> str:
    """Say why there are not fewer nodes."""
    live = [
        node
        for node in it.shown.nodes
        if node.state in {NodeState.READY, NodeState.BOOTING, NodeState.DRAINING}
    ]
    if not live:
        return ""
    if it.watched.evidence.doubt:
        return "nothing is drained or ended while the queue is not believed"
    parts: list[str] = []
    work = sum(not node.empty for node in live)
    if work:
        parts.append(f"{work} of {len(live)} {'works' if work == 1 else 'work'}")
    boots = sum(node.state is NodeState.BOOTING for node in live)
    if boots:
        parts.append(f"{boots} on the way, for work that waits")
    stay = it.verdict.stay
    if stay is not None:
        left = max(0.0, stay.until - it.now)
        parts.append(f"{stay.node} is empty, and {stay.because} for {left:.0f} s")
    for name, pool in it.farm.pools.items():
        here = sum(node.pool == name for node in live)
        if pool.count.min and here <= pool.count.min:
            parts.append(f"pools.{name}.count.min is {pool.count.min}")
    if it.watched.evidence.restarting:
        parts.append(it.watched.evidence.restarting)
    return "; ".join(parts)


def _next(it: Round, pools: Sequence[PoolStanding]) -> list[Due]:
    """Return what comes if nothing else happens, the earliest first."""
    now, asked, evidence = it.now, it.asked, it.watched.evidence
    names = {vm.id: name for name, vm in it.seen.joined.vms.items()}
    found = [
        Due(what=f"{names[vm_id]} ends: {why}", at=now)
        for vm_id, why in asked.going.items()
        if vm_id in names
    ]
    found += _arriving(it)
    found += _emptying(it, {names.get(vm_id) for vm_id in asked.going})
    found += [
        Due(what=f"a node of {pool.pool} may be asked for again", at=pool.until)
        for pool in pools
        if pool.until > now
    ]
    stay = it.verdict.stay
    if stay is not None:
        found.append(Due(what=f"{stay.node} is drained", at=max(stay.until, now)))
    if evidence.restarting:
        over = evidence.restarted + evidence.care.restart
        found.append(Due(what="the queue is a witness against nodes again", at=over))
    found += [
        Due(
            what=f"{names[vm_id]}, sick and kept for whoever looks into it, ends",
            at=since + it.settings.quarantine,
        )
        for vm_id, since in it.watched.sickroom.since.items()
        if vm_id in names and vm_id not in asked.going
    ]
    if it.lease is not None:
        found.append(Due(what="the lease and the farm end", at=it.lease.ends))
    found.sort(key=lambda due: due.at or _FOREVER)
    return found[:_MOST_CHANGES]


def _arriving(it: Round) -> list[Due]:
    coming: dict[str, list[NodeSample]] = {}
    for node in it.shown.nodes:
        if node.state is NodeState.BOOTING:
            coming.setdefault(node.pool, []).append(node)
    found = []
    for group in coming.values():
        first = min(node.since for node in group)
        late = "" if it.now - first <= it.boot else ", later than usual"
        takes = "takes" if len(group) == 1 else "take"
        found.append(
            Due(
                what=f"{_some([n.name for n in group])} {takes} work{late}",
                at=max(it.now, first + it.boot),
            )
        )
    return found


def _emptying(it: Round, going: Collection[str | None]) -> list[Due]:
    found = []
    for node in it.shown.nodes:
        if node.state is not NodeState.DRAINING or node.name in going:
            continue
        if node.drained_by is Drainer.OTHERS:
            continue
        if node.empty:
            found.append(Due(what=f"{node.name} ends once two looks agree"))
            continue
        latest = [work.ends or work.latest or 0.0 for work in node.work]
        at = max(latest) if latest and all(latest) else 0.0
        found.append(Due(what=f"{node.name} ends when its work has", at=at))
    return found


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
