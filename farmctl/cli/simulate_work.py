"""The work that `farmctl simulate` replays: read from files, or made up.

`commands.simulate` has the options; how files are read and work is drawn is
`farmctl.simulate`'s, imported when it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from farmctl.simulate.trace import Trace

ALL = "all"
SLOTS = (4,)
"""Slots of a node for recorded work; made-up kinds say what suits them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One workload: where it came from, and the slots of each shape of node."""

    source: str
    trace: "Trace"
    slots: tuple[int, ...]


class Kind(click.ParamType[Any]):
    """A made-up kind and a seed, such as `heavy:3`; `all` stands for every kind."""

    name = "kind"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value
        from farmctl.simulate.synthetic import KINDS, SEED  # noqa: PLC0415 - quick start

        name, colon, seed = value.partition(":")
        if name != ALL and name not in KINDS:
            self.fail(
                f"no kind is called {name!r}; there are {', '.join(KINDS)}.", param, ctx
            )
        if colon and not (seed.isascii() and seed.isdigit()):
            self.fail(f"{seed!r} is no seed; it is a whole number.", param, ctx)
        return name, int(seed) if colon else SEED

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the kinds, each with what it is."""
        from farmctl.simulate.synthetic import KINDS  # noqa: PLC0415 - quick start

        return [
            CompletionItem(name, help=kind.says)
            for name, kind in KINDS.items()
            if name.startswith(incomplete)
        ]


def gathered(
    paths: Sequence[Path],
    made: Sequence[tuple[str, int]],
    *,
    whole: bool,
    slots: tuple[int, ...] | None,
) -> list[Work]:
    """Return what the files hold and what is made up, in the order given.

    Raises:
        InputError: With the mistakes of all files at once.
    """
    from farmctl.errors import InputError, Mistake  # noqa: PLC0415 - beside reading
    from farmctl.simulate.reading import read  # noqa: PLC0415 - when needed only
    from farmctl.simulate.synthetic import KINDS  # noqa: PLC0415 - when needed only

    work: list[Work] = []
    mistakes: list[Mistake] = []
    for path in paths:
        try:
            trace = read(path, whole=whole)
        except InputError as error:
            mistakes += error.mistakes
        else:
            work.append(Work(source=str(path), trace=trace, slots=slots or SLOTS))
    if mistakes:
        raise InputError(mistakes)
    for name, seed in made:
        work += [
            Work(
                source=f"{kind}:{seed}",
                trace=KINDS[kind].make(seed),
                slots=slots or (KINDS[kind].slots,),
            )
            for kind in (KINDS if name == ALL else (name,))
        ]
    return work


def cut(
    work: Sequence[Work], *, first: float, days: float | None, shift: int | None
) -> list[Work]:
    """Return only these days of each workload, drawn anew if there is a `shift`.

    Raises:
        InputError: If no job came in these days.
    """
    from farmctl.errors import InputError, Mistake  # noqa: PLC0415 - when needed only

    found: list[Work] = []
    mistakes: list[Mistake] = []
    for each in work:
        trace = each.trace
        if first or days is not None:
            trace = trace.window(first, days)
        if not trace.jobs:
            span = (
                f"after day {first:g}"
                if days is None
                else f"between day {first:g} and day {first + days:g}"
            )
            mistakes.append(Mistake(file=each.source, message=f"no job came {span}."))
            continue
        if shift is not None:
            trace = trace.shifted(shift)
        found.append(Work(source=each.source, trace=trace, slots=each.slots))
    if mistakes:
        raise InputError(mistakes)
    return found
