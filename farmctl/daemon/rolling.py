"""One farm's rolling updates, round after round: seen, decided, carried out, told.

What is next is decided by `elastic.rolling`; how the document and the template change
is `plan.rolling`'s, when a round's wish is carried out. Here is what only time shows:
how new nodes fare, and which of them have let an old one go. Killed anywhere, the next
daemon learns that anew from the document and from what the batch system knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from farmctl.batch import BatchSystem
from farmctl.daemon import faring
from farmctl.daemon.deciding import Asked
from farmctl.daemon.faring import Faring
from farmctl.daemon.seeing import Seen, Watched
from farmctl.daemon.telling import Teller
from farmctl.daemon.values import Told
from farmctl.elastic import proofs, rolling
from farmctl.elastic.limits import bounded
from farmctl.elastic.proofs import MARK, Proofs
from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Terms
from farmctl.elastic.turns import Next, Turn
from farmctl.errors import FarmctlError
from farmctl.model.rolling import News, Roll, Rolling
from farmctl.model.sample import (
    Decision,
    Drain,
    Keep,
    NodeState,
    Sample,
    Verdict,
)
from farmctl.model.steps import CreateNode
from farmctl.model.view import FarmView
from farmctl.plan.rolled import read
from farmctl.plan.rolling import counted, in_force
from farmctl.reconcile import Outcome, Result
from farmctl.spec import Farm

_OUT = frozenset({NodeState.ENDING})
_ANY = 1 << 20


@dataclass(frozen=True, slots=True)
class Around:
    """What a round knows besides both witnesses.

    `farm`: as it is in force. `core`: the scaling core, which knows how long boots and
    work last. `watched`: what earlier looks have shown. `room`: by pool, until when
    there is taken to be none, and why.
    """

    farm: Farm
    core: Scaler
    watched: Watched
    room: Mapping[str, tuple[float, str]]


class Rolls:
    """The rolls of one farm; used by one round at a time."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._rolling = Rolling()
        self._proofs: dict[str, Proofs] = {}
        self._faring: dict[str, Faring] = {}
        self._surging: dict[str, frozenset[str] | None] = {}
        self._began: dict[str, tuple[str, float]] = {}
        self._next: dict[str, Next] = {}
        self._more: dict[str, tuple[int, str]] = {}
        self._shunned: frozenset[str] = frozenset()

    # Seeing.

    def see(self, mine: FarmView) -> None:
        """Take up what the farm's document says of its rolls."""
        self._rolling = read(mine.document)
        self._next = {}
        for pool, roll in self._rolling.rolls.items():
            begun = (roll.new, roll.began)
            if self._began.get(pool) != begun:
                self._began[pool] = begun
                self._proofs[pool] = Proofs()
                self._faring[pool] = Faring()
                self._surging[pool] = None if roll.proven else frozenset()
                self._more[pool] = (0, f"{MARK}: nothing is known of it yet")
                self._say_begun(pool, roll)
        for pool in [pool for pool in self._began if pool not in self._rolling.rolls]:
            for table in (self._began, self._proofs, self._faring):
                table.pop(pool, None)
            for other in (self._surging, self._more):
                other.pop(pool, None)

    def in_force(self, farm: Farm) -> Farm:
        """Return the farm with the shapes that its pools are held at."""
        return in_force(farm, self._rolling)

    def terms(self, terms: Terms, farm: Farm) -> Terms:
        """Return the terms with the nodes that rolling pools may have beyond theirs."""
        rolls = self._rolling.rolls
        return replace(
            terms,
            pools=tuple(
                replace(pool, surge=self._pace(farm, pool.name, 1.0).surge)
                if pool.name in rolls
                else pool
                for pool in terms.pools
            ),
        )

    def masked(self, sample: Sample) -> Sample:
        """Return the sample as the scaling core is to see it."""
        if not self._rolling.rolls:
            return sample
        return proofs.masked(sample, self._rolling.rolls)

    # Deciding.

    def decide(self, verdict: Verdict, seen: Seen, around: Around) -> Verdict:
        """Return the verdict with what the rolls want, on a believed look."""
        self._shunned = frozenset()
        decisions: list[Decision] = list(verdict.decisions)
        unproven: set[str] = set()
        for pool, roll in self._rolling.rolls.items():
            if pool not in around.farm.pools:
                continue
            found = self._decide(pool, roll, seen, around)
            self._next[pool] = found
            if found.more is None:
                self._more.pop(pool, None)
            else:
                self._more[pool] = (found.more, found.because)
            decisions += found.decisions
            unproven |= found.unproven
            self._teller.state(f"rolling {pool}", found.because)
            self._teller.state("stuck while it drains", "; ".join(found.stuck))
        # A canary that is empty is to prove itself, and not to be taken for surplus.
        kept = [
            each
            for each in decisions
            if not (
                isinstance(each, Drain)
                and each.node in unproven
                and not each.because.startswith(MARK)
            )
        ]
        return replace(verdict, decisions=tuple(kept) or (Keep(because="it rolls"),))

    def _decide(self, pool: str, roll: Roll, seen: Seen, around: Around) -> Next:
        sample, joined = seen.sample, seen.joined
        nodes = {
            joined.vms[node.name].id: node
            for node in sample.nodes
            if node.pool == pool and node.state not in _OUT
        }
        now = sample.taken
        new = {key: node for key, node in nodes.items() if node.image == roll.new}
        known = self._proofs[pool].see(new, now=now)
        self._proofs[pool] = known
        vms = {vm.id: vm for vm in joined.vms.values()}
        pace = self._pace(around.farm, pool, around.core.learned.times().boot)
        fares = self._faring[pool] = self._faring[pool].see(
            {key: (vms[key], node) for key, node in new.items()},
            roll,
            good=frozenset(
                key for key in new if known.good(key, new[key], pace, now=now)
            ),
            restarting=bool(around.watched.evidence.restarting),
            lasts=pace.idle,
            now=now,
            elsewhere=faring.kinds(
                node for node in sample.nodes if node.image != roll.new
            ),
        )
        self._shunned |= frozenset(vms[key].host for key in fares.sick) - {""}
        refusal = self._rolling.refused.get(pool)
        held, room = self._barred(pool, roll, sample, around)
        turn = Turn(
            pool=pool,
            roll=roll,
            now=now,
            nodes=nodes,
            sick=fares.sick,
            out=fares.out,
            placed=frozenset(key for key in new if vms[key].host),
            proofs=known,
            pace=pace,
            surging=self._surging[pool],
            waiting=bool(sample.waiting),
            held=held,
            room=room,
            left={
                key: proofs.left(node, around.core.runtimes, now=now)
                for key, node in nodes.items()
            },
            refused=refusal is not None and refusal.digest == roll.new,
            ending=sum(n.pool == pool and n.state in _OUT for n in sample.nodes),
        )
        return rolling.decide(turn)

    def _pace(self, farm: Farm, pool: str, boot: float) -> proofs.Pace:
        declared = farm.pools.get(pool)
        if declared is None:
            return proofs.pace(least=0, most=1, surge=1, boot=boot)
        return proofs.pace(
            least=declared.count.min,
            most=declared.count.max,
            surge=declared.surge,
            boot=boot,
        )

    @staticmethod
    def _barred(
        pool: str, roll: Roll, sample: Sample, around: Around
    ) -> tuple[str, str]:
        """Return what forbids another node whatever goes, and what until one goes."""
        allowed = around.watched.breaker.allows(roll.new, now=sample.taken)
        if allowed.count == 0:
            return allowed.because, ""
        until, room = around.room.get(pool, (0.0, ""))
        room = room if sample.taken < until else ""
        terms = around.core.terms
        found = next((each for each in terms.pools if each.name == pool), None)
        if found is None:
            return "", room
        # How many there may be is the roll's own to count.
        wider = replace(found, most=_ANY)
        spent = around.core.spending.hours
        wish = bounded(1, wider, replace(terms, quota=None), sample, spent)
        if not wish.count:
            return wish.because, room
        wish = bounded(1, wider, terms, sample, spent)
        return "", room if wish.count else wish.because

    # Carrying out.

    @property
    def held(self) -> dict[str, str]:
        """The pools that get no node now, as of the last round, and why."""
        return {pool: why for pool, (more, why) in self._more.items() if not more}

    def limit(self, asked: Asked) -> None:
        """Hold what is asked for against what the rolls allow."""
        for pool, (more, why) in self._more.items():
            if asked.most.get(pool, more + 1) > more:
                asked.most[pool] = more
                asked.limits[pool] = why

    def surge(self, asked: Asked, farm: Farm) -> dict[str, int]:
        """Return how many nodes beyond its most each rolling pool is to have now."""
        return {
            pool: over
            for pool in self._next
            if pool in farm.pools
            and (over := asked.sizes.get(pool, 0) - farm.pools[pool].count.max) > 0
        }

    def news(self) -> dict[str, News]:
        """Return what the farm's document is to keep of the rolls."""
        return {
            pool: each.news
            for pool, each in self._next.items()
            if each.news is not None
        }

    def drain(self, batch: BatchSystem | None, asked: Asked) -> None:
        """Drain what the rolls let go, with a reason by which it is known again."""
        mine = {n: why for n, why in asked.drains.items() if why.startswith(MARK)}
        for node in mine:
            del asked.drains[node]
        went: set[str] = set()
        for why in sorted(set(mine.values())) if batch is not None else ():
            names = sorted(node for node, each in mine.items() if each == why)
            try:
                done = batch.drain(names, why) if batch is not None else {}
            except FarmctlError as error:
                self._teller.went_wrong("not drained", str(error))
                continue
            for node in names:
                if done.get(node):
                    self._teller.went_wrong(f"node drained: not {node}", done[node])
                else:
                    self._teller.did("node drained", why, subject=node)
                    went.add(node)
        for pool, found in self._next.items():
            wanted = {each.node for each in found.decisions if isinstance(each, Drain)}
            if wanted <= went:
                self._surging[pool] = found.surging

    def made(self, outcome: Outcome) -> None:
        """Take note of the nodes that were made, and of what was written."""
        for pool, found in self._next.items():
            names = [
                each.step.node.name
                for each in outcome.steps
                if isinstance(each.step, CreateNode)
                and each.step.node.pool == pool
                and each.result in {Result.DONE, Result.WAITING}
            ]
            mine = names[: found.starts]
            self._surging[pool] = (self._surging[pool] or frozenset()) | set(mine)
            if found.news is not None:
                self._say(pool, found.news)

    @property
    def shunned(self) -> frozenset[str]:
        """Hypervisors where a new node failed: the next one is tried elsewhere."""
        return self._shunned

    # Telling.

    def told(self, told: Told, mine: FarmView) -> Told:
        """Return what a round tells, with how far the rolls are."""
        far = counted(self._rolling, mine)
        return replace(
            told,
            rolling={pool: (each.new, each.of) for pool, each in far.items()},
            refused=frozenset(self._rolling.refused),
        )

    def _say_begun(self, pool: str, roll: Roll) -> None:
        event = "rolling back" if roll.back else "rolling"
        self._teller.did(
            event,
            f"{pool} is to be of another make: one node first, then the others as "
            "their jobs end"
            if not roll.back
            else f"{pool} goes back to what it was made of before",
            subject=pool,
            old=roll.old,
            new=roll.new,
        )

    def _say(self, pool: str, news: News) -> None:
        before = self._rolling.rolls[pool]
        if news.refused:
            self._teller.went_wrong(
                "make refused", news.refused, subject=pool, digest=news.roll.new
            )
        elif news.over:
            self._teller.did("rolled", "no node of another make is left", subject=pool)
        elif news.roll.proven and not before.proven:
            self._teller.did(
                "canary proven",
                "the first node of the new make works; the others follow",
                subject=pool,
            )
        elif len(news.roll.failed) > len(before.failed):
            self._teller.went_wrong(
                "new node failed",
                f"{len(news.roll.failed)} of the new make have failed so far",
                subject=pool,
            )
