"""What is written into a farm's journal and the log: each change, and no flood.

A verdict is said when it is another than the last one said, whatever its numbers are;
what changes something is said each time.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence

from farmctl.daemon.lines import tell
from farmctl.model.sample import (
    Decision,
    Drain,
    End,
    Keep,
    Park,
    Start,
    Undrain,
    Wake,
)
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

    def _once(self, event: str, because: str, say: Callable[[], None]) -> None:
        shape = _NUMBERS.sub("#", because)
        if self._said.get(event) != shape:
            self._said[event] = shape
            say()

    def over(self, event: str) -> None:
        """Take note that something does not go wrong any more."""
        self._said.pop(event, None)

    def _bad(self, event: str, because: str, values: dict[str, object]) -> None:
        self._write(logging.WARNING, event, because, values)

    def _write(
        self, level: int, event: str, because: str, values: dict[str, object]
    ) -> None:
        self._journal.record(self._farm, event, because, **values)
        tell(level, event, because=because, farm=self._farm, **values)
