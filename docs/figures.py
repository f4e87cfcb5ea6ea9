"""Measure the figures in docs/explanation/simulation.md, and write them there.

`python docs/figures.py` replays all and takes minutes; with names, such as `recorded`
or `peers`, only those tables. Each stands between two comments that name it. The page
says which `farmctl simulate` shows the same.
"""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.compare import Comparison, Run, compare
from farmctl.simulate.engine import replay
from farmctl.simulate.measures import PRICES, Measures, measure
from farmctl.simulate.peers.catalogue import PEERS
from farmctl.simulate.reading import read
from farmctl.simulate.synthetic import KINDS, SEED
from farmctl.simulate.trace import Trace

PAGE = Path(__file__).parent / "explanation/simulation.md"
TESTS = Path(__file__).parents[1] / "tests/simulate"
ENOUGH = 100_000
"""Slots on standby that are never all used."""

TOLERANCE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of our figures: a workload, the nodes, and at which prices."""

    title: str
    source: str
    slots: tuple[int, ...] = (4,)
    days: tuple[float, float] | None = None
    standby: int = 0
    prices: tuple[int, ...] = PRICES
    peers: bool = True

    def trace(self) -> Trace:
        """Return the work."""
        if self.source in KINDS:
            return KINDS[self.source].make(SEED)
        trace = read(TESTS / f"traces/{self.source}.csv.gz")
        return trace if self.days is None else trace.window(*self.days)


NASA = "nasa-interactive"
RECORDED = (
    Case(title="LCG 2005, Torino", source="lcg2005-torino"),
    Case(title="LCG 2005, CNAF", source="lcg2005-cnaf"),
    Case(
        title="CNAF, nodes of 8 and 1 slots",
        source="lcg2005-cnaf",
        slots=(8, 1),
        peers=False,
    ),
    Case(title="NASA interactive, days 0-28", source=NASA, slots=(8,), days=(0, 28)),
    Case(title="days 28-56", source=NASA, slots=(8,), days=(28, 28)),
    Case(title="days 56-84", source=NASA, slots=(8,), days=(56, 28)),
    Case(
        title="NASA, each session a reservation, 13 weeks",
        source="nasa-sessions",
        slots=(8,),
    ),
    Case(
        title="days 0-28, all nodes on standby, 60 s",
        source=NASA,
        slots=(8,),
        days=(0, 28),
        standby=ENOUGH,
        prices=(20,),
        peers=False,
    ),
)
MADE_UP = tuple(
    Case(title=f"`{name}`", source=name, slots=(kind.slots,))
    for name, kind in KINDS.items()
)


def ours(case: Case) -> Comparison:
    """Return our policy and the others' rules on one row's workload."""
    return compare(
        case.trace(),
        cloud=CloudModel(standby=case.standby),
        pools={f"{slots}-slot": slots for slots in case.slots},
        prices=case.prices,
        peers=tuple(PEERS) if case.peers else (),
    )


def our_table(cases: Iterable[Case], *, named: bool) -> Iterator[str]:
    """Yield rows of our costs against the best of the others, then of our measures.

    Args:
        cases: The rows.
        named: Whether the best of the others is named, or only how far it is.
    """
    cases = tuple(cases)
    found = tuple(_side_by_side(ours, cases))
    heads = " | ".join(f"C{price}" for price in PRICES)
    yield f"| workload | {heads} |"
    yield "| --- " * (1 + len(PRICES)) + "|"
    for case, comparison in zip(cases, found, strict=True):
        cells = (_against(comparison, price, named=named) for price in PRICES)
        yield f"| {case.title} | {' | '.join(cells)} |"
    yield ""
    yield "| workload, price | waste | to the bound | wait mean | wait p95 | starts |"
    yield "| --- " * 6 + "|"
    for case, comparison in zip(cases, found, strict=True):
        for run in comparison.runs:
            if run.price is not None:
                yield _measured(case, comparison, run)


def _against(comparison: Comparison, price: float, *, named: bool) -> str:
    run = next((run for run in comparison.runs if run.price == price), None)
    if run is None:
        return ""
    cost = run.measures.cost(price)
    peer = comparison.best_peer(price)
    if peer is None:
        return f"{cost:,.0f}"
    best = peer.measures.cost(price)
    shown = f"**{cost:,.0f}**" if cost > best else f"{cost:,.0f}"
    if named:
        return f"{shown} ({best:,.0f} {peer.measures.policy})"
    return f"{shown} ({100 * (cost / best - 1):+.1f} %)"


def _measured(case: Case, comparison: Comparison, run: Run) -> str:
    figures = run.measures
    return (
        f"| {case.title}, {run.price:g} | {figures.waste:,.0f} | "
        f"{figures.waste / comparison.bounds.lower:.2f} | {figures.wait_mean:,.0f} | "
        f"{figures.wait_p95:,.0f} | {figures.starts:,} |"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of another's rule: what we find, and what was published, as text."""

    name: str
    found: float
    published: str

    @property
    def wanted(self) -> float:
        """The published value."""
        text = self.published
        return float(text[:-1]) * 1000 if text.endswith("k") else float(text)

    @property
    def agrees(self) -> bool:
        """Whether it is within 10 %, or within what rounding took away."""
        scale = 1000 if self.published.endswith("k") else 1
        places = len(self.published.rstrip("k").partition(".")[2])
        room = max(TOLERANCE * self.wanted, scale * 10.0**-places / 2)
        return abs(self.found - self.wanted) <= room

    def __str__(self) -> str:
        if self.published.endswith("k"):
            places = len(self.published.rstrip("k").partition(".")[2])
            text = f"{self.found / 1000:.{places}f}k"
        else:
            places = 1 if self.found < 10 else 0  # noqa: PLR2004 - a digit says little
            text = f"{self.found:.{places}f}"
        return (
            f"{text} / {self.published}"
            if self.agrees
            else f"**{text} / {self.published}**"
        )


HEADS = {
    "waste": "waste",
    "wait_mean": "wait",
    "wait_p95": "p95",
    "starts": "starts",
    "c1": "C1",
    "c5": "C5",
    "c20": "C20",
    "under": "a_U",
    "over": "a_O",
    "under_time": "t_U",
    "over_time": "t_O",
}
SLOTS = {"lcg2005-torino": 4, NASA: 8, "lcg2005-cnaf": 4}


def published() -> tuple[dict[str, str], ...]:
    """Return the rows of the published figures."""
    lines = (TESTS / "published.csv").read_text().splitlines()
    return tuple(csv.DictReader(line for line in lines if line[:1] != "#"))


def figures(row: dict[str, str], measures: Measures) -> tuple[Figure, ...]:
    """Return what a rule's replay gave beside what was published of it.

    The published p95 is that of jobs, until the last of their tasks starts.
    """
    found = {
        "waste": measures.waste,
        "wait_mean": measures.wait_mean,
        "wait_p95": measures.job_wait_p95,
        "starts": measures.starts,
        "c1": measures.cost(1),
        "c5": measures.cost(5),
        "c20": measures.cost(20),
        "under": measures.under,
        "over": measures.over,
        "under_time": measures.under_time,
        "over_time": measures.over_time,
    }
    return tuple(
        Figure(name=name, found=value, published=row[name])
        for name, value in found.items()
        if row[name]
    )


def work(name: str) -> Trace:
    """Return the four weeks of a trace that the published figures are of."""
    return read(TESTS / f"traces/{name}.csv.gz").window(0, 28)


def theirs(row: dict[str, str]) -> Measures:
    """Replay one published row."""
    pools = {"wn": SLOTS[row["trace"]]}
    rule = PEERS[row["rule"]]()
    return measure(
        rule.name, replay(work(row["trace"]), rule, cloud=CloudModel(), pools=pools)
    )


def their_row(row: dict[str, str], measures: Measures) -> str:
    """Return the line of the page's table for one rule on one trace."""
    shown = {figure.name: str(figure) for figure in figures(row, measures)}
    cells = (shown.get(name, "") for name in _columns(row["trace"]))
    return f"| `{row['rule']}` | {' | '.join(cells)} |"


def their_table(trace: str) -> Iterator[str]:
    """Yield the page's table of one trace."""
    rows = [row for row in published() if row["trace"] == trace]
    columns = _columns(trace)
    yield f"| rule | {' | '.join(HEADS[name] for name in columns)} |"
    yield "| --- " * (1 + len(columns)) + "|"
    for row, measures in zip(rows, _side_by_side(theirs, rows), strict=True):
        yield their_row(row, measures)


def _columns(trace: str) -> tuple[str, ...]:
    """Return the measures that are published of any rule on this trace."""
    rows = [row for row in published() if row["trace"] == trace]
    return tuple(name for name in HEADS if any(row[name] for row in rows))


def _side_by_side(
    function: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(function, items)


TABLES: dict[str, Callable[[], Iterable[str]]] = {
    "recorded": partial(our_table, RECORDED, named=True),
    "made-up": partial(our_table, MADE_UP, named=False),
    "peers-torino": partial(their_table, "lcg2005-torino"),
    "peers-nasa": partial(their_table, NASA),
    "peers-cnaf": partial(their_table, "lcg2005-cnaf"),
}


def put(page: str, name: str, lines: Iterable[str]) -> str:
    """Return the page with the table of this name written anew."""
    begin, end = f"<!-- figures: {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE}: no place for the figures {name}")
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after


def main(asked: list[str]) -> None:
    """Write the tables whose names begin with what is asked for, or all."""
    for name, lines in TABLES.items():
        if not asked or any(name.startswith(each) for each in asked):
            print(f"Measuring {name}", file=sys.stderr)  # noqa: T201 - a script
            measured = list(lines())
            PAGE.write_text(put(PAGE.read_text(), name, measured))


if __name__ == "__main__":
    main(sys.argv[1:])
