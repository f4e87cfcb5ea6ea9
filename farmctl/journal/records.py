"""One record of the journal, and its line in the file.

Each record carries the hash of the one before it, so that a line that was changed or
taken out later is noticed. Pure: bytes and values, no file.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

GENESIS = "0" * 64
"""What the first record of a journal names as the hash before it."""

SECRET = re.compile(
    r"passw|secret|token|credential|one_auth|private_?key|munge_?key", re.IGNORECASE
)
"""Names under which no value is ever written down."""

LONGEST_TEXT = 2_000
"""Characters of one text; a journal explains, it does not archive."""

LARGEST_LIST = 200
"""Entries of one list or mapping; behind them it says how many were left out."""

_DEEPEST = 6


class Unreadable(ValueError):  # noqa: N818 - what a line is, not what went wrong
    """A line is no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event of a farm. `time` is in seconds since the epoch."""

    time: float
    farm: str
    event: str
    because: str
    values: Mapping[str, object] = field(default_factory=dict)
    previous: str = GENESIS
    hash: str = ""

    def sealed(self) -> "Record":
        """Return the record with its own hash."""
        return Record(
            time=self.time,
            farm=self.farm,
            event=self.event,
            because=self.because,
            values=self.values,
            previous=self.previous,
            hash=self._digest(),
        )

    @property
    def holds(self) -> bool:
        """Whether the hash is that of the content."""
        return self.hash == self._digest()

    def line(self) -> bytes:
        """Return the record as one line, newline included."""
        return _json(self._content() | {"hash": self.hash}).encode("ascii") + b"\n"

    def _content(self) -> dict[str, object]:
        return {
            "time": self.time,
            "farm": self.farm,
            "event": self.event,
            "because": self.because,
            "values": self.values,
            "previous": self.previous,
        }

    def _digest(self) -> str:
        return hashlib.sha256(_json(self._content()).encode("ascii")).hexdigest()


def parse(line: bytes) -> Record:
    """Read one line.

    Raises:
        Unreadable: it is no record; a torn one, for example.
    """
    try:
        read = json.loads(line)
    except ValueError as error:
        raise Unreadable(f"no JSON: {error}") from error
    match read:
        case {
            "time": int() | float() as time,
            "farm": str() as farm,
            "event": str() as event,
            "because": str() as because,
            "values": dict() as values,
            "previous": str() as previous,
            "hash": str() as own,
        }:
            return Record(
                time=time,
                farm=farm,
                event=event,
                because=because,
                values=values,
                previous=previous,
                hash=own,
            )
        case _:
            raise Unreadable("no record of a journal")


def plain(value: object, *, depth: int = 0) -> object:
    """Return `value` as JSON can hold it, cut to size and without secrets."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return round(value, 3) if value == value and abs(value) < 1e18 else None  # noqa: PLR0124, PLR2004 - NaN and infinity are no JSON
        case str():
            return _cut(str(value))
        case Mapping() if depth < _DEEPEST:
            kept = list(value.items())[:LARGEST_LIST]
            found = {
                _cut(str(key)): "(not written down)"
                if SECRET.search(str(key))
                else plain(inner, depth=depth + 1)
                for key, inner in kept
            }
            if len(value) > len(kept):
                found["…"] = f"{len(value) - len(kept)} more"
            return found
        case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
            entries = sorted(value, key=str) if isinstance(value, set) else list(value)
            cut: list[object] = [
                plain(inner, depth=depth + 1) for inner in entries[:LARGEST_LIST]
            ]
            if len(entries) > LARGEST_LIST:
                cut.append(f"… {len(entries) - LARGEST_LIST} more")
            return cut
        case _:
            return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
