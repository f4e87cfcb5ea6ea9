"""Text on its way to a terminal: nothing in it may steer the terminal.

Names, error texts and log lines come from the cloud, where others may have written
them. Also how numbers, times and lists are said, the same everywhere.
"""

import time
import unicodedata
from collections.abc import Iterable

PLAIN = str.maketrans(
    {
        "±": "*",
        "…": "...",
        "→": "->",
        "—": "-",
        "·": "-",
        "✓": "*",
        "✗": "x",
        "•": "*",
        "█": "#",
        "░": ".",
    }
)
"""What stands for our own signs where the terminal's encoding has none of them."""

_MINUTE = 60
_HOUR = 3_600
_DAY = 86_400


def clean(text: str, *, keep: str = "") -> str:
    """Return `text` with every control and direction character made visible.

    Args:
        text: whatever somebody wrote.
        keep: control characters that may stay, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each in keep or not _steers(each) else f"<U+{ord(each):04X}>"
        for each in text
    )


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def fits(encoding: str | None, text: str) -> str:
    """Return `text` as a terminal of this encoding can show it."""
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(PLAIN)
    return text


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 node` or `3 nodes`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def listed(words: Iterable[str], *, most: int = 6) -> str:
    """Return `a, b and c`; behind `most` words it says how many more there are."""
    all_words = list(words)
    shown = all_words[:most]
    if len(all_words) > most:
        return f"{', '.join(shown)} and {len(all_words) - most} more"
    if len(shown) > 1:
        return f"{', '.join(shown[:-1])} and {shown[-1]}"
    return "".join(shown)


def took(seconds: float) -> str:
    """Return a duration as people say it: 0.4 s, 12 s, 3 min 20 s, 5 h 10 min."""
    if seconds < 0:
        return "0.0 s"
    if seconds < 9.95:  # noqa: PLR2004 - below ten seconds tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        minutes, rest = divmod(whole, _MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < _DAY:
        hours, rest = divmod(whole // _MINUTE, _MINUTE)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(whole // _HOUR, 24)
    return f"{days} d {rest} h" if rest else f"{days} d"


def clock(at: float, *, now: float) -> str:
    """Return a moment in local time: 14:02 today, else 2026-11-22 14:02."""
    local = time.localtime(at)
    same_day = local[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", local)


def iso(at: float) -> str:
    """Return a moment for programs: 2026-11-22T13:02:11Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
