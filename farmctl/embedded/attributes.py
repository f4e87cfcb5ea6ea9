r"""OpenNebula's template text: parsing it, merging it, writing it as XML.

`Attributes` is what every object's TEMPLATE holds: names in upper case, each with one
or more values, a value being text or a vector of named texts. Names come out sorted,
equal names in the order in which they came in. Rebuilt from the behaviour recorded from
OpenNebula 7.4 (`text.jsonl`): inside quotes only `\"` is an escape, an unclosed quote
is text, names that begin with a digit get `ONE_` before them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lxml import etree

from farmctl.embedded.refusal import internal

Vector = dict[str, str]
Value = str | Vector

_BLANK = " \t\n\r\v\f"
_SKIP = re.compile(r"[ \t]*#[^\n]*\n|[ \t\n]+")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_EQUAL = re.compile(r"[ \t]*=[ \t]*")
_COMMA = re.compile(r"[ \t\n]*,[ \t\n]*")
_CLOSE = re.compile(r"[ \t\n]*\][ \t\n]*")
_OPEN = re.compile(r"[ \t]*\[[ \t\n]*")
_QUOTED = re.compile(r'"((?:\\"|[^"])*)"')
_BARE = re.compile(r"[^=# \t\n,\[\]]+")


class Attributes:
    """The attributes of one template, by name, each name with its values."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, list[Value]] | None = None) -> None:
        self.values: dict[str, list[Value]] = {} if values is None else values

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        for name in sorted(self.values):
            for value in self.values[name]:
                yield name, value

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of `name` if it is text."""
        found = self.values.get(name)
        return found[0] if found and isinstance(found[0], str) else default

    def flag(self, name: str) -> bool:
        """Say whether `name` is YES."""
        return self.text(name).upper() == "YES"

    def number(self, name: str) -> float | None:
        """Return the number that `name` holds, None where it holds none."""
        return to_float(self.text(name))

    def integer(self, name: str) -> int | None:
        """Return the integer that `name` holds, None where it holds none."""
        return to_int(self.text(name))

    def vector(self, name: str) -> Vector | None:
        """Return the first value of `name` if it is a vector; the vector itself."""
        found = self.values.get(name)
        return found[0] if found and isinstance(found[0], dict) else None

    def vectors(self, name: str) -> list[Vector]:
        """Return all vectors of that name; the vectors themselves."""
        return [v for v in self.values.get(name, ()) if isinstance(v, dict)]

    def put(self, name: str, value: Value) -> None:
        """Set `name` to this one value."""
        self.values[name] = [value]

    def add(self, name: str, value: Value) -> None:
        """Add one more value to `name`."""
        self.values.setdefault(name, []).append(value)

    def erase(self, name: str) -> list[Value]:
        """Remove `name` and return what it held."""
        return self.values.pop(name, [])

    def take_text(self, name: str) -> str:
        """Remove `name` and return its text."""
        found = self.text(name)
        self.erase(name)
        return found

    def merge(self, other: "Attributes") -> None:
        """Take over every name of `other`, each replacing all values of that name."""
        self.values.update(other.copy().values)

    def copy(self) -> "Attributes":
        """Return a copy that shares nothing with this one."""
        return Attributes(
            {
                name: [dict(v) if isinstance(v, dict) else v for v in values]
                for name, values in self.values.items()
            }
        )

    def xml(self, root: str = "TEMPLATE", extra: str = "") -> str:
        """Write as XML below `root`, sorted by name, `extra` after the last."""
        parts = [f"<{root}>"]
        for name in sorted(self.values):
            parts.extend(value_xml(name, value) for value in self.values[name])
        parts.append(f"{extra}</{root}>")
        return "".join(parts)


def value_xml(name: str, value: Value) -> str:
    """Write one attribute as OpenNebula does: text as CDATA, vectors sorted."""
    if isinstance(value, str):
        return f"<{name}><![CDATA[{value}]]></{name}>"
    inner = "".join(f"<{k}><![CDATA[{value[k]}]]></{k}>" for k in sorted(value) if k)
    return f"<{name}>{inner}</{name}>"


def to_int(text: str) -> int | None:
    """Read an integer the way a C++ stream does, all of it."""
    return int(text) if re.fullmatch(r"\s*[+-]?[0-9]+", text) else None


def to_float(text: str) -> float | None:
    """Read a number the way a C++ stream does, all of it."""
    form = r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return float(text) if re.fullmatch(form, text) else None


def ids_of(text: str) -> list[int]:
    """Read a list of ids such as `0,105`: sorted, each once."""
    parts = (to_int(part) for part in text.split(","))
    return sorted({part for part in parts if part is not None})


def yes_no(*, value: bool) -> str:
    """Return OpenNebula's word for a truth value."""
    return "YES" if value else "NO"


def number_text(value: float) -> str:
    """Write a number as a C++ stream does by default."""
    return f"{value:g}"


def parse(text: str) -> Attributes:
    """Parse template text, or the same as XML where it begins with `<`.

    Raises:
        Refusal: it is neither (8192), in OpenNebula's words.
    """
    if text.startswith("<"):
        parsed = _from_xml(text)
    else:
        # A C string ends at the first NUL, and so does what OpenNebula reads.
        parsed = _Parser(text.split("\0", 1)[0]).template()
    for name, values in parsed.values.items():
        parsed.values[name] = [_trimmed(value) for value in values]
    return parsed


def restricted(
    attributes: Attributes, rules: Mapping[str, frozenset[str]]
) -> str | None:
    """Return the first attribute that an ordinary user may not set."""
    for name in sorted(rules):
        inner = rules[name]
        if not inner:
            if attributes.text(name, "\0") != "\0":
                return name
            continue
        for vector in attributes.vectors(name):
            for key in sorted(inner):
                if key in vector:
                    return key
    return None


def restricted_change(
    attributes: Attributes, base: Attributes, rules: Mapping[str, frozenset[str]]
) -> str | None:
    """Return the first restricted attribute that differs from `base`'s.

    A vector that is given has to repeat what `base` restricts in it; a text that is
    left out is carried over.
    """
    for name in sorted(rules):
        inner = rules[name]
        if inner:
            new = _restricted_values(attributes, name, inner)
            if name in attributes and new != _restricted_values(base, name, inner):
                return name
        elif name in attributes:
            if attributes.text(name) != base.text(name):
                return name
        elif name in base and isinstance(base.values[name][0], str):
            attributes.add(name, base.text(name))
    return None


def _restricted_values(
    attributes: Attributes, name: str, inner: frozenset[str]
) -> list[str]:
    vectors = attributes.vectors(name)
    return [v[key] for v in vectors for key in sorted(inner) if key in v]


def _trimmed(value: Value) -> Value:
    if isinstance(value, str):
        return value.strip(_BLANK)
    return {key: text.strip(_BLANK) for key, text in value.items()}


def _attribute_name(name: str) -> str:
    upper = name.upper()
    return f"ONE_{upper}" if upper[0].isdigit() else upper


def _from_xml(text: str) -> Attributes:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        raise internal("Parse error: XML Template malformed.") from None
    parsed = Attributes()
    for child in root.iterchildren(tag=etree.Element):
        inner = list(child.iterchildren(tag=etree.Element))
        if inner:
            vector = {str(e.tag): e.text or "" for e in inner}
            parsed.add(_attribute_name(str(child.tag)), vector)
        else:
            parsed.add(_attribute_name(str(child.tag)), child.text or "")
    return parsed


class _Token(NamedTuple):
    kind: str
    text: str


class _Parser:
    """The two-state scanner and the small grammar behind it, with its complaints."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._span = (0, 0)
        self._lines = 0
        self._in_value = False

    def template(self) -> Attributes:
        parsed = Attributes()
        while (token := self._next()).kind != "$end":
            if token.kind != "VARIABLE":
                raise self._error(token, "$end")
            name = _attribute_name(token.text)
            sign = self._expect("EQUAL", "EQUAL_EMPTY")
            if sign.kind == "EQUAL_EMPTY":
                parsed.add(name, "")
                continue
            value = self._expect("OBRACKET", "CCDATA", "STRING")
            match value.kind:
                case "CCDATA":
                    raise internal("Parse error.")
                case "STRING":
                    parsed.add(name, value.text.replace('\\"', '"'))
                case _:
                    parsed.add(name, self._vector())
        return parsed

    def _vector(self) -> Vector:
        vector: Vector = {}
        token = self._expect("CBRACKET", "VARIABLE")
        if token.kind == "CBRACKET":
            return vector
        while True:
            name = token.text.upper()
            self._expect("EQUAL")
            value = self._expect("STRING").text.replace('\\"', '"')
            # The first of two equal names stays.
            vector.setdefault(name, value)
            if self._expect("COMMA", "CBRACKET").kind == "CBRACKET":
                return vector
            token = self._expect("VARIABLE")

    def _expect(self, *kinds: str) -> _Token:
        token = self._next()
        if token.kind not in kinds:
            raise self._error(token, *kinds)
        return token

    def _error(self, token: _Token, *expected: str) -> Exception:
        first, last = self._span
        return internal(
            f"Parse error: syntax error, unexpected {token.kind}, expecting "
            f"{' or '.join(expected)} at line {self._lines}, "
            f"columns {first + 1}:{last + 1}"
        )

    def _next(self) -> _Token:
        while self._position < len(self._text):
            token = self._value() if self._in_value else self._initial()
            if token is not None:
                return token
        return _Token("$end", "")

    def _advance(self, end: int) -> None:
        self._span = (self._position, end)
        self._lines += self._text.count("\n", self._position, end)
        self._position = end

    def _initial(self) -> _Token | None:
        text, at = self._text, self._position
        found = _EQUAL.match(text, at)
        if found is not None:
            end = found.end()
            if end < len(text) and text[end] == "\n":
                self._advance(end + 1)
                return _Token("EQUAL_EMPTY", "")
            self._advance(end)
            self._in_value = True
            return _Token("EQUAL", "")
        for pattern, kind in ((_COMMA, "COMMA"), (_CLOSE, "CBRACKET")):
            found = pattern.match(text, at)
            if found is not None:
                self._advance(found.end())
                return _Token(kind, "")
        found = _SKIP.match(text, at)
        if found is not None:
            self._advance(found.end())
            return None
        found = _NAME.match(text, at)
        if found is not None:
            self._advance(found.end())
            return _Token("VARIABLE", found.group())
        # What no rule takes is passed over, a character at a time.
        self._advance(at + 1)
        return None

    def _value(self) -> _Token | None:
        text, at = self._text, self._position
        found = _OPEN.match(text, at)
        if found is not None:
            self._advance(found.end())
            self._in_value = False
            return _Token("OBRACKET", "")
        line_end = text.find("\n", at)
        line = text[at : len(text) if line_end < 0 else line_end]
        quoted = _QUOTED.match(text, at)
        if "]]>" in line or (quoted is not None and "]]>" in quoted.group()):
            self._advance(at + len(line))
            self._in_value = False
            return _Token("CCDATA", "")
        if quoted is not None:
            self._advance(quoted.end())
            self._in_value = False
            return _Token("STRING", quoted.group(1))
        found = _BARE.match(text, at)
        if found is not None:
            self._advance(found.end())
            self._in_value = False
            return _Token("STRING", found.group())
        self._advance(at + 1)
        return None
