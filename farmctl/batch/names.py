"""Names of nodes: what may be handed to a batch system, and lists that are folded.

Slurm writes `wn-[001-003,007],gpu1`; `unfolded` returns the names. Nothing that is no
plain host name ever stands in a command.
"""

import re
from collections.abc import Sequence

from farmctl.errors import BatchAnswerError, NotPossibleError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_PART = re.compile(r"([^,\[\]]*)(?:\[([0-9,-]+)\])?([^,\[\]]*)")
_MOST = 65_536


def valid(names: Sequence[str]) -> tuple[str, ...]:
    """Return `names` without repetition, in their order.

    Raises:
        NotPossibleError: one of them is no host name.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise NotPossibleError(f"{name[:80]!r} is not a name of a node.")
    return tuple(dict.fromkeys(names))


def unfolded(text: str) -> tuple[str, ...]:
    """Return the names in a list as Slurm folds it, in its order.

    Raises:
        BatchAnswerError: it is no such list.
    """
    if "[" not in text and "]" not in text:
        return tuple(text.split(",")) if text else ()
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.end() == at:
            raise BatchAnswerError(f"{text[:80]!r} is not a list of nodes.")
        before, numbers, after = match.groups()
        if numbers is None:
            found.append(before)
        else:
            found += [f"{before}{number}{after}" for number in _numbers(numbers)]
        at = match.end()
        if at < len(text):
            if text[at] != ",":
                raise BatchAnswerError(f"{text[:80]!r} is not a list of nodes.")
            at += 1
    return tuple(found)


def _numbers(text: str) -> list[str]:
    """Return the numbers of `001-003,7`, each as wide as it is written."""
    found: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise BatchAnswerError(f"{text[:80]!r} are not numbers of nodes.")
        low, high = int(first), int(last or first)
        if not 0 <= high - low < _MOST:
            raise BatchAnswerError(f"{text[:80]!r} are not numbers of nodes.")
        found += [f"{number:0{len(first)}d}" for number in range(low, high + 1)]
    return found
