"""Changing a router that runs, so that it takes back what locks us out.

The router gets the new files and a time. It puts them in force at once, and takes them
back by itself unless somebody confirms in time; we confirm over a connection that was
made after the change, so that what is confirmed is a router that still lets us in. How
the files are put in force is the business of `farmctl-router`, on the router.
"""

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from farmctl.errors import (
    AnswerLostError,
    CloudError,
    NotAuthenticatedError,
    RefusedError,
    UnreachableError,
)
from farmctl.model.guests import Guest, Ran, Shell

SECONDS = 30
"""Seconds within which a change has to be confirmed: several times what a router takes
to read its files again and answer, and short enough for a farm to be cut off."""

_APPLYING = 60.0
_ASKING = 12.0
_PAUSE = 0.5
_GRACE = 15
_NO_COMMAND = (126, 127)
_MOST = 6

_BOOTSTRAP = """\
umask 077
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cat >"$folder/files"
base64 -d <"$folder/files" | tar -xO -f - {script} >"$folder/script" &&
    [ -s "$folder/script" ] || {{ echo 'what came has no {script} in it' >&2; exit 1; }}
sh "$folder/script" apply {seconds} <"$folder/files"
"""
"""Runs the script that rides with the files: the one on the router may be older."""


class Way(Shell, Protocol):
    """A shell that can make a connection which nobody has used before."""

    def run_anew(
        self,
        guest: Guest,
        command: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 30.0,
    ) -> Ran:
        """Run a program over a new connection."""
        ...


def change_router(
    shell: Way,
    router: Guest,
    files: str,
    *,
    command: str,
    script: str = "",
    seconds: int = SECONDS,
) -> bool:
    """Put files in force on a router that runs; return whether anything changed.

    Established connections through the router go on. The same files again change
    nothing. Whatever happens, also to us, the router ends with the new files confirmed
    or with those that it had.

    Args:
        shell: the way in.
        router: the router.
        files: the files, as `context.bundle.pack` makes a text of them.
        command: the path of `farmctl-router` there.
        script: the name under which that program is among the files, where it is: then
            that one is run.
        seconds: after how many the router takes an unconfirmed change back.

    Raises:
        RefusedError: the router refuses the files, or cannot take any; nothing changed.
        UnreachableError: it does not answer. Either nothing was sent, or it took the
            change, did not let us in again and has taken the change back.
        NotAuthenticatedError: it lets us not in; nothing was sent.
        AnswerLostError: what became of the change could not be seen; if it came to
            the router, that takes it back by itself.
    """
    apply = [command, "apply", str(seconds)]
    if script:
        quoted = shlex.quote(script)
        apply = ["sh", "-c", _BOOTSTRAP.format(script=quoted, seconds=seconds)]
    change = _Change(shell=shell, router=router, command=command, seconds=seconds)
    ran = change.apply(apply, files)
    word, _, digest = ran.out.strip().rpartition("\n")[2].partition(" ")
    if word == "unchanged":
        return False
    change.confirm(digest)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One change of one router."""

    shell: Way
    router: Guest
    command: str
    seconds: int

    def apply(self, command: Sequence[str], files: str) -> Ran:
        """Hand the files over; the router waits for a word of ours from now on."""
        before = self._status()
        if before is not None and before[0] != "confirmed":
            # Somebody was killed between apply and confirm, perhaps we.
            self._await_roll_back()
            before = self._status()
        try:
            ran = self.shell.run(self.router, command, stdin=files, timeout=_APPLYING)
        except UnreachableError as error:
            # The change may have cut the connection that carried it. Did it come in?
            return self._look_again(before, error)
        if ran.status in _NO_COMMAND:
            raise RefusedError(
                f"{self.router.name} has no {self.command}, so its files cannot be "
                "changed in place. Nothing was changed.",
                hint="Make its image by templates/router/openwrt/image, or take any "
                "Debian with flavour debian; then let the router be made anew.",
            )
        if ran.status != 0:
            raise RefusedError(
                f"{self.router.name} refuses its new files: {_last(ran.err)}. It goes "
                "on with those that it had.",
                hint=_more(ran.err),
            )
        return ran

    def confirm(self, digest: str) -> None:
        """Confirm over new connections until one gets through or the time is up."""
        until = time.monotonic() + self.seconds
        failure: CloudError | None = None
        while (left := until - time.monotonic()) > 0:
            try:
                ran = self.shell.run_anew(
                    self.router,
                    [self.command, "confirm"],
                    timeout=min(_ASKING, max(1.0, left)),
                )
            except (UnreachableError, NotAuthenticatedError) as error:
                failure = error
                time.sleep(_PAUSE)
                continue
            if ran.status == 0 and ran.out.split()[-1:] == [digest]:
                return
            break  # it has taken the change back already
        settled = self._await_roll_back()
        if settled is None:
            raise self._lost() from failure
        if settled == digest:
            return  # we did confirm; the answers were lost
        why = "" if failure is None else f" ({failure.message.rstrip('.')})"
        raise UnreachableError(
            f"{self.router.name} took its new files, and did not let us in again{why}. "
            f"Nobody confirmed within {self.seconds} s, so it has taken them back: it "
            "answers again, with the files that it had before.",
            hint="Do the new files keep this machine out? The site's admin.addresses "
            "say from where a router is administered.",
        ) from failure

    def _look_again(
        self, before: tuple[str, str] | None, error: UnreachableError
    ) -> Ran:
        """Return the answer that was lost, if the router says that it took the files.

        Raises:
            UnreachableError: it took nothing, or took it back.
            AnswerLostError: it does not say.
        """
        until = time.monotonic() + self.seconds + _GRACE
        while time.monotonic() < until:
            now = self._status_or_none()
            if now is not None and now[0] == "waiting":
                return Ran(status=0, out=f"applied {now[1]}\n", err="")
            if now is not None and now[0] == "confirmed":
                has = "the files that it had before" if now == before else "other files"
                raise UnreachableError(
                    f"The connection to {self.router.name} broke while its files were "
                    f"changed. It answers again, and has {has}.",
                    hint="Apply again.",
                ) from error
            time.sleep(_PAUSE)
        raise self._lost() from error

    def _await_roll_back(self) -> str | None:
        """Wait until no change waits there any more; return the digest of what stays.

        None: that was not seen.
        """
        until = time.monotonic() + self.seconds + _GRACE
        while time.monotonic() < until:
            now = self._status_or_none()
            if now is not None and now[0] == "confirmed":
                return now[1]
            time.sleep(_PAUSE)
        return None

    def _status_or_none(self) -> tuple[str, str] | None:
        try:
            return self._status()
        except (UnreachableError, NotAuthenticatedError):
            return None

    def _status(self) -> tuple[str, str] | None:
        """Return state and digest of what is in force; None if nothing is yet.

        `unfinished` is a change that died half-way, and is about to be taken back.
        """
        ran = self.shell.run_anew(
            self.router, [self.command, "status"], timeout=_ASKING
        )
        found = re.fullmatch(r"(confirmed|waiting|unfinished) ([0-9a-f]*)\s*", ran.out)
        return None if ran.status != 0 or found is None else (found[1], found[2])

    def _lost(self) -> AnswerLostError:
        return AnswerLostError(
            f"{self.router.name} was given new files and has not answered since. If it "
            f"took them, it takes them back {self.seconds} s later by itself.",
            hint="Look at its console. If it stays away, end the VM: apply makes it "
            "anew.",
        )


def _last(text: str) -> str:
    lines = _lines(text)
    said = lines[-1] if lines else "it does not say why"
    return said.removeprefix("farmctl-router: ").removeprefix("farmctl: ").rstrip(".")


def _more(text: str) -> str:
    lines = _lines(text)[:-1]
    return f"It said: {' | '.join(lines[-_MOST:])}" if lines else ""


def _lines(text: str) -> list[str]:
    return [each.strip() for each in text.splitlines() if each.strip()]
