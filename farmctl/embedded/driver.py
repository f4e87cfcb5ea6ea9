"""The seam between the cloud and what its VMs are: one driver per hypervisor type.

`lifecycle` hands a driver one `Job` at a time and goes on when it is done. A driver
either knows beforehand how long it takes and how it ends (`Foreseen`), as `Dummy` does,
or starts the work and reports later through the `report` it was given (`None`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from farmctl.embedded.machine import Machine
from farmctl.embedded.settings import Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One step of a VM: `step` is one of the names in `Dummy.seconds`."""

    machine: Machine
    step: str
    host: str
    number: int
    """Which of the VM's steps it is; a report carries it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A step whose end is known: after `seconds`, with `error` or none."""

    seconds: float
    error: str = ""


Report = Callable[[int, int, str], None]
"""Called with the VM's id, the job's number and the error, "" for success."""


class Driver(Protocol):
    """What runs the VMs of the hosts whose VM_MAD it is.

    Beside the steps, which end, there are things to be told of, which need no answer.
    """

    @property
    def foresees(self) -> bool:
        """Whether its steps are only waited for, so that faults may bend their end."""
        ...

    def begin(self, job: Job, report: Report) -> Foreseen | None:
        """Begin a step; `None` means that `report` will be called."""
        ...

    def cancel(self, job: Job) -> None:
        """Drop a step that is under way: the VM goes another way."""
        ...

    def guest_seconds(self, machine: Machine) -> float | None:
        """Return when a guest that has booted reports READY; `None`: by itself."""
        ...

    def reboot(self, machine: Machine, *, hard: bool) -> None:
        """Boot a running guest again; it goes on being RUNNING."""
        ...

    def forget(self, machine: Machine) -> None:
        """End whatever is left of a VM, disks included; idempotent."""
        ...

    def regroup(self, machine: Machine) -> None:
        """Take over the rules of the VM's security groups, which have changed."""
        ...

    def host_died(self, host_id: int) -> None:
        """Let everything on a hypervisor die with it."""
        ...

    def network_gone(self, network_id: int) -> None:
        """Remove what stands for a virtual network."""
        ...


class Dummy:
    """VMs that are rows: every step takes its time and succeeds."""

    foresees = True

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self.seconds = {
            "prolog": timings.prolog,
            "boot": timings.boot,
            "restore": timings.boot,
            "shutdown": timings.shutdown,
            "cancel": timings.shutdown,
            "epilog": timings.epilog,
            "save": timings.save,
            "migrate": timings.migrate,
            "reboot": 0.0,
            "hotplug": timings.hotplug,
        }

    def begin(self, job: Job, report: Report) -> Foreseen | None:
        """Say how long the step takes."""
        del report
        return Foreseen(seconds=self.seconds[job.step])

    def cancel(self, job: Job) -> None:
        """Nothing is under way."""

    def guest_seconds(self, machine: Machine) -> float | None:
        """Return how long a guest takes from RUNNING to READY."""
        del machine
        return self._timings.ready

    def reboot(self, machine: Machine, *, hard: bool) -> None:
        """There is nothing to boot."""

    def forget(self, machine: Machine) -> None:
        """Nothing is left of a row."""

    def regroup(self, machine: Machine) -> None:
        """Nothing is filtered."""

    def host_died(self, host_id: int) -> None:
        """Rows do not die."""

    def network_gone(self, network_id: int) -> None:
        """Nothing stands for it."""
