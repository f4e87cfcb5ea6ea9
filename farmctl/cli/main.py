"""The `farmctl` command: its groups, its lazy commands and its way out.

Nothing but click is imported here, so that `farmctl --help` answers at once. The way
out is `failure`'s: which exit status, and what is said.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import farmctl
from farmctl.cli.names import COMMANDS

EPILOG = """\b
To begin:
  farmctl init              site.yaml and example.yaml, with comments
  farmctl plan example.yaml
  farmctl apply example.yaml
\b
Which cloud: --site FILE, else $FARMCTL_SITE, else ./site.yaml says; what the site
leaves out comes from $ONE_XMLRPC and $ONE_AUTH; without those it is the embedded
cloud, started when needed.
\b
Exit status: 0 done or nothing to do, 1 error, 2 usage or a mistake in a file,
3 the plan has changes, 130 interrupted.
"""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"farmctl.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 - needed for a slip of the keyboard only

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(
                f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx
            ) from error


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--site",
    "site_file",
    metavar="FILE",
    type=click.Path(),
    help="The site file.  [default: $FARMCTL_SITE, else ./site.yaml]",
)
@click.version_option(farmctl.__version__, "--version", message="farmctl %(version)s")
@click.pass_context
def cli(context: click.Context, site_file: str | None) -> None:
    """Keep elastic virtual farms on OpenNebula, each from one YAML file."""
    context.obj = site_file


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; says itself what went wrong."""
    typed = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result: Any = cli.main(
            args=typed,
            prog_name="farmctl",
            standalone_mode=False,
        )
    except BaseException as error:  # noqa: BLE001 - the rim: everything ends here
        from farmctl.cli import failure  # noqa: PLC0415 - when needed only

        return failure.report(error, arguments=typed)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Be the `farmctl` command."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    status = run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from farmctl.cli import failure  # noqa: PLC0415 - when needed only

        status = failure.nobody_reads()
    except OSError as error:
        from farmctl.cli import failure  # noqa: PLC0415 - when needed only

        status = failure.cannot_print(error)
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Give up what is written to a stream that whoever started us has closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for as long as we live
