"""Whether the holder of a farm's lock is alive, dead, or not known to be either.

A judge watches one lock over time and compares it with itself: a beat that grows is
life, whatever another machine's clock says. On the same machine the process table
knows at once. `lock` acts on the verdict.
"""

import time
from collections.abc import Set as AbstractSet
from enum import Enum

from farmctl.errors import FarmLockedError
from farmctl.model.view import Document, Holder
from farmctl.reconcile.identity import Life, is_this_process, life
from farmctl.reconcile.values import Options, World

_STUCK = 4
"""A process that is there but has not beaten for so many times to live is stuck."""


class Verdict(Enum):
    """What to do about a locked document."""

    DEAD = "dead"
    WAIT = "wait"
    REFUSED = "refused"


class Judge:
    """Watches the lock of one farm while somebody waits for it.

    The waiting ends with `options.lock_wait` only when the holder is known to live.
    Until then it goes on, for as long as it takes to know: a dead holder must not make
    the next run fail.
    """

    def __init__(
        self, *, world: World, options: Options, ours: AbstractSet[str]
    ) -> None:
        self._tempo = world.tempo
        self._clock = world.clock
        self._options = options
        self._ours = ours
        self._began = self._clock.monotonic()
        self._seen: tuple[object, ...] = ()
        self._seen_at = self._began
        self._beats: set[str] = set()

    @property
    def waited(self) -> float:
        """Seconds since the waiting began."""
        return self._clock.monotonic() - self._began

    @property
    def patience(self) -> float:
        """How long to wait before the next look, in seconds."""
        quickest = min(self._tempo.poll_fastest, self._tempo.gate_grace / 4)
        return max(quickest, min(self._tempo.gate_grace, self.waited) / 2)

    def judge(self, document: Document) -> tuple[Verdict, str]:
        """Return what to do about this lock, and for DEAD why."""
        now = self._clock.monotonic()
        holder = document.holder
        sign = (document.id, document.lock, holder)
        if sign != self._seen:
            known = self._seen and holder and self._seen[2]
            if isinstance(known, Holder) and holder and known.nonce == holder.nonce:
                self._beats.add(holder.nonce)  # it has beaten while we watched
            self._seen, self._seen_at = sign, now
        still = now - self._seen_at
        if holder is None:
            if still >= self._tempo.gate_grace:
                return Verdict.DEAD, (
                    f"the farm was locked, but nobody put a name to it in {still:.0f} s"
                )
            return Verdict.WAIT, ""
        because = self._dead(holder, still)
        if because:
            return Verdict.DEAD, because
        alive = holder.nonce in self._beats or life(holder) is Life.ALIVE
        if alive and self.waited >= self._options.lock_wait:
            return Verdict.REFUSED, ""
        return Verdict.WAIT, ""

    def _dead(self, holder: Holder, still: float) -> str:
        who = f"{holder.command or 'farmctl'} (pid {holder.pid} on {holder.host})"
        if is_this_process(holder):
            # One of our own earlier runs could not give it back.
            return "" if holder.nonce in self._ours else f"{who} has ended"
        match life(holder):
            case Life.DEAD:
                return f"{who} has ended"
            case Life.UNKNOWN if still >= self._tempo.holder_ttl:
                return f"{who} has given no sign of life for {still:.0f} s"
            case Life.ALIVE if still >= self._tempo.holder_ttl * _STUCK:
                return f"{who} is there, but has done nothing for {still:.0f} s"
            case _:
                return ""


def locked_error(farm: str, document: Document, now: float) -> FarmLockedError:
    """Return the error that says who changes the farm, and since when."""
    holder, lock = document.holder, document.lock
    who = "another process"
    if holder is not None:
        who = f"'{holder.command}'" if holder.command else "another farmctl"
        who += f" (pid {holder.pid} on {holder.host})"
    since = ""
    if lock is not None:
        at = time.strftime("%H:%M:%S", time.localtime(lock.since))
        since = f" since {at}, {max(0, int(now - lock.since))} s ago"
    return FarmLockedError(
        f"{farm} is being changed by {who}{since}.",
        hint="Nothing was changed here. Wait for it, or look with: "
        f"farmctl status {farm}",
    )
