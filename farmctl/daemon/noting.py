"""What a round lets the farm's document keep, and when: little, and seldom.

What was learned, and how the farm stands, is written with a change that is made anyway,
and otherwise every ten minutes while it is news. In between the document keeps what it
has, so that a round with nothing to do writes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from farmctl.daemon import news
from farmctl.model.standing import KEY, Standing, as_json, from_json
from farmctl.model.view import Document
from farmctl.plan import document
from farmctl.plan.document import LEARNED


class Notes:
    """What one farm's document is to keep of what the daemon knows."""

    def __init__(self, *, every: float) -> None:
        """Write nothing for its own sake more often than every so many seconds."""
        self._every = every
        self._written = 0.0
        self._worked = False

    def due(
        self,
        found: Document | None,
        standing: Standing,
        sizes: Mapping[str, int],
        *,
        remember: Callable[[], dict[str, Any]] | None,
    ) -> dict[str, object]:
        """Return what the document is to say now.

        Args:
            found: the document as it is.
            standing: how the farm stands.
            sizes: what the round asks for; others than are noted are written anyway.
            remember: gives what was learned; None where nothing learns.
        """
        body = (found.body if found is not None else None) or {}
        now = standing.at
        if standing.waiting or standing.running:
            self._worked = True
        if not self._written:
            self._written = now
        noted = document.sizes(found)
        # A pool of fixed size is not noted: its file says it.
        changes = any(noted.get(pool, size) != size for pool, size in sizes.items())
        time = now - self._written >= self._every
        learns = remember is not None and self._worked and (changes or time)
        follows = remember is not None or bool(standing.doubt)
        fresh = self._worked or _is_news(body, standing)
        tells = changes or (follows and time and fresh)
        notes: dict[str, object] = {
            key: body[key] for key in (LEARNED, KEY) if key in body
        }
        if remember is not None and learns:
            notes[LEARNED] = remember()
        if tells:
            notes[KEY] = as_json(standing)
        if learns or tells:
            self._written, self._worked = now, False
        return notes


def _is_news(body: Mapping[str, object], standing: Standing) -> bool:
    before = from_json(body.get(KEY))
    after = from_json(as_json(standing))
    return before is None or (
        after is not None and news.grave(before) != news.grave(after)
    )
