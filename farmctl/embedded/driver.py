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
    """What runs the VMs of the hosts whose VM_MAD it is."""

    def begin(self, job: Job, report: Report) -> Foreseen | None:
        """Begin a step; `None` means that `report` will be called."""
        ...

    def cancel(self, job: Job) -> None:
        """Drop a step that is under way: the VM goes another way."""
        ...

    def guest_seconds(self, machine: Machine) -> float | None:
        """Return when a guest that has booted reports READY; `None`: by itself."""
        ...


class Dummy:
    """VMs that are rows: every step takes its time and succeeds."""

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
