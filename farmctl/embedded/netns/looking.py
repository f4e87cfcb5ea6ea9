"""Looking into nodes from outside: which process is which node, and how one gets in.

Reads what the keeper leaves beside the disks (`node.json`, `console.log`), so it works
while the server is busy, stopped or stuck. Asks nothing and changes nothing.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farmctl.embedded.netns import kernel
from farmctl.errors import NotPossibleError

FABRIC = "fabric"
"""The keeper's own namespaces, with every bridge; beside VMs and `outside`."""
_SHELL = (
    "sh",
    "-c",
    "if command -v bash >/dev/null; then exec bash -l; fi; exec sh -l",
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A node as its keeper has left word of it."""

    place: str
    """The VM's id, `outside` or `fabric`."""
    name: str
    pid: int


def nodes(directory: Path) -> list[Seen]:
    """Return the nodes that run in the cloud of that directory, and its fabric."""
    files = [*directory.glob("nodes/*/node.json"), directory / "nodes" / "keeper.json"]
    return [seen for seen in map(_seen, files) if seen is not None]


def find(directory: Path, who: str) -> Seen:
    """Return the node of that VM id or name, `outside` or `fabric`.

    Raises:
        NotPossibleError: none of them runs, or several have the name.
    """
    running = nodes(directory)
    found = [seen for seen in running if seen.place == who]
    found = found or [seen for seen in running if seen.name == who]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(seen.place for seen in found))
        raise NotPossibleError(
            f"{len(found)} VMs are called {who!r}.", hint=f"By id: {ids}."
        )
    names = ", ".join(sorted(seen.name for seen in running)) or "none"
    raise NotPossibleError(f"No node is called {who!r}.", hint=f"There run: {names}.")


def entering(seen: Seen, command: Sequence[str]) -> list[str]:
    """Return the words that run a command inside a node; none: a shell.

    Raises:
        NotPossibleError: only root gets in.
    """
    if os.geteuid() != 0:
        raise NotPossibleError("Only root can enter a node.")
    if seen.place == FABRIC:
        before = ["nsenter", f"--target={seen.pid}", "--mount", "--net", "--"]
    else:
        before = kernel.inside(seen.pid)
    terminal = os.environ.get("TERM", "linux")
    clean = ["env", "-i", f"PATH={_PATH}", "HOME=/root", f"TERM={terminal}"]
    return [*before, *clean, *(command or _SHELL)]


def console(directory: Path, who: str) -> Path:
    """Return the log of a node's console; it is there when the node has ended, too.

    Raises:
        NotPossibleError: there is none.
    """
    place = who
    if not (directory / "nodes" / who / "console.log").is_file():
        place = find(directory, who).place
    log = directory / "nodes" / place / "console.log"
    if not log.is_file():
        raise NotPossibleError(f"{who!r} has no console.")
    return log


def _seen(file: Path) -> Seen | None:
    try:
        facts = json.loads(file.read_text())
        pid, start = int(facts["pid"]), int(facts["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if kernel.started_at(pid) != start:
        return None
    place = FABRIC if file.name == "keeper.json" else file.parent.name
    return Seen(place=place, name=str(facts["name"]), pid=pid)
