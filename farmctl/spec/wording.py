"""pydantic's errors in our own words, at their place in the file.

The only module that knows pydantic's error types. A mistake says what was found and
what belongs there; a key that is not known gets the nearest that is.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from farmctl.errors import Mistake
from farmctl.spec.base import RULE, Breach, Loc
from farmctl.spec.document import Document
from farmctl.spec.keys import description, homes, known_keys
from farmctl.spec.suggestions import did_you_mean, nearest
from farmctl.spec.text import SHOWN, Wrong, show

_KEY = "[key]"
_QUOTED = re.compile(r"'([^']*)'")
_SIMPLE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def mistakes(
    error: ValidationError, document: Document, model: type[BaseModel]
) -> list[Mistake]:
    """Return a mistake for each of pydantic's errors but those of rules between fields.

    A missing key is left out where a misspelt one beside it was meant for it.
    """
    details = error.errors(include_url=False)
    unknown = {
        (*at["loc"][:-1], meant)
        for at in details
        if at["type"] == "extra_forbidden"
        and (meant := nearest(str(at["loc"][-1]), known_keys(model, at["loc"][:-1])))
    }
    found = [
        _mistake(detail, document, model)
        for detail in details
        if detail["type"] != RULE
        and not (detail["type"] == "missing" and detail["loc"] in unknown)
    ]
    return list(dict.fromkeys(found))


def breaches(broken: Iterable[Breach], document: Document) -> list[Mistake]:
    """Return a mistake for each broken rule between fields."""
    return [_at(document, breach.loc, breach.message, breach.hint) for breach in broken]


def told_rules(error: ValidationError, document: Document) -> list[Mistake]:
    """Return a mistake for each broken rule between fields that pydantic tells of."""
    return [
        _at(document, detail["loc"], detail["ctx"]["message"], detail["ctx"]["hint"])
        for detail in error.errors(include_url=False)
        if detail["type"] == RULE
    ]


def dotted(loc: Loc) -> str:
    """Return a path as people write it: `router.forwards[1].to`."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            shown = part if _SIMPLE.fullmatch(part) else show(part)
            path += f".{shown}" if path else shown
    return path


def _mistake(
    detail: ErrorDetails, document: Document, model: type[BaseModel]
) -> Mistake:
    loc = detail["loc"]
    if loc and loc[-1] == _KEY:
        message, hint = _words(detail, document, model, loc[:-1])
        return _at(document, loc[:-1], message, hint, of_key=True)
    match detail["type"]:
        case "missing":
            hint = description(model, loc)
            return _at(document, loc, "is missing.", hint, of_key=True)
        case "extra_forbidden":
            hint = _unknown_key(str(loc[-1]), model, loc[:-1])
            return _at(document, loc, "this key is not known.", hint, of_key=True)
        case _:
            while loc and loc not in document.places:
                loc = loc[:-1]
            message, hint = _words(detail, document, model, loc)
            return _at(document, loc, message, hint)


def _words(
    detail: ErrorDetails, document: Document, model: type[BaseModel], loc: Loc
) -> tuple[str, str]:
    """Return what is wrong with a value and what to write instead."""
    value = detail["input"]
    limits: Mapping[str, Any] = detail.get("ctx", {})
    shown = show(value)
    if value is None and detail["type"] != "value_error":
        return "has no value.", description(model, loc)
    match detail["type"]:
        case "value_error":
            error = limits["error"]
            if isinstance(error, Wrong):
                return error.message, error.hint
            return str(error), ""
        case "literal_error" | "enum":
            choices = _QUOTED.findall(str(limits["expected"]))
            listed = _or(choices)
            best = nearest(value, choices) if isinstance(value, str) else None
            hint = f"Did you mean {best!r}?" if best else ""
            return f"{shown} is not one of {listed}.", hint
        case "greater_than_equal":
            return f"{shown} is too small; the least is {limits['ge']}.", ""
        case "less_than_equal":
            return f"{shown} is too large; the most is {limits['le']}.", ""
        case "int_type" | "int_from_float":
            hint = ""
            if isinstance(value, str) and value.isascii() and value.isdigit():
                hint = f"Write {int(value[:18])}, without quotes or zeros before it."
            return f"{shown} is not a whole number.", hint
        case "bool_type":
            truth = _TRUTHS.get(str(value).lower(), "true or false")
            return f"{shown} is neither true nor false.", f"Write {truth}."
        case "string_type":
            written = document.written.get(loc, "")
            if isinstance(value, int | float) and len(written) <= SHOWN:
                return f"{shown} is not text.", f'Put it in quotes: "{written}".'
            return f"needs text, not {shown}.", ""
        case "tuple_type" | "list_type":
            hint = f"Write [{value}]." if _short(value) else "Write it in [ ]."
            return f"needs a list, not {shown}.", hint
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return f"needs keys of its own, not {shown}.", ""
        case _:
            return f"{shown} does not belong here.", ""


def _unknown_key(key: str, model: type[BaseModel], loc: Loc) -> str:
    """Return the nearest known key, or where this key belongs, or what is known."""
    known = known_keys(model, loc)
    if nearest(key, known) is None:
        places = [
            f"{home}.{key}" if home else key for home in homes(model, key) if home
        ]
        if places:
            return f"It belongs in {_or(places)}."
    return did_you_mean(key, known, else_say="Known here are")


def _at(
    document: Document, loc: Loc, message: str, hint: str, *, of_key: bool = False
) -> Mistake:
    line, column = document.place(loc, of_key=of_key)
    return Mistake(
        file=document.file,
        line=line,
        column=column,
        path=dotted(loc),
        message=message,
        hint=hint,
    )


def _or(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _short(value: object) -> bool:
    return isinstance(value, str | int) and bool(
        _SIMPLE.fullmatch(str(value).replace("/", "."))
    )
