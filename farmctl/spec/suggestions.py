"""Did you mean …: the nearest of what is known."""

import difflib
from collections.abc import Collection

_LONGEST = 128
_LISTED = 12


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return what of `known` is most like `word`, None if nothing is like it."""
    if len(word) > _LONGEST:
        return None
    lower = {name.lower(): name for name in known}
    asked = word.strip().lower().replace("-", "_")
    if asked in lower:
        return lower[asked]
    found = difflib.get_close_matches(word.strip().lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def did_you_mean(
    word: str, known: Collection[str], *, else_say: str = "Known are"
) -> str:
    """Return a hint: the nearest, else the list if it is short, else nothing."""
    best = nearest(word, known)
    if best is not None:
        return f"Did you mean {best!r}?"
    if 0 < len(known) <= _LISTED:
        return f"{else_say} {', '.join(known)}."
    return ""
