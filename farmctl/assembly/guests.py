"""The guests of a site's farms behind one door: `ssh`, `playbook` and `batch` together.

Implements `reconcile.Guests` for a site that says how farmctl logs in. Each method is a
few lines: who is asked here is decided, what they do is theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from farmctl.errors import NotPossibleError

if TYPE_CHECKING:
    from farmctl.model.guests import Guest, GuestProgress
    from farmctl.spec import Farm, Site


class SiteGuests:
    """The way into all guests of one site."""

    def __init__(
        self,
        site: "Site",
        environment: Mapping[str, str],
        *,
        announce: Callable[[str], None],
    ) -> None:
        """Prepare the way; nothing is connected yet.

        Args:
            site: how to log in, and what configures its farms.
            environment: the process' own.
            announce: is told what people should know, such as an unknown host key.
        """
        self._site = site
        self._environment = environment
        self._announce = announce

    def configuration(self, farm: "Farm") -> str:
        """Return the digest of what configures a farm; nothing does so far."""
        del farm
        return ""

    def change_router(self, farm: "Farm", router: "Guest", files: str) -> None:
        """Put other files in force on a router; see `reconcile.Guests`."""
        del farm, files
        raise NotPossibleError(f"Nobody can log in to {router.name}.")

    def configure(
        self,
        farm: "Farm",
        guests: "Sequence[Guest]",
        targets: frozenset[str],
        report: "Callable[[GuestProgress], None]",
        give_up: Callable[[], bool],
    ) -> Mapping[str, str]:
        """Configure some guests; see `reconcile.Guests`."""
        del farm, guests, report, give_up
        return dict.fromkeys(targets, "")

    def retire(
        self, farm: "Farm", guests: "Sequence[Guest]", names: Sequence[str]
    ) -> None:
        """Strike nodes that are gone off the farm's lists; it has none so far."""
        del farm, guests, names
