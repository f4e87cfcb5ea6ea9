"""Which cloud, and as whom: the site file, OpenNebula's environment, or our own.

The first of these that names an endpoint wins: the site's `cloud.endpoint`,
`$ONE_XMLRPC`, the embedded cloud. Credentials belong to their endpoint: a password is
never sent to a cloud that it was not meant for. The file itself is read by the adapter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from farmctl.assembly.sites import at_home
from farmctl.errors import InputError, Mistake
from farmctl.spec import Site

DEFAULT_AUTH = "~/.one/one_auth"
"""Where OpenNebula's own tools look for `user:password`."""


class Chosen(StrEnum):
    """What named the cloud."""

    SITE = "the site file"
    ENVIRONMENT = "$ONE_XMLRPC"
    CARRIED = "the embedded cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An endpoint and the file with the user and password for it."""

    endpoint: str
    auth_file: Path
    chosen: Chosen


def choose(
    site: Site,
    environment: Mapping[str, str],
    carried: Callable[[], tuple[str, Path]],
) -> Access:
    """Return how to reach the site's cloud.

    Args:
        site: the site; what it says about its cloud comes first.
        environment: the process' own.
        carried: starts the embedded cloud if need be and returns its endpoint and the
            path of its one_auth. Called only when nothing else names a cloud.

    Raises:
        InputError: the site names an `auth_file` for an endpoint that nobody names.
    """
    cloud = site.cloud
    auth = None if cloud is None else cloud.auth_file
    usual = environment.get("ONE_AUTH", "").strip() or DEFAULT_AUTH
    if cloud is not None and cloud.endpoint is not None:
        return Access(
            endpoint=cloud.endpoint,
            auth_file=_beside(site, auth) if auth else at_home(usual),
            chosen=Chosen.SITE,
        )
    if endpoint := environment.get("ONE_XMLRPC", "").strip():
        return Access(
            endpoint=endpoint,
            auth_file=_beside(site, auth) if auth else at_home(usual),
            chosen=Chosen.ENVIRONMENT,
        )
    if auth is not None:
        line, column = site.origin.place("cloud", "auth_file")
        raise InputError(
            [
                Mistake(
                    file=site.origin.file or "site file",
                    line=line,
                    column=column,
                    path="cloud.auth_file",
                    message="no endpoint goes with this password.",
                    hint="Add cloud.endpoint, set $ONE_XMLRPC, or leave auth_file out "
                    "to use the embedded cloud.",
                )
            ]
        )
    endpoint, path = carried()
    return Access(endpoint=endpoint, auth_file=path, chosen=Chosen.CARRIED)


def _beside(site: Site, name: str) -> Path:
    """Return a path of the site file; a relative one begins where the file is."""
    path = at_home(name)
    if path.is_absolute() or not site.origin.file:
        return path
    return Path(site.origin.file).parent / path
