"""Moments, as people type them: `14:02`, `2026-11-22 14:02`, `2h` ago, `now`."""

import datetime as dt

from farmctl.errors import NotPossibleError
from farmctl.units import parse_duration

_FORMS = ("%H:%M", "%H:%M:%S")


def parse(text: str, *, now: float) -> float:
    """Return the seconds since the epoch that `text` means, in local time.

    Args:
        text: `now`, a time of today, an ISO date and time (with or without a zone), a
            duration such as `2h` for so long ago, or seconds since the epoch as `@N`.
        now: the time, in seconds since the epoch.

    Raises:
        NotPossibleError: it is none of these, or lies in the future.
    """
    wanted = text.strip()
    found = _parse(wanted, now)
    if found is None:
        raise NotPossibleError(
            f"{text!r} is no moment.",
            hint="Write 14:02, '2026-11-22 14:02', 2h (ago) or @1795355075.",
        )
    if found > now + 1:
        raise NotPossibleError(
            f"{text!r} lies in the future.", hint="Only what was can be explained."
        )
    return found


def _parse(text: str, now: float) -> float | None:
    if text == "now":
        return now
    if text.startswith("@"):
        try:
            return float(text[1:])
        except ValueError:
            return None
    today = dt.datetime.fromtimestamp(now).astimezone()
    for form in _FORMS:
        try:
            read = dt.datetime.strptime(text, form)  # noqa: DTZ007 - zone follows
        except ValueError:
            continue
        return today.replace(
            hour=read.hour, minute=read.minute, second=read.second, microsecond=0
        ).timestamp()
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return now - parse_duration(text.removesuffix("ago").strip())
    except ValueError:
        return None
