"""Nodes: roles, tags, the marks they carry and the phase they are in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Role(StrEnum):
    """What a node is for."""

    ROUTER = "router"
    HEAD = "head"
    WORKER = "worker"


class Readiness(StrEnum):
    """What makes a node count as up."""

    ONEGATE = "onegate"
    RUNNING = "running"


class VmState(StrEnum):
    """OpenNebula's STATE and LCM_STATE, as far as decisions need them apart."""

    PENDING = "pending"  # waits for the scheduler
    HELD = "held"  # waits for somebody to deploy it
    PLACING = "placing"  # its disks are on their way (PROLOG and the like)
    STARTING = "starting"  # the hypervisor starts it (BOOT and the like)
    RUNNING = "running"
    MOVING = "moving"  # migrating, resizing, hot-plugging: busy, but alive
    OFF = "off"  # powered off, suspended, stopped or undeployed
    STOPPING = "stopping"  # on its way to OFF
    FAILED = "failed"  # a *_FAILURE state or CLONING_FAILURE
    UNKNOWN = "unknown"  # its hypervisor does not answer for it
    ENDING = "ending"  # on its way to GONE (SHUTDOWN, EPILOG, CLEANUP)
    GONE = "gone"


class Phase(StrEnum):
    """Where a node is in its life, as people are told."""

    PENDING = "pending"
    PLACING = "placing"
    BOOTING = "booting"
    READY = "ready"
    OFF = "off"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ENDING = "ending"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What an object of a farm carries in its own template, in the vector FARMCTL.

    `pool` and `ordinal` are set on workers (and `pool` on their template) only;
    `digest` is that of the template which the object is, or is an instance of.
    """

    farm: str
    role: Role | None = None
    pool: str = ""
    digest: str = ""
    ordinal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What was noted on a node while it lived, in the vector FARMCTL_MARK.

    `draining`: gets no new work. `aside`: sick, out of the counts, with the `reason`.
    `attempts`: how many times this node was made anew after a failure. `configured`:
    the digest of the configuration that this node was given last, empty if none.
    `sent`: the digest of the files that a router was about to be given while it ran;
    where its context has others, nobody knows which of the two it runs.
    """

    draining: bool = False
    aside: bool = False
    reason: str = ""
    attempts: int = 0
    configured: str = ""
    sent: str = ""


def phase(state: VmState, *, reported_ready: bool, readiness: Readiness) -> Phase:
    """Return the phase of a node from what OpenNebula shows of it."""
    match state:
        case VmState.PENDING | VmState.HELD:
            return Phase.PENDING
        case VmState.PLACING:
            return Phase.PLACING
        case VmState.STARTING:
            return Phase.BOOTING
        case VmState.RUNNING | VmState.MOVING:
            up = reported_ready or readiness is Readiness.RUNNING
            return Phase.READY if up else Phase.BOOTING
        case VmState.OFF | VmState.STOPPING:
            return Phase.OFF
        case VmState.FAILED:
            return Phase.FAILED
        case VmState.UNKNOWN:
            return Phase.UNKNOWN
        case VmState.ENDING:
            return Phase.ENDING
        case VmState.GONE:
            return Phase.GONE
        case _:
            assert_never(state)


def node_name(farm: str, role: Role, pool: str = "", ordinal: int = 0) -> str:
    """Return `FARM-router`, `FARM-head` or `FARM-POOL-001`."""
    match role:
        case Role.ROUTER | Role.HEAD:
            return f"{farm}-{role.value}"
        case Role.WORKER:
            return f"{farm}-{pool}-{ordinal:03d}"
        case _:
            assert_never(role)
