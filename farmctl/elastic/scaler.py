"""The scaling core: one sample in, one verdict out.

Stands above `watch` (which learns), `outlook` (which sorts) and `worth` (which prices).
The same object serves the daemon and the replay; it holds no clock and does no I/O.
What is done with a verdict, and the two witnesses before a node goes, are left to the
rooms above.

One rule decides all of it. A node is started when the waiting that it saves, and the
bursts that it would catch later, are worth more than its boot and stop; an empty node
is kept as long as the bursts it would catch are worth more than its slots. Everything
comes from the measured times and the farm's price of waiting.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from farmctl.elastic import kinds, ladder, memory
from farmctl.elastic.arrivals import Arrivals
from farmctl.elastic.beside import Beside
from farmctl.elastic.foretold import Foretold
from farmctl.elastic.growth import Foresight, wanted
from farmctl.elastic.learned import Learned
from farmctl.elastic.limits import Spending, Wish, bounded, full, roomy
from farmctl.elastic.outlook import Outlook, calm, free_at, futures, look
from farmctl.elastic.overlooked import Overlooked
from farmctl.elastic.releases import Releases
from farmctl.elastic.runtimes import Runtimes
from farmctl.elastic.terms import PROOF, TWICE, Pool, Terms, Times
from farmctl.elastic.undrains import taken_back
from farmctl.elastic.unused import Unused
from farmctl.elastic.victims import going
from farmctl.elastic.watch import Watch
from farmctl.elastic.worth import middles, spans, worth
from farmctl.model.sample import (
    Decision,
    Drain,
    End,
    Keep,
    NodeSample,
    Park,
    Sample,
    Start,
    Stay,
    Verdict,
    Wake,
)


class Scaler:
    """Sizes one farm."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._pools = {pool.name: pool for pool in terms.pools}
        self._anew()

    def _anew(self) -> None:
        terms = self.terms
        first = Times(boot=terms.boot, stop=terms.stop, resume=terms.resume)
        self.learned = Learned(first)
        self.arrivals = Arrivals(prior=first.break_even(terms.price), window=terms.boot)
        self.runtimes = Runtimes()
        self.base = ladder.BaseLoad()
        self.spending = Spending()
        self.foretold, self.beside = Foretold(), Beside()
        self.releases = Releases()
        self.unused, self.overlooked = Unused(), Overlooked()
        self._unused = frozenset[str]()
        self._foreseen: Foresight | None = None
        self._limits: dict[str, str] = {}
        self._stay: Stay | None = None
        self._watch = Watch(self.arrivals, self.runtimes, self.learned, self.releases)

    def remember(self) -> dict[str, Any]:
        """Return what was learned as a JSON value of at most `memory.LARGEST` bytes."""
        return memory.saved(self._parts())

    def recall(self, value: object) -> bool:
        """Take up what `remember` returned, in place of all that was learned so far.

        Return False, and begin anew, if the value is of another version or crooked.
        """
        self._anew()
        if memory.restored(value, self._parts()):
            return True
        self._anew()
        return False

    def decide(self, sample: Sample) -> Verdict:
        """Return what to do about `sample`, each part with its reason.

        Decisions are tried in a fixed order: the least that must be there, drains taken
        back, new nodes, nodes that are drained and empty, nodes that have no use. No
        decision ends a node that works.
        """
        self._watch.see(sample)
        self.spending.see(sample)
        self.foretold.see(sample)
        self.beside.see(sample, self.runtimes)
        times, pools = self.learned.times(), self.terms.pools
        self._unused = self.unused.see(sample, pools, times.boot)
        sample = self.overlooked.see(sample, self.unused.empty, pools, times.boot)
        self._limits = dict(self.overlooked.limits)
        self._foreseen = self._stay = None
        out = look(sample, self.terms, times, self.runtimes, self._unused)
        self.base.see(out.now, out.demand)
        self.releases.see(out, times.boot)
        found, again = self._least(out, sample), self.overlooked.again
        if not found:
            found, soon = self._more(out, sample, times)
            again = min(again, soon)
        if not found or not out.queued:
            less, soon = self._shrink(out, times)
            found += less
            again = min(again, soon)
        if not found:
            found.append(Keep(because=calm(out, self._limits)))
        return Verdict(
            decisions=tuple(found),
            look_again=again,
            limits=self._limits,
            stay=self._stay,
        )

    # In the order of `decide`.

    def _least(self, out: Outlook, sample: Sample) -> list[Decision]:
        found: list[Decision] = []
        for pool in self.terms.pools:
            there = out.live_by_pool.get(pool.name, 0)
            if there < pool.least:
                wish = self._bounded(pool.least - there, pool, sample)
                if wish.count:
                    found.append(
                        Start(
                            pool=pool.name,
                            count=wish.count,
                            because=f"{there} nodes, and the least is {pool.least}",
                        )
                    )
        return found

    def _more(
        self, whole: Outlook, sample: Sample, times: Times
    ) -> tuple[list[Decision], float]:
        """Take drains back and start nodes, for each kind of work with its own."""
        terms, found, again = self.terms, list[Decision](), inf
        spent, awaited = set[str](), set[str]()
        for each in kinds.kinds(sample.waiting, terms.pools):
            kind = kinds.beyond(each, spent)
            if kind is None:
                continue
            out = whole
            if not kind.whole:
                mine = replace(terms, pools=kind.pools)
                seen = kinds.of(sample, kind)
                out = look(seen, mine, times, self.runtimes, self._unused)
            awaited |= out.awaited
            more: list[Decision] = [*taken_back(out, self._room)]
            if not more:
                more, soon = self._grow(out, sample, times, kind)
                again = min(again, soon)
            sample = kinds.after(sample, more, terms.pools)
            if full(kind.pools, sample) and kinds.lacks(sample, kind):
                spent |= {pool.name for pool in kind.pools}
            found += more
        whole.awaited = awaited
        return found, again

    def _grow(
        self, out: Outlook, sample: Sample, times: Times, kind: kinds.Kind
    ) -> tuple[list[Decision], float]:
        terms = self.terms
        pool = ladder.shape(
            roomy(kind.pools, sample),
            out.slots_by_pool,
            base=self.base.slots,
            width=kind.width,
            memory_mib=kind.memory_mib,
        )
        if pool is None:
            return [], inf
        foretells = kind.whole and self._foretells(times)
        standby = [node for node in out.standby if node.slots >= kind.width]
        ready_in = times.resume if standby else times.boot
        stretch = self.releases.stretch(times.boot)
        growth = wanted(
            out,
            self.arrivals,
            lambda: self._forecast(out, times),
            slots=pool.slots,
            price=terms.price,
            times=times,
            ready_in=ready_in,
            foretells=self.foretold.more if foretells else 0,
            trust=self.foretold.trust,
            futures=lambda: futures(out, self.runtimes, stretch),
            share=self.beside.share(times, pool.slots),
        )
        count, because = growth.count, growth.because
        again = inf
        if out.queued or foretells:
            again = out.now + times.boot / (10 if out.queued else 2)
        if not count:
            return [], again
        found: list[Decision] = []
        standby.sort(key=lambda node: (node.slots, -node.since))
        found.extend(Wake(node=node.name, because=because) for node in standby[:count])
        rest = count - len(found)
        if found and rest:
            rest = min(rest, max(0, growth.for_queue - len(found)))
        if rest:
            wish = self._bounded(rest, pool, sample)
            if wish.count:
                limit = f"; not {rest}: {wish.because}" if wish.because else ""
                found.append(
                    Start(pool=pool.name, count=wish.count, because=because + limit)
                )
                rest = wish.count
        woken = [each.node for each in found if isinstance(each, Wake)]
        queued = growth.for_queue
        self.foretold.expect(
            out.now,
            woken[queued:],
            max(0, rest - max(0, queued - len(woken))),
            price=terms.price,
            boot=ready_in,
            lost=ready_in + times.stop,
        )
        return found, again

    def _shrink(self, out: Outlook, times: Times) -> tuple[list[Decision], float]:
        found: list[Decision] = []
        again = inf
        found.extend(self._away(out, node, times) for node in out.drained)
        leaving = Counter[str]()
        for node in reversed(out.idle):
            if node.stale or node.unwanted:
                why = "its image is old" if node.stale else "its hypervisor is emptied"
            elif self._room(out, node.pool) + leaving[node.pool] < 0:
                why = "there are more than the most allowed"
            else:
                continue
            leaving[node.pool] += 1
            found.append(Drain(node=node.name, because=f"empty, and {why}"))
        gone = {decision.node for decision in found if isinstance(decision, Drain)}
        found.extend(going(out))
        for node in out.standby:
            until = node.since + times.parked(self.terms.price, self.terms.parked_price)
            if out.now >= until:
                why = "its memory and disk cost more by now than its boot would"
                found.append(End(node=node.name, because=f"on standby, and {why}"))
            else:
                again = min(again, until)
        away = gone | out.awaited
        idle = [node for node in out.idle if node.name not in away]
        if not idle:
            return found, again
        kept, pays = self._kept(out, idle, times)
        parks = self._parks(out, times)
        for place, node in enumerate(idle):
            assert node.idle_since is not None
            age = out.now - node.idle_since
            hold = self._even(times, parks=parks)
            sure = hold / (1 + self.arrivals.bursts) ** 2
            if place < kept and age < TWICE * hold:
                until = out.now + max(times.boot / 10, min(age / 4, pays))
                again = self._stays(node, until, again, "is worth more")
                continue
            if age < sure:
                until = node.idle_since + sure
                again = self._stays(node, until, again, "may be worth more")
                continue
            if self._bound(out, node, gone):
                continue
            gone.add(node.name)
            found.append(
                Drain(
                    node=node.name,
                    because=(
                        f"empty for {age:.0f} s; the work that may come is worth less "
                        f"than its {node.slots} slots (break-even {hold:.0f} s)"
                    ),
                )
            )
        return found, again

    def _kept(
        self, out: Outlook, idle: Sequence[NodeSample], times: Times
    ) -> tuple[int, float]:
        """Return how many idle nodes are worth their slots, and for how long."""
        forecast, stay = self._forecast(out, times)
        free = free_at(out.freeing, middles(forecast))
        ranks = [0]
        for node in idle:
            ranks.append(ranks[-1] + node.slots)
        parks = self._parks(out, times)
        back = times.resume if parks else times.boot
        low, high, pays = 0, len(idle), 0.0
        while low < high:
            middle = (low + high) // 2
            value, until = worth(
                self.arrivals,
                forecast,
                free,
                stay,
                rank=ranks[middle],
                slots=idle[middle].slots,
                lost=back + times.stop,
                price=self.terms.price,
                boot=back,
                ready_in=0.0,
            )
            if value > 0:
                low, pays = middle + 1, until
            else:
                high = middle
        return low, pays

    def _away(self, out: Outlook, node: NodeSample, times: Times) -> Decision:
        fit = not (node.stale or node.unwanted or self._room(out, node.pool) < 0)
        if fit and self._parks(out, times, node.pool):
            return Park(
                node=node.name,
                because=f"drained and empty; back in {times.resume:.0f} s when wanted",
            )
        return End(node=node.name, because="drained and empty")

    # What the above ask.

    def _parts(self) -> memory.Parts:
        return memory.Parts(
            arrivals=self.arrivals,
            runtimes=self.runtimes,
            learned=self.learned,
            base=self.base,
            spending=self.spending,
            foretold=self.foretold,
            beside=self.beside,
            releases=self.releases,
        )

    def _stays(self, node: NodeSample, until: float, again: float, why: str) -> float:
        """Take note of why an empty node stays; return when to look again."""
        if self._stay is None or until < self._stay.until:
            said = f"what may come {why} than its {node.slots} slots"
            self._stay = Stay(node=node.name, until=until, because=said)
        return min(again, until)

    def _bounded(self, wish: int, pool: Pool, sample: Sample) -> Wish:
        held = bounded(wish, pool, self.terms, sample, self.spending.hours)
        if held.count < wish:
            self._limits[pool.name] = f"{wish} more would pay: {held.because}"
        return held

    def _forecast(self, out: Outlook, times: Times) -> Foresight:
        """Return the forecast from `now`; made once for all that one sample asks."""
        if self._foreseen is None:
            reach = TWICE * times.break_even(self.terms.price)
            steps = spans(times.boot / 8, reach)
            self._foreseen = (
                self.arrivals.forecast(out.now, steps, out.ends),
                self.runtimes.stay(steps),
            )
        return self._foreseen

    def _even(self, times: Times, *, parks: bool) -> float:
        back = times.resume if parks else times.boot
        return back + times.stop + self.terms.price * back

    def _foretells(self, times: Times) -> bool:
        """Tell whether a boot on forecast alone could ever pay."""
        saves, lost = self.terms.price * times.boot, times.boot + times.stop
        return saves > lost and self.arrivals.bursts >= PROOF

    def _parks(self, out: Outlook, times: Times, pool: str = "") -> bool:
        if times.resume >= times.boot:
            return False
        for each in self.terms.pools:
            if each.standby and (not pool or each.name == pool):
                parked = sum(node.pool == each.name for node in out.standby)
                if parked < each.standby:
                    return True
        return False

    def _room(self, out: Outlook, name: str) -> int:
        """Return how many more nodes a pool may have; negative if it has too many."""
        pool = self._pools.get(name)
        most = 0 if pool is None else pool.most + pool.surge
        return most - out.live_by_pool.get(name, 0)

    def _bound(self, out: Outlook, node: NodeSample, gone: set[str]) -> bool:
        pool = self._pools.get(node.pool)
        if pool is None or not pool.least:
            return False
        leaving = sum(each.pool == pool.name for each in out.idle if each.name in gone)
        return out.live_by_pool.get(pool.name, 0) - leaving <= pool.least
