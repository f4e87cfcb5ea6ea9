"""What is written into a farm's journal and the log: each change, and no flood.

A verdict is said when it is another than the last one said, whatever its numbers are;
what changes something is said each time. How a farm stands is written down at once when
that changes what people would do about it, and otherwise only now and then, so that a
farm in which nothing happens writes nothing.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence

from farmctl.daemon import news
from farmctl.daemon.lines import tell
from farmctl.model.sample import (
    Decision,
    Drain,
    End,
    Keep,
    Park,
    Start,
    Undrain,
    Verdict,
    Wake,
)
from farmctl.model.standing import KEY, VERDICT, Standing, as_json
from farmctl.model.steps import CreateNode, RemoveNode
from farmctl.reconcile import Journal, Outcome, Result

_NUMBERS = re.compile(r"\d+(?:\.\d+)?")

EVENTS: dict[type[Decision], str] = {
    Start: "nodes started",
    Drain: "node drained",
    Undrain: "drain taken back",
    End: "node ended",
    Park: "node parked",
    Wake: "node woken",
    Keep: "kept",
}
"""What each decision is called in the journal."""


class Teller:
    """Says what becomes of one farm."""

    def __init__(self, farm: str, journal: Journal) -> None:
        self._farm = farm
        self._journal = journal
        self._said: dict[str, str] = {}
        self._verdict: tuple[object, object] = ((), ())
        self._at = 0.0

    def did(self, event: str, because: str, **values: object) -> None:
        """Say something that was done."""
        self._write(logging.INFO, event, because, values)

    def went_wrong(self, event: str, because: str, **values: object) -> None:
        """Say, once for each way in which it happens, what went wrong."""
        self._once(event, because, lambda: self._bad(event, because, values))

    def state(self, subject: str, because: str, *, calm: str = "") -> None:
        """Say a state of something when it changes; `calm` is said when it is over.

        Args:
            subject: what it is a state of, which is the event's name as well.
            because: what holds now; empty when nothing does.
            calm: what is said when nothing holds any more.
        """
        shape = _NUMBERS.sub("#", because)
        if self._said.get(subject, "") == shape:
            return
        before = self._said.get(subject, "")
        self._said[subject] = shape
        if because:
            self._write(logging.INFO, subject, because, {})
        elif before and calm:
            self._write(logging.INFO, calm, "", {})

    def outcome(
        self, outcome: Outcome, going: Mapping[int, str], decisions: Sequence[Decision]
    ) -> None:
        """Say what a run has done, each with the reason why it was to be done.

        Args:
            outcome: what became of the run.
            going: the VMs that were to end, with the reason.
            decisions: what the core had decided.
        """
        made = [
            each.step.node.name
            for each in outcome.steps
            if isinstance(each.step, CreateNode)
            and each.result in {Result.DONE, Result.WAITING, Result.ASIDE}
        ]
        starts = [each.because for each in decisions if isinstance(each, Start)]
        if made:
            why = "; ".join(starts) or "it is missing"
            self.did(EVENTS[Start], why, nodes=made)
        for each in outcome.steps:
            if (
                isinstance(each.step, RemoveNode)
                and each.result is Result.DONE
                and each.step.vm_id in going
            ):
                self.did(EVENTS[End], going[each.step.vm_id], subject=each.subject)
            if each.result in {Result.FAILED, Result.ASIDE}:
                self.went_wrong(
                    f"{each.subject} failed", each.reason, step=type(each.step).__name__
                )
        if outcome.stopped:
            self.went_wrong("run stopped", outcome.stopped)

    def limits(
        self, limits: Mapping[str, str], verdict: Verdict, *, waits: bool
    ) -> None:
        """Say why no more nodes come, by pool, while work waits for some."""
        said = "; ".join(f"{pool}: {why}" for pool, why in sorted(limits.items()))
        starts = any(isinstance(each, Start) for each in verdict.decisions)
        self.state("not more nodes", said if waits or starts else "")

    def overlooked(self, limits: Mapping[str, str]) -> None:
        """Say, by pool, which work its empty nodes are not given to."""
        said = "; ".join(f"{pool}: {why}" for pool, why in sorted(limits.items()))
        self.state("work gets no node", said, calm="work gets nodes again")

    def verdict(self, standing: Standing, *, retell: float) -> None:
        """Write down how the farm stands, if that is news.

        Args:
            standing: after the round.
            retell: seconds that are between two that differ in their amounts only.
        """
        found = news.grave(standing), news.slight(standing)
        if found == self._verdict:
            return
        if found[0] == self._verdict[0] and standing.at - self._at < retell:
            return
        self._verdict, self._at = found, standing.at
        because = "; ".join(standing.decided) or standing.doubt
        values = {KEY: as_json(standing)}
        self._journal.record(self._farm, VERDICT, because, **values)
        tell(logging.DEBUG, VERDICT, because=because, farm=self._farm)

    def _once(self, event: str, because: str, say: Callable[[], None]) -> None:
        shape = _NUMBERS.sub("#", because)
        if self._said.get(event) != shape:
            self._said[event] = shape
            say()

    def over(self, event: str, *, calm: str = "") -> None:
        """Take note that something does not go wrong any more; `calm` is said then."""
        if self._said.pop(event, None) is not None and calm:
            self._write(logging.INFO, calm, "", {})

    def _bad(self, event: str, because: str, values: dict[str, object]) -> None:
        self._write(logging.WARNING, event, because, values)

    def _write(
        self, level: int, event: str, because: str, values: dict[str, object]
    ) -> None:
        self._journal.record(self._farm, event, because, **values)
        tell(level, event, because=because, farm=self._farm, **values)
