"""The guests of a site's farms behind one door: `ssh`, `playbook` and `batch` together.

Implements `reconcile.Guests` for a site that says how farmctl logs in. Each method is a
few lines: who is asked here is decided, what they do is theirs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from farmctl.clock import SystemClock
from farmctl.errors import BatchError, FarmctlError, WrongBatchError
from farmctl.model.nodes import Role

if TYPE_CHECKING:
    from farmctl.model.guests import Guest, GuestProgress
    from farmctl.spec import Farm, Site
    from farmctl.ssh import OpenSsh


_KNOCKS = 8
"""How many connections are opened at once."""


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
        """Return the digest of what configures a farm; see `reconcile.Guests`.

        Raises:
            InputError: its playbook is not there.
        """
        from farmctl import playbook  # noqa: PLC0415 - where something configures

        return playbook.configuration(farm, self._site)

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
        from farmctl import playbook  # noqa: PLC0415 - where something configures

        file = playbook.located(farm, self._site)
        if file is None:
            return dict.fromkeys(targets, "")
        with self.shell(farm.name, guests) as shell:
            arguments = shell.for_ansible(guests)
            ways = {
                each.name: playbook.Way(host=shell.alias(each), ssh_args=arguments)
                for each in guests
            }
            wanted = [
                each
                for each in guests
                if each.name in targets or each.role is Role.HEAD
            ]
            with ThreadPoolExecutor(_KNOCKS) as knocking:
                # Ansible takes a second to begin: the connections are there by then.
                for each in wanted:
                    knocking.submit(_knock, shell, each)
                return playbook.configure(
                    file,
                    playbook.inventory(farm, self._site, guests, ways, alone=True),
                    targets,
                    report=report,
                    give_up=give_up,
                )

    def retire(
        self, farm: "Farm", guests: "Sequence[Guest]", here: frozenset[str]
    ) -> None:
        """Strike nodes that are gone off the list of the farm's batch system.

        Raises:
            FarmctlError: its head does not answer, or keeps some of them.
        """
        head = next((each for each in guests if each.role is Role.HEAD), None)
        if farm.batch != "slurm" or head is None:
            return
        from farmctl.batch.commands import OnGuest  # noqa: PLC0415 - when needed
        from farmctl.batch.slurm import Slurm, left_over  # noqa: PLC0415 - likewise

        with self.shell(farm.name, guests) as shell:
            slurm = Slurm(OnGuest(shell=shell, guest=head), now=SystemClock().now)
            try:
                gone = left_over(slurm.sample(), farm.name, here)
            except WrongBatchError:
                return  # no Slurm, no list
            kept = slurm.forget(gone, ended=True) if gone else {}
        troubles = [f"{name}: {why}" for name, why in sorted(kept.items()) if why]
        if troubles:
            raise BatchError("; ".join(troubles))


def _knock(shell: "OpenSsh", guest: "Guest") -> None:
    """Open the connection to a guest; whoever needs it is told if it cannot be."""
    with suppress(FarmctlError):
        shell.run(guest, ["true"])
