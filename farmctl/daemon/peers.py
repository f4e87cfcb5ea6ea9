"""Several daemons for one site: who lives, and whose each farm is.

Each daemon keeps a document of its own in OpenNebula with its name and a beat that it
raises while it lives; the look that every round makes anyway shows all of them. Farms
are shared out by rendezvous hashing among the living, so that of a dead one's farms
each moves to one of the others, and no other farm moves. A beat is compared with
itself over time, on our own clock; on the same machine the process table knows at once.

Nothing rests on this alone: two that both take a farm for theirs still take turns, by
the farm's lock.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from farmctl.clock import Clock
from farmctl.cloud.port import Cloud
from farmctl.errors import CloudError, GoneError
from farmctl.model import keeping
from farmctl.model.attributes import Kind
from farmctl.model.keeping import Load
from farmctl.model.nodes import Tag
from farmctl.model.view import CloudView, Holder
from farmctl.reconcile.identity import Life, life, myself

_FORGOTTEN = 10
"""After so many times the silence that counts as death, a document is deleted."""

_NO_FARMS: Mapping[str, Load] = {}


class Peers:
    """The daemons of a site, as one of them sees them."""

    def __init__(self, cloud: Cloud, clock: Clock, *, silent: float) -> None:
        self._cloud = cloud
        self._clock = clock
        self._silent = silent
        self._me = myself("farmctl serve")
        self._document_id = -1
        self._confirmed = 0.0
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = 0.0

    @property
    def name(self) -> str:
        """What this daemon is called among them."""
        return self._me.nonce

    def beat(self, farms: Mapping[str, Load] = _NO_FARMS) -> None:
        """Say that we live; the first time, say who we are.

        Args:
            farms: those that we keep, for whoever looks.

        Raises:
            CloudError: OpenNebula was not told.
        """
        if self._document_id < 0:
            self._confirmed = self._clock.monotonic()
            self._document_id = self._cloud.create(
                Kind.DOCUMENT, f"{keeping.PREFIX}{self.name}", Tag(farm=""), {}
            )
        self._me = replace(self._me, beat=self._me.beat + 1)
        try:
            said = keeping.body(farms, at=self._clock.now())
            self._cloud.write_document(self._document_id, said, self._me)
        except GoneError:
            self._document_id = -1  # somebody took us for dead; say it anew
            raise
        self._confirmed = self._clock.monotonic()

    def leave(self) -> None:
        """Take our name away: our farms are taken over with the next look of others."""
        if self._document_id >= 0:
            with suppress(CloudError):
                self._cloud.delete(Kind.DOCUMENT, self._document_id)
            self._document_id = -1

    def see(self, view: CloudView) -> frozenset[str]:
        """Return the names of the daemons that live, ours among them."""
        now = self._clock.monotonic()
        if now - self._looked > self._silent / 2:
            # Nobody could be heard meanwhile: everybody gets the full time again.
            self._seen = {name: (beat, now) for name, (beat, _) in self._seen.items()}
        self._looked = now
        living = {self.name}
        there = set()
        for document, holder in keeping.daemons(view.documents):
            there.add(holder.nonce)
            if holder.nonce == self.name:
                continue
            if self._lives(holder, now):
                living.add(holder.nonce)
            elif self._is_long_dead(holder, now):
                with suppress(CloudError):
                    self._cloud.delete(Kind.DOCUMENT, document.id)
        for name in [name for name in self._seen if name not in there]:
            del self._seen[name]
        return frozenset(living)

    def silent(self) -> bool:
        """Tell whether the others must take us for dead: we could not say we live."""
        if self._document_id < 0:
            return False
        return self._clock.monotonic() - self._confirmed > self._silent

    def _lives(self, holder: Holder, now: float) -> bool:
        if life(holder) is Life.DEAD:
            self._seen.setdefault(holder.nonce, (holder.beat, now))
            return False
        known = self._seen.get(holder.nonce)
        if known is None or known[0] != holder.beat:
            self._seen[holder.nonce] = (holder.beat, now)
            return True
        return now - known[1] < self._silent

    def _is_long_dead(self, holder: Holder, now: float) -> bool:
        if life(holder) is Life.DEAD:
            return True
        return now - self._seen[holder.nonce][1] > self._silent * _FORGOTTEN


def whose(farm: str, living: Iterable[str]) -> str:
    """Return which of the living a farm is for: the same answer everywhere."""
    return max(living, key=lambda name: (_score(name, farm), name))


def _score(name: str, farm: str) -> bytes:
    return hashlib.sha256(f"{name} {farm}".encode()).digest()
