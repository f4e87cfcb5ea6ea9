"""OpenNebula's requirement expressions, as `SCHED_REQUIREMENTS` carries them.

Pure: text comes in, a value goes out, and the value says whether a host, a datastore
or a network fits. Where the attributes come from is the caller's business: the cloud's
adapter reads them from a host, the embedded cloud from its own objects.

The grammar is OpenNebula 7.4's (`expr_bool`), with two habits that surprise: `!`, `&`
and `|` bind equally and group from the left, so `A | B & C` means `(A | B) & C`; and a
comparison with an attribute that is not there is false, `!=` included. One thing is
wider: a path such as `TEMPLATE/FARM_CLASS` may stand without quotes.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

Attributes = Mapping[str, str | Sequence[str]]
"""What an object shows: a name or path, and its value or values."""

_MAX_DEPTH = 64
_TEMPLATE = "TEMPLATE/"
_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
    |(?P<quoted>"[^"]*")
    |(?P<name>[A-Za-z][0-9A-Za-z_]*(?:/[A-Za-z][0-9A-Za-z_]*)*)
    |(?P<float>-?[0-9]+\.[0-9]+)
    |(?P<integer>-?[0-9]+)
    |(?P<sign>@>|!=|[!&|=<>()])
    """,
    re.VERBOSE,
)
_INTEGER = re.compile(r"\s*[+-]?[0-9]+")
_FLOAT = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One attribute held against one value; a string value may hold `*` and `?`."""

    name: str
    operator: str
    value: str | int | float

    def matches(self, attributes: Attributes) -> bool:
        """Say whether the attribute is there and compares as asked."""
        found = _values(self.name, attributes)
        match self.value:
            case str() as pattern:
                # OpenNebula hands an empty string on as no string at all, and nothing
                # compares with that.
                return pattern != "" and _text(self.operator, found, pattern)
            case int() as number:
                return _number(self.operator, _numbers(found, _INTEGER), number)
            case float() as number:
                return _number(self.operator, _numbers(found, _FLOAT), number)
            case _ as never:
                assert_never(never)


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation:
    """True where `inner` is false."""

    inner: "Node"

    def matches(self, attributes: Attributes) -> bool:
        """Say whether `inner` does not match."""
        return not self.inner.matches(attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """`first`, then each pair of `&` or `|` and what follows, from left to right."""

    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]

    def matches(self, attributes: Attributes) -> bool:
        """Evaluate from the left; `&` and `|` bind equally."""
        value = self.first.matches(attributes)
        for sign, node in self.rest:
            if sign == "&":
                value = value and node.matches(attributes)
            else:
                value = value or node.matches(attributes)
        return value


Node = Comparison | Negation | Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A parsed expression; `text` is what was written, blank at the ends removed."""

    text: str
    root: Node | None

    def matches(self, attributes: Attributes) -> bool:
        """Say whether an object with these attributes fulfils the requirement.

        A name is looked up as it is written; `TEMPLATE/X` is also found as `X`. An
        empty requirement fits everything.
        """
        return self.root is None or self.root.matches(attributes)


def parse(text: str) -> Requirement:
    """Parse a requirement expression.

    Args:
        text: the expression; an empty one fits everything.

    Raises:
        ValueError: it is none; the message says at which column, counted from 1.
    """
    parser = _Parser(text)
    root = None if parser.at_end() else parser.chain(depth=0)
    parser.expect_end()
    return Requirement(text=text.strip(), root=root)


def all_of(*texts: str) -> str:
    """Join requirements into one that holds when all of them hold.

    Each is parsed first, so that none can close a parenthesis that is not its own;
    empty ones are left out, and one alone is returned as it stands.

    Raises:
        ValueError: one of them is no requirement expression.
    """
    written = [parse(text).text for text in texts if text.strip()]
    if len(written) == 1:
        return written[0]
    return " & ".join(f"({text})" for text in written)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._end = len(text) + 1

    def at_end(self) -> bool:
        return self._next == len(self._tokens)

    def expect_end(self) -> None:
        if not self.at_end():
            raise self._unexpected("an operator or the end")

    def chain(self, *, depth: int) -> Node:
        first = self._factor(depth=depth)
        rest: list[tuple[str, Node]] = []
        while (sign := self._take("&", "|")) is not None:
            rest.append((sign, self._factor(depth=depth)))
        return Chain(first=first, rest=tuple(rest)) if rest else first

    def _factor(self, *, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self._unexpected(f"at most {_MAX_DEPTH} levels of nesting")
        if self._take("!") is not None:
            return Negation(inner=self._factor(depth=depth + 1))
        if self._take("(") is not None:
            inner = self.chain(depth=depth + 1)
            if self._take(")") is None:
                raise self._unexpected("')'")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        name = self._kind("name", "quoted")
        if name is None or name.text == "":
            raise self._unexpected("the name of an attribute")
        operator = self._take("=", "!=", ">", "<", "@>")
        if operator is None:
            raise self._unexpected("one of = != > < @>")
        column = self._column()
        value = self._kind("name", "quoted", "integer", "float")
        if value is None:
            raise self._unexpected("a value")
        if value.kind == "integer":
            number = int(value.text)
            return Comparison(name=name.text, operator=operator, value=number)
        if value.kind == "float":
            fraction = float(value.text)
            return Comparison(name=name.text, operator=operator, value=fraction)
        if operator in "<>":
            raise ValueError(
                f"column {column}: {operator} compares numbers, not {value.text!r}"
            )
        return Comparison(name=name.text, operator=operator, value=value.text)

    def _take(self, *signs: str) -> str | None:
        if self.at_end():
            return None
        token = self._tokens[self._next]
        if token.kind != "sign" or token.text not in signs:
            return None
        self._next += 1
        return token.text

    def _kind(self, *kinds: str) -> _Token | None:
        if self.at_end() or self._tokens[self._next].kind not in kinds:
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _column(self) -> int:
        return self._end if self.at_end() else self._tokens[self._next].column

    def _unexpected(self, wanted: str) -> ValueError:
        here = "the end" if self.at_end() else repr(self._tokens[self._next].text)
        return ValueError(f"column {self._column()}: expected {wanted}, found {here}")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(
                f"column {position + 1}: {text[position]!r} has no meaning here"
            )
        kind = str(found.lastgroup)
        if kind != "blank":
            word = found.group()
            if kind == "quoted":
                word = word[1:-1]
            tokens.append(_Token(kind=kind, text=word, column=position + 1))
        position = found.end()
    return tokens


def _values(name: str, attributes: Attributes) -> Sequence[str]:
    value = attributes.get(name)
    if value is None and name.startswith(_TEMPLATE):
        value = attributes.get(name.removeprefix(_TEMPLATE))
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _text(operator: str, found: Sequence[str], pattern: str) -> bool:
    # fnmatch(3) takes a backslash as an escape, Python's fnmatch does not.
    glob = _ESCAPED.sub(r"[\1]", pattern)
    if operator == "@>":
        return any(fnmatch.fnmatchcase(value, glob) for value in found)
    if not found:
        return False
    return fnmatch.fnmatchcase(found[0], glob) == (operator == "=")


def _numbers(found: Sequence[str], form: re.Pattern[str]) -> list[float]:
    # A value is read as far as it is a number, as a C++ stream does.
    starts = (form.match(value) for value in found)
    return [float(start.group()) for start in starts if start is not None]


def _number(operator: str, found: Sequence[float], wanted: float) -> bool:
    if not found:
        return False
    match operator:
        case "@>":
            return wanted in found
        case "=":
            return found[0] == wanted
        case "!=":
            return found[0] != wanted
        case ">":
            return found[0] > wanted
        case _:
            return found[0] < wanted
