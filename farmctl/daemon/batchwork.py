"""What is asked of a farm's batch system: drains, drains taken back, nodes struck off.

What fails is told, and asked for again with the next round if it is still wanted.
"""

import re
from collections.abc import Mapping, Sequence

from farmctl.batch import BatchSystem
from farmctl.daemon.deciding import Asked
from farmctl.daemon.telling import Teller
from farmctl.errors import FarmctlError

_FIGURES = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])")
"""Numbers that stand alone; those in names of nodes and hypervisors do not."""


def drain(batch: BatchSystem | None, asked: Asked, teller: Teller) -> None:
    """Take drains back and drain, each node with its reason."""
    if batch is None:
        return
    try:
        if asked.undrains:
            done = batch.undrain(sorted(asked.undrains))
            _say(done, "drain taken back", asked.undrains, teller)
    except FarmctlError as error:
        teller.went_wrong("drains not taken back", str(error))
    for names in _alike(asked.drains):
        try:
            done = batch.drain(names, asked.drains[names[0]])
        except FarmctlError as error:
            teller.went_wrong("not drained", str(error))
            continue
        _say(done, "node drained", asked.drains, teller)


def forget(batch: BatchSystem | None, gone: Sequence[str], teller: Teller) -> None:
    """Strike nodes off its list that no VM stands behind any more."""
    if batch is None or not gone:
        return
    try:
        done = batch.forget(gone, ended=True)
    except FarmctlError as error:
        teller.went_wrong("not struck off", str(error))
        return
    why = "no VM stands behind it any more"
    _say(done, "node struck off", dict.fromkeys(done, why), teller)


def _alike(drains: Mapping[str, str]) -> list[list[str]]:
    """Return the nodes that one call may drain: their reasons differ in figures only.

    A batch system keeps one reason for all nodes of a call, and shows it beside each.
    """
    found: dict[str, list[str]] = {}
    for node in sorted(drains):
        found.setdefault(_FIGURES.sub("#", drains[node]), []).append(node)
    return list(found.values())


def _say(
    done: Mapping[str, str], event: str, because: Mapping[str, str], teller: Teller
) -> None:
    for node, trouble in done.items():
        if trouble:
            teller.went_wrong(f"{event}: not {node}", trouble)
        else:
            teller.did(event, because[node], subject=node)
