"""What the core has learned, as one small JSON value, and back.

It lives in the farm's document beside other things, so it is bounded: the owners that
were heard of last are kept, the others are forgotten. `scaler` offers it; where the
value is stored, and how often, is left to the rooms above. What is learned can be
learned again: a value that cannot be used is no error, the core begins anew.
"""

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from farmctl.elastic.arrivals import (
    BINS,
    EDGES,
    FORGET,
    RECALLED,
    Arrivals,
    Owner,
    recall,
)
from farmctl.elastic.beside import Beside
from farmctl.elastic.foretold import Foretold, within
from farmctl.elastic.ladder import WEEK_HOURS, BaseLoad
from farmctl.elastic.learned import SETTLED, Kind, Learned, Mean
from farmctl.elastic.limits import Spending
from farmctl.elastic.releases import Releases
from farmctl.elastic.runtimes import RECENT, Runtimes

VERSION = 3

COARSE = 1
"""An early version: bins of ages twice as wide, and no trust in the forecast."""

EARLIER = 2
"""The version before: free slots beside work as a multiple of boots, not of a guess."""

LARGEST = 16 * 1024
"""Bytes of the value as compact JSON, at most."""

KINDS = 24
"""Images and classes of which the times are kept, the last measured ones."""

NAMES = 64
"""Characters of an owner's name above which it is not worth its place."""

HOURS = 168
PARTS = 31

Value = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that learns."""

    arrivals: Arrivals
    runtimes: Runtimes
    learned: Learned
    base: BaseLoad
    spending: Spending
    foretold: Foretold
    beside: Beside
    releases: Releases


def saved(parts: Parts) -> Value:
    """Return all that was learned; at most `LARGEST` bytes as compact JSON."""
    arrivals, runtimes, base = parts.arrivals, parts.runtimes, parts.base
    value: Value = {
        "version": VERSION,
        "arrivals": _arrivals(arrivals),
        "runs": [_short(seconds) for seconds in runtimes.all],
        "times": _times(parts.learned),
        "base": [base.hour, base.low, *base.lows],
        "spent": [parts.spending.day, _short(parts.spending.hours)],
        "foretold": [_short(parts.foretold.level), _short(parts.foretold.upto, 9)],
        "beside": [
            _short(parts.beside.free),
            _short(parts.beside.guessed),
            _short(parts.beside.upto, 9),
        ],
        "releases": [
            _short(parts.releases.took),
            _short(parts.releases.guessed),
            _short(parts.releases.upto, 9),
        ],
        "owners": {},
    }
    left = LARGEST - len(_compact(value))
    names = {*runtimes.owners, *arrivals.recent}
    heard = {
        name: arrivals.owners[name].heard if name in arrivals.owners else 0.0
        for name in names
    }
    for name in sorted(names, key=lambda name: (-heard[name], name)):
        if len(name) > NAMES:
            continue
        entry = _owner(arrivals.recent.get(name), runtimes.owners.get(name))
        left -= len(_compact({name: entry}))
        if left < 0:
            break
        value["owners"][name] = entry
    return value


def restored(value: object, parts: Parts) -> bool:
    """Fill the parts, which must be fresh, from what `saved` returned.

    Return whether the value could be used; if not, some parts may be half filled and
    are to be thrown away.
    """
    if not isinstance(value, Mapping):
        return False
    version = value.get("version")
    if version not in (COARSE, EARLIER, VERSION):
        return False
    coarse = version == COARSE
    arrivals, runtimes, learned = parts.arrivals, parts.runtimes, parts.learned
    base, spending = parts.base, parts.spending
    try:
        _fill_arrivals(arrivals, value["arrivals"], coarse=coarse)
        runtimes.all = deque(_numbers(value["runs"]), maxlen=RECENT)
        for key, table in _tables(learned).items():
            for image, hypervisor_class, seconds, *count in value["times"][key]:
                kept = Mean(
                    seconds=_number(seconds),
                    # What an earlier farmctl wrote has none: it is old enough.
                    count=_count(count[0]) if count else SETTLED,
                )
                table[_kind(image, hypervisor_class)] = kept
        for image, hypervisor_class, share in value["times"]["failures"]:
            learned.failures[_kind(image, hypervisor_class)] = _number(share)
        learned.newest = _kind(*value["times"]["newest"])
        hour, low, *lows = value["base"]
        base.hour = None if hour is None else _count(hour)
        base.low, base.lows = _count(low), deque(map(_count, lows), maxlen=WEEK_HOURS)
        day, hours = value["spent"]
        spending.day, spending.hours = int(day), _number(hours)
        level, upto = value["foretold"]
        if not coarse:
            parts.foretold.level = within(_signed(level))
            parts.foretold.upto = _number(upto)
        if version == VERSION:
            beside, releases = parts.beside, parts.releases
            free, guessed, seen = _numbers(value["beside"], 3)
            beside.free, beside.guessed, beside.upto = free, guessed, seen
            took, guessed, seen = _numbers(value["releases"], 3)
            releases.took, releases.guessed, releases.upto = took, guessed, seen
        for name, entry in value["owners"].items():
            _fill_owner(arrivals, runtimes, str(name), entry, coarse=coarse)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return False
    return True


def _arrivals(arrivals: Arrivals) -> Value:
    return {
        "seen": _short(arrivals.seen, 9),
        "since": arrivals.crowd_since,
        "crowd": arrivals.crowd_events,
        "bursts": arrivals.bursts,
        "events": [list(map(_short, row)) for row in arrivals.events],
        "exposed": [list(map(_short, row)) for row in arrivals.exposed],
        "hours": list(map(_short, arrivals.hours)),
        "expected": list(map(_short, arrivals.expected)),
        "days": list(map(_short, arrivals.days)),
        "days_expected": list(map(_short, arrivals.days_expected)),
        "rows": [arrivals.rows, _short(arrivals.followed)],
        "sizes": _folded(arrivals.sizes),
    }


def _fill_arrivals(arrivals: Arrivals, value: Value, *, coarse: bool) -> None:
    arrivals.seen = _number(value["seen"])
    since = value["since"]
    arrivals.crowd_since = None if since is None else _number(since)
    arrivals.crowd_events = _number(value["crowd"])
    arrivals.bursts = _count(value["bursts"])
    arrivals.events = [_bins(row, coarse=coarse) for row in _two(value["events"])]
    arrivals.exposed = [_bins(row, coarse=coarse) for row in _two(value["exposed"])]
    arrivals.hours = _numbers(value["hours"], HOURS)
    arrivals.expected = _numbers(value["expected"], HOURS)
    arrivals.days = _numbers(value["days"], PARTS)
    arrivals.days_expected = _numbers(value["days_expected"], PARTS)
    arrivals.all_expected = sum(arrivals.expected)
    arrivals.rows, arrivals.followed = _numbers(value["rows"], 2)
    flat = [_count(number) for number in value["sizes"]]
    sizes = [size for size, times in _pairs(flat) for _ in range(min(times, FORGET))]
    arrivals.sizes = deque(sizes, maxlen=FORGET)
    arrivals.size_counts = dict(Counter(arrivals.sizes))


def _owner(owner: Owner | None, runs: "deque[float] | None") -> list[Any]:
    """Return [recent runs, heard, bins with bursts or exposure, sizes]."""
    last = [_short(seconds) for seconds in runs or ()]
    if owner is None:
        return [last]
    bins: list[float] = []
    for at, (bursts, exposed) in enumerate(
        zip(owner.bursts, owner.exposed, strict=True)
    ):
        if bursts or exposed:
            bins += [at, _short(bursts), _short(exposed, 3)]
    return [last, round(owner.heard), bins, list(owner.sizes)]


def _fill_owner(
    arrivals: Arrivals,
    runtimes: Runtimes,
    name: str,
    entry: list[Any],
    *,
    coarse: bool,
) -> None:
    if entry[0]:
        runtimes.heard(name, _numbers(entry[0]))
    if len(entry) == 1:
        return
    _, heard, bins, sizes = entry
    owner = Owner(_number(heard), _number(heard))
    count = BINS // 2 + 1 if coarse else BINS
    bursts, exposed = [0.0] * count, [0.0] * count
    for at in range(0, len(bins), 3):
        place = _count(bins[at])
        bursts[place] = _number(bins[at + 1])
        exposed[place] = _number(bins[at + 2])
    owner.bursts = _bins(bursts, coarse=coarse)
    owner.exposed = _bins(exposed, coarse=coarse)
    for size in sizes[-RECALLED:]:
        recall(owner, _count(size))
    arrivals.owners[name] = arrivals.recent[name] = owner


def _times(learned: Learned) -> Value:
    value: Value = {
        key: [
            [*kind, _short(mean.seconds), mean.count]
            for kind, mean in [*table.items()][-KINDS:]
        ]
        for key, table in _tables(learned).items()
    }
    value["failures"] = [
        [*kind, _short(share)] for kind, share in [*learned.failures.items()][-KINDS:]
    ]
    value["newest"] = list(learned.newest)
    return value


def _tables(learned: Learned) -> dict[str, dict[Kind, Mean]]:
    return {
        "boots": learned.boots,
        "stops": learned.stops,
        "resumes": learned.resumes,
    }


def _kind(image: object, hypervisor_class: object) -> Kind:
    return str(image), str(hypervisor_class)


def _folded(sizes: "deque[int]") -> list[int]:
    """Return runs of equal sizes as size and length, one after the other."""
    folded: list[int] = []
    for size in sizes:
        if folded and folded[-2] == size:
            folded[-1] += 1
        else:
            folded += [size, 1]
    return folded


def _pairs(flat: list[int]) -> list[tuple[int, int]]:
    if len(flat) % 2:
        raise ValueError("an odd number of sizes and lengths")
    return [pair for at, pair in enumerate(pairwise(flat)) if at % 2 == 0]


def _bins(row: list[Any], *, coarse: bool) -> list[float]:
    """Return what each bin of ages has; a coarse one is shared by its two halves."""
    if not coarse:
        return _numbers(row, BINS)
    first, *wide, last = _numbers(row, BINS // 2 + 1)
    fine = [first]
    for amount, low, middle, high in zip(
        wide, EDGES[:-1:2], EDGES[1::2], EDGES[2::2], strict=True
    ):
        share = (middle - low) / (high - low)
        fine += [amount * share, amount * (1 - share)]
    return [*fine, last]


def _two(rows: list[Any]) -> list[Any]:
    if len(rows) != 2:  # noqa: PLR2004 - with work of the owner there, and without
        raise ValueError("not two tables")
    return rows


def _numbers(values: list[Any], count: int | None = None) -> list[float]:
    numbers = [_number(value) for value in values]
    if count is not None and len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers instead of {count}")
    return numbers


def _number(value: object) -> float:
    number = _signed(value)
    if number < 0:
        raise ValueError(f"{number} is no amount")
    return number


def _signed(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if not isfinite(value):
        raise ValueError(f"{value} is no number to reckon with")
    return float(value)


def _count(value: object) -> int:
    return int(_number(value))


def _short(value: float, digits: int = 4) -> float:
    """Return the number with so many digits, as an integer where it is one."""
    few = abs(value) < 10**digits
    rounded = float(f"{value:.{digits}g}") if few else round(value)
    return int(rounded) if rounded == int(rounded) else rounded


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
