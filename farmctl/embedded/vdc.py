"""A virtual data centre, as `entities` has the rest."""

from dataclasses import dataclass, field

from farmctl.embedded.entities import Entity

DEFAULT = 0
"""The VDC that every new group is in."""
ALL_OF_THEM = -10
"""The id that stands for all resources of a kind."""


@dataclass(kw_only=True)
class Vdc(Entity):
    """A virtual data centre: groups, and the resources that they see."""

    kind = "VDC"
    noun = "VDC"
    tag = "VDC"

    groups: list[int] = field(default_factory=list)
    resources: dict[str, list[int]] = field(default_factory=dict)
    """Ids by kind: cluster, host, datastore, vnet; all in zone 0."""

    def everything(self) -> list[tuple[str, int]]:
        """Return the resources as kind and id."""
        return [(kind, each) for kind, ids in self.resources.items() for each in ids]
