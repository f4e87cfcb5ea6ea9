"""A check put together: what to expect, and what there is to probe with."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from farmctl.errors import FarmctlError, NotPossibleError
from farmctl.model.nodes import Role

if TYPE_CHECKING:
    from farmctl.check import Expected, Means
    from farmctl.model.sample import Sample
    from farmctl.reconcile import World
    from farmctl.ssh import OpenSsh


@contextmanager
def prepared(
    world: "World", name: str, *, announce: Callable[[str], None]
) -> Iterator[tuple["Expected", "Means"]]:
    """Give what a farm should be, and the means to probe it; closed at the end.

    A site that does not say how to log in, or a key that cannot be used, is no error
    here: what takes a login is then not checked.

    Raises:
        NotPossibleError: there is no such farm.
        CloudError: the cloud cannot be looked at.
    """
    from farmctl import check  # noqa: PLC0415 - when a farm is checked only
    from farmctl.assembly.guests import SiteGuests  # noqa: PLC0415 - likewise
    from farmctl.reconcile import (  # noqa: PLC0415 - likewise
        declared,
        make_plan,
        status,
    )

    view = world.cloud.look()
    status(world, name, view=view)  # knows what to say of a farm that is not there
    farm = declared(world, name)
    expected = check.expect(world.site, farm, view)
    public = expected.public_address
    here = check.own_address(public or expected.values.lan.address)
    masked = check.is_masked(here, public)
    expected = check.expect(world.site, farm, view, here=here, masked=masked)
    with ExitStack() as stack:
        shell: OpenSsh | None = None
        why: FarmctlError | None = None
        try:
            way = SiteGuests(world.site, os.environ, announce=announce)
            shell = stack.enter_context(way.shell(name, expected.nodes))
        except FarmctlError as error:
            why = error
        yield (
            expected,
            check.Means(
                shell=shell,
                why_not=why,
                sample=_sampling(expected, shell),
                plan=lambda: make_plan(world, farm, view=view),
            ),
        )


def _sampling(
    expected: "Expected", shell: "OpenSsh | None"
) -> "Callable[[], Sample] | None":
    """Return what reads the farm's batch system; None if nothing can."""
    if shell is None or expected.farm.batch is None:
        return None

    def read() -> "Sample":
        head = next((e for e in expected.nodes if e.role is Role.HEAD), None)
        if head is None:
            raise NotPossibleError(
                "The head, which has the batch system, does not run."
            )
        from farmctl.assembly.batches import made  # noqa: PLC0415 - when needed

        return made(expected.farm, shell, head).sample()

    return read
