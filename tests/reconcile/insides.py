"""Guests as files: they outlive whoever works on them, and fail when they are told to.

`Insides` is `reconcile.Guests` without any machine behind it: a router's files are a
file, each thing done is a line in a log. What is to go wrong is a file as well.
"""

import time
from pathlib import Path

from farmctl.errors import RefusedError, UnreachableError
from farmctl.model.guests import GuestProgress

OUT = "It does not answer at 192.0.2.10, port 60022."
LOCKED = "It let nobody in with the new files, and has taken them back."


class Insides:
    """All guests of all farms, in one folder."""

    def __init__(self, folder, *, digest="one"):
        self.folder = Path(folder)
        self.digest = digest

    def configuration(self, farm):
        return self.digest

    def change_router(self, farm, router, files):
        match self.fault("router"):
            case "out":
                raise UnreachableError(OUT, hint="Look at the way to it.")
            case "locked":
                raise UnreachableError(LOCKED)
            case "refused":
                raise RefusedError("nftables refuses the ruleset.")
        here = self.folder / f"{router.vm_id}.files"
        if not here.exists() or here.read_text() != files:
            here.write_text(files)
            self.log(f"changed {router.name} at {router.public_address}")

    def configure(self, farm, guests, targets, report, give_up):
        known = {guest.name: guest for guest in guests}
        done = {}
        if self.fault("all"):
            raise UnreachableError("The router on the way does not answer.")
        while self.fault("hang") and not give_up():
            time.sleep(0.02)
        for name in sorted(targets):
            if give_up():
                break
            assert known[name].address, "a guest without an address"
            report(GuestProgress(name=name, task="install slurm"))
            failure = self.fault(name)
            done[name] = f"install slurm: {failure}" if failure else ""
            report(
                GuestProgress(
                    name=name, task="install slurm", over=True, failure=failure
                )
            )
            if not failure:
                self.log(f"configured {name}")
                if known[name].pool:
                    self.join(farm.name, name)
        return done

    def retire(self, farm, guests, here):
        if failure := self.fault("retire"):
            raise UnreachableError(failure)
        assert "head" in {guest.role.value for guest in guests}
        if gone := sorted(self.listed(farm.name) - here):
            self.log(f"retired {' '.join(gone)}")
            kept = sorted(self.listed(farm.name) & here)
            (self.folder / f"{farm.name}.list").write_text("\n".join(kept))

    def listed(self, farm):
        """The workers in the batch system's list: all that were configured once."""
        here = self.folder / f"{farm}.list"
        return set(here.read_text().split()) if here.exists() else set()

    def join(self, farm, name):
        listed = sorted({*self.listed(farm), name})
        (self.folder / f"{farm}.list").write_text("\n".join(listed))

    def files_of(self, vm_id):
        """Return the files that were put in force on a router that runs."""
        here = self.folder / f"{vm_id}.files"
        return here.read_text() if here.exists() else ""

    def break_(self, what, how="broken"):
        """Let something go wrong until it is mended."""
        (self.folder / f"{what}.fault").write_text(how)

    def mend(self):
        for each in self.folder.glob("*.fault"):
            each.unlink()

    def fault(self, what):
        here = self.folder / f"{what}.fault"
        return here.read_text() if here.exists() else ""

    def log(self, line):
        with (self.folder / "log").open("a") as log:
            log.write(f"{line}\n")

    @property
    def lines(self):
        """What was done so far, and begin again."""
        here = self.folder / "log"
        found = here.read_text().splitlines() if here.exists() else []
        here.write_text("")
        return found
