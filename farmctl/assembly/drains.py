"""A drain by hand put together: the mark on the VM, the batch system told at once."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from farmctl.errors import FarmctlError
from farmctl.model.guests import guests

if TYPE_CHECKING:
    from farmctl.reconcile import Options, World


def drain(
    world: "World",
    farm: str,
    node: str,
    options: "Options",
    *,
    draining: bool,
    announce: Callable[[str], None],
) -> str:
    """Drain a node, or take its drain back; return what is to be said of it.

    Raises:
        NotPossibleError: there is no such farm or worker.
        FarmLockedError: somebody else is changing this farm.
        CloudError: OpenNebula does not answer, or refuses.
    """
    from farmctl.assembly.batches import SiteBatches  # noqa: PLC0415 - when needed
    from farmctl.assembly.guests import SiteGuests  # noqa: PLC0415 - likewise
    from farmctl.reconcile import declared, mark_draining  # noqa: PLC0415 - likewise

    node = mark_draining(world, farm, node, options, draining=draining)
    noted = "is marked to be drained" if draining else "is not to be drained any more"
    if world.site.login is None:
        return (
            f"{node} {noted}. This site has no login, so its batch system was not "
            "told: do it there."
        )
    batches = SiteBatches(SiteGuests(world.site, os.environ, announce=announce))
    try:
        one = declared(world, farm)
        if one.batch is None:
            return f"{node} {noted}. {farm} has no batch system."
        batch = batches.of(one, guests(world.cloud.look().farm(farm)))
        if draining:
            trouble = batch.drain([node], "by hand")[node]
        else:
            trouble = batch.undrain([node])[node]
    except FarmctlError as error:
        trouble = str(error)
    finally:
        batches.close()
    if trouble:
        return f"{node} {noted}. Its batch system was not told: {trouble}"
    if draining:
        return (
            f"{node} gets no new work. farmctl serve ends it when it is empty; "
            f"farmctl undrain {farm} {node} takes it back."
        )
    return f"{node} takes work again."
