"""What is asked of a farm's batch system: drains, drains taken back, nodes struck off.

What fails is told, and asked for again with the next round if it is still wanted.
"""

from collections.abc import Mapping, Sequence

from farmctl.batch import BatchSystem
from farmctl.daemon.deciding import Asked
from farmctl.daemon.telling import Teller
from farmctl.errors import FarmctlError


def drain(batch: BatchSystem | None, asked: Asked, teller: Teller) -> None:
    """Take drains back and drain, each node with its reason."""
    if batch is None:
        return
    try:
        if asked.undrains:
            done = batch.undrain(sorted(asked.undrains))
            _say(done, "drain taken back", asked.undrains, teller)
        if asked.drains:
            why = next(iter(asked.drains.values()))
            done = batch.drain(sorted(asked.drains), why)
            _say(done, "node drained", asked.drains, teller)
    except FarmctlError as error:
        teller.went_wrong("not drained", str(error))


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


def _say(
    done: Mapping[str, str], event: str, because: Mapping[str, str], teller: Teller
) -> None:
    for node, trouble in done.items():
        if trouble:
            teller.went_wrong(f"{event}: not {node}", trouble)
        else:
            teller.did(event, because[node], subject=node)
