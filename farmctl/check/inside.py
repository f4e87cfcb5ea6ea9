"""Asking nodes and the router over SSH: one script on standard input of each."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from farmctl import assets
from farmctl.check.asking import Asked
from farmctl.check.seen import Seen, lines
from farmctl.errors import FarmctlError
from farmctl.model.guests import Guest, Shell

LOOKING = 60.0
"""Seconds that a node may take to look round: several times what it needs."""

_PYTHON = (
    "for each in python3 /usr/libexec/platform-python; do "
    'command -v "$each" >/dev/null 2>&1 && exec "$each" -; done; exit 127'
)
_NOT_FOUND = 127
_LOGIN = 30.0


class Unasked(Exception):  # noqa: N818 - no error: it is told why nothing was seen
    """A node could not be asked, and why; `login`: we were not let in."""

    def __init__(self, why: str, *, hint: str = "", login: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.login = login


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How far a guest's clock is off ours, and how well that is known, in seconds."""

    offset: float
    uncertain: float


def log_in(shell: Shell, guest: Guest) -> Clock | None:
    """Log in to a guest and read its clock; None if it does not tell the time.

    Raises:
        Unasked: it does not let us in.
    """
    found: Clock | None = None
    for _ in range(2):  # the first of them makes the connection
        sent = time.time()
        try:
            ran = shell.run(guest, ["date", "+%s.%N"], timeout=_LOGIN)
        except FarmctlError as error:
            raise Unasked(error.message, hint=error.hint, login=True) from error
        found = _clock(ran.out, sent, time.time())
    return found


def ask(shell: Shell, guest: Guest, asked: Asked) -> Seen:
    """Let a node try something and return what it saw.

    Raises:
        Unasked: it cannot, or does not answer.
    """
    told = json.dumps(json.dumps(asked))
    script = f"import json\nASKED = json.loads({told})\n{_script('node.py')}"
    try:
        ran = shell.run(guest, ["sh", "-c", _PYTHON], stdin=script, timeout=LOOKING)
    except FarmctlError as error:
        raise Unasked(error.message, hint=error.hint) from error
    if ran.status == _NOT_FOUND:
        raise Unasked("no python3 is there", hint="Install it in the image.")
    try:
        seen = json.loads(ran.out)
    except ValueError:
        seen = None
    if ran.status != 0 or not isinstance(seen, dict):
        last = ran.err.strip().rpartition("\n")[2] or f"status {ran.status}"
        raise Unasked(f"looking round failed there: {last}")
    return seen


def ask_router(
    shell: Shell, guest: Guest, command: str, flavour: str
) -> Mapping[str, str]:
    """Return what the router says of itself.

    Raises:
        Unasked: it does not answer.
    """
    try:
        ran = shell.run(
            guest,
            ["sh", "-s", command, flavour],
            stdin=_script("router.sh"),
            timeout=LOOKING,
        )
    except FarmctlError as error:
        raise Unasked(error.message, hint=error.hint) from error
    return lines(ran.out)


@cache
def _script(name: str) -> str:
    return assets.path("templates", "check", name).read_text("utf-8")


def _clock(text: str, sent: float, came: float) -> Clock | None:
    whole, _, part = text.strip().partition(".")
    if not whole.isdecimal():
        return None
    middle, half = (sent + came) / 2, (came - sent) / 2
    if part.isdecimal():
        there = float(f"{whole}.{part}")
        return Clock(offset=there - middle, uncertain=half)
    # busybox knows whole seconds only.
    return Clock(offset=int(whole) + 0.5 - middle, uncertain=half + 0.5)
