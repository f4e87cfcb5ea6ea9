"""From YAML's events to nodes: duplicate keys, tags, anchors and limits.

PyYAML's own composer keeps none of the places, takes the last of two equal keys and
resolves words as YAML 1.1 did. This one walks the parser's events, notes a mistake and
goes on where it can. `document` calls it and unfolds what it makes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from farmctl.errors import InputError, Mistake
from farmctl.spec.text import show

MOST_VALUES = 10_000
"""Values in a file, anchors unfolded: what an alias bomb needs much more of."""

DEEPEST = 24
"""Levels of nesting; a farm file has five."""

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"
Place: TypeAlias = tuple[int, int]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?((\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+]?[0-9]+)?"
    r"|(0|[1-9][0-9]*)[eE][-+]?[0-9]+)"
)
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")


@dataclass(slots=True, kw_only=True)
class Node:
    """A value as parsed; an alias shares the node of its anchor."""

    place: Place
    content: "Scalar | list[Node] | dict[str, tuple[Place, Node]]"
    written: str | None = None
    weight: int = 1


@dataclass(slots=True, kw_only=True)
class Composer:
    """Makes nodes of events, and notes what is wrong on the way."""

    file: str
    mistakes: list[Mistake] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)

    def root(self, text: str) -> Node:
        events = yaml.parse(text, Loader=_LOADER)
        node: Node | None = None
        for event in events:
            match event:
                case yaml.DocumentStartEvent() if node is not None:
                    self.mistake(
                        _at(event),
                        "a second document begins here.",
                        "Give each farm a file of its own.",
                    )
                    raise InputError(self.mistakes)
                case yaml.NodeEvent():
                    node = self.node(event, events, depth=0)
                case _:
                    pass
        if node is None or node.content is None:
            self.mistakes.append(
                Mistake(
                    file=self.file,
                    message="is empty.",
                    hint="`farmctl init` writes files to start from.",
                )
            )
            raise InputError(self.mistakes)
        return node

    def mistake(self, place: Place, message: str, hint: str = "") -> None:
        self.mistakes.append(
            Mistake(
                file=self.file,
                line=place[0],
                column=place[1],
                message=message,
                hint=hint,
            )
        )

    def node(
        self, event: yaml.NodeEvent, events: Iterator[yaml.Event], *, depth: int
    ) -> Node:
        if depth > DEEPEST:
            self.mistake(_at(event), f"is nested more than {DEEPEST} levels deep.")
            raise InputError(self.mistakes)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        match event:
            case yaml.ScalarEvent():
                node = self._scalar(event)
            case yaml.SequenceStartEvent():
                self._refuse_tag(event)
                node = self._sequence(event, events, depth)
            case yaml.MappingStartEvent():
                self._refuse_tag(event)
                node = self._mapping(event, events, depth)
            case _:
                raise AssertionError(event)
        if node.weight > MOST_VALUES:
            self.mistake(_at(event), f"holds more than {MOST_VALUES} values.")
            raise InputError(self.mistakes)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        node = self.anchors.get(event.anchor or "")
        if node is None:
            known = event.anchor in self.anchors
            self.mistake(
                _at(event),
                f"*{event.anchor} stands inside itself."
                if known
                else f"there is no anchor &{event.anchor} above.",
            )
            raise InputError(self.mistakes)
        return node

    def _refuse_tag(self, event: yaml.CollectionStartEvent | yaml.ScalarEvent) -> None:
        if event.tag not in _TEXT_TAGS:
            self.mistake(
                _at(event),
                f"the tag {show(event.tag)} has no meaning here.",
                "Leave it out.",
            )

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        self._refuse_tag(event)
        plain = event.implicit[0] and event.tag is None
        return Node(
            place=_at(event),
            content=_resolve(event.value) if plain else event.value,
            written=event.value,
        )

    def _sequence(
        self, start: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int
    ) -> Node:
        items: list[Node] = []
        weight = 1
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            assert isinstance(event, yaml.NodeEvent)
            items.append(self.node(event, events, depth=depth + 1))
            weight = self._grown(weight, items[-1], event)
        return Node(place=_at(start), content=items, weight=weight)

    def _mapping(
        self, start: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int
    ) -> Node:
        entries: dict[str, tuple[Place, Node]] = {}
        weight = 1
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            assert isinstance(event, yaml.NodeEvent)
            key = self.node(event, events, depth=depth + 1)
            following = next(events)
            assert isinstance(following, yaml.NodeEvent)
            value = self.node(following, events, depth=depth + 1)
            weight = self._grown(weight, value, event)
            at = _at(event)
            if key.written is None or isinstance(event, yaml.AliasEvent):
                self.mistake(at, "only text can be a key.")
            elif key.written == "<<":
                self.mistake(
                    at, "merge keys (<<) are not taken.", "Write the values out."
                )
            elif key.written in entries:
                first = entries[key.written][0][0]
                self.mistake(
                    at,
                    f"the key {show(key.written)} stands here twice; it is in line "
                    f"{first} too.",
                    "Keep one of them.",
                )
            else:
                entries[key.written] = (at, value)
        return Node(place=_at(start), content=entries, weight=weight)

    def _grown(self, weight: int, by: Node, event: yaml.Event) -> int:
        if weight + by.weight > MOST_VALUES:
            self.mistake(_at(event), f"the file holds more than {MOST_VALUES} values.")
            raise InputError(self.mistakes)
        return weight + by.weight


def _resolve(word: str) -> Scalar:
    """Return what a plain word means in YAML 1.2, with decimal numbers only."""
    if _NULL.fullmatch(word):
        return None
    if _TRUE.fullmatch(word):
        return True
    if _FALSE.fullmatch(word):
        return False
    if _INT.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        return float(word)
    return word


def _at(event: yaml.Event) -> Place:
    mark = event.start_mark
    assert mark is not None
    return mark.line + 1, mark.column + 1
