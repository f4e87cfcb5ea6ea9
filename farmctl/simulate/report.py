"""One HTML file of a comparison: tables and pictures, nothing fetched from anywhere."""

from html import escape

from farmctl.simulate.compare import Comparison, Run
from farmctl.simulate.drawing import Curve, chart, scatter
from farmctl.simulate.measures import Measures
from farmctl.simulate.trace import DAY

SHOWN = 5
"""Curves in one picture; more cannot be told apart."""

FAR = 15
"""A policy that wastes so many times the least would press the others together."""

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1320px;margin:2rem auto;
padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
.wide{overflow-x:auto}
th,td{padding:.2rem .45rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left;white-space:nowrap}
thead th{border-bottom:2px solid #444;vertical-align:bottom}
tr.ours td{background:#fff4e5}
td.best{font-weight:700;text-decoration:underline}
svg{width:100%;height:auto}svg text{font-size:12px;fill:#333}
.grid{stroke:#e2e2e2;fill:none}
.key{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;
font-size:14px}
.key svg{width:36px}
"""


def html(*comparisons: Comparison) -> str:
    """Return the report as one self-contained page, a part for each workload."""
    names = escape(", ".join(comparison.trace for comparison in comparisons))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Replay of {names}</title><style>{STYLE}</style></head><body>
{"".join(_part(comparison) for comparison in comparisons)}
</body></html>
"""


def _part(comparison: Comparison) -> str:
    name = escape(comparison.trace)
    cloud = comparison.cloud
    shapes = " or ".join(f"{slots}" for _, slots in comparison.pools)
    spread = f", sigma {cloud.spread:g}" if cloud.spread else ""
    quota = "no quota" if cloud.quota is None else f"a quota of {cloud.quota} slots"
    standby = (
        f"; {cloud.standby} slots may be on standby, back in {cloud.resume:g} s"
        if cloud.standby
        else ""
    )
    work = comparison.runs[0].measures.work if comparison.runs else 0.0
    upper = comparison.bounds.upper
    reached = (
        f" and a clairvoyant schedule has {upper:,.0f}" if upper is not None else ""
    )
    return f"""<h1>Replay of {name}</h1>
<p>{comparison.jobs:,} jobs, {comparison.tasks:,} tasks, {work:,.0f} core-hours, on
nodes of {shapes} slots. A boot takes {cloud.boot:g} s{spread}, a stop {cloud.stop:g} s;
{quota}; {100 * cloud.failures:g} % of boots fail{standby}.</p>
<p>If nobody may wait, no rule wastes less than {comparison.bounds.lower:,.0f}
core-hours{reached}.</p>
<h2>Measures</h2>
{_table(comparison)}
<p>Waste is what nodes cost above the work they did: booting and stopping, empty, free
slots beside work, free slots while draining. C at a price is waste plus that many
core-hours for each hour that a task waits. The best of a column is underlined.</p>
{_words(comparison)}
<h2>Demand and size</h2>
{_courses(comparison)}
<h2>How long tasks wait</h2>
{_waits(comparison)}
<h2>What waiting costs to avoid</h2>
{_frontier(comparison)}
"""


def _words(comparison: Comparison) -> str:
    """Return what the table does not say: verdicts, who uses what, who is left out."""
    said = [comparison.verdict(price) for price in comparison.prices]
    if len(comparison.pools) > 1 and comparison.best_peer(1) is not None:
        first = comparison.pools[0][1]
        said.append(f"The rules of others use the nodes of {first} slots only.")
    if comparison.stuck:
        names = ", ".join(comparison.stuck)
        said.append(f"Left out, since some work waits for ever there: {names}.")
    words = "<br>".join(escape(each) for each in said if each)
    return f"<p>{words}</p>" if words else ""


def _table(comparison: Comparison) -> str:
    columns = [
        ("Waste", [_plain(run.measures.waste) for run in comparison.runs]),
        ("boots", [_plain(run.measures.boots) for run in comparison.runs]),
        ("empty", [_plain(run.measures.empty) for run in comparison.runs]),
        ("beside work", [_plain(run.measures.part) for run in comparison.runs]),
        ("draining", [_plain(run.measures.drained) for run in comparison.runs]),
        (
            "Wait, mean,&nbsp;s",
            [_plain(run.measures.wait_mean) for run in comparison.runs],
        ),
        ("p95,&nbsp;s", [_plain(run.measures.wait_p95) for run in comparison.runs]),
        ("p99,&nbsp;s", [_plain(run.measures.wait_p99) for run in comparison.runs]),
        ("Slow-down", [f"{run.measures.slowdown:.2f}" for run in comparison.runs]),
        ("Starts", [_plain(run.measures.starts) for run in comparison.runs]),
        ("per 1,000 jobs", [_churn(run, comparison.jobs) for run in comparison.runs]),
        ("a_U, %", [f"{run.measures.under:.1f}" for run in comparison.runs]),
        ("a_O, %", [f"{run.measures.over:.1f}" for run in comparison.runs]),
        ("t_U, %", [f"{run.measures.under_time:.1f}" for run in comparison.runs]),
        ("t_O, %", [f"{run.measures.over_time:.1f}" for run in comparison.runs]),
    ]
    best = {
        price: min((run.measures.cost(price) for run in comparison.runs), default=0.0)
        for price in comparison.prices
    }
    head = "".join(f"<th scope=col>C{price:g}</th>" for price in comparison.prices)
    head += "<th scope=col>Waste / bound</th>"
    head += "".join(f"<th scope=col>{name}</th>" for name, _ in columns)
    rows: list[str] = []
    for at, run in enumerate(comparison.runs):
        costs = "".join(
            _cost(run.measures, price, best=best[price]) for price in comparison.prices
        )
        ratio = run.measures.waste / max(comparison.bounds.lower, 1e-9)
        rest = "".join(f"<td>{cells[at]}</td>" for _, cells in columns)
        ours = ' class="ours"' if run.price is not None else ""
        rows.append(
            f"<tr{ours}><td>{escape(run.measures.policy)}</td>{costs}"
            f"<td>{ratio:.2f}</td>{rest}</tr>"
        )
    return (
        '<div class="wide"><table><thead><tr><th scope=col>Policy</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cost(measures: Measures, price: float, *, best: float) -> str:
    cost = measures.cost(price)
    mark = ' class="best"' if cost <= best else ""
    return f"<td{mark}>{cost:,.0f}</td>"


def _plain(value: float) -> str:
    return f"{value:,.0f}"


def _churn(run: Run, jobs: int) -> str:
    return f"{1000 * run.measures.starts / max(jobs, 1):,.0f}"


def _chosen(comparison: Comparison) -> list[Run]:
    """Return our runs, then the peer that is best at each price."""
    chosen = [run for run in comparison.runs if run.price is not None]
    for price in comparison.prices:
        best = comparison.best_peer(price)
        if best is not None and best not in chosen:
            chosen.append(best)
    return chosen[:SHOWN]


def _courses(comparison: Comparison) -> str:
    pictures: list[str] = []
    nodes = "nodes"
    if len(comparison.pools) > 1:
        unit = comparison.unit
        nodes = "nodes of 1 slot" if unit == 1 else f"nodes of {unit} slots"
    for run in _chosen(comparison):
        demand = [(at / DAY, float(wanted)) for at, wanted, _ in run.course]
        supply = [(at / DAY, float(ready)) for at, _, ready in run.course]
        name = run.measures.policy
        pictures.append(
            f"<h3>{escape(name)}</h3>"
            + chart(
                [
                    Curve(
                        name=f"{nodes} that the work would fill",
                        points=demand,
                        steps=True,
                        filled=True,
                    ),
                    Curve(name=f"{nodes} ready", points=supply, steps=True),
                ],
                title=f"Demand and size over time under {name}",
                across="days",
                up=nodes,
            )
        )
    return "".join(pictures)


def _waits(comparison: Comparison) -> str:
    curves: list[Curve] = []
    for run in _chosen(comparison):
        total = max(1, sum(count for _, count in run.waits))
        seen, points = 0, []
        stride = max(1, len(run.waits) // 400)
        for at, (seconds, count) in enumerate(run.waits):
            seen += count
            if at % stride == 0 or at == len(run.waits) - 1:
                points.append((max(seconds, 1.0), 100 * seen / total))
        curves.append(Curve(name=run.measures.policy, points=points, steps=True))
    return chart(
        curves,
        title="Share of tasks that wait at most so long",
        across="seconds of waiting (1 and less at the left edge)",
        up="% of tasks",
        logarithmic=True,
    )


def _frontier(comparison: Comparison) -> str:
    least = min((run.measures.waste for run in comparison.runs), default=0.0)
    shown = [run for run in comparison.runs if run.measures.waste <= FAR * least]
    drawn = scatter(
        [
            (
                run.measures.policy,
                max(run.measures.waiting, 0.1),
                max(run.measures.waste, 0.1),
                run.price is not None,
            )
            for run in shown
        ],
        title="Waste against waiting, each policy a point",
        across="hours that tasks wait, together",
        up="core-hours of waste",
    )
    beyond = [run.measures.policy for run in comparison.runs if run not in shown]
    if not beyond:
        return drawn
    names = escape(", ".join(beyond))
    return f"{drawn}<p>Above the picture, with more waste by far: {names}.</p>"
