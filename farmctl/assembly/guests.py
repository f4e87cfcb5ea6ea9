"""The guests of a site's farms behind one door: `ssh`, `playbook` and `batch` together.

Implements `reconcile.Guests` for a site that says how farmctl logs in. Each method is a
few lines: who is asked here is decided, what they do is theirs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farmctl.model.guests import Guest, GuestProgress
    from farmctl.spec import Farm, Site
    from farmctl.ssh import OpenSsh


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
        from farmctl import ssh  # noqa: PLC0415 - where somebody logs in only
        from farmctl.context import bundle, routers  # noqa: PLC0415 - likewise

        flavour = farm.router.flavour
        command = routers.command(flavour)
        # A program that rides with the files may be younger than the router's own.
        script = command.rpartition("/")[2]
        with self.shell(farm.name, [router]) as shell:
            ssh.change_router(
                shell,
                router,
                files,
                command=command,
                script=script if script in bundle.unpack(files) else "",
            )

    def shell(self, farm: str, guests: "Iterable[Guest]") -> "OpenSsh":
        """Return the way into the guests of a farm; to be closed.

        Raises:
            NotPossibleError: the site does not say how to log in, or ssh is missing.
            InputError: its key cannot be used.
        """
        from farmctl import ssh  # noqa: PLC0415 - where somebody logs in only

        return ssh.OpenSsh(
            farm,
            ssh.identity(self._site),
            guests,
            site=self._site.name,
            environment=self._environment,
            announce=self._announce,
        )

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
