"""`farmctl simulate`: recorded work replayed under our policy and the peers' rules.

Reads traces, replays, prints; no cloud is asked. The replay is `farmctl.simulate`'s,
and in it decides the same core that sizes real farms.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farmctl.cli import simulate_view, simulate_work, terminal
from farmctl.cli.options import Duration, json_option
from farmctl.cli.text import counted
from farmctl.errors import FarmctlError

if TYPE_CHECKING:
    from farmctl.simulate.compare import Comparison

ALL, NONE = "all", "none"
SECOND = 1.0


class _Listed(click.ParamType[Any]):
    """Comma-separated values, each read by `one`."""

    def __init__(self, name: str, one: Any) -> None:
        self.name = name
        self._one = one

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value
        found = []
        for part in value.split(","):
            try:
                read = self._one(part.strip())
            except ValueError:
                self.fail(f"{part.strip()!r} is no number.", param, ctx)
            if not 0 < read < 1e9:  # noqa: PLR2004 - rather a slip than a wish
                self.fail(f"{part.strip()} is out of range.", param, ctx)
            if read not in found:
                found.append(read)
        return tuple(found)


@click.command(
    epilog="""\b
Examples:
  farmctl simulate accounting.csv
  farmctl simulate accounting.csv --slots 8 --price 1,5,20 --report replay.html
  sacct -aPX -S 2026-10-01 -E now -o JobID,User,Submit,Elapsed,AllocCPUS > jobs.txt
  farmctl simulate jobs.txt --slots 8,1 --peers clues,karpenter --boot 4m --json
  farmctl simulate --synthetic sessions --synthetic batch:7 --price 5
"""
)
@click.argument(
    "traces",
    metavar="TRACE...",
    nargs=-1,
    type=click.Path(path_type=Path),
)
@click.option(
    "--synthetic",
    metavar="KIND[:SEED]",
    type=simulate_work.Kind(),
    multiple=True,
    help="Replay made-up work of this kind, or of all; may be given again.  [seed: 1]",
)
@click.option(
    "--price",
    "prices",
    metavar="P,...",
    type=_Listed("prices", float),
    default="1,5,20",
    show_default=True,
    help="Prices of waiting: core-hours that an hour of a waiting task is worth.",
)
@click.option(
    "--peers",
    metavar="NAME,...",
    default=ALL,
    show_default=True,
    help="Rules of other projects to replay beside ours; all, none, or their names.",
)
@click.option(
    "--policy/--no-policy",
    "with_policy",
    default=True,
    help="Replay farmctl's own policy, once at each price.  [default: policy]",
)
@click.option(
    "--slots",
    metavar="N,...",
    type=_Listed("slots", int),
    help="Slots of a node; several make a ladder of shapes, of which peers use the "
    "first.  [default: 4, or what suits the made-up kind]",
)
@click.option(
    "--boot",
    metavar="TIME",
    type=Duration(),
    default="300s",
    show_default=True,
    help="From the request for a node until it takes work.",
)
@click.option(
    "--stop",
    metavar="TIME",
    type=Duration(),
    default="30s",
    show_default=True,
    help="From a node's end until its slots cost nothing.",
)
@click.option(
    "--spread",
    metavar="SIGMA",
    type=click.FloatRange(0, 3),
    default=0.0,
    help="How much boot times vary: the sigma of their logarithm.  [default: 0]",
)
@click.option(
    "--failures",
    metavar="PERCENT",
    type=click.FloatRange(0, 90),
    default=0.0,
    help="Boots that end in nothing.  [default: 0]",
)
@click.option(
    "--quota",
    metavar="SLOTS",
    type=click.IntRange(1),
    help="Slots that may exist at once.  [default: no limit]",
)
@click.option(
    "--standby",
    metavar="SLOTS",
    type=click.IntRange(0),
    default=0,
    help="Slots that may wait suspended; used by our policy only.  [default: 0]",
)
@click.option(
    "--resume",
    metavar="TIME",
    type=Duration(),
    default="60s",
    show_default=True,
    help="From standby until a node takes work.",
)
@click.option(
    "--poll",
    metavar="TIME",
    type=Duration(zero=True),
    help="Time between our looks at the farm; 0s: at each change.  [default: a "
    "sixtieth of a boot, or of a resume with --standby]",
)
@click.option(
    "--idle-cost",
    metavar="AMOUNT",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    help="What a core-hour costs, for costs in your money.  [default: core-hours]",
)
@click.option(
    "--whole",
    is_flag=True,
    help="A job's cores must be on one node, instead of each where there is room.",
)
@click.option(
    "--days",
    metavar="N",
    type=click.FloatRange(0, min_open=True),
    help="Replay N days of each trace only, the first ones.",
)
@click.option(
    "--from-day",
    metavar="N",
    type=click.FloatRange(0),
    default=0.0,
    help="Leave out what came before day N; whole weeks keep the weekdays in step.",
)
@click.option(
    "--shift",
    metavar="SEED",
    type=click.IntRange(0),
    help="Draw the same work anew: submissions within two minutes, run times within 3 "
    "per cent. What that changes is luck.",
)
@click.option(
    "--report",
    metavar="FILE.html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write tables and pictures to one HTML file.",
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@json_option
def command(
    traces: tuple[Path, ...],
    *,
    prices: tuple[float, ...],
    peers: str,
    slots: tuple[int, ...] | None,
    synthetic: tuple[tuple[str, int], ...],
    days: float | None,
    from_day: float,
    shift: int | None,
    report: Path | None,
    idle_cost: float,
    with_policy: bool,
    whole: bool,
    quiet: bool,
    as_json: bool,
    **cloud: Any,
) -> None:
    """Replay recorded work under our policy and under other projects' rules.

    A TRACE is a CSV file with the columns submit, run and cores (and user, which the
    forecast needs), or of sessions with start, end and peak_cores, each of which is
    replayed as a reservation; SWF; or what `sacct --parsable2` prints; gzipped or not.
    Made-up work needs no file. No cloud is asked.

    C at a price is what a policy wastes (boots, empty nodes, free slots beside work)
    plus that price for each hour that a task waits, in core-hours.

    Exit status: 0 all were replayed, 2 a file or an option has mistakes.
    """
    from farmctl.simulate.compare import compare  # noqa: PLC0415 - when needed only
    from farmctl.simulate.engine import StuckError  # noqa: PLC0415 - when needed only

    names = _peers(peers)
    if report is not None and not (report.parent.is_dir()):
        raise click.UsageError(f"--report: there is no folder {report.parent}.")
    if not names and not with_policy:
        raise click.UsageError("Nothing to replay: --no-policy and no peers.")
    show = _Progress(quiet=quiet)
    if not traces and not synthetic:
        raise click.UsageError("Nothing to replay: give a TRACE, or --synthetic.")
    work = simulate_work.gathered(traces, synthetic, whole=whole, slots=slots)
    found: list[Comparison] = []
    for each in simulate_work.cut(work, first=from_day, days=days, shift=shift):
        trace = each.trace
        try:
            found.append(
                compare(
                    trace,
                    cloud=_cloud(cloud),
                    pools={f"{count}-slot": count for count in each.slots},
                    prices=prices,
                    own_policy=with_policy,
                    peers=names,
                    period=cloud["poll"],
                    progress=show.on(trace.name),
                )
            )
        except StuckError as error:
            raise FarmctlError(
                f"{trace.name}: {error}.",
                hint="With --whole each job must fit one node; --slots and --quota say "
                "how large that is.",
            ) from error
    show.end()
    if report is not None:
        _write(report, found)
    if as_json:
        terminal.print_json(simulate_view.as_document(found, idle_cost))
        return
    for at, comparison in enumerate(found):
        simulate_view.show(comparison, idle_cost, first=at == 0)
    if report is not None:
        terminal.say(f"The report is in {report}.")


def _peers(text: str) -> tuple[str, ...]:
    from farmctl.simulate.peers.catalogue import PEERS  # noqa: PLC0415 - when needed

    if text == ALL:
        return tuple(PEERS)
    if text == NONE:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in PEERS:
            raise click.UsageError(
                f"--peers: no rule is called {name!r}; there are {', '.join(PEERS)}."
            )
    return names


def _cloud(options: Mapping[str, Any]) -> Any:
    from farmctl.simulate.cloudmodel import CloudModel  # noqa: PLC0415 - when needed

    return CloudModel(
        boot=max(options["boot"], SECOND),
        stop=options["stop"],
        spread=options["spread"],
        failures=options["failures"] / 100,
        quota=options["quota"],
        standby=options["standby"],
        resume=max(options["resume"], SECOND),
    )


class _Progress:
    """One line on standard error that says which replay is under way."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = terminal.err()
        self._quiet = quiet
        self._began = time.monotonic()
        self._lively = self._console.is_terminal and not self._console.is_dumb_terminal

    def on(self, trace: str) -> Any:
        """Return what `compare` calls before each replay."""

        def told(done: int, total: int, policy: str) -> None:
            if self._quiet:
                return
            seconds = time.monotonic() - self._began
            text = f"{trace}: {done + 1} of {total}, {policy} ({seconds:.0f} s)"
            if self._lively:
                line = terminal.shown(self._console, text).plain
                self._console.file.write(f"\r\x1b[2K{line[: self._console.width - 1]}")
                self._console.file.flush()
            elif done == 0:
                terminal.say(f"{trace}: {counted(total, 'replay')}")

        return told

    def end(self) -> None:
        """Leave no line behind."""
        if self._lively and not self._quiet:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()


def _write(path: Path, found: "Sequence[Comparison]") -> None:
    from farmctl.simulate.report import html  # noqa: PLC0415 - when needed only

    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(html(*found), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise FarmctlError(
            f"{path} cannot be written: {error.strerror or error}."
        ) from error
