"""What Ansible tells while it runs, and what it comes to for each node.

No I/O: events in, progress and outcomes out. An event is a mapping as ansible-runner
gives it. What a task hides (`no_log`) stays hidden, as only Ansible's own word for it
is read here.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from farmctl.model.guests import GuestProgress

LONGEST = 300
"""Characters of a task's complaint that are passed on."""

_KEPT = 40
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HIDDEN = "what it says is hidden (no_log)"


class Ledger:
    """Keeps the account of one run; fed by a single thread."""

    def __init__(self, report: Callable[[GuestProgress], None]) -> None:
        self._report = report
        self._task: dict[str, str] = {}
        self._failure: dict[str, str] = {}
        self._output: deque[str] = deque(maxlen=_KEPT)
        self.ended = False
        """Whether Ansible came to its end and said what became of every node."""
        self._sick: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event into account, and report what people want to see of it."""
        data = event.get("event_data") or {}
        host = str(data.get("host") or "")
        task = line(str(data.get("task") or ""))
        match event.get("event"):
            case "runner_on_start" if host:
                self._task[host] = task
                self._report(GuestProgress(name=host, task=task))
            case "runner_on_failed" if host and not data.get("ignore_errors"):
                self._failure[host] = f"{task}: {complaint(data.get('res'))}"
            case "runner_on_unreachable" if host:
                self._failure[host] = f"{task}: {_unreachable(data.get('res'))}"
            case "playbook_on_stats":
                self.ended = True
                for key in ("failures", "dark"):
                    self._sick |= set(data.get(key) or {})
            case _:
                if not host:
                    self._say(str(event.get("stdout") or ""))

    def outcomes(self, names: Iterable[str]) -> dict[str, str]:
        """Return for each node `""` if all went well, else its task and message.

        Of a run that did not come to its end, only nodes that failed are told of.
        """
        told: dict[str, str] = {}
        for name in names:
            if name in self._sick:
                told[name] = self._failure.get(name, "it failed without a word")
            elif self.ended:
                told[name] = ""
            elif name in self._failure:
                told[name] = self._failure[name]
        return told

    def close(self, names: Iterable[str]) -> dict[str, str]:
        """Return the outcomes, and report each as the end of its node."""
        told = self.outcomes(names)
        for name, failure in told.items():
            self._report(
                GuestProgress(
                    name=name,
                    task=self._task.get(name, ""),
                    over=True,
                    failure=failure,
                )
            )
        return told

    def complaints(self) -> str:
        """Return what Ansible said of the run itself, to explain why it did not end."""
        said = "\n".join(self._output)
        _, error, after = said.partition("ERROR")
        return line((after.lstrip("]!: ") if error else said) or "it said nothing")

    def _say(self, text: str) -> None:
        for each in _ANSI.sub("", text).splitlines():
            if each.strip():
                self._output.append(each.strip())


def complaint(result: object) -> str:
    """Return what a task complains of, in one line."""
    if not isinstance(result, Mapping):
        return "it failed"
    if "censored" in result:
        return _HIDDEN
    for each in result.get("results") or ():
        if isinstance(each, Mapping) and each.get("failed"):
            return complaint(each)
    for key in ("msg", "stderr", "module_stderr", "stdout", "module_stdout"):
        value = result.get(key)
        if isinstance(value, str) and value.strip():
            return line(value)
    return "it failed"


def line(text: str) -> str:
    """Return a text as one line without control characters, cut where it is long."""
    shown = " ".join(
        "".join(c if c.isprintable() else " " for c in _ANSI.sub("", text)).split()
    )
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _unreachable(result: object) -> str:
    said = complaint(result)
    return f"it cannot be reached: {said}" if said != "it failed" else "out of reach"
