"""The router's files in a plan: what its VM carries, held against what is drawn.

The files know every node of the farm, so they are drawn last, from the nodes that the
plan leaves there. A router that is made gets them with its context; one that is there
is changed in place. A node that goes keeps its name and its lease until it has ended:
what no longer knows it is put in force after that, by a step of its own.
"""

from collections.abc import Mapping
from typing import Protocol

from farmctl.model.router import RouterValues
from farmctl.spec.farm import Flavour


class RouterFiles(Protocol):
    """Renders a router's files; `context.routers` does."""

    def variable(self, flavour: Flavour, values: RouterValues) -> Mapping[str, str]:
        """Return the one variable of the context that carries the files.

        Equal values give equal text, to the byte.

        Raises:
            NotPossibleError: they are too large for a context, or cannot be rendered.
        """
        ...

    def differences(self, before: str, after: str) -> tuple[str, ...]:
        """Return the lines that differ between two such texts."""
        ...
