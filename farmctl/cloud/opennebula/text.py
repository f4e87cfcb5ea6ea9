r"""OpenNebula's template text: the one place that writes it.

Values come in as an attribute tree, text goes out that OpenNebula's own parser reads
back as exactly that tree. A value that cannot survive the journey (XML-RPC, the
template lexer, the XML in which it is shown) is refused with its path, never mended.
What is free text travels as base64: see `encode` and `decode`.

What the lexer does was measured on OpenNebula 7.4: between double quotes `\"` is the
only escape, white space at the ends is stripped, newlines and brackets are kept.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from farmctl.errors import NotPossibleError
from farmctl.model.attributes import Attributes, Ref

MAX_VALUE = 1024 * 1024
"""The longest value, in bytes of UTF-8.

Far above any start script or document; OpenNebula 7.4 was seen to take as much in
every kind of object.
"""

MAX_TEXT = 4 * MAX_VALUE
"""The longest template text, in bytes; a MySQL MEDIUMTEXT holds four times as much."""

MAX_NAME = 128
"""The longest name of an object, in bytes of UTF-8 (OpenNebula's limit)."""

SUBSTITUTIONS = frozenset({"$NAME", "$VMID"})
"""Values of CONTEXT that OpenNebula fills in itself, and that we use on purpose.

Everywhere else in CONTEXT a `$` is refused: OpenNebula would replace what follows.
"""

_ATTRIBUTE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_BLANK = " \t\n\r\v\f"
_NAME_FORBIDDEN = re.compile(r"[\"'$<>/|;&\\\t\n]")
# All but TAB and newline below U+0020, lone surrogates, the two non-characters that
# XML 1.0 excludes, and what lies outside the Basic Multilingual Plane. A carriage
# return is among them: XML turns it into a newline.
_UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff\U00010000-\U0010ffff]"
)


class UnwritableError(NotPossibleError):
    """A value that OpenNebula's text cannot carry; `path` says where, `reason` why."""

    def __init__(self, path: str, reason: str, *, hint: str = "") -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be given to OpenNebula: {reason}.", hint=hint)


def emit(attributes: Attributes, resolved: Mapping[Ref, int] | None = None) -> str:
    """Write a tree of attributes as template text, one attribute a line.

    Args:
        attributes: names with a text, a vector, or several vectors of that name.
        resolved: the ids that references stand for.

    Raises:
        UnwritableError: a name or value cannot be carried, or a reference is not
            resolved.
    """
    ids = resolved if resolved is not None else {}
    lines: list[str] = []
    for name, value in attributes.items():
        if not isinstance(name, str) or not _ATTRIBUTE.match(name):
            raise UnwritableError(
                str(name), "a name is made of A-Z, 0-9 and _, a letter first"
            )
        match value:
            case str() | Ref():
                lines.append(f"{name}={_quoted(name, value, ids)}")
            case Mapping():
                lines.append(f"{name}={_vector(name, value, ids)}")
            case Sequence():
                for index, inner in enumerate(value):
                    path = f"{name}[{index}]"
                    lines.append(f"{name}={_vector(path, inner, ids)}")
            case _:
                raise UnwritableError(name, f"{type(value).__name__} is no text")
    text = "\n".join(lines)
    if len(text.encode()) > MAX_TEXT:
        raise UnwritableError("the template", f"it is longer than {MAX_TEXT} bytes")
    return text


def check_name(name: str) -> str:
    """Return the name of an object if OpenNebula takes it as it stands.

    Raises:
        UnwritableError: it is empty, too long, or has characters that OpenNebula
            forbids or strips.
    """
    _check("NAME", name)
    if not name:
        raise UnwritableError("NAME", "it is empty")
    found = _NAME_FORBIDDEN.search(name)
    if found is not None:
        raise UnwritableError("NAME", f"{found.group()!r} is not allowed in {name!r}")
    if len(name.encode()) > MAX_NAME:
        raise UnwritableError("NAME", f"it is longer than {MAX_NAME} bytes")
    return name


def encode(text: str) -> str:
    """Return free text as base64 of its UTF-8, so that any text survives.

    Raises:
        UnwritableError: it has lone surrogates, which no UTF-8 can carry.
    """
    try:
        return base64.b64encode(text.encode()).decode("ascii")
    except UnicodeEncodeError as error:
        raise UnwritableError("text", "it has a lone surrogate") from error


def decode(text: str) -> str | None:
    """Return what `encode` was given, or None if this is none of its results."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True).decode()
    except (binascii.Error, UnicodeError):
        return None


def _vector(path: str, value: object, resolved: Mapping[Ref, int]) -> str:
    if not isinstance(value, Mapping) or not value:
        raise UnwritableError(path, "a vector has at least one name")
    pairs: list[str] = []
    for name, inner in value.items():
        inner_path = f"{path}.{name}"
        if not isinstance(name, str) or not _ATTRIBUTE.match(name):
            raise UnwritableError(
                inner_path, "a name is made of A-Z, 0-9 and _, a letter first"
            )
        pairs.append(f"{name}={_quoted(inner_path, inner, resolved)}")
    return f"[{','.join(pairs)}]"


def _quoted(path: str, value: object, resolved: Mapping[Ref, int]) -> str:
    match value:
        case str():
            _check(path, value)
            if path.startswith("CONTEXT") and "$" in value:
                _check_context(path, value)
            escaped = value.replace('"', '\\"')
            return f'"{escaped}"'
        case Ref(kind=kind, name=name):
            if value not in resolved:
                raise UnwritableError(
                    path, f"the {kind.value} {name!r} it refers to is not known yet"
                )
            return f'"{int(resolved[value])}"'
        case _:
            raise UnwritableError(path, f"{type(value).__name__} is no text")


def _check(path: str, value: str) -> None:
    found = _UNSPEAKABLE.search(value)
    if found is not None:
        raise UnwritableError(
            path,
            f"the character U+{ord(found.group()):04X} does not survive",
            hint="Leave it out, or use base64 where the guest decodes it.",
        )
    if value != value.strip(_BLANK):
        raise UnwritableError(path, "white space at its ends would be stripped")
    if value.endswith("\\"):
        raise UnwritableError(path, "it ends in a backslash")
    if "]]>" in value:
        raise UnwritableError(path, "it holds ]]>, which OpenNebula cannot store")
    if len(value.encode()) > MAX_VALUE:
        raise UnwritableError(path, f"it is longer than {MAX_VALUE} bytes")


def _check_context(path: str, value: str) -> None:
    if value not in SUBSTITUTIONS:
        raise UnwritableError(
            path,
            "OpenNebula would replace what follows the $",
            hint="Use base64 where the guest decodes it.",
        )
