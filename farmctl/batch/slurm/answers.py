"""What Slurm's programs write, read strictly: statuses, JSON, numbers.

Slurm 22.05 writes numbers as they are and null for none; from 23.02 on a number may be
`{"set": true, "infinite": false, "number": 5}`, and a state or a flag a list of words.
Both are read here and nowhere else.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    BatchRefusedError,
    WrongBatchError,
)
from farmctl.model.guests import Ran

Record = Mapping[str, Any]
"""One job or node as Slurm's JSON shows it."""


def judged(ran: Ran, *, what: str) -> str:
    """Return what a program wrote to its standard output.

    Raises:
        BatchAwayError: slurmctld did not answer it.
        WrongBatchError: there is no such program.
        BatchRefusedError: it failed for another reason.
    """
    if ran.status == 0:
        return ran.out
    said = " ".join(ran.err.split())[:300] or f"exit status {ran.status}"
    lower = said.lower()
    if ran.status == _NOT_FOUND or "not found" in lower:
        raise WrongBatchError(
            f"Slurm's programs are not there: {said}",
            hint="Is `batch: slurm` right for this farm, and its head configured?",
        )
    if any(word in lower for word in _AWAY):
        raise BatchAwayError(f"slurmctld does not answer: {said}")
    raise BatchRefusedError(f"Slurm refuses to {what}: {said}")


def records(text: str, kind: str) -> list[Record]:
    """Return the list `kind` of a JSON answer; an answer without one is an error."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BatchAnswerError(
            f"Slurm's list of {kind} is no JSON: {error}", hint=_BROKEN
        ) from error
    if not isinstance(document, dict):
        raise BatchAnswerError(f"Slurm's list of {kind} is none.", hint=_BROKEN)
    errors = document.get("errors")
    if errors:
        raise BatchAnswerError(f"Slurm's list of {kind} has errors: {errors!r:.300}")
    listed = document.get(kind)
    if not isinstance(listed, list) or not all(
        isinstance(each, dict) for each in listed
    ):
        raise BatchAnswerError(f"Slurm's answer holds no list of {kind}.", hint=_BROKEN)
    return listed


def settings(text: str) -> dict[str, str]:
    """Return what `scontrol show config` writes, by name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def number(value: object) -> int | None:
    """Return a number of either dialect; None where it is not set or has no end."""
    if type(value) is int:
        return value
    if isinstance(value, dict):
        if value.get("infinite") or value.get("set") is False:
            return None
        return number(value.get("number"))
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value)
    raise BatchAnswerError(f"{value!r:.80} stands where Slurm writes a number.")


def amount(record: Record, name: str) -> int:
    """Return the number of that name, 0 where it is not set."""
    return number(record.get(name)) or 0


def words(value: object) -> frozenset[str]:
    """Return a state, or flags, in capitals: `"idle"`, `["IDLE", "DRAIN"]`."""
    if isinstance(value, str):
        return _words(value)
    if isinstance(value, list):
        return frozenset(str(each).upper() for each in value)
    return frozenset()


@lru_cache(maxsize=1024)
def _words(value: str) -> frozenset[str]:
    return frozenset(value.upper().replace("+", " ").split())


def text(record: Record, name: str) -> str:
    """Return the text of that name, empty where there is none."""
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BatchAnswerError(f"{name} of a record is {value!r:.80}, and no text.")
    return value


def listed(value: object) -> frozenset[str]:
    """Return names written as `a,b` or as a list."""
    if isinstance(value, str):
        return frozenset(value.split(",")) if value else frozenset()
    if isinstance(value, list):
        return frozenset(str(each) for each in value)
    return frozenset()


_NOT_FOUND = 127
_AWAY = (
    "unable to contact slurm controller",
    "connection refused",
    "connect failure",
    "socket timed out",
    "communication connection failure",
    "zero bytes were transmitted or received",
    "unable to establish controller",
    "resolve host",
)
_BROKEN = "Nothing is concluded from it; it is asked again."
