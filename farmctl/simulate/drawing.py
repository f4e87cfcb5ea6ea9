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

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A named curve; `steps`: it keeps each value until the next."""

    name: str
    points: Points
    steps: bool = False


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
    for at, curve in enumerate(curves):
        dash = f' stroke-dasharray="{DASHES[at % 7]}"' if DASHES[at % 7] else ""
        parts.append(
            f'<path d="{frame.path(curve.points, steps=curve.steps)}" fill="none" '
            f'stroke="{COLOURS[at % 7]}" stroke-width="1.8"{dash}/>'
        )
    keys = "".join(
        f'<li><svg width="36" height="10" aria-hidden="true"><path d="M0 5H36" '
        f'stroke="{COLOURS[at % 7]}" stroke-width="3" '
        f'stroke-dasharray="{DASHES[at % 7]}"/></svg> {escape(curve.name)}</li>'
        for at, curve in enumerate(curves)
    )
    return f'{_svg(parts, title)}<ul class="key">{keys}</ul>'


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
    for name, x, y, ours in points:
        left, top = frame.x(x), frame.y(y)
        if ours:
            mark = (
                f'<rect x="{left - 5:.1f}" y="{top - 5:.1f}" width="10" height="10" '
                f'fill="{COLOURS[1]}"/>'
            )
        else:
            mark = f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{COLOURS[0]}"/>'
        end = left > WIDTH - 180
        parts.append(
            f"<g><title>{escape(name)}: {x:.0f}, {y:.0f}</title>{mark}"
            f'<text x="{left + (-8 if end else 8):.1f}" y="{top + 4:.1f}"'
            f"{' text-anchor=' + chr(34) + 'end' + chr(34) if end else ''}>"
            f"{escape(name)}</text></g>"
        )
    return _svg(parts, title)


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

    def axes(self, across: str, up: str) -> str:
        parts: list[str] = []
        for value in _ticks(self._x, logarithmic=self._log_x):
            left = f"{self.x(value):.1f}"
            parts.append(
                f'<path class="grid" d="M{left} {TOP}V{HEIGHT - BOTTOM}"/>'
                f'<text x="{left}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{value:g}</text>"
            )
        for value in _ticks(self._y, logarithmic=self._log_y):
            top = f"{self.y(value):.1f}"
            parts.append(
                f'<path class="grid" d="M{LEFT} {top}H{WIDTH - RIGHT}"/>'
                f'<text x="{LEFT - 6}" y="{float(top) + 4:.1f}" text-anchor="end">'
                f"{value:g}</text>"
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
        low = 10.0 ** floor(log10(min(positive)))
        high = max(max(positive) * 1.1, low * 10)
        return low, high
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
        found, value = [], low
        while value <= high:
            found.append(value)
            value *= 10
        return found
    step: float = 10.0 ** floor(log10(high - low))
    for part in (1, 2, 5):
        if (high - low) * part / step > 4:  # noqa: PLR2004 - at least five lines
            step /= part
            break
    return [at * step for at in range(int(low / step), int(high / step) + 1)]
