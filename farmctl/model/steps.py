"""A plan: steps in waves, each with its reason.

A plan is a value. It carries all that apply needs, can be written to a file and read
back, and carries the `fingerprint` of what it was made from, so that apply can refuse
it when the cloud has moved on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from farmctl.model.attributes import Attributes, Kind
from farmctl.model.nodes import Readiness, Role, Tag
from farmctl.model.rolling import Rolled
from farmctl.model.target import Placement


class Glyph(StrEnum):
    """What a step does, as people see it."""

    CREATE = "+"
    CHANGE = "~"
    REPLACE = "±"
    REMOVE = "-"
    DRIFT = "!"
    KEEP = " "


class Cause(StrEnum):
    """Why a step is there: somebody changed the file, or somebody the cloud."""

    CHANGE = "change"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """All that making one node needs.

    `attributes` is the extra template: complete NICs. `tag` is what the VM carries.
    `template` is the name of the farm's template of which it is an instance.
    """

    name: str
    role: Role
    pool: str = ""
    ordinal: int = 0
    address: str
    public_address: str = ""
    template: str
    tag: Tag
    attributes: Attributes
    cpus: float
    memory_mib: int
    disk_mib: int = 0
    image: str = ""
    placement: Placement
    readiness: Readiness
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateObject:
    """Make a document, security group, network or template, carrying `tag`.

    A document's `attributes` hold one text, BODY: its body as JSON.
    """

    kind: Kind
    name: str
    tag: Tag
    attributes: Attributes
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeObject:
    """Change an object in place: `attributes` is its whole content afterwards.

    `changes` says in words what differs, a line each. `tag` replaces the object's; a
    document's `attributes` hold one text, BODY: its body as JSON.
    """

    kind: Kind
    id: int
    name: str
    tag: Tag
    attributes: Attributes
    changes: tuple[str, ...]
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject:
    """Delete an object of the farm."""

    kind: Kind
    id: int
    name: str
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNode:
    """Make a node that is not there."""

    node: NodeSpec
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceNode:
    """End a VM and make the node anew; `may_work`: its work would be interrupted."""

    vm_id: int
    node: NodeSpec
    may_work: bool
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNode:
    """End a VM for good; `may_work`: its work would be interrupted."""

    vm_id: int
    name: str
    role: Role | None
    pool: str = ""
    may_work: bool
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class StartNode:
    """Start a VM that is there but does not run: held, pending or powered off.

    `held` says that it waits to be deployed; otherwise it is resumed.
    """

    vm_id: int
    node: NodeSpec
    held: bool
    because: str
    cause: Cause = Cause.DRIFT


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitNode:
    """Wait for a node that is on its way; nothing is asked of the cloud.

    `worked`: it was ready once, and is not made anew for being late.
    """

    vm_id: int
    node: NodeSpec
    worked: bool = False
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRouter:
    """Give the router that runs other files, in place.

    `files` is the variable of its context that carries them and the text in it, which
    is what the router itself takes as well. `changes` are the lines that differ, each
    as `FILE: + line` or `FILE: - line`. `leavers` are the names of nodes that the files
    no longer know: the step is taken when those have ended, and not before. `at_boot`:
    the router takes the files when it boots next, as nobody logs in to it.
    """

    vm_id: int
    name: str
    variable: str
    files: str
    changes: tuple[str, ...]
    leavers: tuple[str, ...] = ()
    at_boot: bool = False
    because: str
    cause: Cause = Cause.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureNodes:
    """Configure the guests of some nodes, once those are ready.

    `names` are the nodes', `configuration` the digest of all that configuring rests
    on, which each of them is marked with when it is done.
    """

    names: tuple[str, ...]
    configuration: str
    because: str
    cause: Cause = Cause.CHANGE


Step: TypeAlias = (
    "CreateObject | ChangeObject | DeleteObject | CreateNode | ReplaceNode "
    "| RemoveNode | StartNode | AwaitNode | ChangeRouter | ConfigureNodes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the plan names and leaves alone: a stranger, a node set aside."""

    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What separates the declared farm from the cloud.

    `waves` are carried out one after the other; the steps of one wave may run at once.
    `keeps` counts what stays as it is, by subject. `fingerprint` is of everything the
    plan rests on: subject to a short text that changes when the subject does.
    `seen_at` is when the cloud was looked at, seconds since the epoch. `rolls` are the
    pools whose outdated workers stay until they are empty, and how far each is.
    """

    farm: str
    kind: str
    site: str
    endpoint: str
    version: str
    seen_at: float
    origin: str = ""
    cidr: str = ""
    waves: tuple[tuple[Step, ...], ...] = ()
    notes: tuple[Note, ...] = ()
    keeps: Mapping[str, int] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    destroys: bool = False
    rolls: Mapping[str, Rolled] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for wave in self.waves for step in wave)

    @property
    def changes_nothing(self) -> bool:
        """Whether apply would ask nothing of the cloud and wait for nothing."""
        return not self.steps


def glyph(step: Step) -> Glyph:
    """Return the sign under which people see a step."""
    match step:
        case CreateObject() | CreateNode():
            return Glyph.CREATE if step.cause is Cause.CHANGE else Glyph.DRIFT
        case ChangeObject() | ChangeRouter() | ConfigureNodes():
            return Glyph.CHANGE if step.cause is Cause.CHANGE else Glyph.DRIFT
        case ReplaceNode():
            return Glyph.REPLACE if step.cause is Cause.CHANGE else Glyph.DRIFT
        case StartNode() | AwaitNode():
            return Glyph.DRIFT if step.cause is Cause.DRIFT else Glyph.CHANGE
        case DeleteObject() | RemoveNode():
            return Glyph.REMOVE
