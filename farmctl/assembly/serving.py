"""A daemon put together: the world it lives in, and what it is told with."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from farmctl.assembly import worlds
from farmctl.errors import InputError, Mistake

if TYPE_CHECKING:
    from farmctl.daemon import Daemon, Meters, Settings
    from farmctl.spec import Farm, Site

PATIENCE = 10.0
"""Seconds for which a call that OpenNebula does not answer is repeated: the next look
comes anyway."""


def _unserved(farm: "Farm") -> list[Mistake]:
    """Return what is said of a farm whose batch system nobody here can follow."""
    from farmctl.assembly.batches import refusal  # noqa: PLC0415 - when needed

    why = refusal(farm.batch)
    if not why:
        return []
    line, column = farm.origin.place("batch")
    return [
        Mistake(
            file=farm.origin.file or f"farm {farm.name}",
            line=line,
            column=column,
            path="batch",
            message=why,
            hint="Size this farm with farmctl apply and farmctl scale.",
        )
    ]


@contextmanager
def daemon(
    site: "Site",
    files: Sequence[str],
    settings: "Settings",
    meters: "Meters",
    *,
    announce: Callable[[str], None],
) -> Iterator["Daemon"]:
    """Give a daemon for a site; its connections are given back at the end.

    Raises:
        InputError: a farm file is wrong, or the site's key cannot be used; nothing was
            asked of OpenNebula.
        FarmctlError: the cloud cannot be chosen.
    """
    from farmctl.assembly.batches import SiteBatches  # noqa: PLC0415 - when needed
    from farmctl.assembly.guests import SiteGuests  # noqa: PLC0415 - likewise
    from farmctl.daemon import Daemon, Supervisor  # noqa: PLC0415 - likewise
    from farmctl.daemon.files import Files  # noqa: PLC0415 - likewise

    def read(path: Path) -> "Farm":
        from farmctl.spec import check, read_farm  # noqa: PLC0415 - pydantic is heavy

        farm = read_farm(path)
        mistakes = [*check(farm, site), *_unserved(farm)]
        if mistakes:
            raise InputError(mistakes)
        return farm

    for name in files:
        read(Path(name))  # at the start a mistake ends us; later it is only told
    batches = None
    if site.login is not None:
        batches = SiteBatches(SiteGuests(site, os.environ, announce=announce))
    try:
        with worlds.world(
            site, patience=PATIENCE, announce=announce, called=meters.called
        ) as world:
            yield Daemon(
                world,
                batches,
                Files([Path(name) for name in files], read),
                settings,
                meters=meters,
                supervisor=Supervisor(os.environ),
            )
    finally:
        if batches is not None:
            batches.close()
