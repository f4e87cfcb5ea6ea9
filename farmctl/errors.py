"""farmctl's own tree of errors.

    FarmctlError
    ├── InputError            what was written is wrong: every mistake at once; exit 2
    ├── PlanOutdatedError     the cloud has moved on since the plan was made
    ├── FarmLockedError       another operator is changing this farm
    ├── ExhaustedError        no class C or public address is left
    ├── NotPossibleError      asked for something that a law or a limit forbids
    ├── BatchError            the batch system's answer, or the lack of one
    │   ├── BatchAwayError        the head or the batch system's server does not answer
    │   ├── BatchAnswerError      an answer that cannot be read, or is cut off
    │   ├── BatchRefusedError     the batch system refuses what was asked
    │   └── WrongBatchError       another batch system, or a version that cannot be read
    └── CloudError            OpenNebula's answer, or the lack of one
        ├── UnreachableError      nothing was sent: repeating is harmless
        ├── AnswerLostError       sent, but no answer: look again before repeating
        ├── BadAnswerError        an answer that is none of OpenNebula's
        ├── BusyError             not in this state (2048): wait for the state
        ├── LockedError           the object is locked
        ├── RefusedError          OpenNebula refuses what was asked (8192, 16384)
        │   └── NameTakenError        an object of that name and owner is there already
        ├── QuotaError            a quota would be exceeded
        ├── NotAuthorisedError    the user may not do this (512)
        ├── NotAuthenticatedError OpenNebula does not know this user and password (256)
        └── GoneError             no such object (1024)

Each port raises these and chains the foreign cause. `hint` says what to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class FarmctlError(Exception):
    """The root: `message` says what is wrong, `hint` what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in something that a person wrote.

    `line` and `column` count from 1; 0 means that the place is not known. `path` is
    the dotted path of the key, such as `pools.wn.count.max`.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}"
        what = f"{self.path}: {self.message}" if self.path else self.message
        return f"{place}  {what} {self.hint}".rstrip()


class InputError(FarmctlError):
    """What was written is wrong; carries every mistake, in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class PlanOutdatedError(FarmctlError):
    """The cloud has moved on since the plan was made; `moved` has a line for each."""

    def __init__(self, message: str, *, moved: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.moved = tuple(moved)


class FarmLockedError(FarmctlError):
    """Another process is changing this farm."""


class ExhaustedError(FarmctlError):
    """No class C network or public address is left."""


class NotPossibleError(FarmctlError):
    """Asked for something that a law, a limit or the site's capacity forbids."""


class BatchError(FarmctlError):
    """The batch system's answer, or the lack of one."""


class BatchAwayError(BatchError):
    """The head or the batch system's server does not answer: it shows nothing."""


class BatchAnswerError(BatchError):
    """An answer that cannot be read, is cut off or contradicts itself."""


class BatchRefusedError(BatchError):
    """The batch system refuses what was asked."""


class WrongBatchError(BatchError):
    """It is another batch system, or a version whose answers cannot be read."""


class CloudError(FarmctlError):
    """OpenNebula's answer, or the lack of one."""


class UnreachableError(CloudError):
    """The endpoint did not take the request: repeating it is harmless."""


class AnswerLostError(CloudError):
    """The request may have been carried out: look again before repeating it."""


class BadAnswerError(CloudError):
    """An answer that OpenNebula does not give."""


class BusyError(CloudError):
    """The object is not in a state that allows this (code 2048)."""


class LockedError(CloudError):
    """The object is locked."""


class RefusedError(CloudError):
    """OpenNebula refuses what was asked (codes 8192, 16384, 4096)."""


class NameTakenError(RefusedError):
    """An object of that name and owner is there already; `object_id` is its id."""

    def __init__(self, message: str, *, object_id: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.object_id = object_id


class QuotaError(CloudError):
    """A quota of the user or the group would be exceeded."""


class NotAuthorisedError(CloudError):
    """The user may not do this (code 512)."""


class NotAuthenticatedError(CloudError):
    """OpenNebula does not know this user and password (code 256)."""


class GoneError(CloudError):
    """There is no such object (code 1024)."""
