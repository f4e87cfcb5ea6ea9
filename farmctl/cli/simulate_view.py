"""What a replay shows: a table for people, a document for machines."""

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from farmctl.cli import documents, terminal
from farmctl.cli.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farmctl.simulate.compare import Comparison, Run


def show(comparison: "Comparison", idle_cost: float, *, first: bool) -> None:
    """Print what became of one trace; money or core-hours by `idle_cost`."""
    console = terminal.out()
    if not first:
        console.print()
    cloud, bound = comparison.cloud, comparison.bounds
    shapes = " or ".join(str(slots) for _, slots in comparison.pools)
    terminal.line(
        console,
        terminal.shown(
            console,
            f"{comparison.trace}: {counted(comparison.jobs, 'job')}, nodes of {shapes} "
            f"slots, {cloud.boot:g} s to boot; without any waiting no rule can waste "
            f"less than {bound.lower:,.0f} core-hours",
            style="strong",
        ),
    )
    best = {
        price: min(run.measures.cost(price) for run in comparison.runs)
        for price in comparison.prices
    }
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("policy", header_style="quiet")
    for price in comparison.prices:
        table.add_column(f"C{price:g}", justify="right", header_style="quiet")
    for head in ("waste", "/ bound", "wait h", "mean s", "p95 s", "starts"):
        table.add_column(head, justify="right", header_style="quiet")
    for run in comparison.runs:
        figures = run.measures
        cells = []
        for price in comparison.prices:
            cost = figures.cost(price)
            style = "ready" if cost <= best[price] else ""
            cells.append(Text(f"{cost * idle_cost:,.0f}", style=style))
        table.add_row(
            terminal.shown(
                console,
                figures.policy,
                style="strong" if run.price is not None else "",
            ),
            *cells,
            f"{figures.waste * idle_cost:,.0f}",
            f"{figures.waste / max(bound.lower, 1e-9):.2f}",
            f"{figures.waiting:,.0f}",
            f"{figures.wait_mean:,.0f}",
            f"{figures.wait_p95:,.0f}",
            f"{figures.starts:,}",
        )
    terminal.put(console, table)
    if len(comparison.pools) > 1 and comparison.best_peer(1) is not None:
        slots = counted(comparison.pools[0][1], "slot")
        said = f"The rules of others use the nodes of {slots} only."
        terminal.line(console, terminal.shown(console, said))
    if comparison.stuck:
        names = ", ".join(comparison.stuck)
        said = f"Left out, since some work waits for ever there: {names}."
        terminal.line(console, terminal.shown(console, said))
    for price in comparison.prices:
        said = comparison.verdict(price)
        if said:
            terminal.line(console, terminal.shown(console, said))


def as_document(found: "Sequence[Comparison]", idle_cost: float) -> dict[str, Any]:
    """Return all replays as what `--json` prints."""
    return documents.head("simulate") | {
        "traces": [
            {
                "name": comparison.trace,
                "jobs": comparison.jobs,
                "tasks": comparison.tasks,
                "slots": [slots for _, slots in comparison.pools],
                "boot_seconds": comparison.cloud.boot,
                "bound_core_hours": comparison.bounds.lower,
                "clairvoyant_core_hours": comparison.bounds.upper,
                "stuck": list(comparison.stuck),
                "runs": [_run(comparison, run, idle_cost) for run in comparison.runs],
            }
            for comparison in found
        ]
    }


def _run(comparison: "Comparison", run: "Run", idle_cost: float) -> dict[str, Any]:
    figures = run.measures
    return {
        "policy": figures.policy,
        "price": run.price,
        "costs": [
            {"price": price, "cost": figures.cost(price) * idle_cost}
            for price in comparison.prices
        ],
        "waste_core_hours": figures.waste,
        "boot_core_hours": figures.boots,
        "empty_core_hours": figures.empty,
        "beside_work_core_hours": figures.part,
        "draining_core_hours": figures.drained,
        "standby_core_hours": figures.parked,
        "waste_to_bound": figures.waste / max(comparison.bounds.lower, 1e-9),
        "waiting_hours": figures.waiting,
        "wait_mean_seconds": figures.wait_mean,
        "wait_p50_seconds": figures.wait_p50,
        "wait_p95_seconds": figures.wait_p95,
        "wait_p99_seconds": figures.wait_p99,
        "job_wait_p95_seconds": figures.job_wait_p95,
        "starts": figures.starts,
        "wakes": figures.wakes,
        "failed_boots": figures.failures,
        "most_slots": figures.peak,
    }
