"""How much later slots become free than was guessed.

`runtimes` guesses each piece of work by itself. The work of one campaign is not
independent, though: all of it goes on for longer than the last one's did, or ends with
the first of it. So where work waits, the guess of when the first slot is free is held
against when the next work ended, and `growth` reckons with that.
"""

from dataclasses import dataclass
from math import exp

from farmctl.elastic.outlook import Outlook
from farmctl.elastic.terms import PROOF, WEEK

MOST = 10.0
"""Slots are never taken to be free later, or earlier, by more than this factor."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """When it was made, in how many seconds a slot was to be free, after how many."""

    since: float
    seconds: float
    ended: int


class Releases:
    """Compares what was guessed with what was. Deterministic; holds no clock."""

    def __init__(self) -> None:
        """Begin with guesses that are as good as any."""
        self.guessed = 0.0
        self.took = 0.0
        self.upto = 0.0
        self._seen = 0.0
        self._guess: _Guess | None = None

    def stretch(self, boot: float) -> float:
        """Return what guessed seconds are multiplied by; PROOF boots were right."""
        known = PROOF * boot
        stretch = (self.took + known) / (self.guessed + known)
        return max(1 / MOST, min(MOST, stretch))

    def see(self, out: Outlook, *, ended: int, boot: float) -> None:
        """Settle the last guess if work has ended since, and make the next.

        A guess is forgotten where nobody looked for the time of a boot, or the clock
        was put back: when the work ended is not known then.

        Args:
            out: The sample, sorted.
            ended: How many pieces of work have ended so far.
            boot: Seconds; an end that is later than ten of these tells no more.
        """
        guess, now = self._guess, out.now
        if guess is not None and not 0 <= now - self._seen <= boot:
            self._guess = guess = None
        self._seen = now
        if guess is not None and (ended != guess.ended or not out.queued):
            most = MOST * max(guess.seconds, boot)
            took = min(now - guess.since, most)
            # What nobody waits for any more tells only that it was not free before.
            if ended != guess.ended or took >= guess.seconds:
                self._learn(guess.seconds, took, now)
            self._guess = guess = None
        if guess is None and out.queued:
            first = min((left for left, _ in out.freeing if left > 0), default=None)
            if first is not None:
                self._guess = _Guess(now, first, ended)

    def _learn(self, guessed: float, took: float, now: float) -> None:
        fade = exp(-max(0.0, now - self.upto) / WEEK)
        self.guessed = self.guessed * fade + guessed
        self.took = self.took * fade + took
        self.upto = now
