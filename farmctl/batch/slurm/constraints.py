"""What features a job asks for with `--constraint`, as sets of which one fits.

`a&b|c` becomes {a, b} or {c}: Slurm takes `&` and `|` from left to right, parentheses
aside. Brackets ask for nodes that have the same one of several (`[a|b]`) or for so many
of each (`[a*2&b*4]`); of a single node either is asked.
"""

import re

_TOKEN = re.compile(r"[&|()\[\],]|[A-Za-z0-9_.:=+-]+(?:\*[0-9]+)?")
_MOST = 64

Sets = tuple[frozenset[str], ...]


def features(expression: str) -> Sets:
    """Return the sets of features of which a node must have one in full.

    An expression that is not understood is one feature of that name: no pool has it,
    and its owner is told.
    """
    if not expression:
        return ()
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != expression.replace(" ", ""):
        return (frozenset({expression}),)
    try:
        sets, rest = _sets(tokens, counted="*" in expression)
    except ValueError:
        return (frozenset({expression}),)
    if rest or not sets or len(sets) > _MOST:
        return (frozenset({expression}),)
    return tuple(dict.fromkeys(sets))


def _sets(
    tokens: list[str], *, counted: bool
) -> tuple[list[frozenset[str]], list[str]]:
    """Read an expression up to its closing bracket; return it and what follows."""
    found, rest = _operand(tokens, counted=counted)
    while rest and rest[0] in "&|,":
        operator = rest[0]
        more, rest = _operand(rest[1:], counted=counted)
        if operator == "|" or counted:
            found = found + more
        else:
            found = [one | other for one in found for other in more]
        if len(found) > _MOST:
            raise ValueError("too many alternatives")
    return found, rest


def _operand(
    tokens: list[str], *, counted: bool
) -> tuple[list[frozenset[str]], list[str]]:
    if not tokens:
        raise ValueError("it ends too early")
    first, rest = tokens[0], tokens[1:]
    if first in "([":
        found, rest = _sets(rest, counted=counted)
        if not rest or rest[0] not in ")]":
            raise ValueError("a bracket is not closed")
        return found, rest[1:]
    if first in "&|)],":
        raise ValueError("no feature where one should be")
    return [frozenset({first.partition("*")[0]})], rest
