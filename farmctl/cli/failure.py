"""The way out when something went wrong: what is said, and the exit status.

Expected errors are farmctl's own tree: what is wrong and what to do, never a traceback.
Anything else is a mistake of farmctl's, said briefly, with the traceback for whoever
asks with FARMCTL_DEBUG=1.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum

import click

from farmctl.cli.names import COMMANDS
from farmctl.cli.text import clean
from farmctl.errors import (
    FarmctlError,
    InputError,
    PlanOutdatedError,
)

_MOST = 12


class Exit(IntEnum):
    """The exit statuses, the same for every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    CHANGES = 3
    INTERRUPTED = 130


class Ended(Exception):  # noqa: N818 - no error: all was said, this is the way out
    """A command ends with this exit status, and has said what there is to say."""

    def __init__(self, status: Exit) -> None:
        super().__init__(status)
        self.status = status


def report(error: BaseException, *, arguments: Sequence[str] = ()) -> int:
    """Say on standard error what went wrong and return the exit status.

    Args:
        error: what ended the command.
        arguments: what was typed; with `--json` among it, an expected error is told
            on standard output too.
    """
    match error:
        case Ended(status=status):
            return status
        case click.exceptions.Exit(exit_code=code):
            return code
        case KeyboardInterrupt() | click.Abort():
            _say("\nInterrupted.")
            return Exit.INTERRUPTED
        case click.UsageError():
            error.show()
            return Exit.USAGE
        case click.ClickException():
            error.show()
            return error.exit_code
        case BrokenPipeError():
            return nobody_reads()
        case SystemExit(code=code):
            return code if isinstance(code, int) else Exit.ERROR
        case FarmctlError():
            if "--json" in arguments:
                _print_json(error, arguments)
            _say(describe(error))
            _traceback_if_wanted(error)
            return status_of(error)
        case OSError() if error.filename is not None and error.strerror:
            _say(f"{clean(str(error.filename))}: {error.strerror}.")
            _traceback_if_wanted(error)
            return Exit.ERROR
        case OSError(errno=errno.ENOSPC):
            return cannot_print(error)
        case _:
            return _unexpected(error)


def status_of(error: FarmctlError) -> Exit:
    """Return the exit status of an expected error."""
    return Exit.USAGE if isinstance(error, InputError) else Exit.ERROR


def describe(error: FarmctlError) -> str:
    """Return an expected error for people: what is wrong, and what to do."""
    match error:
        case InputError(mistakes=mistakes):
            lines = [clean(str(mistake)) for mistake in mistakes]
            counted = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
            return "\n".join([*lines, f"{counted}; nothing was sent to OpenNebula."])
        case PlanOutdatedError(message=message, moved=moved, hint=hint):
            said = message.partition("\n")[0]
            lines = [f"  {clean(each)}" for each in moved]
            if len(lines) > _MOST:
                more = f"  … {len(lines) - _MOST} more; --json has them all"
                lines = [*lines[:_MOST], more]
            return "\n".join([clean(said), *lines, *([clean(hint)] if hint else [])])
        case _:
            said = clean(error.message, keep="\n")
            return f"{said}\n{clean(error.hint)}" if error.hint else said


def nobody_reads() -> int:
    """End quietly when the reader of standard output has gone (`| head`)."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return Exit.ERROR


def cannot_print(error: OSError) -> int:
    """Say that output could not be written (`> /dev/full`), and write no more."""
    _say(f"The output cannot be written: {error.strerror}.")
    return nobody_reads()


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("FARMCTL_DEBUG", "") not in ("", "0")


def _unexpected(error: BaseException) -> int:
    said = clean(str(error)) or "no more is known"
    lines = [
        f"farmctl met something it did not expect: {type(error).__name__}: {said}",
        "This is a mistake in farmctl. Whatever was begun in the cloud, `farmctl plan`",
        "shows what is left to do, and apply goes on from there.",
    ]
    if debugging():
        lines.append("".join(traceback.format_exception(error)))
    else:
        lines.append(
            "Please report it with what FARMCTL_DEBUG=1 in front of the same command"
            " prints."
        )
    _say("\n".join(lines))
    return Exit.ERROR


def _print_json(error: FarmctlError, arguments: Sequence[str]) -> None:
    from farmctl.cli import documents, terminal  # noqa: PLC0415 - rich is heavy

    command = next((each for each in arguments if each in COMMANDS), "")
    terminal.print_json(documents.head(command) | {"error": documents.error(error)})


def _traceback_if_wanted(error: BaseException) -> None:
    if debugging():
        _say("".join(traceback.format_exception(error)))


def _say(message: str) -> None:
    click.echo(message, err=True)
