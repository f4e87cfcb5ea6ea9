"""`OpenSsh`: runs commands in the guests of a farm with the system's ssh.

One connection for each guest, kept open for the next command and shared by all threads;
those behind the router lead through one connection to it. Knows no role's business;
what a complaint of ssh means, `failing` says.
"""

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from farmctl.errors import (
    CloudError,
    NotAuthenticatedError,
    NotPossibleError,
    UnreachableError,
)
from farmctl.model.guests import Guest, Ran
from farmctl.model.nodes import Role
from farmctl.ssh import configuration, failing, processes
from farmctl.ssh.configuration import Way
from farmctl.ssh.folder import Folder
from farmctl.ssh.identity import Identity

_FAILED = 255
"""What ssh ends with when there was no connection; a command may end so as well."""

_MOMENT = 5.0
"""Seconds for ssh to talk with its own background process."""

_CONNECTING = 2.5 * configuration.CONNECT
"""Seconds for a connection to be there, its log-in included."""


class OpenSsh:
    """The `model.guests.Shell` of one farm; to be closed.

    Guests may come and go: `meet` says which there are, and whoever runs a command in
    one that nobody spoke of introduces it thereby. The router among them is on the way
    to the others.
    """

    def __init__(
        self,
        farm: str,
        identity: Identity,
        guests: Iterable[Guest] = (),
        *,
        site: str,
        environment: Mapping[str, str],
        announce: Callable[[str], None],
    ) -> None:
        """Prepare a way into the guests of `farm`; nothing is connected yet.

        Args:
            farm: the farm's name.
            identity: who logs in.
            guests: those that are known already.
            site: the site's name.
            environment: the process' own.
            announce: is told once of each guest whose host key nobody vouches for.

        Raises:
            NotPossibleError: ssh is not installed.
        """
        self._program = processes.client()
        self._identity = identity
        self._environment = environment
        self._announce = announce
        self._remembered = _state(environment) / "known_hosts" / f"{site}.{farm}"
        self._remembered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = Folder(environment)
        self._lock = threading.Lock()
        self._connecting: dict[int, threading.Lock] = {}
        self._guests: dict[int, Guest] = {}
        self._written: dict[int, Way] = {}
        self._told: set[int] = set()
        self._logs = 0
        self.meet(guests)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def meet(self, guests: Iterable[Guest]) -> None:
        """Take these guests for those of their VMs, in place of what was known."""
        with self._lock:
            self._guests.update({each.vm_id: each for each in guests})

    def forget(self, guests: Iterable[Guest]) -> None:
        """Close the connections to guests that are gone."""
        for each in guests:
            self._hang_up(each)
            with self._lock:
                self._guests.pop(each.vm_id, None)
                self._written.pop(each.vm_id, None)

    def close(self) -> None:
        """End every connection and remove what was written for them."""
        with self._lock:
            known = list(self._written.values())
        for each in sorted(known, key=lambda way: way.guest.role is Role.ROUTER):
            self._hang_up(each.guest)
        self._folder.close()

    def run(
        self,
        guest: Guest,
        command: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 30.0,
    ) -> Ran:
        """Run a program in a guest; see `model.guests.Shell`."""
        return self._run(guest, command, stdin=stdin, timeout=timeout, fresh=False)

    def run_anew(
        self,
        guest: Guest,
        command: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 30.0,
    ) -> Ran:
        """Do as `run` does, over a connection of its own that nobody has used before.

        Tells whether the guest still lets us in, which an open connection does not.
        """
        return self._run(guest, command, stdin=stdin, timeout=timeout, fresh=True)

    def arguments(
        self, guest: Guest, line: str = "", *, terminal: bool = False
    ) -> list[str]:
        """Return program and arguments that connect whoever runs them with a guest.

        They hold until `close`. `line` is for the guest's shell, which takes it as it
        is; without one the user gets that shell.

        Raises:
            UnreachableError: the guest, or the router on the way, does not answer.
            NotAuthenticatedError: it answers, and lets us not in.
        """
        way = self._know(guest)
        self._open(way)
        made = [self._program, "-F", str(self._folder.path / "config")]
        if terminal:
            made.append("-t")
        return [*made, "--", way.alias, *([line] if line else [])]

    def for_ansible(self, guests: Iterable[Guest]) -> str:
        """Return `ansible_ssh_common_args` that reach these guests until `close`.

        `ansible_host` of each is its `alias`; `ansible_ssh_args` had better be empty,
        so that Ansible shares our connections. A guest that has told a wrong host key
        or has no address is left out: Ansible cannot reach it.

        Raises:
            UnreachableError: the router on the way does not answer.
            NotAuthenticatedError: it answers, and lets us not in.
        """
        ways = []
        for each in guests:
            try:
                ways.append(self._know(each))
            except (NotAuthenticatedError, NotPossibleError, UnreachableError):
                continue
        for router in {each.router for each in ways if each.router is not None}:
            self._connect(self._know(router))
        return f"-F {shlex.quote(str(self._folder.path / 'config'))}"

    @staticmethod
    def alias(guest: Guest) -> str:
        """Return what a guest is called in `arguments` and for Ansible."""
        return configuration.alias(guest)

    def _run(
        self,
        guest: Guest,
        command: Sequence[str],
        *,
        stdin: str,
        timeout: float,
        fresh: bool,
    ) -> Ran:
        way = self._know(guest)
        if not fresh:
            self._open(way)
        elif way.router is not None:
            self._connect(self._know(way.router))
        options = ["-o", "ControlMaster=no", "-o", "ControlPath=none"] if fresh else []
        log = self._log()
        try:
            ran = self._start(
                [*options, "-E", str(log), "--", way.alias, shlex.join(command)],
                stdin=stdin,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            # The connection may be what hangs: the next command gets a new one.
            if not fresh:
                self._hang_up(guest)
            raise UnreachableError(
                f"{guest.name} did not answer `{_shown(command)}` within "
                f"{max(1, round(timeout))} s.",
                hint="It may be going on there.",
            ) from error
        except processes.TooMuchError as error:
            if not fresh:
                self._hang_up(guest)
            raise UnreachableError(
                f"{guest.name} answers `{_shown(command)}` with more than "
                f"{processes.MOST // 1024**2} MiB, which is no answer.",
                hint="Look into it from its console.",
            ) from error
        finally:
            said = self._said(log, guest)
        # A connection that broke off leaves no word, but it is gone; a command that
        # ends with 255 leaves it there.
        broken = ran.status == _FAILED and not fresh and not self._is_open(guest)
        if ran.status == _FAILED and (said or broken):
            raise self._error(said, way)
        return ran

    def _know(self, guest: Guest) -> Way:
        """Write down how to a guest, unless it is written, and return it."""
        with self._lock:
            self._guests[guest.vm_id] = guest
            # A router that was made anew is the younger one of two.
            routers = (e for e in self._guests.values() if e.role is Role.ROUTER)
            router = max(routers, key=lambda each: each.vm_id, default=None)
            way = configuration.way(guest, router)
            before = self._written.get(guest.vm_id)
            if before != way:
                self._written[guest.vm_id] = way
                ways = self._written.values()
                self._folder.write("known_hosts", configuration.known_hosts(ways))
                self._folder.write(
                    "config",
                    configuration.text(
                        ways,
                        identity=self._identity,
                        folder=self._folder.path,
                        remembered=self._remembered,
                        program=self._program,
                    ),
                )
            strange = [
                each
                for each in (way.router, way.guest)
                if each is not None
                and not each.host_key
                and each.vm_id not in self._told
            ]
            self._told.update(each.vm_id for each in strange)
        if before is not None and self._socket(before.guest) != self._socket(guest):
            self._hang_up(before.guest)  # it was another guest, or told another key
        for each in strange:
            self._announce(
                f"{each.name} has told OneGate no SSH host key: the one that answers "
                f"is believed this time, and remembered in {self._remembered}."
            )
        return way

    def _open(self, way: Way) -> None:
        """See that the connections to the router and the guest are there.

        Else many threads at once would each make one of their own, and sshd lets few
        strangers knock at the same time (MaxStartups).
        """
        if way.router is not None:
            self._connect(self._know(way.router))
        self._connect(way)

    def _connect(self, way: Way) -> None:
        guest = way.guest
        socket = self._socket(guest)
        with self._lock:
            connecting = self._connecting.setdefault(guest.vm_id, threading.Lock())
        with connecting:
            if socket.exists():  # ssh removes it; one that is left it makes anew
                return
            log = self._log()
            try:
                ran = self._start(
                    ["-E", str(log), "-f", "-N", "--", way.alias],
                    stdin="",
                    timeout=_CONNECTING,
                )
            except subprocess.TimeoutExpired as error:
                raise UnreachableError(
                    f"{guest.name} ({guest.public_address or guest.address}) takes "
                    f"longer than {_CONNECTING:g} s to let us in.",
                    hint="Look at its console.",
                ) from error
            finally:
                said = self._said(log, guest)
            if ran.status != 0:
                raise self._error(said, way)

    def _said(self, log: Path, guest: Guest) -> str:
        """Return what ssh complained of, on the way to the guest or at it."""
        texts = (_read_away(log), _read_away(self._folder.path / f"way-{guest.vm_id}"))
        return failing.complaints("\n".join(texts))

    def _error(self, said: str, way: Way) -> CloudError:
        return failing.error(
            said,
            way.guest,
            self._identity,
            router=way.router,
            remembered=str(self._remembered),
        )

    def _is_open(self, guest: Guest) -> bool:
        if not self._socket(guest).exists():
            return False
        return self._control("check", guest)

    def _hang_up(self, guest: Guest) -> None:
        if self._socket(guest).exists():
            self._control("exit", guest)

    def _socket(self, guest: Guest) -> Path:
        return self._folder.path / configuration.socket(guest)

    def _control(self, word: str, guest: Guest) -> bool:
        at, way = f"ControlPath={self._socket(guest)}", configuration.alias(guest)
        try:
            ran = self._start(
                ["-o", at, "-O", word, "-E", os.devnull, "--", way],
                stdin="",
                timeout=_MOMENT,
            )
        except subprocess.TimeoutExpired:
            return False
        return ran.status == 0

    def _start(self, arguments: Sequence[str], *, stdin: str, timeout: float) -> Ran:
        config = str(self._folder.path / "config")
        return processes.finish(
            [self._program, "-F", config, *arguments], stdin=stdin, timeout=timeout
        )

    def _log(self) -> Path:
        with self._lock:
            self._logs += 1
            return self._folder.path / f"log-{self._logs}"


def _read_away(path: Path) -> str:
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    path.unlink(missing_ok=True)
    return text


def _shown(command: Sequence[str]) -> str:
    text = shlex.join(command)
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - one line


def _state(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "farmctl"
