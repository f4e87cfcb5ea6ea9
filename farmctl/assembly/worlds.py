"""Worlds: all that a round needs, put together from a site and the environment."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farmctl.assembly import access, carried, sites
from farmctl.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from farmctl.cloud.port import Cloud
    from farmctl.journal import Journal
    from farmctl.reconcile import Progress, World
    from farmctl.spec import Site

QUICK = 3.0
"""Seconds for which a command that only looks repeats a question to a silent cloud."""

STEADY = 120.0
"""Seconds for which a command that changes something does."""

_PEEK = 1.0


def connect(
    site: "Site",
    environment: Mapping[str, str],
    *,
    patience: float,
    announce: Callable[[str], None],
    called: Callable[[str], None] | None = None,
) -> "Cloud":
    """Return the site's cloud; the embedded one is started if it is meant.

    Args:
        site: whose cloud.
        environment: the process' own.
        patience: seconds for which harmless calls are repeated.
        announce: is told before something takes long.
        called: is told of each call, by its method's name.

    Raises:
        InputError: the endpoint or the credentials cannot be used.
        FarmctlError: the embedded cloud does not start.
    """
    from farmctl.cloud import opennebula  # noqa: PLC0415 - lxml and pyone are heavy

    chosen = access.choose(site, environment, lambda: carried.started(announce))
    auth_file = str(chosen.auth_file)
    made = opennebula.connect(chosen.endpoint, auth_file, patience=patience)
    if called is not None:
        made.observe(called)
    return made


@contextmanager
def world(
    site: "Site",
    *,
    progress: "Progress | None" = None,
    patience: float = QUICK,
    announce: Callable[[str], None],
    called: Callable[[str], None] | None = None,
) -> Iterator["World"]:
    """Give a world on the site's cloud, and its connections back at the end.

    Raises:
        FarmctlError: the cloud cannot be chosen; nothing was asked of it yet.
    """
    from farmctl.assembly.guests import SiteGuests  # noqa: PLC0415 - when needed
    from farmctl.context import contexts, routers  # noqa: PLC0415 - jinja2 is heavy
    from farmctl.reconcile import Silence, World  # noqa: PLC0415 - heavy

    clock = SystemClock()
    cloud = connect(
        site, os.environ, patience=patience, announce=announce, called=called
    )
    try:
        yield World(
            cloud=cloud,
            site=site,
            clock=clock,
            journal=journal(announce),
            contexts=contexts,
            progress=Silence() if progress is None else progress,
            routers=routers,
            guests=None
            if site.login is None
            else SiteGuests(site, os.environ, announce=announce),
        )
    finally:
        cloud.close()


def journal(announce: Callable[[str], None], below: "Path | None" = None) -> "Journal":
    """Return this user's journals, or those of a folder.

    `announce` is told once if they cannot be kept.
    """
    from farmctl.journal import Journal, folder  # noqa: PLC0415 - when needed

    return Journal(below or folder(os.environ), now=SystemClock().now, warn=announce)


@contextmanager
def opened(endpoint: str, auth_file: "Path") -> Iterator["Cloud"]:
    """Give the cloud at an endpoint, and its connections back at the end."""
    from farmctl.cloud import opennebula  # noqa: PLC0415 - lxml and pyone are heavy

    cloud = opennebula.connect(endpoint, str(auth_file), patience=QUICK)
    try:
        yield cloud
    finally:
        cloud.close()


@contextmanager
def peek(option: str | None, environment: Mapping[str, str]) -> Iterator["Cloud"]:
    """Give the cloud for a quick question; an embedded one that is down stays down.

    Raises:
        FarmctlError: there is none to be asked now.
    """
    from farmctl.cloud import opennebula  # noqa: PLC0415 - lxml and pyone are heavy

    site = sites.load(option, environment)
    chosen = access.choose(site, environment, carried.running)
    cloud = opennebula.connect(
        chosen.endpoint, str(chosen.auth_file), patience=0.0, timeout=_PEEK
    )
    try:
        yield cloud
    finally:
        cloud.close()
