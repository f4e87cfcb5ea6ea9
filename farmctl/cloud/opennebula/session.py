"""Credentials: read from OpenNebula's own kind of file, and never shown.

The file holds `user:password` (or `user:token`) in its first line, as `~/.one/one_auth`
does. What is wrong with it is a mistake of whoever set it up, so it is told as one.
"""

import logging
import os.path
import stat
from pathlib import Path

from farmctl.errors import InputError, Mistake

_LOG = logging.getLogger(__name__)
_HINT = "It holds one line, user:password, as OpenNebula's ~/.one/one_auth does."
_LONGEST = 64 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


class Session:
    """A user and a password as OpenNebula wants them; neither repr nor str show it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take `user:password`.

        Raises:
            ValueError: it is not of that form; the text is not repeated.
        """
        name, colon, password = text.partition(":")
        if not name or not colon or not password or "\n" in text:
            raise ValueError("a session is user:password")
        self._text = text

    @property
    def user(self) -> str:
        """The user's name."""
        return self._text.partition(":")[0]

    def reveal(self) -> str:
        """Return `user:password`, for the wire alone."""
        return self._text

    def scrub(self, text: str) -> str:
        """Return `text` without the password, should somebody have echoed it."""
        password = self._text.partition(":")[2]
        return text.replace(self._text, "…").replace(password, "…")

    def __repr__(self) -> str:
        return f"Session({self.user}:…)"


def read_session(path: str | Path) -> Session:
    """Read the credentials in a file; `~` stands for the home directory.

    Warns in the log if others may read the file too.

    Raises:
        InputError: it is not there, cannot be read, or does not hold user:password.
    """
    # Where pathlib would raise for `~nobody`, this leaves a file that is not there.
    file = Path(os.path.expanduser(path))  # noqa: PTH111
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST)
            mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise _mistake(file, "there is no such file") from error
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise _mistake(file, f"it cannot be read: {reason}") from error
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise _mistake(file, "it is no text") from error
    first = lines[0].strip() if lines else ""
    if not first:
        raise _mistake(file, "its first line is empty")
    try:
        session = Session(first)
    except ValueError as error:
        raise _mistake(file, "its first line is not user:password") from error
    if mode & _READABLE_BY_OTHERS:
        _LOG.warning(
            "%s holds a password and can be read by others; chmod 600 it", file
        )
    return session


def _mistake(file: Path, message: str) -> InputError:
    return InputError(
        [
            Mistake(
                file=str(file),
                path="cloud.auth_file",
                message=f"{message}.",
                hint=_HINT,
            )
        ]
    )
