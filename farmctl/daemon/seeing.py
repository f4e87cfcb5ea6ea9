"""One farm's two witnesses, look after look: what is there, what works, what is sick.

Keeps what only time shows: the evidence, how long nodes have been on their way, what
boots have failed. All of it is rebuilt from the cloud after a restart, later than it
was known before and never sooner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from farmctl.batch import BatchSystem
from farmctl.clock import Clock
from farmctl.daemon import deciding
from farmctl.daemon.deciding import Sickroom
from farmctl.daemon.values import Batches, Settings
from farmctl.elastic.breaker import Breaker, How
from farmctl.elastic.evidence import Evidence
from farmctl.elastic.joining import Joined, PoolFacts, join
from farmctl.elastic.stages import Stage, Stages
from farmctl.errors import FarmctlError, InputError, NotPossibleError
from farmctl.model.guests import guests
from farmctl.model.matching import Never, NodeShape, Sorted, sort_out
from farmctl.model.sample import Sample
from farmctl.model.view import FarmView
from farmctl.reconcile import Guests
from farmctl.spec import Farm, Site

_MANY = 3
"""From so many nodes on, a third that is gone at once is looked at for longer."""

_LONGER = 300.0
"""Seconds for which so many are looked at before the batch system is to forget them."""


_BOOTS = 2.0
"""A breaker's first back-off is as long as so many boots: a try costs one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look shows.

    `batch`: the farm's batch system, None where it cannot be reached or is none.
    `believed`: whether the joined sample is evidence; without it nothing shrinks.
    `late`: VMs that have taken too long, with the reason. `gone`: nodes to be struck
    off the batch system's list. `never`: work that no pool could run. `moving`: nodes
    that others are to take the places of elsewhere, with the reason. `came_up`: how
    long each boot took that is over, in seconds; `failed`: how many failed.
    """

    facts: Mapping[str, PoolFacts]
    joined: Joined
    batch: BatchSystem | None
    believed: bool
    sample: Sample
    never: tuple[Never, ...]
    late: Mapping[int, str]
    gone: tuple[str, ...]
    came_up: tuple[float, ...]
    failed: int = 0
    moving: Mapping[str, str] = field(default_factory=dict)


class Watched:
    """What is known of one farm; used by one round at a time."""

    def __init__(
        self, site: Site, batches: Batches | None, settings: Settings, clock: Clock
    ) -> None:
        self._site = site
        self._batches = batches
        self._settings = settings
        self._clock = clock
        self.evidence = Evidence(care=settings.care)
        self.stages = Stages()
        self.breaker = Breaker(back_off=_BOOTS * settings.boot)
        self.sickroom = Sickroom()
        self.aside: frozenset[int] = frozenset()
        self._shapes: dict[str, NodeShape] = {}
        self._lost: dict[str, float] = {}
        self._ended: frozenset[str] = frozenset()

    def look(
        self,
        farm: Farm,
        mine: FarmView,
        *,
        configuration: str,
        emptied: frozenset[str] = frozenset(),
        distrust: str = "",
    ) -> Seen:
        """Ask the batch system, put both witnesses together, and learn from it.

        Args:
            farm: as declared.
            mine: the cloud's look at it.
            configuration: what its nodes are to be configured with.
            emptied: hypervisors, by name, whose nodes are to go.
            distrust: why no look is to be believed now; empty if it may be.
        """
        facts = deciding.facts(farm, mine)
        batch, raw = self._ask(farm, mine, configuration)
        now = self._clock.now()
        blank = Sample(taken=now)
        joined = join(raw or blank, mine, facts, emptied=emptied, aside=self.aside)
        if raw is not None:
            self.evidence = self.evidence.see(joined.sample, now=now, running=joined.up)
            if distrust:
                self.evidence = self.evidence.failed(distrust, now=now)
        believed = raw is not None and not self.evidence.doubt
        if not believed:  # nor is what it says of any single node: the cloud alone
            joined = join(blank, mine, facts, emptied=emptied, aside=self.aside)
        under_way, through = deciding.coming(
            joined,
            configuration=configuration,
            batch=farm.batch is not None,
            believed=believed,
        )
        watched = self.stages.since
        came_up = tuple(
            now - joined.vms[name].since
            for name in joined.vms
            if joined.vms[name].id in watched and joined.vms[name].id in through
        )
        boots = deciding.boots(joined, through, watched, now=now)
        there = [vm.id for vm in joined.vms.values()]
        fresh = [each for each in boots if each.vm_id not in self.breaker.seen]
        self.breaker = self.breaker.see(boots).forget(there)
        self.stages = self.stages.see(under_way, through, now=now)
        self.sickroom = self.sickroom.see(deciding.sick(joined), now=now)
        self.aside &= frozenset(there)
        if believed:
            self._shapes = deciding.shapes(farm, joined.sample, self._shapes)
        sorted_ = sort_out(joined.sample, tuple(self._shapes.values()))
        return Seen(
            facts=facts,
            joined=joined,
            batch=batch,
            believed=believed,
            sample=sorted_.sample,
            never=sorted_.never if believed else (),
            late=self.stages.late(self._limits(), now=now),
            gone=self._gone(joined, believed=believed, now=now),
            came_up=came_up,
            failed=sum(each.how is How.FAILED for each in fresh),
            moving={
                name: f"its hypervisor {vm.host} is disabled"
                for name, vm in joined.vms.items()
                if vm.host in emptied
            },
        )

    def believed(self) -> Sorted | None:
        """Return the last look that is believed, without the work that can never run.

        None where none was.
        """
        last = self.evidence.last
        return None if last is None else sort_out(last, tuple(self._shapes.values()))

    def put_aside(self, vm_ids: frozenset[int]) -> None:
        """Count these VMs as nothing, even where they could not be marked."""
        self.aside |= vm_ids

    def ended(self, names: Iterable[str]) -> None:
        """Take note of nodes that were ended, and seen to be gone, by ourselves."""
        self._ended |= frozenset(names)

    def _ask(
        self, farm: Farm, mine: FarmView, configuration: str
    ) -> tuple[BatchSystem | None, Sample | None]:
        if farm.batch is None:
            return None, None
        try:
            if self._batches is None:
                raise NotPossibleError(
                    "this site has no login, so its batch systems cannot be asked"
                )
            if not deciding.head_is_up(mine):
                raise NotPossibleError("the head, which has the queue, is not up")
            if not deciding.configured_head(mine, configuration):
                raise NotPossibleError("the head has not been configured yet")
            batch = self._batches.of(farm, guests(mine))
            return batch, batch.sample()
        except FarmctlError as error:
            self.evidence = self.evidence.failed(str(error), now=self._clock.now())
            return None, None

    def _limits(self) -> dict[Stage, float]:
        return {
            Stage.RUNNING: float(self._site.deadlines.running),
            Stage.READY: float(self._site.deadlines.ready),
            Stage.JOINED: float(self._site.deadlines.joined),
        }

    def _gone(self, joined: Joined, *, believed: bool, now: float) -> tuple[str, ...]:
        """Return the nodes behind which no VM stands, seen so for long enough."""
        if not believed:
            return ()
        self._lost = {name: self._lost.get(name, now) for name in joined.lost}
        self._ended &= frozenset(joined.lost)
        strange = len(frozenset(joined.lost) - self._ended)
        known = len(joined.vms) + strange
        many = known >= _MANY and strange * 3 >= known
        longer = _LONGER if many else self._settings.care.apart
        return tuple(
            name
            for name, since in self._lost.items()
            if now - since
            >= (self._settings.care.apart if name in self._ended else longer)
        )


def configuration_of(inside: Guests | None, farm: Farm) -> str:
    """Return the digest of what is to be inside a farm's guests; empty if nothing is.

    What is wrong in its declaration is said by the plan, with all that is wrong.
    """
    if inside is None:
        return ""
    try:
        return inside.configuration(farm)
    except InputError:
        return ""
