"""Hold what should be against what is shown, and say in words what differs.

OpenNebula adds attributes, and admins do: what we did not write is not ours and does
not count as a difference. Exceptions are the rules of a security group, the security
groups of a network and the number of disks and interfaces, where one more is a hole.
An empty value and an absent one are the same to OpenNebula, and white space at the ends
is stripped by its parser.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from farmctl.model.attributes import Attributes, Kind, Ref, Scalar, Vector

IdOf: TypeAlias = Callable[[Ref], int | None]
"""Finds the id of an object of the farm; None while it is not there."""

_LONGEST = 60
_SECRETIVE = ("CONTEXT",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the ids in attributes are called, so that people can read a difference.

    `by_hand` turns the difference round: from what is wanted to what is shown.
    """

    images: Mapping[str, str]
    groups: Mapping[str, str]
    by_hand: bool = False


def differences(
    kind: Kind,
    wanted: Attributes,
    shown: Attributes,
    *,
    id_of: IdOf,
    names: Names,
    by_hand: bool = False,
) -> tuple[str, ...]:
    """Return what a change would do, a line each; nothing if all is as wanted.

    Args:
        kind: what is compared: rules of groups and of networks differ from templates'.
        wanted: the content as we write it.
        shown: the content as OpenNebula shows it.
        id_of: resolves references.
        names: what ids are called.
        by_hand: say instead what somebody did to what was as wanted.
    """
    if kind is Kind.SECURITY_GROUP:
        before, after = (wanted, shown) if by_hand else (shown, wanted)
        return tuple(_rules(before, after))
    names = replace(names, by_hand=by_hand)
    lines: list[str] = []
    for key in sorted(wanted):
        if key == "AR":
            continue
        lines += _value(key, wanted[key], shown.get(key, ""), id_of, names)
    return tuple(lines)


def rule_words(rule: Mapping[str, str]) -> str:
    """Return a security group's rule as people say it: rule TCP 22 from 10.0.0.0/8."""
    direction = rule.get("RULE_TYPE", "inbound")
    words = ["rule", rule.get("PROTOCOL", "ALL")]
    if rule.get("RANGE"):
        words.append(rule["RANGE"])
    if rule.get("ICMP_TYPE"):
        words.append(f"type {rule['ICMP_TYPE']}")
    towards = "to" if direction == "outbound" else "from"
    words += [towards, _where(rule)]
    return " ".join(words)


def rules_of(attributes: Attributes) -> list[dict[str, str]]:
    """Return the rules of a security group in one spelling."""
    return [
        {
            key: value.lower() if key == "RULE_TYPE" else value.upper()
            for key, value in _texts(rule, lambda _: None).items()
            if value
        }
        for rule in vectors(attributes.get("RULE", ()))
    ]


def vectors(value: Scalar | Vector | Sequence[Vector]) -> Sequence[Vector]:
    """Return the vectors of one name: none, one or several."""
    match value:
        case str() | Ref():
            return ()
        case Mapping():
            return (value,)
        case _:
            return value


def _where(rule: Mapping[str, str]) -> str:
    address, size = rule.get("IP", ""), rule.get("SIZE", "")
    if not address:
        network = rule.get("NETWORK_ID")
        return f"network {network}" if network else "anywhere"
    number = int(size) if size.isdigit() else 1
    if number == 1:
        return address
    if number & (number - 1) == 0:
        return f"{address}/{32 - number.bit_length() + 1}"
    return f"{address}+{number}"


def _rules(before: Attributes, after: Attributes) -> Iterator[str]:
    old = Counter(tuple(sorted(rule.items())) for rule in rules_of(before))
    new = Counter(tuple(sorted(rule.items())) for rule in rules_of(after))
    for rule in sorted((old - new).elements()):
        yield f"{rule_words(dict(rule))} removed"
    for rule in sorted((new - old).elements()):
        yield f"{rule_words(dict(rule))} added"


def _value(
    key: str,
    wanted: Scalar | Vector | Sequence[Vector],
    shown: Scalar | Vector | Sequence[Vector],
    id_of: IdOf,
    names: Names,
) -> Iterator[str]:
    match wanted:
        case str() | Ref():
            new = _text(wanted, id_of)
            old = _text(shown, id_of) if isinstance(shown, str | Ref) else ""
            yield from _scalar(key, old, new, names)
        case _:
            should, does = vectors(wanted), vectors(shown)
            if len(should) != len(does):
                counts = [str(len(does)), str(len(should))]
                yield f"{key}: {' -> '.join(counts[:: -1 if names.by_hand else 1])}"
                return
            for index, (one, other) in enumerate(zip(should, does, strict=True)):
                label = key if len(should) == 1 else f"{key}[{index}]"
                yield from _vector(label, one, other, id_of, names)


def _vector(
    label: str, wanted: Vector, shown: Vector, id_of: IdOf, names: Names
) -> Iterator[str]:
    new, old = _texts(wanted, id_of), _texts(shown, id_of)
    for key in sorted(new):
        yield from _scalar(f"{label}.{key}", old.get(key, ""), new[key], names)


def _scalar(label: str, shown: str, wanted: str, names: Names) -> Iterator[str]:
    old, new = (wanted, shown) if names.by_hand else (shown, wanted)
    if label.endswith("SECURITY_GROUPS"):
        if _set(old) != _set(new):
            yield (
                f"security groups {_named(old, names.groups)} -> "
                f"{_named(new, names.groups)}"
            )
    elif old == new:
        return
    elif label.endswith("IMAGE_ID"):
        yield f"image {_named(old, names.images)} -> {_named(new, names.images)}"
    elif label.startswith(_SECRETIVE):
        yield f"context {label.partition('.')[2]} changed"
    elif not old:
        yield f"{label} {_short(new)} added"
    elif not new:
        yield f"{label} {_short(old)} removed"
    else:
        yield f"{label} {_short(old)} -> {_short(new)}"


def _texts(vector: Vector, id_of: IdOf) -> dict[str, str]:
    return {key: _text(value, id_of) for key, value in vector.items()}


def _text(value: Scalar, id_of: IdOf) -> str:
    match value:
        case Ref():
            found = id_of(value)
            return value.name if found is None else str(found)
        case str():
            return value.strip()


def _set(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _named(text: str, names: Mapping[str, str]) -> str:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return ", ".join(names.get(part, part) for part in parts) or "none"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
