"""Where a batch system's programs run: in the farm's head, or on this machine.

A command is a list of arguments; whoever runs it in a guest quotes each of them for
the guest's shell. What came back is judged by the adapters.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farmctl.errors import BatchAwayError, UnreachableError
from farmctl.model.guests import Guest, Ran, Shell


class Commands(Protocol):
    """Runs a program; safe to call from several threads."""

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        """Run `command` and return its status and what it wrote.

        Raises:
            BatchAwayError: where it should run cannot be reached, or does not answer
                within `timeout` seconds.
            NotAuthenticatedError: it answers, and does not let us in.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnGuest:
    """Runs programs in a guest, usually the farm's head."""

    shell: Shell
    guest: Guest

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        try:
            return self.shell.run(self.guest, command, timeout=timeout)
        except UnreachableError as error:
            raise BatchAwayError(
                f"{self.guest.name} does not answer, so its batch system is not seen.",
                hint=str(error),
            ) from error


@dataclass(frozen=True, slots=True)
class InLoginShell:
    """Runs programs with what the profile sets, such as GridEngine's SGE_ROOT.

    Where a program comes from is often said there alone, and a command over SSH does
    not read it.
    """

    commands: Commands

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        within = ["sh", "-lc", 'exec "$@"', "sh", *command]
        return self.commands.run(within, timeout=timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnThisMachine:
    """Runs programs here: farmctl serves on the head itself, or beside it.

    `before`: what stands before each command, such as `nsenter` with its arguments.
    `environment`: variables besides the machine's own, such as SLURM_CONF.
    """

    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        try:
            done = subprocess.run(  # noqa: S603  # arguments only, no shell
                [*self.before, *command],
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise BatchAwayError(
                f"{command[0]} did not end within {timeout:.0f} s on this machine."
            ) from error
        except OSError as error:
            raise BatchAwayError(
                f"{command[0]} cannot be run on this machine: {error.strerror}."
            ) from error
        return Ran(status=done.returncode, out=done.stdout, err=done.stderr)
