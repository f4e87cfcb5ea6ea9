"""Which site: `--site`, else `$FARMCTL_SITE`, else `./site.yaml`."""

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from farmctl.errors import InputError, Mistake

if TYPE_CHECKING:
    from farmctl.spec import Site

DEFAULT = "site.yaml"
VARIABLE = "FARMCTL_SITE"


def find(option: str | None, environment: Mapping[str, str]) -> Path:
    """Return the path of the site file that is meant.

    Raises:
        InputError: nobody names one and there is none here.
    """
    if option:
        return at_home(option)
    if named := environment.get(VARIABLE, ""):
        return at_home(named)
    if Path(DEFAULT).exists():
        return Path(DEFAULT)
    raise InputError(
        [
            Mistake(
                file=DEFAULT,
                message="no site file is here, and none is named.",
                hint="Write one with `farmctl init`, or name yours with --site FILE or "
                f"${VARIABLE}.",
            )
        ]
    )


def load(option: str | None, environment: Mapping[str, str]) -> "Site":
    """Read the site that is meant.

    Raises:
        InputError: with every mistake in it, or because there is none.
    """
    from farmctl.spec import read_site  # noqa: PLC0415 - pydantic is heavy

    return read_site(find(option, environment))


def at_home(name: str) -> Path:
    """Return a path, a `~` at its beginning as the home directory that it stands for.

    One that stands for none (`~nobody`) is left as it is, and then is not found.
    """
    return Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's raises instead
