"""The HTCondor pool: what is asked of it, and its bindings, which do it.

`Pool` is small so that recorded ads can stand for a pool. Only `Bindings` names the
bindings, and imports them when one is made: they are an extra.
"""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    NotPossibleError,
    WrongBatchError,
)

Ad = Any
"""A ClassAd of the bindings."""

OLDEST = (23, 0)
"""The oldest version whose `htcondor2` bindings have what is used here."""


class Pool(Protocol):
    """Queries with projections, drains, and ClassAds from text."""

    def version(self) -> str:
        """Return the version of the pool's collector, such as `25.14.1`."""
        ...

    def slots(self, attributes: Sequence[str]) -> list[Ad]:
        """Return the ads of all slots, with these attributes."""
        ...

    def jobs(self, attributes: Sequence[str]) -> list[Ad]:
        """Return the ads of all jobs that have not ended, with these attributes."""
        ...

    def parse(self, text: str) -> Ad:
        """Return the ClassAd that `text` writes."""
        ...

    def drain(self, slot: Ad, *, check: str, reason: str) -> None:
        """Drain a slot's startd gracefully, if `check` holds for each of its slots."""
        ...

    def cancel(self, slot: Ad, request: str) -> None:
        """Take one drain back."""
        ...

    def invalidate(self, machine: str) -> None:
        """Let the collector forget a machine's ads."""
        ...


class Bindings:
    """A pool through `htcondor2`.

    Args:
        collector: Its address, such as `head.farm:9618`.
        schedd: The name of the schedd, empty for the first one there is.

    Raises:
        NotPossibleError: the bindings are not installed.
    """

    def __init__(self, collector: str, *, schedd: str = "") -> None:
        try:
            self._classad = importlib.import_module("classad2")
            self._htcondor = importlib.import_module("htcondor2")
        except ImportError as error:
            raise NotPossibleError(
                "HTCondor's bindings are not installed.",
                hint="pip install 'farmctl[htcondor]'",
            ) from error
        self._collector = self._htcondor.Collector(collector)
        self._schedd = schedd

    def version(self) -> str:
        kind = self._htcondor.DaemonType.Collector
        ad = self._asked(self._collector.locate, kind)
        return str(ad.get("CondorVersion", ""))

    def slots(self, attributes: Sequence[str]) -> list[Ad]:
        kind = self._htcondor.AdType.Startd
        found = self._asked(self._collector.query, kind, projection=list(attributes))
        return list(found)

    def jobs(self, attributes: Sequence[str]) -> list[Ad]:
        kind = self._htcondor.DaemonType.Schedd
        arguments = (kind, self._schedd) if self._schedd else (kind,)
        schedd = self._htcondor.Schedd(self._asked(self._collector.locate, *arguments))
        return list(
            self._asked(
                schedd.query, "JobStatus =!= 3 && JobStatus =!= 4", list(attributes)
            )
        )

    def parse(self, text: str) -> Ad:
        try:
            return self._classad.parseOne(text)
        except (SyntaxError, ValueError, RuntimeError) as error:
            raise BatchAnswerError(f"{text[:80]!r} is no ClassAd.") from error

    def drain(self, slot: Ad, *, check: str, reason: str) -> None:
        startd = self._htcondor.Startd(slot)
        self._asked(
            startd.drainJobs,
            self._htcondor.DrainType.Graceful,
            self._htcondor.CompletionType.Nothing,
            check,
            "false",
            reason,
        )

    def cancel(self, slot: Ad, request: str) -> None:
        self._asked(self._htcondor.Startd(slot).cancelDrainJobs, request)

    def invalidate(self, machine: str) -> None:
        quoted = self._classad.quote(machine)
        query = self.parse(
            '[MyType="Query"; TargetType="Machine"; '
            f"Requirements = TARGET.Machine == {quoted}]"
        )
        self._asked(self._collector.advertise, [query], "INVALIDATE_STARTD_ADS")

    def _asked(self, function: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except self._htcondor.HTCondorException as error:
            raise BatchAwayError(f"HTCondor does not answer: {error}") from error


def known(version: str) -> str:
    """Return the number in `$CondorVersion: 25.14.1 2026-09-24 …$`.

    Raises:
        WrongBatchError: there is none, or it is too old.
    """
    for word in version.split():
        parts = word.split(".")
        if len(parts) > 1 and all(part.isdigit() for part in parts):
            if (int(parts[0]), int(parts[1])) < OLDEST:
                raise WrongBatchError(
                    f"HTCondor {word} is too old: its answers were never read.",
                    hint="farmctl reads HTCondor 23.0 and later.",
                )
            return word
    raise WrongBatchError(f"{version[:80]!r} is no version of HTCondor.")
