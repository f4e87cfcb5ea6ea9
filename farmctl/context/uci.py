r"""OpenWrt's UCI text, from values: what is written is what `uci` reads back.

Knows nothing of routers. Every section is named, so that two texts differ where their
values do and `uci set dhcp.host_x.ip=` finds its section; the order is that in which
the values stand. What UCI's parser could take for more than a value is refused before
anything is written: a value ends where its quote ends, and nowhere else.

UCI's own rules are those of libuci's `file.c` and `util.c`: inside `'…'` nothing has a
meaning but `'` itself, which is written as `'\''`, and no line is too long. An empty
value reads back as no option at all, so it is refused; so are line breaks, which other
readers of these files take for the end, and every other control character.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from farmctl.errors import NotPossibleError

Value = str | int | bool
"""One value: text, a number, or yes (1) and no (0)."""

_NAME = re.compile(r"[A-Za-z0-9_]+")
_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section: its type, its name, and its options in their order.

    A tuple is a list, and an empty one is left out, as UCI knows no empty list.
    """

    type: str
    name: str
    options: tuple[tuple[str, Value | tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One file of /etc/config."""

    name: str
    sections: tuple[Section, ...] = ()


def section(
    kind: str, section_name: str, /, **options: Value | tuple[str, ...] | None
) -> Section:
    """Return a section; an option that is None is left out."""
    return Section(
        type=kind,
        name=section_name,
        options=tuple(
            (key, value) for key, value in options.items() if value is not None
        ),
    )


def identifier(*parts: str | int) -> str:
    """Return a section name made of `parts`, each `-` in them written `_`.

    Raises:
        NotPossibleError: another character in them is none that UCI takes.
    """
    return _checked("_".join(str(part) for part in parts).replace("-", "_"), _NAME)


def render(package: Package) -> str:
    """Return the text of a file.

    Raises:
        NotPossibleError: a name is none that UCI takes, two sections or options share
            one, or a value holds what UCI cannot hold.
    """
    _checked(package.name, _TYPE)
    _refuse_twice((each.name for each in package.sections), f"in {package.name}")
    return "\n".join(_section(package, each) for each in package.sections)


def quote(value: Value) -> str:
    """Quote one value.

    Raises:
        NotPossibleError: it is empty, or holds a line break, another control character
            or half a surrogate pair.
    """
    if isinstance(value, bool):
        return "'1'" if value else "'0'"
    text = str(value)
    if not text:
        raise NotPossibleError(
            "A value is empty, which UCI does not tell from none.",
            hint="Leave the option out.",
        )
    for char in text:
        if unicodedata.category(char) in _FORBIDDEN:
            raise NotPossibleError(
                f"{_shown(text)} holds U+{ord(char):04X}, which no UCI file can hold.",
                hint="Take it out.",
            )
    return "'" + text.replace("'", "'\\''") + "'"


def _section(package: Package, each: Section) -> str:
    where = f"in {package.name}.{each.name}"
    _refuse_twice((key for key, _ in each.options), where)
    lines = [f"config {_checked(each.type, _TYPE)} '{_checked(each.name, _NAME)}'"]
    for key, value in each.options:
        lines += _option(_checked(key, _NAME), value)
    return "".join(f"{line}\n" for line in lines)


def _option(key: str, value: Value | tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, tuple):
        for item in value:
            yield f"\tlist {key} {quote(item)}"
    else:
        yield f"\toption {key} {quote(value)}"


def _checked(name: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(name):
        raise NotPossibleError(
            f"{_shown(name)} cannot be a name in a UCI file.",
            hint="Use A-Z, a-z, 0-9 and '_'.",
        )
    return name


def _refuse_twice(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise NotPossibleError(f"{_shown(name)} stands twice {where}.")
        seen.add(name)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:39]}…")  # noqa: PLR2004 - one line
