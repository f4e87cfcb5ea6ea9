"""One farm's round: look, decide, carry out, tell. Synchronous, in a thread.

Whatever goes wrong in here concerns this farm alone and is told; the next round begins
anew from what is there.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from farmctl import reconcile
from farmctl.daemon import barred, batchwork, bounds, deciding, leases, standings
from farmctl.daemon.briefs import USUAL, Brief, Circumstances
from farmctl.daemon.deciding import Asked
from farmctl.daemon.learning import Learner
from farmctl.daemon.noting import Notes
from farmctl.daemon.rolling import Around, Rolls
from farmctl.daemon.room import Room
from farmctl.daemon.saying import Sayings
from farmctl.daemon.seeing import Seen, Watched, configuration_of
from farmctl.daemon.telling import Teller
from farmctl.daemon.trials import Trials
from farmctl.daemon.values import Batches, Settings, Told
from farmctl.elastic.breaker import Allowed
from farmctl.elastic.scaler import Scaler
from farmctl.errors import FarmctlError, FarmLockedError
from farmctl.model.sample import Decision, End, Keep, NodeState, Verdict
from farmctl.model.standing import Standing
from farmctl.model.steps import RemoveNode
from farmctl.model.view import CloudView
from farmctl.plan import document
from farmctl.reconcile import Options, Outcome, Result, Wish, World
from farmctl.reconcile.identity import myself
from farmctl.reconcile.intent import declared_in
from farmctl.spec import Farm

_FOREVER = float("inf")
_COMMAND = "farmctl serve"
_LEASE_OVER = "its lease is over"


class FarmRounds:
    """One farm, round after round; used by one thread at a time."""

    def __init__(
        self, name: str, world: World, batches: Batches | None, settings: Settings
    ) -> None:
        self.name = name
        self._world = world
        self._settings = settings
        self._clock = world.clock
        self._watched = Watched(world.site, batches, settings, world.clock)
        self._teller = Teller(name, world.journal)
        self._rolls = Rolls(self._teller)
        self._trials = Trials(self._teller)
        self._learner = Learner()
        self._desired: dict[str, int] = {}
        self._room = Room(self._teller, seconds=settings.no_room)
        self._vacancy = leases.Vacancy(apart=settings.care.apart)
        self._noted = Notes(every=settings.write)
        self._me = myself(_COMMAND)
        self._sayings = Sayings(self._teller)
        self._settled: tuple[object, ...] = ()

    def round(
        self,
        view: CloudView,
        *,
        declared: Farm | None,
        stop: threading.Event,
        circumstances: Circumstances = USUAL,
    ) -> Told:
        """Carry out one round; what goes wrong is told and logged, and raised never.

        Args:
            view: the look that serves all farms.
            declared: the farm as its file says, if the file has changed.
            stop: ends the round before its next change.
            circumstances: what holds for all farms.
        """
        began, now = self._clock.monotonic(), self._clock.now()
        try:
            told = self._round(view, declared, stop, now, circumstances)
            self._teller.over("round failed", calm="rounds succeed again")
        except FarmLockedError as error:
            self._teller.state("held by somebody else", error.message)
            told = Told(farm=self.name, at=now, error=error.message)
        except FarmctlError as error:
            self._teller.went_wrong("round failed", str(error))
            told = Told(farm=self.name, at=now, error=str(error))
        return replace(told, seconds=self._clock.monotonic() - began)

    def away(self, because: str) -> None:
        """Say that OpenNebula does not answer; with nothing, that it does again."""
        self._teller.state(
            "OpenNebula is away", because, calm="OpenNebula answers again"
        )

    def _round(
        self,
        view: CloudView,
        declared: Farm | None,
        stop: threading.Event,
        now: float,
        circumstances: Circumstances,
    ) -> Told:
        mine = view.farm(self.name)
        said = declared or declared_in(view, self.name, site=self._world.site.name)
        self._rolls.see(mine)
        farm = self._rolls.in_force(said)
        brief = Brief(
            view=view,
            mine=mine,
            farm=farm,
            declared=declared,
            lease=leases.lease(farm, mine, now=now),
            options=Options(command=_COMMAND, lock_wait=0.0, stop=stop),
            now=now,
            circumstances=circumstances,
        )
        configuration = configuration_of(self._world.guests, said)
        seen = self._watched.look(
            farm,
            mine,
            configuration=configuration,
            emptied=circumstances.emptied,
            distrust=circumstances.distrust,
        )
        self._trials.see(mine, seen, configuration=configuration, now=now)
        self._sayings.seen(brief, seen, self._watched.evidence)
        if self._ends(brief, seen):
            return Told(farm=self.name, at=now)
        allowed = self._allowed(brief, seen)
        verdict = self._decide(brief, seen, allowed)
        asked = self._asked(brief, seen, verdict, allowed)
        self._rolls.drain(seen.batch, asked)
        batchwork.drain(seen.batch, asked, self._teller)
        batchwork.forget(seen.batch, seen.gone, self._teller)
        self._put_aside(brief, seen)
        return self._carried_out(brief, seen, verdict, asked)

    # Deciding.

    def _decide(
        self, brief: Brief, seen: Seen, allowed: Mapping[str, Allowed]
    ) -> Verdict:
        if brief.lease_over:
            over = deciding.by_hand(seen.sample, all_of_them=_LEASE_OVER)
            over += [
                End(node=node.name, because=_LEASE_OVER)
                for node in seen.sample.nodes
                if node.state is NodeState.DRAINING and node.empty
            ]
            return Verdict(decisions=tuple(over), look_again=_FOREVER)
        if not seen.believed:
            why = self._watched.evidence.doubt or "this farm has no queue to follow"
            return Verdict(decisions=(Keep(because=why),), look_again=_FOREVER)
        core = self._core(brief)
        quota = bounds.quota(brief.farm, seen.sample, brief.view.quotas)
        bars = barred.bars(allowed, self._rolls.held)
        terms = self._learner.terms
        core.terms = bounds.offered(
            terms, quota=quota, barred=bars, held=self._rolls.held
        )
        sample = self._rolls.masked(seen.sample)
        verdict = barred.told(core.decide(sample), sample, core, terms, bars)
        self._teller.overlooked(core.overlooked.limits)
        around = Around(brief.farm, core, self._watched, self._room.lacking)
        verdict = self._rolls.decide(verdict, seen, around)
        hand = deciding.by_hand(seen.sample, moving=seen.moving)
        return replace(verdict, decisions=(*hand, *verdict.decisions))

    def _core(self, brief: Brief) -> Scaler:
        settings = self._settings
        terms = bounds.terms(brief.farm, boot=settings.boot, stop=settings.stop)
        terms = self._rolls.terms(terms, brief.farm)
        return self._learner.core(terms, brief.mine.document)

    def _allowed(self, brief: Brief, seen: Seen) -> dict[str, Allowed]:
        """Return how many nodes of each pool may be on their way now, and why."""
        breaker, now = self._watched.breaker, brief.now
        allowed = {
            pool: breaker.allows(facts.digest, now=now)
            for pool, facts in seen.facts.items()
        }
        if brief.lease_over:
            none = Allowed(count=0, because=_LEASE_OVER)
            allowed = dict.fromkeys(seen.facts, none)
        for pool, (until, why) in self._room.lacking.items():
            if now < until and pool in allowed and allowed[pool].count != 0:
                allowed[pool] = Allowed(count=0, until=until, because=why)
        return allowed

    def _asked(
        self,
        brief: Brief,
        seen: Seen,
        verdict: Verdict,
        allowed: Mapping[str, Allowed],
    ) -> Asked:
        now = brief.now
        asked = deciding.asked(
            verdict.decisions,
            seen.joined,
            self._watched.evidence,
            allowed,
            desired=None if seen.believed else self._desired,
        )
        over = self._watched.sickroom.over(
            now=now, kept=self._settings.kept, seconds=self._settings.quarantine
        )
        asked.going.update(
            deciding.discharged(
                seen.joined,
                self._watched.evidence,
                over,
                batch=brief.farm.batch is not None,
            )
        )
        self._rolls.limit(asked)
        if seen.believed:
            self._desired = dict(asked.sizes)
        if brief.farm.batch is None or not (seen.believed or self._desired):
            asked.sizes.clear()  # as decided before, by hand or by its file
        return asked

    # Carrying out.

    def _put_aside(self, brief: Brief, seen: Seen) -> None:
        late = {
            vm_id: why
            for vm_id, why in seen.late.items()
            if vm_id not in self._watched.aside
        }
        if not late:
            return
        self._watched.put_aside(frozenset(late))
        try:
            failed = reconcile.set_aside(self._world, self.name, late, brief.options)
        except FarmctlError as error:
            self._teller.went_wrong("not marked as sick", str(error))
            return
        for vm_id, why in failed.items():
            self._teller.went_wrong(f"VM {vm_id} not marked as sick", why)

    def _tend(
        self,
        brief: Brief,
        seen: Seen,
        asked: Asked,
        decisions: Sequence[Decision],
        standing: Standing,
    ) -> Outcome | None:
        wish = Wish(
            declared=brief.declared,
            sizes=asked.sizes,
            going=asked.going,
            apart=deciding.apart(seen.joined) - frozenset(asked.going),
            most=asked.most,
            shun=frozenset(
                host
                for facts in seen.facts.values()
                for host in self._watched.breaker.shunned(facts.digest, now=brief.now)
            )
            | self._rolls.shunned,
            notes=self._notes(brief, standing, asked.sizes),
            rolled=self._rolls.news(),
            surge=self._rolls.surge(asked, brief.farm),
            trial=self._trials.allowed,
            tried=self._trials.digest,
        )
        looked = (brief.mine, brief.view.images, brief.view.user, wish)
        if looked == self._settled:
            return None
        outcome = reconcile.tend(
            self._world, self.name, brief.view, wish, brief.options
        )
        self._teller.state("held by somebody else", "")
        if outcome.plan.changes_nothing:
            self._settled = looked
        self._teller.outcome(outcome, asked.going, decisions)
        self._rolls.made(outcome)
        self._trials.done(outcome)
        self._watched.ended(
            each.subject
            for each in outcome.of(Result.DONE)
            if isinstance(each.step, RemoveNode)
        )
        self._room.see(outcome, brief.farm.pools, now=brief.now)
        return outcome

    def _notes(
        self, brief: Brief, standing: Standing, sizes: Mapping[str, int]
    ) -> dict[str, object]:
        # What a roll has beyond a pool's most is no size of it.
        within = {
            pool: brief.farm.pools[pool].count.within(size)
            for pool, size in sizes.items()
            if pool in brief.farm.pools
        }
        due = self._noted.due(
            brief.mine.document, standing, within, remember=self._learner.remember
        )
        tried = self._trials.notes(brief.mine)
        return {**leases.notes(brief.lease), **due, **tried}

    def _standing(
        self, brief: Brief, seen: Seen, verdict: Verdict, asked: Asked
    ) -> Standing:
        return standings.standing(
            standings.Round(
                now=brief.now,
                me=self._me,
                farm=brief.farm,
                seen=seen,
                verdict=verdict,
                asked=asked,
                watched=self._watched,
                settings=self._settings,
                sizes=document.sizes(brief.mine.document),
                boot=self._learner.boot(self._settings.boot),
                lease=brief.lease,
                no_room=self._room.lacking,
                bars=barred.bars(self._allowed(brief, seen), self._rolls.held),
            )
        )

    def _ends(self, brief: Brief, seen: Seen) -> bool:
        """End a farm whose lease is over and in which nothing is left to work."""
        if not brief.lease_over:
            return False
        now = self._clock.monotonic()
        vacant = self._vacancy.see(vacant=not seen.joined.vms, now=now)
        if brief.farm.batch is not None and not vacant:
            return False
        self._teller.did("farm ended", _LEASE_OVER)
        outcome = reconcile.destroy(self._world, self.name, brief.options)
        if not outcome.complete:
            self._teller.went_wrong("farm not ended", outcome.advice)
        return True

    def _carried_out(
        self, brief: Brief, seen: Seen, verdict: Verdict, asked: Asked
    ) -> Told:
        """Carry the verdict out, and tell how the farm stands."""
        before = self._room.lacking
        standing = self._standing(brief, seen, verdict, asked)
        outcome = self._tend(brief, seen, asked, verdict.decisions, standing)
        self._teller.limits(asked.limits, verdict, waits=bool(seen.sample.waiting))
        if self._room.lacking != before:  # of which the round knew nothing yet
            standing = self._standing(brief, seen, verdict, asked)
        self._teller.verdict(standing, retell=self._settings.retell)
        told = standings.told(
            self.name,
            standing,
            seen,
            verdict,
            limits=asked.limits,
            done=outcome.steps if outcome else (),
            aside=len(self._watched.sickroom.since),
        )
        return self._rolls.told(told, brief.mine)
