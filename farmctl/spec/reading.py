"""From a file to a `Site` or a `Farm`, or to every mistake in it at once.

`document` reads the text, pydantic checks each field, `rules` checks what several
fields say together, also where others are wrong, and `wording` says it in our words.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from farmctl.errors import InputError, Mistake
from farmctl.spec import document, drafts, rules, site_rules, wording
from farmctl.spec.base import Breach, Origin, WrittenFile
from farmctl.spec.composer import Plain
from farmctl.spec.document import Document
from farmctl.spec.farm import Farm
from farmctl.spec.site import Site

F = TypeVar("F", bound=WrittenFile)


def read_site(path: str | Path) -> Site:
    """Return the site that a file describes.

    Raises:
        InputError: With every mistake, in the order of the file.
    """
    return parse_site(document.read_text(path), str(path))


def read_farm(path: str | Path) -> Farm:
    """Return the farm that a file describes.

    Raises:
        InputError: With every mistake, in the order of the file.
    """
    return parse_farm(document.read_text(path), str(path))


def parse_site(text: str, file: str = "site.yaml") -> Site:
    """Return the site that a YAML text describes; `file` is its name in messages.

    Raises:
        InputError: With every mistake, in the order of the text.
    """
    return _checked(document.compose(text, file=file), Site, _broken_in_site)


def parse_farm(text: str, file: str = "farm.yaml") -> Farm:
    """Return the farm that a YAML text describes; `file` is its name in messages.

    Raises:
        InputError: With every mistake, in the order of the text.
    """
    read = document.compose(text, file=file)
    if "site" in read.values and "farm" not in read.values:
        raise InputError([_a_site(read)])
    return _checked(read, Farm, _broken_in_farm)


def render_mistakes(error: InputError) -> str:
    """Return the mistakes a line each, and how many there are."""
    number = len(error.mistakes)
    lines = [str(mistake) for mistake in error.mistakes]
    counted = "1 mistake" if number == 1 else f"{number} mistakes"
    return "\n".join([*lines, f"{counted}; nothing was sent to OpenNebula."])


def _a_site(read: Document) -> Mistake:
    """Return the mistake of a site file where a farm file belongs."""
    line, column = read.place(("site",), of_key=True)
    return Mistake(
        file=read.file,
        line=line,
        column=column,
        message="this is a site file, and a farm file belongs here.",
        hint="Name the farm's file, and this one with --site.",
    )


def _broken_in_site(values: Mapping[str, Plain]) -> list[Breach]:
    return list(site_rules.broken_in_site(drafts.of_site(values)))


def _broken_in_farm(values: Mapping[str, Plain]) -> list[Breach]:
    return list(rules.broken_in_farm(drafts.of_farm(values)))


def _checked(
    read: Document,
    model: type[F],
    broken: Callable[[Mapping[str, Plain]], list[Breach]],
) -> F:
    found = list(read.mistakes)
    written: F | None = None
    try:
        written = model.model_validate(read.values)
    except ValidationError as error:
        found += wording.mistakes(error, read, model)
        found += wording.breaches(broken(read.values), read)
    if found or written is None:
        raise InputError(sorted(found, key=lambda one: (one.line, one.column)))
    return written.at(Origin(file=read.file, places=read.places))
