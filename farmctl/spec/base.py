"""What all that people write has in common: frozen, strict, nothing unknown.

`Breach` is a broken rule between several fields; `Origin` remembers where in a file a
value stood, so that later messages (`explain`) can point at it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Loc = tuple[str | int, ...]
"""The way to a value: keys and indices."""

RULE = "farmctl_rule"
"""pydantic's type of the errors that come from rules between fields."""


class Written(BaseModel):
    """A part of a file."""

    model_config = ConfigDict(
        defer_build=True,  # most runs of farmctl use two or three of the models
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        regex_engine="python-re",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule between several fields that is broken: where, what, and what to do."""

    loc: Loc
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file's values stood: line and column of each, from 1.

    Two files that say the same are equal wherever they say it.
    """

    file: str = field(default="", compare=False)
    places: Mapping[Loc, tuple[int, int]] = field(default_factory=dict, compare=False)

    def place(self, *loc: str | int) -> tuple[int, int]:
        """Return line and column of a value, or of the nearest round it; or 0, 0."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self.places:
                return self.places[loc[:end]]
        return 0, 0


class WrittenFile(Written):
    """A whole file, which knows where its values stood."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where in which file this was written."""
        return self._origin

    def at(self, origin: Origin) -> Self:
        """Return the same, written at `origin`."""
        copy = self.model_copy()
        copy._origin = origin  # noqa: SLF001 - a copy of its own class
        return copy


def refuse(title: str, breaches: Iterable[Breach]) -> None:
    """Raise pydantic's error for the broken rules, one line each; return if none are.

    Raises:
        ValidationError: With an error of type `RULE` for each breach.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(
                RULE,
                "{message} {hint}",
                {"message": breach.message, "hint": breach.hint},
            ),
            loc=breach.loc,
            input=None,
        )
        for breach in breaches
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors)
