"""A check for people: a line for each probe that found no fault, and every fault."""

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from farmctl.check import ABOUT, Finding, Probe, Report, Verdict, summary
from farmctl.cli import documents, terminal
from farmctl.cli.text import listed, took

_MOST = 3
_SIGNS = {Verdict.GOOD: "✓", Verdict.FAULT: "✗", Verdict.UNSEEN: "?"}
_STYLES = {Verdict.GOOD: "ready", Verdict.FAULT: "failed", Verdict.UNSEEN: "warn"}


def draw(console: Console, report: Report, *, everything: bool) -> RenderableType:
    """Draw a report.

    Args:
        console: where to.
        report: what was found.
        everything: each finding on a line of its own, the good ones too.
    """
    title = terminal.shown(console, f"Farm {report.farm}", style="strong")
    title.append(f" at {report.site}, probed in {took(report.seconds)}", style="quiet")
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column()
    table.add_column(overflow="fold")
    for probe in Probe:
        found = [each for each in report.findings if each.probe is probe]
        for each, subjects in _rows(found, everything=everything):
            _row(console, table, each, subjects)
        good = sum(each.verdict is Verdict.GOOD for each in found)
        if good and not everything:
            all_good = good == len(found)
            said = ABOUT[probe] if all_good else f"{good} more are as they should be"
            number = f" ({good})" if all_good and good > 1 else ""
            table.add_row(
                *_head(console, Verdict.GOOD, probe if all_good else None, ""),
                terminal.shown(console, f"{said}{number}"),
            )
    parts: list[RenderableType] = [title, Text(""), table, Text("")]
    style = "failed" if report.faulty else "ready"
    for sentence in summary(report):
        parts.append(terminal.shown(console, sentence, style=style))
        style = "warn"
    return Group(*parts)


def document(report: Report) -> dict[str, Any]:
    """Return the JSON document of a check."""
    return documents.head("check") | {
        "farm": report.farm,
        "site": report.site,
        "began_at": report.at,
        "seconds": round(report.seconds, 3),
        "faulty": report.faulty,
        "counts": {
            "good": len(report.of(Verdict.GOOD)),
            "fault": len(report.of(Verdict.FAULT)),
            "not_checked": len(report.of(Verdict.UNSEEN)),
        },
        "findings": [
            {
                "probe": each.probe.value,
                "subject": each.subject or None,
                "verdict": each.verdict.value.replace(" ", "_"),
                "message": each.message,
                "hint": each.hint or None,
            }
            for each in report.findings
        ],
        "left_out": [each.value for each in report.left_out],
    }


def _rows(found: list[Finding], *, everything: bool) -> list[tuple[Finding, str]]:
    """Return what is told line by line, each with those that it is told of.

    Faults come first, then what was not checked; what is the same of several subjects
    is told once.
    """
    if everything:
        return [(each, each.subject) for each in found]
    alike: dict[tuple[str, str], list[Finding]] = {}
    for verdict in (Verdict.FAULT, Verdict.UNSEEN):
        for each in found:
            if each.verdict is verdict:
                alike.setdefault((verdict, each.message), []).append(each)
    return [
        (those[0], listed((each.subject for each in those), most=_MOST))
        for those in alike.values()
    ]


def _row(console: Console, table: Table, found: Finding, subjects: str) -> None:
    said = terminal.shown(console, found.message)
    if found.verdict is Verdict.UNSEEN:
        said = terminal.shown(console, f"not checked: {found.message}", style="warn")
    if found.hint and found.verdict is Verdict.FAULT:
        said.append_text(terminal.shown(console, f"\n{found.hint}", style="quiet"))
    table.add_row(*_head(console, found.verdict, found.probe, subjects), said)


def _head(
    console: Console, verdict: Verdict, probe: Probe | None, subject: str
) -> tuple[Text, Text, Text]:
    style = _STYLES[verdict]
    return (
        terminal.shown(console, f"  {_SIGNS[verdict]}", style=style),
        terminal.shown(console, probe.value if probe else ""),
        terminal.shown(console, subject),
    )
