"""How much later slots become free than was guessed.

`runtimes` guesses each piece of work by itself. The work of one campaign is not
independent, though: all of it goes on for longer than the last one's did, or ends with
the first of it. So where work waits, the guess of when the first of the work that runs
has ended is held against when it had, and `growth` reckons with that.
"""

from dataclasses import dataclass
from math import exp

from farmctl.elastic.outlook import Outlook
from farmctl.elastic.terms import WEEK

FEW = 3.0
"""Boots for which guesses were right count as known at first."""

MOST = 10.0
"""Slots are never taken to be free later, or earlier, by more than this factor.

What is later than so many boots from now is all the same to who waits.
"""


@dataclass(slots=True)
class _Guess:
    """When it was made, in how many seconds a slot was to be free, whether it was."""

    since: float
    seconds: float
    ended: bool = False


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
        """Return what guessed seconds are multiplied by; a few boots were right."""
        known = FEW * boot
        stretch = (self.took + known) / (self.guessed + known)
        return max(1 / MOST, min(MOST, stretch))

    def ended(self, began: float) -> None:
        """Note that work which began then has ended, on a node that takes work."""
        if self._guess is not None and began <= self._guess.since:
            self._guess.ended = True

    def see(self, out: Outlook, boot: float) -> None:
        """Settle the last guess if its work has ended, and make the next.

        A guess is forgotten where nobody looked for the time of a boot, or the clock
        was put back: when the work ended is not known then. One that was due between
        two looks was due at the second, which is the first that could show it.

        Args:
            out: The sample, sorted.
            boot: Seconds.
        """
        guess, now = self._guess, out.now
        fade = exp(-max(0.0, now - self.upto) / WEEK)
        self.guessed, self.took, self.upto = self.guessed * fade, self.took * fade, now
        if guess is not None and not 0 <= now - self._seen <= boot:
            self._guess = guess = None
        if guess is not None:
            took = now - guess.since
            if self._seen - guess.since < guess.seconds <= took:
                guess.seconds = took
            if guess.ended or not out.queued:
                # What nobody waits for any more tells only that it was not free before.
                if guess.ended or took >= guess.seconds:
                    self.guessed += guess.seconds
                    self.took += min(took, MOST * boot)
                self._guess = guess = None
        self._seen = now
        if guess is None and out.queued:
            first = min((left for left, _ in out.freeing if left > 0), default=None)
            if first is not None:
                self._guess = _Guess(now, min(first, MOST * boot))
