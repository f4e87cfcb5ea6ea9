"""OpenNebula attributes as values.

What an object is told travels as a tree of attributes: a name and a text, a vector of
names and texts, or several vectors of one name (two NICs). Nobody above the adapter
builds OpenNebula's template text; the one emitter in `cloud` does, and it quotes or
refuses every value.

A `Ref` stands for the id of an object that may not exist yet when the plan is made; it
is resolved when the step is carried out.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """The kinds of object, besides VMs, that a farm is made of."""

    DOCUMENT = "document"
    SECURITY_GROUP = "security group"
    NETWORK = "network"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """The id of the farm's object of this kind and name, once it is there."""

    kind: Kind
    name: str


Scalar: TypeAlias = str | Ref
Vector: TypeAlias = Mapping[str, Scalar]
Attributes: TypeAlias = Mapping[str, Scalar | Vector | Sequence[Vector]]


def digest(attributes: Attributes, *more: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of attributes and more texts.

    The order of names does not matter, the order of equal-named vectors does.
    """
    tree = json.dumps(
        [_plain(attributes), *more],
        sort_keys=True,
        ensure_ascii=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(tree.encode("ascii")).hexdigest()[:16]


def _plain(value: object) -> object:
    match value:
        case Ref(kind=kind, name=name):
            return {"ref": [kind.value, name]}
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(inner) for inner in value]
        case _:
            message = f"{value!r} is no attribute value"
            raise TypeError(message)
