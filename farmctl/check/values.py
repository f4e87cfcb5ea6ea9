"""What a check found, as values: findings, each with its probe, and all of them.

A finding is good, a fault, or was not made: what could not be looked at is never good.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Probe(StrEnum):
    """The kinds of probe, in the order in which they are told."""

    PLAN = "plan"
    READY = "ready"
    PORTS = "ports"
    LOGIN = "login"
    ROUTER = "router"
    ADDRESS = "address"
    NAMES = "names"
    OUTWARD = "outward"
    TIME = "time"
    SIZE = "size"
    ISOLATION = "isolation"
    SPOOFING = "spoofing"
    STRANGERS = "strangers"
    BATCH = "batch"


ABOUT: Mapping[Probe, str] = {
    Probe.PLAN: "the cloud is as the farm declares it",
    Probe.READY: "every node is READY, and nobody else is in the network",
    Probe.PORTS: "from here, declared ports answer and no others",
    Probe.LOGIN: "each node lets farmctl in, and is who it says it is",
    Probe.ROUTER: "the router has the files that it should have, in force",
    Probe.ADDRESS: "nodes have their address, their lease and the router as gateway",
    Probe.NAMES: "names resolve both ways, those outside too",
    Probe.OUTWARD: "nodes reach the outside, and are seen as the router",
    Probe.TIME: "clocks agree, and the router tells the time",
    Probe.SIZE: "nodes have the cores and the memory that they were declared with",
    Probe.ISOLATION: "nothing of another farm can be reached",
    Probe.SPOOFING: "frames with foreign addresses go nowhere",
    Probe.STRANGERS: "unknown machines get no lease",
    Probe.BATCH: "each worker is in the batch system, and takes work",
}
"""What each probe shows where it finds no fault."""


class Verdict(StrEnum):
    """What a finding says."""

    GOOD = "good"
    FAULT = "fault"
    UNSEEN = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `subject` is a node's short name or a port."""

    probe: Probe
    subject: str
    verdict: Verdict
    message: str
    hint: str = ""


def good(probe: Probe, subject: str, message: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(probe=probe, subject=subject, verdict=Verdict.GOOD, message=message)


def fault(probe: Probe, subject: str, message: str, *, hint: str = "") -> Finding:
    """Return that something is not as it should be."""
    return Finding(
        probe=probe,
        subject=subject,
        verdict=Verdict.FAULT,
        message=message,
        hint=hint,
    )


def unseen(probe: Probe, subject: str, message: str, *, hint: str = "") -> Finding:
    """Return that something could not be looked at, and why."""
    return Finding(
        probe=probe,
        subject=subject,
        verdict=Verdict.UNSEEN,
        message=message,
        hint=hint,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one check, in the order of the probes; `at` is when it began.

    `left_out` are the probes that nobody wanted.
    """

    farm: str
    site: str
    at: float
    seconds: float
    findings: tuple[Finding, ...]
    left_out: tuple[Probe, ...] = ()

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """Return the findings that say so."""
        return tuple(each for each in self.findings if each.verdict is verdict)

    @property
    def faulty(self) -> bool:
        """Whether there is any fault."""
        return bool(self.of(Verdict.FAULT))

    def counts(self, probe: Probe) -> Mapping[Verdict, int]:
        """Return how many findings of a probe say what."""
        return Counter(each.verdict for each in self.findings if each.probe is probe)


def summary(report: Report) -> Sequence[str]:
    """Return the sentences that close a check."""
    faults, left = report.of(Verdict.FAULT), report.of(Verdict.UNSEEN)
    looked = len(report.of(Verdict.GOOD)) + len(faults)
    one = len(faults) == 1
    said = [
        f"{len(faults)} of {looked} findings {'is a fault' if one else 'are faults'}."
        if faults
        else f"No fault in {looked} finding{'' if looked == 1 else 's'}."
    ]
    if left:
        by_reason: dict[str, list[str]] = {}
        for each in left:
            by_reason.setdefault(each.message.rstrip("."), []).append(each.probe.value)
        for reason, probes in by_reason.items():
            names = ", ".join(dict.fromkeys(probes))
            said.append(f"Not checked: {names}: {reason}.")
    if report.left_out:
        names = ", ".join(each.value for each in report.left_out)
        said.append(f"Left out, as asked: {names}.")
    return said


Progress = Callable[[str, int, int], None]
"""Is told what is looked at, how much of it is done, and how much there is."""
