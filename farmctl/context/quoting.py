"""Quoting: how a value gets into a template, or does not.

An expression in a template lands in a program: a shell script today, other languages
beside it later. Each language has a filter that quotes a value for it, or refuses the
value; only what such a filter returned may be printed. An expression that was
forgotten is an error when the template is rendered, not a hole in a farm.

Knows nothing of farms; `render` hands the values in.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from farmctl.errors import NotPossibleError

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")


class Quoted(str):
    """Text that was quoted for where it lands; made by filters only.

    Whatever is done to it afterwards gives a plain `str` again, which is not printed.
    """

    __slots__ = ()


class UnquotedError(NotPossibleError):
    """A template prints a value that no filter quoted: a mistake in the template."""


def shell(value: object) -> Quoted:
    """Quote one word for a POSIX shell.

    Raises:
        NotPossibleError: it holds a NUL or half a surrogate pair, which no shell
            variable can hold.
    """
    text = _text(value)
    if "\0" in text:
        raise NotPossibleError(
            f"{_shown(text)} holds a NUL byte, which a shell cannot hold.",
            hint="Remove it.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotPossibleError(
            f"{_shown(text)} is no Unicode text: {error.reason}.",
            hint="Write the file in UTF-8.",
        ) from error
    return Quoted(shlex.quote(text))


def shell_words(values: Sequence[object]) -> Quoted:
    """Quote each of `values` as a word of its own for a POSIX shell."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise NotPossibleError(f"{_shown(str(values))} is no list of words.")
    return Quoted(" ".join(shell(value) for value in values))


def word(value: object) -> Quoted:
    """Let through what needs no quotes in dnsmasq's or nftables' files.

    Both have words that cannot be quoted everywhere, so what is no plain word is
    refused: names, addresses, networks and numbers all are.
    """
    text = _text(value)
    if not _WORD.fullmatch(text):
        raise NotPossibleError(
            f"{_shown(text)} is no plain word, as the router's files need it.",
            hint="Use a-z, A-Z, 0-9, '.', '_', ':', '/' and '-'.",
        )
    return Quoted(text)


def words(values: Sequence[object], joint: str = " ") -> Quoted:
    """Let each of `values` through as `word` does, with `joint` between them."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise NotPossibleError(f"{_shown(str(values))} is no list of words.")
    return Quoted(joint.join(word(value) for value in values))


def canonical_json(value: object) -> str:
    """Return `value` as JSON, keys sorted, without a blank."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def environment(folder: Path) -> jinja2.Environment:
    """Return a Jinja environment for the templates in `folder`.

    A name that is not there is an error, and so is an expression that was not quoted.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        autoescape=False,  # noqa: S701 - not HTML; `finalize` refuses what is unquoted
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["sh"] = shell
    made.filters["sh_words"] = shell_words
    made.filters["word"] = word
    made.filters["words"] = words
    return made


def render(
    templates: jinja2.Environment, name: str, values: Mapping[str, object]
) -> str:
    """Render one template.

    Raises:
        UnquotedError: the template prints an unquoted value.
        NotPossibleError: a value cannot be quoted, is missing, or the template is.
    """
    try:
        return templates.get_template(name).render(values)
    except jinja2.TemplateNotFound as error:
        raise NotPossibleError(
            f"The template {error.name} is missing from farmctl.",
            hint="Install farmctl again.",
        ) from error
    except jinja2.TemplateError as error:
        raise NotPossibleError(f"The template {name} fails: {error}.") from error


def _finalize(value: object) -> object:
    if isinstance(value, Quoted) or type(value) is int:
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, and names what is missing
    raise UnquotedError(
        f"A template prints {_shown(str(value))} without quoting it.",
        hint="End the expression with a quoting filter, such as `| sh`.",
    )


def _text(value: object) -> str:
    if isinstance(value, jinja2.Undefined) or type(value) is int:
        return str(value)
    if isinstance(value, str):
        return str(value)
    raise NotPossibleError(f"{_shown(repr(value))} is no text.")


def _shown(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - one line
    return ascii(shown)
