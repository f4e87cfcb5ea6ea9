"""Options that several commands share, and names completed while one types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType  # click 8.1 has no generic one

F = TypeVar("F", bound=Callable[..., Any])


class Duration(FloatType):
    """A duration such as 90s, 10m or 1h30m, in seconds; 0s where `zero` says so."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        """Refuse no time at all unless told otherwise."""
        super().__init__()
        self._zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        if self._zero and value == "0s":
            return 0.0
        from farmctl.units import parse_duration  # noqa: PLC0415 - quick start

        try:
            return float(parse_duration(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def site_option(function: F) -> F:
    """Let `--site` stand behind the command too."""
    return click.option(
        "--site",
        "own_site",
        metavar="FILE",
        type=click.Path(),
        help="The site file.  [default: $FARMCTL_SITE, else ./site.yaml]",
    )(function)


def json_option(function: F) -> F:
    """Offer `--json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON on standard output (see docs/reference/json.md).",
    )(function)


def yes_option(function: F) -> F:
    """Offer `--yes`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(function)


def run_options(function: F) -> F:
    """Offer what all commands that make nodes have in common."""
    for option in reversed(
        (
            yes_option,
            click.option(
                "--wait/--no-wait",
                default=True,
                help="Wait until the nodes are ready, or end once all is asked for."
                "  [default: wait]",
            ),
            click.option(
                "--timeout",
                type=Duration(),
                metavar="DURATION",
                help="Wait no longer than this, such as 10m."
                "  [default: the site's deadlines]",
            ),
        )
    ):
        function = option(function)
    return function


def interrupt_option(function: F) -> F:
    """Offer consent to end workers that may work, and a head with its queue."""
    return click.option(
        "--interrupt",
        is_flag=True,
        help="Consent to end nodes that may have jobs on them, and a batch farm's head "
        "with its queue.",
    )(function)


def retry_option(function: F) -> F:
    """Offer to try a make of a pool again that was refused."""
    return click.option(
        "--retry",
        is_flag=True,
        help="Try an image again, or whatever else workers are made of, which was "
        "refused because workers of it failed.",
    )(function)


def site_file(own: str | None) -> str | None:
    """Return what `--site` says, behind the command or before it."""
    if own is not None:
        return own
    root = click.get_current_context().find_root()
    return root.obj if isinstance(root.obj, str) else None


def complete_farm(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a farm from what the cloud shows; quick, and never fails."""
    from farmctl.cli import completing  # noqa: PLC0415 - while completing only

    return [CompletionItem(each) for each in completing.farms(context, incomplete)]


def complete_pool(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a pool of the farm that was typed before."""
    from farmctl.cli import completing  # noqa: PLC0415 - while completing only

    farm = str(context.params.get("farm") or "")
    return [
        CompletionItem(each) for each in completing.pools(context, farm, incomplete)
    ]


def complete_node(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a node of the farm that was typed before."""
    from farmctl.cli import completing  # noqa: PLC0415 - while completing only

    farm = str(context.params.get("farm") or "")
    return [
        CompletionItem(each) for each in completing.nodes(context, farm, incomplete)
    ]


def complete_file(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete file names."""
    return [CompletionItem(incomplete, type="file")]
