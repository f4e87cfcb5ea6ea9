"""Ansible's inventory of farms as the cloud shows them, for `farmctl inventory`.

For playbooks that somebody else runs: what leads into the nodes has to outlive this
process, so it is kept in a folder of the user's own and written anew each time.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from farmctl.errors import FarmctlError, InputError, NotPossibleError
from farmctl.model.guests import Guest, guests
from farmctl.model.nodes import Role
from farmctl.model.view import CloudView, FarmView
from farmctl.spec import Farm, Site, record

if TYPE_CHECKING:
    from farmctl.playbook import Inventory, Way

_LONGEST = 70
"""Bytes of the folder's path: ssh's sockets are in it, whose paths have 107 at most."""


def inventory(
    view: CloudView,
    site: Site,
    names: Iterable[str],
    environment: Mapping[str, str],
) -> "Inventory":
    """Return the nodes that run of some farms, and how to reach them.

    A farm without a document, or with one that a later farmctl wrote, is left out
    unless it is asked for.

    Args:
        view: what the cloud shows.
        site: whose farms, and how to log in; without login no way is told.
        names: the farms; none for all that farmctl keeps.
        environment: the process' own.

    Raises:
        NotPossibleError: a farm that is asked for is not there.
        InputError: the site's key cannot be used, or a farm's document cannot be read.
    """
    from farmctl import playbook  # noqa: PLC0415 - when needed

    asked = list(names)
    told = playbook.Inventory()
    for name in asked or view.farms:
        mine = view.farm(name)
        try:
            farm = _declared(mine)
        except (InputError, NotPossibleError):
            if asked:
                raise
            continue
        found = guests(mine)
        ways = {} if site.login is None else _ways(site, name, found, environment)
        told = told.joined(playbook.inventory(farm, site, found, ways))
    return told


def _declared(farm: FarmView) -> Farm:
    document = farm.document
    if document is None or not document.body:
        raise NotPossibleError(
            f"The cloud shows no farm {farm.farm}.", hint="farmctl status shows all."
        )
    return record.from_canonical(dict(document.body))


def _ways(
    site: Site, farm: str, found: Iterable[Guest], environment: Mapping[str, str]
) -> dict[str, "Way"]:
    """Write down how ssh reaches the guests of a farm; one with no way is left out."""
    from farmctl import playbook, ssh  # noqa: PLC0415 - when needed
    from farmctl.ssh import configuration, processes  # noqa: PLC0415 - likewise

    known = list(found)
    router = max(
        (each for each in known if each.role is Role.ROUTER),
        key=lambda each: each.vm_id,
        default=None,
    )
    ways = {}
    for each in known:
        try:
            ways[each.name] = configuration.way(each, router)
        except FarmctlError:
            continue  # no address, or a host key that is none: nobody reaches it
    state = _state(environment)
    remembered = state / "known_hosts" / f"{site.name}.{farm}"
    remembered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = _folder(state, f"{site.name}.{farm}")
    _write(folder / "known_hosts", configuration.known_hosts(ways.values()))
    _write(
        folder / "config",
        configuration.text(
            ways.values(),
            identity=ssh.identity(site),
            folder=folder,
            remembered=remembered,
            program=processes.client(),
        ),
    )
    return {
        name: playbook.Way(host=way.alias, ssh_args=f"-F {folder / 'config'}")
        for name, way in ways.items()
    }


def _state(environment: Mapping[str, str]) -> Path:
    named = environment.get("XDG_STATE_HOME", "")
    return (Path(named) if named else Path.home() / ".local" / "state") / "farmctl"


def _folder(state: Path, name: str) -> Path:
    """Return a folder that is the farm's, made if it is not there.

    It is where the user's state is, or, where that leads too far for the path of a
    socket, among the temporary files.
    """
    # Among the temporary files, another state's farm of that name is another farm.
    known = os.fsencode(state.absolute()) + b"\0" + name.encode()
    short = hashlib.sha256(known).hexdigest()[:12]
    path = state / "inventory" / short
    if len(os.fsencode(path)) <= _LONGEST and " " not in str(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path
    above = Path(tempfile.gettempdir()) / f"farmctl-inventory-{os.geteuid()}"
    above.mkdir(exist_ok=True, mode=0o700)
    found = above.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.geteuid():
        raise NotPossibleError(
            f"{above} is not a folder of yours alone.",
            hint="Set $XDG_STATE_HOME to a short path.",
        )
    path = above / short
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def _write(path: Path, text: str) -> None:
    """Write a file whole: an ssh that reads it meanwhile has the old one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(text, "utf-8")
    new.replace(path)
