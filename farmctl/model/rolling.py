"""What is known of a pool whose workers are to be of a new make, one after the other.

`plan` begins a roll and keeps it in the farm's document, `elastic` decides what is next
in it, the daemon carries that out. Times are seconds since the epoch; a make is named
by the digest of the pool's template.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from farmctl.model.attributes import Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a pool's workers were made of when they were last known to be good.

    The template's content as OpenNebula had it: its image by id, whatever the site's
    file calls by that name meanwhile.
    """

    digest: str
    image: str
    disk_mib: int
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """One pool on its way from one make to another.

    `proven`: when the first new worker had shown itself good, 0 while none has.
    `failed`: new workers that failed since the last one that did not, and those before
    it that are still there, by VM id, with the time. `back`: it leads away from a make
    that was refused, or taken back. `freed`: the old worker that was drained for its
    room, while no new one has come since; `placed`: the new ones, by VM id, that had a
    hypervisor then.
    """

    old: str
    new: str
    began: float
    proven: float = 0.0
    failed: Mapping[int, float] = field(default_factory=dict)
    back: bool = False
    freed: str = ""
    placed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A make whose workers failed: nothing is made of it until a person says so.

    `stranded`: what the pool was made of before is not kept, so that nothing is made of
    that either; the workers that are there go on.
    """

    digest: str
    why: str
    at: float
    stranded: bool = False

    @property
    def words(self) -> str:
        """Why it was given up, and what is to be done if nothing goes by itself."""
        if not self.stranded:
            return self.why
        return (
            f"{self.why}. What was before is not kept: its workers go on, and no new "
            "one is started until you apply a file that says what worked"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """All of a farm's pools that roll, what to go back to, and what was refused."""

    rolls: Mapping[str, Roll] = field(default_factory=dict)
    before: Mapping[str, Before] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What whoever watches a roll has found out, to be written into the document.

    It counts only for the roll that it is about: the same make, begun at the same time.
    `refused`: why its new make is given up, empty if it is not. `over`: no worker of
    another make is left.
    """

    roll: Roll
    at: float
    refused: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """How far a pool's roll is, counted on one look.

    `old`: workers that are there and not of the new make; `of`: all that are there.
    """

    old: int
    of: int
    roll: Roll

    @property
    def new(self) -> int:
        """Workers of the new make."""
        return self.of - self.old

    @property
    def words(self) -> str:
        """How far it is: 2 of 4 on the new image, canary proven."""
        if self.roll.back:
            return f"{self.new} of {self.of} on the old image again"
        said = f"{self.new} of {self.of} on the new image, canary "
        if self.roll.proven:
            return f"{said}proven"
        failed = len(self.roll.failed)
        if failed:
            return f"{said}not proven, {failed} failed"
        return f"{said}{'not proven yet' if self.new else 'to come'}"
