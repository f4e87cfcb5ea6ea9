"""Amounts and durations, as people write them and as the program counts them.

Memory and disk are counted in whole MiB, because that is OpenNebula's own unit;
durations in whole seconds. What could be read in two ways ("15G", "90") is refused: a
node of the wrong size is found weeks later. No I/O; whoever reads files turns the
`ValueError` into a mistake with a place.
"""

import re
from fractions import Fraction
from math import ceil

MIB_PER_UNIT = {
    "MiB": Fraction(1),
    "GiB": Fraction(1024),
    "TiB": Fraction(1024**2),
    "MB": Fraction(10**6, 1024**2),
    "GB": Fraction(10**9, 1024**2),
    "TB": Fraction(10**12, 1024**2),
}
"""Exact MiB per unit: `GiB` is 1024 MiB, `GB` is 10^9 bytes."""

SECONDS_PER_UNIT = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""Seconds per unit, from the largest to the smallest, the order in which they stand."""

LARGEST_MIB = 1024**3
"""1 PiB: beyond any node; a number above it is a slip of the keyboard."""

LONGEST_SECONDS = 100 * 365 * 86_400
"""A hundred years: beyond any lease, and still within OpenNebula's time stamps."""

AMOUNT_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,9})? ?(MiB|GiB|TiB|MB|GB|TB)$"
"""What an amount looks like; for JSON Schema."""

DURATION_PATTERN = r"^(?=.)([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
"""What a duration looks like; for JSON Schema."""

_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(MiB|GiB|TiB|MB|GB|TB)")
_DURATION = re.compile(
    r"(?:([0-9]{1,12})w)?(?:([0-9]{1,12})d)?(?:([0-9]{1,12})h)?"
    r"(?:([0-9]{1,12})m)?(?:([0-9]{1,12})s)?"
)
_NUMBER_AND_LETTER = re.compile(
    r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([kmgt]?)", re.IGNORECASE
)
_NUMBER_AND_WORD = re.compile(
    r"\s*([0-9]{1,9})\s*"
    r"(w(?:eeks?)?|d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)\s*",
    re.IGNORECASE,
)
_SHOWN = 40


def parse_amount(text: str, *, of: str = "memory") -> int:
    """Return the whole MiB that `text` says, such as 15360 for "15GiB".

    Args:
        text: A number, at most one space, and MiB, GiB or TiB (powers of 1024) or MB,
            GB or TB (powers of 1000).
        of: What it is an amount of, for the message.

    Raises:
        ValueError: For anything else, for nothing, and for what is no whole number of
            MiB; the message says what to write instead.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{_shown(text)} is not an amount of {of}. Write {_amount_guess(text)}."
        )
    mib = Fraction(match[1]) * MIB_PER_UNIT[match[2]]
    if mib == 0:
        raise ValueError(f"{_shown(text)} is no {of} at all. Write 15GiB or 15360MiB.")
    if mib > LARGEST_MIB:
        raise ValueError(
            f"{_shown(text)} is more {of} than any node has: the limit is 1024TiB."
        )
    if mib.denominator != 1:
        alike = f"{match[1]}{match[2][0]}iB"
        instead = f"{ceil(mib)}MiB"
        if match[2] in ("GB", "TB") and "." not in match[1]:
            instead = f"{alike} or {instead}"
        raise ValueError(
            f"{_shown(text)} is {float(mib):.2f} MiB, and {of} comes in whole MiB. "
            f"Write {instead}."
        )
    return mib.numerator


def format_amount(mib: int) -> str:
    """Return `mib` in the largest unit that shows it whole: 15360 -> 15GiB."""
    for unit, size in (("TiB", 1024**2), ("GiB", 1024)):
        if mib and mib % size == 0:
            return f"{mib // size}{unit}"
    return f"{mib}MiB"


def parse_duration(text: str) -> int:
    """Return the seconds that `text` says, such as 5400 for "1h30m".

    Args:
        text: Whole numbers with w, d, h, m or s, from the largest unit to the smallest,
            each at most once.

    Raises:
        ValueError: For anything else and for no time at all; the message says what to
            write instead.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(
            f"{_shown(text)} is not a duration. Write {_duration_guess(text)}."
        )
    parts = zip(match.groups(default="0"), SECONDS_PER_UNIT.values(), strict=True)
    seconds = sum(int(number) * size for number, size in parts)
    if seconds == 0:
        raise ValueError(f"{_shown(text)} is no time at all. Write 90s, 1h30m or 7d.")
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{_shown(text)} is longer than a hundred years.")
    return seconds


def format_duration(seconds: int) -> str:
    """Return `seconds` as days, hours, minutes and seconds: 604800 -> 7d."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    shown = ""
    for unit in ("d", "h", "m", "s"):
        number, seconds = divmod(seconds, SECONDS_PER_UNIT[unit])
        if number:
            shown += f"{number}{unit}"
    return shown or "0s"


def _amount_guess(text: str) -> str:
    """Return what was probably meant, in two units where that teaches more."""
    match = _NUMBER_AND_LETTER.match(text)
    if match is None or Fraction(match[1]) == 0:
        return "15GiB or 15360MiB"
    unit = {"m": "MiB", "g": "GiB", "t": "TiB"}.get(match[2].lower())
    if unit is None:
        return f"{match[1]}GiB or {match[1]}MiB"
    mib = Fraction(match[1]) * MIB_PER_UNIT[unit]
    if unit == "MiB" or mib.denominator != 1:
        return f"{ceil(mib)}MiB"
    return f"{match[1]}{unit} or {mib}MiB"


def _duration_guess(text: str) -> str:
    """Return what was probably meant."""
    match = _NUMBER_AND_WORD.fullmatch(text)
    if match is not None and int(match[1]):
        return f"{int(match[1])}{match[2][0].lower()}"
    if text.isascii() and text.isdigit() and len(text) < _SHOWN and int(text):
        return f"{text}s, {text}m or {text}h"
    return "90s, 1h30m or 7d"


def _shown(text: str) -> str:
    """Return `text` in quotes, cut and without control characters."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
