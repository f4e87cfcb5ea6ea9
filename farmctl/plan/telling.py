"""The words of a plan's lines: whom a step is about, amounts, ranges of nodes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from farmctl.model.attributes import Kind
from farmctl.model.steps import (
    AwaitNode,
    ChangeObject,
    ChangeRouter,
    ConfigureNodes,
    CreateNode,
    CreateObject,
    DeleteObject,
    Glyph,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.units import format_amount

MOST_RANGES = 3
"""How many ranges of one pool are named before the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One line: the sign, whom it is about, what is done and why, what it means.

    `count` is how many steps it stands for; 0 where others tell of the same. `details`
    are lines below it for whoever wants to know more.
    """

    glyph: Glyph
    subject: str
    what: str
    effect: str = ""
    count: int = 1
    details: tuple[str, ...] = ()


def subject(step: Step, farm: str) -> str:
    """Return whom a step is about, without the farm's name: wn-003, network."""
    match step:
        case CreateObject() | ChangeObject() | DeleteObject():
            return object_subject(step.kind, step.name, farm)
        case RemoveNode() | ChangeRouter():
            return short(step.name, farm)
        case ConfigureNodes():
            return "configuration"
        case CreateNode() | ReplaceNode() | StartNode() | AwaitNode():
            return short(step.node.name, farm)
        case _:
            assert_never(step)


def ranges(ordinals: Iterable[int]) -> list[str]:
    """Return ordinals as ranges: 1, 2, 3, 7 -> 001…003, 007."""
    found: list[tuple[int, int]] = []
    for ordinal in sorted(set(ordinals)):
        if found and found[-1][1] == ordinal - 1:
            found[-1] = (found[-1][0], ordinal)
        else:
            found.append((ordinal, ordinal))
    return [
        f"{first:03d}" if first == last else f"{first:03d}…{last:03d}"
        for first, last in found
    ]


def together(names: Sequence[str]) -> Iterator[str]:
    """Yield names of nodes, those that count on from each other as ranges."""
    pools: dict[str, list[int]] = {}
    for name in names:
        pool, _, digits = name.rpartition("-")
        if pool and digits.isdecimal():
            pools.setdefault(pool, []).append(int(digits))
        else:
            yield name
    for pool, ordinals in pools.items():
        found = ranges(ordinals)
        yield from (f"{pool}-{each}" for each in found[:MOST_RANGES])
        if len(found) > MOST_RANGES:
            yield f"{len(found) - MOST_RANGES} more ranges of {pool}"


def count(number: int, word: str, *, plural: str = "") -> str:
    """Return a number and its word, nothing for none: 2 nodes."""
    if not number:
        return ""
    return f"{number} {word if number == 1 else plural or f'{word}s'}"


def size(cpus: float, memory_mib: int) -> str:
    """Return the size of a node: 6 cores, 15 GiB."""
    return f"{cpus:g} {'core' if cpus == 1 else 'cores'}, {format_amount(memory_mib)}"


def short(name: str, farm: str) -> str:
    """Return a name without the farm's before it."""
    return name.removeprefix(f"{farm}-").removeprefix(f"{farm}.")


def object_subject(kind: Kind, name: str, farm: str) -> str:
    """Return whom a step on an object is about."""
    match kind:
        case Kind.DOCUMENT:
            return "farm"
        case Kind.NETWORK:
            return "network"
        case Kind.SECURITY_GROUP | Kind.TEMPLATE:
            return f"{kind.value} {short(name, farm)}"
        case _:
            assert_never(kind)
