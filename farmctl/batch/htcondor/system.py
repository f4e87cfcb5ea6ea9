"""HTCondor as the port wants it.

A graceful drain of HTCondor's gives a job its `MaxJobRetirementTime` and then ends it,
and that time is 0 unless the startd's configuration says more. No drain is therefore
begun on a machine of which a claimed slot has less than `retirement` seconds: the
startd itself checks that, so nothing can begin between the look and the drain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from farmctl.batch import names
from farmctl.batch.htcondor import ads
from farmctl.batch.htcondor.pool import Ad, Pool, known
from farmctl.batch.port import OURS, Outcome
from farmctl.batch.remembered import Remembered
from farmctl.errors import BatchError
from farmctl.model.matching import NodeShape
from farmctl.model.sample import Drainer, Sample

RETIREMENT = 30 * 24 * 3600
"""Seconds that a job may go on in a drain; beyond the longest job of a Tier-2."""


class HTCondor:
    """The HTCondor pool of one farm.

    Args:
        pool: The bindings, or what stands for them.
        now: The clock; samples carry its time.
        shapes: The farm's pools: waiting jobs are matched against them.
        extra: ClassAd attributes of a pool's nodes besides their shape, by pool.
        retirement: See above.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        now: Callable[[], float],
        shapes: Sequence[NodeShape],
        extra: Mapping[str, str] | None = None,
        retirement: int = RETIREMENT,
    ) -> None:
        self._pool = pool
        self._now = now
        self._offers = ads.offers(pool, shapes, extra or {})
        self._check = (
            f'State =!= "Claimed" || SlotType =?= "Partitionable" || '
            f"(MaxJobRetirementTime ?: 0) >= {retirement}"
        )
        self._wanted = frozenset(ads.JOB)
        self._times = Remembered()

    def check(self) -> str:
        return f"HTCondor {known(self._pool.version())}"

    def sample(self) -> Sample:
        taken = self._now()
        system = self.check()
        shown = self._machines()
        waiting, held = ads.queue(self._jobs(), self._offers)
        times = self._times.see(
            {name: bool(ads.work(slots)) for name, slots in shown.items()}, taken
        )
        nodes = tuple(
            ads.node(
                name,
                shown[name],
                joined=times[name][0],
                idle_since=times[name][1],
                now=taken,
            )
            for name in sorted(shown)
        )
        return Sample(
            taken=taken, waiting=waiting, held=held, nodes=nodes, system=system
        )

    def drain(self, nodes: Sequence[str], reason: str) -> Outcome:
        outcome: dict[str, str] = {}
        for name, slots in self._known(nodes, outcome):
            match ads.drained_by(slots):
                case Drainer.US:
                    outcome[name] = ""
                case Drainer.OTHERS:
                    outcome[name] = "drained already, and not by us"
                case Drainer.NOBODY:
                    outcome[name] = self._drain(slots[0], reason)
        return outcome

    def undrain(self, nodes: Sequence[str]) -> Outcome:
        outcome: dict[str, str] = {}
        for name, slots in self._known(nodes, outcome):
            match ads.drained_by(slots):
                case Drainer.NOBODY:
                    outcome[name] = ""
                case Drainer.OTHERS:
                    outcome[name] = "drained by somebody else"
                case Drainer.US:
                    requests = {ads.word(ad, "DrainingRequestId") for ad in slots}
                    for request in sorted(requests - {""}):
                        self._pool.cancel(slots[0], request)
                    outcome[name] = ""
        return outcome

    def forget(self, nodes: Sequence[str], *, ended: bool = False) -> Outcome:
        outcome: dict[str, str] = {}
        shown = self._machines()
        for name in names.valid(nodes):
            slots = shown.get(name, [])
            runs = ads.work(slots)
            if not slots:
                outcome[name] = ""
            elif runs and not ended:
                outcome[name] = f"works: job {runs[0].job} of {runs[0].owner}"
            elif not ended and ads.drained_by(slots) is Drainer.NOBODY:
                outcome[name] = "takes work: drain it first"
            else:
                self._pool.invalidate(ads.word(slots[0], "Machine"))
                outcome[name] = ""
        return outcome

    def _jobs(self) -> list[Ad]:
        """Return the jobs with all that their requirements name."""
        jobs = self._pool.jobs(sorted(self._wanted))
        more = ads.lacking(jobs, self._wanted)
        if more:
            self._wanted |= more
            jobs = self._pool.jobs(sorted(self._wanted))
        return jobs

    def _machines(self) -> dict[str, list[Ad]]:
        return ads.machines(self._pool.slots(ads.SLOT))

    def _known(
        self, nodes: Sequence[str], outcome: dict[str, str]
    ) -> Iterator[tuple[str, list[Ad]]]:
        """Yield the nodes that HTCondor knows with their slots; note the others."""
        shown = self._machines()
        for name in names.valid(nodes):
            if slots := shown.get(name):
                yield name, slots
            else:
                outcome[name] = "HTCondor does not know it"

    def _drain(self, slot: Ad, reason: str) -> str:
        try:
            self._pool.drain(slot, check=self._check, reason=f"{OURS}{reason}")
        except BatchError as error:
            return f"its startd does not drain: {error.message}"
        return ""
