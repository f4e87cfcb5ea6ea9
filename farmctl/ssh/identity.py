"""Who we are to the guests: the user and the key that the site's `login` names.

The key is looked at when it is about to be used, so that a mistake is told with its
line in the site file, and not as `Permission denied` by a guest.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from farmctl.errors import InputError, Mistake, NotPossibleError
from farmctl.spec import Site

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")
_MUCH = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user to log in as, and the private key; None for the agent and ssh's own."""

    user: str = "root"
    key_file: Path | None = None


def identity(site: Site) -> Identity:
    """Return who logs in to the site's nodes.

    Raises:
        NotPossibleError: the site says nothing about logging in.
        InputError: the key file is missing, open to others, or no private key.
    """
    login = site.login
    if login is None:
        raise NotPossibleError(
            f"The site {site.name} does not say how to log in to nodes, so nothing "
            "does.",
            hint="Add `login: {user: root, key_file: ~/.ssh/farmctl}` to "
            f"{site.origin.file or 'the site file'}, with the public half of the key "
            "among admin.ssh_keys.",
        )
    if login.key_file is None:
        return Identity(user=login.user)
    path = _path(site, login.key_file)
    if wrong := _wrong(path):
        line, column = site.origin.place("login", "key_file")
        raise InputError(
            [
                Mistake(
                    file=site.origin.file or "site file",
                    line=line,
                    column=column,
                    path="login.key_file",
                    message=wrong[0],
                    hint=wrong[1],
                )
            ]
        )
    return Identity(user=login.user, key_file=path)


def _path(site: Site, name: str) -> Path:
    """Return the path; a relative one begins where the site file is."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's raises instead
    if not path.is_absolute() and site.origin.file:
        path = Path(site.origin.file).parent / path
    return path.absolute()


def _wrong(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with a private key and what to do; None if nothing is."""
    make = f"Make one with `ssh-keygen -t ed25519 -f {path}`"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return f"{path} is no file.", f"{make}."
        mode = stat.S_IMODE(found.st_mode)
        if mode & _OTHERS:
            return (
                f"{path} can be read by others than its owner (mode {mode:04o}).",
                f"chmod 600 {path}",
            )
        with path.open("rb") as file:
            text = file.read(_MUCH)
    except FileNotFoundError:
        return f"{path} is not there.", f"{make}, or name the one that you have."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}.", "Run as its owner."
    first = text.partition(b"\n")[0].strip()
    if first.startswith(_PUBLIC):
        return (
            f"{path} is a public key, and the private one belongs here.",
            f"Name {path.with_suffix('')}." if path.suffix == ".pub" else f"{make}.",
        )
    if not (first.startswith(b"-----BEGIN ") and first.endswith(b"PRIVATE KEY-----")):
        return f"{path} is no private key.", f"{make}."
    return None
