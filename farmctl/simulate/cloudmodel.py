"""The cloud of a replay: how long boots take, what fails, how much there is.

Values and their draws; `engine` asks them. The draws come from a seed, so that two
policies meet the same cloud.
"""

from dataclasses import dataclass
from math import exp
from random import Random

from farmctl.elastic.terms import LOOKS


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudModel:
    """A cloud as a farm meets it.

    Times are seconds. `boot` is the mean time from the request to a slot that takes
    work, `spread` the sigma of its logarithm (0: always the same). `quota` is the
    number of slots that may exist at once, nodes on their way out included. A fraction
    `failures` of boots ends in nothing, after the time of a boot. `resume` is the time
    from standby to ready, and `standby` the number of slots that may wait there.
    """

    boot: float = 300.0
    stop: float = 30.0
    spread: float = 0.0
    quota: int | None = None
    failures: float = 0.0
    resume: float = 60.0
    standby: int = 0
    seed: int = 0

    @property
    def poll(self) -> float:
        """Seconds between looks that delay next to nothing: of a boot, or a resume."""
        return (self.resume if self.standby else self.boot) / LOOKS


class Draws:
    """The draws of one replay."""

    __slots__ = ("_model", "_random")

    def __init__(self, model: CloudModel) -> None:
        self._model = model
        self._random = Random(model.seed)  # noqa: S311 - a replay, not a secret

    def boot(self) -> float:
        """Return the seconds that the next boot takes."""
        return self._spread(self._model.boot)

    def resume(self) -> float:
        """Return the seconds that the next resume from standby takes."""
        return self._spread(self._model.resume)

    def fails(self) -> bool:
        """Tell whether the next boot ends in nothing."""
        share = self._model.failures
        return share > 0 and self._random.random() < share

    def _spread(self, mean: float) -> float:
        sigma = self._model.spread
        if sigma == 0:
            return mean
        return mean * exp(self._random.gauss(-sigma * sigma / 2, sigma))
