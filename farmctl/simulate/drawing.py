"""Draws curves and points as inline SVG: no script, no font, no outside resource.

Colours are Okabe and Ito's, which colour-blind people tell apart; lines differ in their
dashes as well, points in their shapes. Every text is escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 4")
WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 44

FEW_DECADES = 3000
"""Below this ratio of an axis' ends, 2 and 5 are ticks beside 1."""

MANY = 500
"""From so many points on a line is thin, so that what is behind it can be seen."""

NEAR = 8.0
"""A name that stands further from its point, up or down, has a line to it."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A named curve; `steps`: it keeps each value until the next.

    `filled`: the area below it is drawn instead of a line.
    """

    name: str
    points: Points
    steps: bool = False
    filled: bool = False


def chart(
    curves: Sequence[Curve],
    *,
    title: str,
    across: str,
    up: str,
    logarithmic: bool = False,
) -> str:
    """Return the curves as one SVG picture with axes and a legend below it."""
    frame = _Frame([curve.points for curve in curves], logarithmic=logarithmic)
    parts = [frame.axes(across, up)]
    keys: list[str] = []
    for at, curve in enumerate(curves):
        lines = sum(not earlier.filled for earlier in curves[:at])
        colour, dash = COLOURS[at % 7], DASHES[lines % 7]
        path = frame.path(curve.points, steps=curve.steps)
        if curve.filled:
            ink = f'fill="{colour}" fill-opacity="0.35" stroke="none"'
            if curve.points:
                path = frame.ground(curve.points, path)
            key = f'<path d="M0 0H36V10H0Z" class="area" {ink}/>'
        else:
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            width = 1.6 if len(curve.points) < MANY else 0.8
            ink = f'fill="none" stroke="{colour}" stroke-width="{width}"{dashed}'
            key = f'<path d="M0 5H36" {ink}/>'
        parts.append(f'<path d="{path}" {ink}/>')
        keys.append(
            f'<li><svg width="36" height="10" aria-hidden="true">{key}</svg> '
            f"{escape(curve.name)}</li>"
        )
    return f'{_svg(parts, title)}<ul class="key">{"".join(keys)}</ul>'


def scatter(
    points: Sequence[tuple[str, float, float, bool]],
    *,
    title: str,
    across: str,
    up: str,
) -> str:
    """Return named points as one SVG picture, both axes logarithmic.

    A point is its name, its place across and up, and whether it is to stand out.
    """
    frame = _Frame([[(x, y) for _, x, y, _ in points]], logarithmic=True, both=True)
    parts = [frame.axes(across, up)]
    taken = [_Box(frame.x(x) - 6, frame.y(y) - 6, 12, 12) for _, x, y, _ in points]
    for name, x, y, ours in points:
        left, top = frame.x(x), frame.y(y)
        if ours:
            mark = (
                f'<rect x="{left - 5:.1f}" y="{top - 5:.1f}" width="10" height="10" '
                f'fill="{COLOURS[1]}"/>'
            )
        else:
            mark = f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{COLOURS[0]}"/>'
        box = _label(left, top, 7.2 * len(name), taken)
        taken.append(box)
        parts.append(
            f"<g><title>{escape(name)}: {x:.0f}, {y:.0f}</title>"
            f"{_leader(left, top, box)}{mark}"
            f'<text x="{box.left:.1f}" y="{box.top + 10:.1f}">{escape(name)}</text></g>'
        )
    return _svg(parts, title)


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    width: float
    height: float

    def hits(self, other: "_Box") -> bool:
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def _label(x: float, y: float, width: float, taken: Sequence[_Box]) -> _Box:
    """Return where a point's name stands: beside it, or where nothing else does."""
    places = [
        _Box(left, y + down, width, 12.0)
        for down in (-6.0, -20.0, 8.0, -34.0, 22.0, -48.0, 36.0)
        for left in (x + 9, x - 9 - width)
        if LEFT <= left <= WIDTH - width and 0 <= y + down <= HEIGHT - BOTTOM - 12
    ]
    for place in places:
        if not any(place.hits(other) for other in taken):
            return place
    return places[0] if places else _Box(x + 9, y - 6, width, 12.0)


def _leader(x: float, y: float, box: _Box) -> str:
    """Return a thin line from a point to its name, if that is not beside it."""
    middle = box.top + box.height / 2
    if abs(middle - y) <= NEAR:
        return ""
    end = box.left if box.left > x else box.left + box.width
    return (
        f'<path d="M{x:.1f} {y:.1f}L{end:.1f} {middle:.1f}" '
        'stroke="#888" stroke-width="0.7"/>'
    )


class _Frame:
    """Maps values to places in the picture."""

    def __init__(
        self, many: Sequence[Points], *, logarithmic: bool, both: bool = False
    ) -> None:
        across = [x for points in many for x, _ in points] or [0.0, 1.0]
        up = [y for points in many for _, y in points] or [0.0, 1.0]
        self._log_x, self._log_y = logarithmic, both
        self._x = _reach(across, logarithmic=logarithmic)
        self._y = _reach(up, logarithmic=both)

    def x(self, value: float) -> float:
        share = _share(value, self._x, logarithmic=self._log_x)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = _share(value, self._y, logarithmic=self._log_y)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Points, *, steps: bool) -> str:
        parts: list[str] = []
        for x, y in points:
            left, top = f"{self.x(x):.1f}", f"{self.y(y):.1f}"
            if not parts:
                parts.append(f"M{left} {top}")
            elif steps:
                parts.append(f"H{left}V{top}")
            else:
                parts.append(f"L{left} {top}")
        return "".join(parts)

    def ground(self, points: Points, path: str) -> str:
        """Return `path` closed along the bottom of the picture."""
        low = HEIGHT - BOTTOM
        return f"{path}V{low}H{self.x(points[0][0]):.1f}Z"

    def axes(self, across: str, up: str) -> str:
        parts: list[str] = []
        for value in _ticks(self._x, logarithmic=self._log_x):
            left = f"{self.x(value):.1f}"
            parts.append(
                f'<path class="grid" d="M{left} {TOP}V{HEIGHT - BOTTOM}"/>'
                f'<text x="{left}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{value:,g}</text>"
            )
        for value in _ticks(self._y, logarithmic=self._log_y):
            top = f"{self.y(value):.1f}"
            parts.append(
                f'<path class="grid" d="M{LEFT} {top}H{WIDTH - RIGHT}"/>'
                f'<text x="{LEFT - 6}" y="{float(top) + 4:.1f}" text-anchor="end">'
                f"{value:,g}</text>"
            )
        parts.append(
            f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 8}" '
            f'text-anchor="middle">{escape(across)}</text>'
            f'<text transform="translate(14 {HEIGHT / 2:.0f}) rotate(-90)" '
            f'text-anchor="middle">{escape(up)}</text>'
        )
        return "".join(parts)


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _reach(values: Sequence[float], *, logarithmic: bool) -> tuple[float, float]:
    if logarithmic:
        positive = [value for value in values if value > 0] or [1.0]
        scale = 10.0 ** floor(log10(min(positive)))
        low = max(scale * part for part in (1, 2, 5) if scale * part <= min(positive))
        return low, max(max(positive) * 1.2, low * 10)
    low, high = min(0.0, *values), max(values)
    return low, (high * 1.05 if high > low else low + 1)


def _share(value: float, reach: tuple[float, float], *, logarithmic: bool) -> float:
    low, high = reach
    if logarithmic:
        return (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))
    return (value - low) / (high - low)


def _ticks(reach: tuple[float, float], *, logarithmic: bool) -> list[float]:
    low, high = reach
    if logarithmic:
        scale = 10.0 ** floor(log10(low))
        found: list[float] = []
        parts = (1, 2, 5) if high / low < FEW_DECADES else (1,)
        while scale <= high:
            found += [scale * part for part in parts if low <= scale * part <= high]
            scale *= 10
        return found
    step: float = 10.0 ** floor(log10(high - low))
    for part in (1, 2, 5):
        if (high - low) * part / step > 4:  # noqa: PLR2004 - at least five lines
            step /= part
            break
    return [at * step for at in range(int(low / step), int(high / step) + 1)]
