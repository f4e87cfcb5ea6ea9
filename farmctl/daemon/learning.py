"""The scaling core of one farm: what it has learned outlives its terms and a restart.

Which terms a farm has is `bounds`' business, what it decides the core's own; when it is
written down `noting` says.
"""

from collections.abc import Callable
from typing import Any

from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Terms
from farmctl.model.view import Document
from farmctl.plan.document import LEARNED


class Learner:
    """Keeps the core, and makes it anew where the farm's terms have changed."""

    def __init__(self) -> None:
        self._core: Scaler | None = None
        self.terms = Terms(pools=())
        """As the farm has them, before what bars a pool just now."""

    def core(self, terms: Terms, found: Document | None) -> Scaler:
        """Return the core under these terms, with all that was learned before.

        Args:
            terms: the farm's.
            found: its document, which tells a process that has just begun.
        """
        before, self.terms = self.terms, terms
        known = self._core
        if known is None:
            known = self._core = Scaler(terms)
            kept = found.body.get(LEARNED) if found and found.body else None
            if kept is not None:
                known.recall(kept)
        elif before != terms:
            learned = known.remember()
            known = self._core = Scaler(terms)
            known.recall(learned)
        return known

    @property
    def remember(self) -> Callable[[], dict[str, Any]] | None:
        """What gives all that was learned; None where nothing learns."""
        return None if self._core is None else self._core.remember

    def boot(self, otherwise: float) -> float:
        """Return how long a boot lasts, in seconds, as far as that was learned."""
        return otherwise if self._core is None else self._core.learned.times().boot
