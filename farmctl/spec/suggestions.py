"""Did you mean …: the nearest of what is known."""

import difflib
import re
from collections.abc import Collection

_LONGEST = 128
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # what is written may hold anything
_LISTED = 14
_SHORT = 3


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return what of `known` is most like `word`, None if nothing is like it."""
    if len(word) > _LONGEST:
        return None
    lower = {name.lower(): name for name in known}
    asked = word.strip().lower().replace("-", "_")
    if asked in lower:
        return lower[asked]
    cutoff = 0.5 if len(word) <= _SHORT else 0.6
    found = difflib.get_close_matches(word.strip().lower(), lower, n=1, cutoff=cutoff)
    return lower[found[0]] if found else None


def did_you_mean(
    word: str, known: Collection[str], *, else_say: str = "Known are"
) -> str:
    """Return a hint: the nearest, else the list if it is short, else nothing."""
    best = nearest(word, known)
    if best is not None:
        return f"Did you mean {best!r}?"
    listed = [name for name in known if _PLAIN.fullmatch(name)]
    if 0 < len(listed) <= _LISTED:
        return f"{else_say} {', '.join(listed)}."
    return ""
