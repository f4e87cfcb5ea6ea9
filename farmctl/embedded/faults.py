"""Faults on demand: what shall go wrong, for whom, and how often.

The control channel adds them; `lifecycle` asks for one before each step of a driver,
`server` before each call. A fault with a count disappears when it is used up.
"""

from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Effect = Literal[
    "fail", "hang", "slow", "never_ready", "answer_lost", "refuse_connections"
]

EFFECTS: tuple[Effect, ...] = (
    "fail",
    "hang",
    "slow",
    "never_ready",
    "answer_lost",
    "refuse_connections",
)


@dataclass(kw_only=True)
class FaultRule:
    """One fault.

    `action` is a step (`prolog`, `boot`, `shutdown`, `epilog`, `save`, `restore`,
    `migrate`, `reboot`, `hotplug`), what a user calls it (`deploy`, `poweroff`,
    `terminate` …) or an XML-RPC method (`one.vm.deploy`); patterns are globs.
    """

    action: str
    effect: Effect
    host: str = "*"
    image: str = "*"
    name: str = "*"
    count: int = -1
    """How often it strikes; -1: until it is removed."""
    seconds: float = 0.0
    """How much longer a slow step takes."""
    message: str = ""
    number: int = 0
    struck: int = 0


@dataclass(kw_only=True)
class Faults:
    """The faults that are in force, and how often each method was called."""

    rules: list[FaultRule] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    def add(self, rule: FaultRule) -> int:
        """Put a fault in force and return its number."""
        self._numbers += 1
        rule.number = self._numbers
        self.rules.append(rule)
        return rule.number

    def clear(self, number: int | None = None) -> None:
        """Lift one fault, or all of them."""
        self.rules = [r for r in self.rules if number not in (None, r.number)]

    def strike(
        self,
        actions: tuple[str, ...],
        *,
        effects: tuple[Effect, ...],
        host: str = "",
        images: tuple[str, ...] = (),
        name: str = "",
    ) -> FaultRule | None:
        """Return the first fault that applies, and count that it struck."""
        for rule in self.rules:
            if rule.effect not in effects or not any(
                fnmatchcase(action, rule.action) for action in actions
            ):
                continue
            if not fnmatchcase(host, rule.host) or not fnmatchcase(name, rule.name):
                continue
            if rule.image != "*" and not any(
                fnmatchcase(image, rule.image) for image in images
            ):
                continue
            rule.struck += 1
            if rule.count > 0:
                rule.count -= 1
                if rule.count == 0:
                    self.rules.remove(rule)
            return rule
        return None
