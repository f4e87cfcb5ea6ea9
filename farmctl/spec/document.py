"""YAML text to plain values, with line and column of every key and value.

What is taken is YAML as most people believe it to be: 1.2's core schema, so that `no`
and `on` are words, `010` is no octal number and a time of day is text; keys are text;
no tags, no merge keys, one document. A file may use anchors, within a limit on what
they unfold to. Nothing is built but dicts, lists and scalars.

`composer` makes nodes of the text; what the values mean is left to `reading`.
"""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from farmctl.errors import InputError, Mistake
from farmctl.spec.base import Loc
from farmctl.spec.composer import Composer, Node, Place, Plain

LARGEST_FILE = 1024 * 1024
"""Bytes. A farm file has some two thousand; a log file given by mistake has more."""

_STRANGE = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd"
    "\\U00010000-\\U0010ffff]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The plain values of a file, and where each of them and its key stood."""

    file: str
    values: dict[str, Plain]
    places: dict[Loc, Place]
    key_places: dict[Loc, Place]
    written: dict[Loc, str]
    """Scalars as they were written, for messages."""

    mistakes: tuple[Mistake, ...] = ()
    """What is wrong with the text itself, though the values can be made out."""

    def place(self, loc: Loc, *, of_key: bool = False) -> Place:
        """Return where a value (or its key) stands, or the key of what is round it."""
        if not of_key and loc in self.places:
            return self.places[loc]
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.key_places:
                return self.key_places[loc[:end]]
        return self.places[()]


def read_text(path: str | Path) -> str:
    """Return the text of a file.

    Raises:
        InputError: If it is not there, is no file, cannot be read, is larger than
            `LARGEST_FILE` or is not UTF-8.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise _refusal(
            name,
            "there is no such file.",
            "Look at the path; `farmctl init` makes one.",
        ) from error
    except IsADirectoryError as error:
        raise _refusal(name, "is a directory.", "Name the file in it.") from error
    except PermissionError as error:
        raise _refusal(name, "you may not read this file.") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refusal(name, f"cannot be read: {why}.") from error
    if len(data) > LARGEST_FILE:
        raise _refusal(name, "is larger than 1 MiB; is it the right file?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise _refusal(
            name,
            f"byte 0x{data[error.start]:02x} is not UTF-8.",
            "Save the file as UTF-8.",
            at=_end_of(before),
        ) from error


def compose(text: str, *, file: str) -> Document:
    """Return the values of a YAML text and where they stand.

    Raises:
        InputError: If no mapping can be made out of the text.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST_FILE:
        raise _refusal(file, "is larger than 1 MiB; is it the right file?")
    if strange := _STRANGE.search(text):
        raise _refusal(
            file,
            f"the character U+{ord(strange[0]):04X} may stand in no YAML file.",
            "Take it out.",
            at=_end_of(text[: strange.start()]),
        )
    composer = Composer(file=file)
    try:
        root = composer.root(text)
    except yaml.YAMLError as error:
        raise InputError([*composer.mistakes, _syntax(error, text, file)]) from error
    if not isinstance(root.content, dict):
        composer.mistake(
            root.place,
            "the file is a list."
            if isinstance(root.content, list)
            else "is no YAML mapping.",
            "It begins with keys, such as farm: alice-wn.",
        )
        raise InputError(composer.mistakes)
    document = Document(
        file=file,
        values={},
        places={},
        key_places={},
        written={},
        mistakes=tuple(composer.mistakes),
    )
    plain = _unfold(root, (), document)
    assert isinstance(plain, dict)
    document.values.update(plain)
    return document


def unplaced(values: dict[str, Plain], *, file: str) -> Document:
    """Return values that stand in no text as a document without lines."""
    places: dict[Loc, Place] = {}
    waiting: list[tuple[Loc, Plain]] = [((), values)]
    while waiting:
        loc, value = waiting.pop()
        places[loc] = (0, 0)
        match value:
            case dict():
                waiting += [((*loc, key), inner) for key, inner in value.items()]
            case list():
                waiting += [((*loc, index), inner) for index, inner in enumerate(value)]
            case _:
                pass
    return Document(
        file=file, values=values, places=places, key_places=places, written={}
    )


def _unfold(node: Node, loc: Loc, document: Document) -> Plain:
    """Return the plain value of a node and note the places of all that is in it."""
    document.places[loc] = node.place
    match node.content:
        case dict() as entries:
            values: dict[str, Plain] = {}
            for key, (place, value) in entries.items():
                document.key_places[*loc, key] = place
                values[key] = _unfold(value, (*loc, key), document)
            return values
        case list() as items:
            for index, item in enumerate(items):
                document.key_places[*loc, index] = item.place
            return [
                _unfold(item, (*loc, index), document)
                for index, item in enumerate(items)
            ]
        case scalar:
            document.written[loc] = node.written or ""
            return scalar


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Mistake:
    """Say what YAML's parser could not read."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return Mistake(file=file, message="is not YAML.")
    problem = error.problem or "it cannot be read"
    begun = error.context_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    blanks = "".join(itertools.takewhile(str.isspace, line))
    message, hint = f"is not YAML here: {problem}.", ""
    if "\t" in blanks:
        message, hint = "this line is indented with a tab.", "Use spaces."
    elif "mapping values are not allowed" in problem:
        message = "a ':' with a space behind it cannot stand here."
        hint = "Put a value that holds one in quotes."
    elif "unexpected end" in problem and begun is not None:
        message, hint, mark = "a quote is left open.", "Close it.", begun
    elif "',' or" in problem and begun is not None:
        message = "a comma or a closing bracket is missing."
        hint = f"The bracket was opened in line {begun.line + 1}."
    elif "expected key" in problem or "<block end>" in problem:
        message = "this does not fit the lines above."
        hint = "Look at the indentation, and at quotes and brackets left open."
    return Mistake(
        file=file,
        line=mark.line + 1,
        column=mark.column + 1,
        message=message,
        hint=hint,
    )


def _end_of(text: str) -> Place:
    lines = re.split(r"\r\n|\r|\n", text)
    return len(lines), len(lines[-1]) + 1


def _refusal(
    file: str, message: str, hint: str = "", *, at: Place = (0, 0)
) -> InputError:
    return InputError(
        [Mistake(file=file, line=at[0], column=at[1], message=message, hint=hint)]
    )
