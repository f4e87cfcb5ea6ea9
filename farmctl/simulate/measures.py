"""What a replay cost, in figures.

The formulas are those of SPEC RG's elasticity metrics (demand and supply in nodes,
normalised by the total demand) and of waste plus priced waiting.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from farmctl.simulate.farm import Farm
from farmctl.simulate.ledger import Ledger

HOUR = 3600.0
PRICES = (1, 5, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The figures of one replay.

    Amounts are core-hours, waits seconds, `under`, `over`, `under_time` and `over_time`
    (a_U, a_O, t_U, t_O) per cent. `waste` is what nodes cost above the work they did:
    `boots` (boot and stop), `empty`, `part` (free slots beside work) and `drained`.
    `parked` is standby, which is not in the waste. Waits are those of tasks;
    `job_wait_p95` is of jobs, until the last of their tasks starts.
    """

    policy: str
    work: float
    waste: float
    boots: float
    empty: float
    part: float
    drained: float
    parked: float
    waiting: float
    tasks: int
    wait_mean: float
    wait_p50: float
    wait_p95: float
    wait_p99: float
    job_wait_p95: float
    slowdown: float
    starts: int
    wakes: int
    failures: int
    lifetime_p10: float
    peak: int
    under: float
    over: float
    under_time: float
    over_time: float

    def cost(self, price: float) -> float:
        """Return waste plus waiting at `price`, core-hours (C_lambda)."""
        return self.waste + price * self.waiting


def measure(policy: str, farm: Farm) -> Measures:
    """Return the figures of a replay that has ended."""
    book = farm.ledger
    demand = max(book.demand_time, 1e-9)
    horizon = max(farm.now, 1e-9)
    lives = sorted(book.lifetimes)
    waste = (
        book.boot_seconds
        + book.empty_seconds
        + book.part_seconds
        + book.drained_seconds
    )
    return Measures(
        policy=policy,
        work=book.busy_seconds / HOUR,
        waste=waste / HOUR,
        boots=book.boot_seconds / HOUR,
        empty=book.empty_seconds / HOUR,
        part=book.part_seconds / HOUR,
        drained=book.drained_seconds / HOUR,
        parked=book.parked_seconds / HOUR,
        waiting=book.wait_seconds / HOUR,
        tasks=book.tasks,
        wait_mean=book.wait_seconds / max(book.tasks, 1),
        wait_p50=percentile(book.waits.items(), 0.50),
        wait_p95=percentile(book.waits.items(), 0.95),
        wait_p99=percentile(book.waits.items(), 0.99),
        job_wait_p95=percentile(book.job_waits.items(), 0.95),
        slowdown=book.slowdowns / max(book.tasks, 1),
        starts=book.starts,
        wakes=book.wakes,
        failures=book.failures,
        lifetime_p10=lives[len(lives) // 10] if lives else 0.0,
        peak=book.peak,
        under=100 * book.under / demand,
        over=100 * book.over / demand,
        under_time=100 * book.under_time / horizon,
        over_time=100 * book.over_time / horizon,
    )


def percentile(counts: Iterable[tuple[float, int]], share: float) -> float:
    """Return the smallest value that `share` of the counted ones do not exceed."""
    ordered = sorted(counts)
    wanted = share * sum(count for _, count in ordered)
    seen = 0
    for value, count in ordered:
        seen += count
        if seen >= wanted:
            return value
    return 0.0


def series(book: Ledger, points: int) -> list[tuple[float, int, int]]:
    """Return time, demand and supply in at most `points` steps, each at its largest."""
    total = len(book.times)
    stride = max(1, -(-total // points))
    return [
        (
            book.times[at],
            max(book.demands[at : at + stride]),
            max(book.supplies[at : at + stride]),
        )
        for at in range(0, total, stride)
    ]
