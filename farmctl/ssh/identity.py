"""Who we are to the guests: the user and the key that the site's `login` names.

The key is looked at when it is about to be used, and by `farmctl validate`, so that a
mistake is told with its line in the site file, and not as `Permission denied` by a
guest. What makes a file a key that can be used is the business of `private_keys`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from farmctl.errors import InputError, Mistake, NotPossibleError
from farmctl.spec import Site
from farmctl.ssh import private_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user to log in as, and the private key; None for the agent and ssh's own."""

    user: str = "root"
    key_file: Path | None = None


def identity(site: Site) -> Identity:
    """Return who logs in to the site's nodes.

    Raises:
        NotPossibleError: the site says nothing about logging in.
        InputError: the key file is missing, open to others, no private key, or has a
            passphrase that no agent knows: all of that at once.
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
    if wrong := private_keys.faults(path):
        raise InputError([_mistake(site, *each) for each in wrong])
    return Identity(user=login.user, key_file=path)


def mistakes(site: Site) -> list[Mistake]:
    """Return all that keeps the site's `login` from working, as far as is known here.

    Beside the key itself it is looked whether the nodes know its public half.
    """
    login = site.login
    if login is None or login.key_file is None:
        return []
    path = _path(site, login.key_file)
    wrong = private_keys.faults(path)
    public = private_keys.public_half(path)
    if public and public not in {_bare(key) for key in site.admin.ssh_keys}:
        wrong.append(
            (
                f"no node knows {path}: its public half is not among admin.ssh_keys.",
                f"Add this line to admin.ssh_keys: {public}",
            )
        )
    return [_mistake(site, *each) for each in wrong]


def _mistake(site: Site, message: str, hint: str) -> Mistake:
    line, column = site.origin.place("login", "key_file")
    return Mistake(
        file=site.origin.file or "site file",
        line=line,
        column=column,
        path="login.key_file",
        message=message,
        hint=hint,
    )


def _bare(key: str) -> str:
    """Return a public key without its comment."""
    return " ".join(key.split()[:2])


def _path(site: Site, name: str) -> Path:
    """Return the path; a relative one begins where the site file is."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's raises instead
    if not path.is_absolute() and site.origin.file:
        path = Path(site.origin.file).parent / path
    return path.absolute()
