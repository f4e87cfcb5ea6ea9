"""The body of a farm's document: what must outlive a process.

`farm` is the declared farm, `cidr` its class C, `sizes` the sizes decided by hand or by
load, `wanted` how many nodes each role and pool was to have when the farm was last
planned, `readiness` what makes each count as up, `learned` what the scaling core has
learned of its work, `rolling` which pools' workers are on their way to another make
(see `rolled`), `trial` how a changed playbook fared on the first worker,
`standing` how the farm stood when the daemon wrote last (see `model.standing`). Keys
that others put there are kept.
"""

import json
from collections.abc import Iterator, Mapping

from farmctl.model.attributes import Attributes
from farmctl.model.nodes import Readiness
from farmctl.model.standing import KEY as STANDING
from farmctl.model.view import Document

FARM = "farm"
CIDR = "cidr"
SIZES = "sizes"
WANTED = "wanted"
READINESS = "readiness"
LEARNED = "learned"
ROLLING = "rolling"
TRIAL = "trial"

BODY = "BODY"
"""The one attribute of a document's step: the body as JSON."""


def as_attributes(body: Mapping[str, object]) -> Attributes:
    """Return a body as the attributes of a step, the same text for the same body."""
    return {BODY: json.dumps(body, sort_keys=True, separators=(",", ":"))}


def sizes(document: Document | None) -> dict[str, int]:
    """Return the decided sizes by pool; nothing readable counts as nothing decided."""
    return _counts(document, SIZES)


def wanted(document: Document | None) -> dict[str, int]:
    """Return how many nodes of each role and pool there were to be."""
    return _counts(document, WANTED)


def readiness(document: Document | None, key: str) -> Readiness:
    """Return what made a role or pool count as up.

    Where that is not known, RUNNING is taken for up: whoever asks wants to know
    whether a node may be working.
    """
    noted = document.body.get(READINESS) if document and document.body else None
    text = noted.get(key) if isinstance(noted, Mapping) else None
    return Readiness.ONEGATE if text == Readiness.ONEGATE else Readiness.RUNNING


def kind(document: Document | None) -> str:
    """Return the declared kind of farm, or nothing."""
    declared = document.body.get(FARM) if document and document.body else None
    found = declared.get("kind") if isinstance(declared, Mapping) else None
    return found if isinstance(found, str) else ""


def merged(
    old: Mapping[str, object] | None, new: Mapping[str, object]
) -> dict[str, object]:
    """Return the new body with what others had put into the old one."""
    return {**(old or {}), **new}


def differences(
    old: Mapping[str, object] | None, new: Mapping[str, object]
) -> tuple[str, ...]:
    """Return in words what differs between two bodies, as far as the new one goes."""
    if old is None:
        return ("the declared farm cannot be read",)
    lines: list[str] = []
    for key in sorted(new):
        before, after = _plain(old.get(key)), _plain(new[key])
        if before == after or key == READINESS:
            continue
        if key == FARM and isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += _farm(before, after)
        elif key == LEARNED:
            lines.append("what was learned of its work is written down")
        elif key == STANDING:
            lines.append("how it stands is written down")
        elif key == ROLLING:
            lines.append("how far its rolling update is, is written down")
        elif key == TRIAL:
            lines.append("how its changed playbook fared is written down")
        elif key in (SIZES, WANTED):
            lines += _flat("", before, after, unit=" nodes")
        else:
            lines += _flat(key, before, after)
    if not lines and any(_plain(old.get(key)) != _plain(new[key]) for key in new):
        lines.append("the declared farm is written anew")
    return tuple(dict.fromkeys(lines))


def _counts(document: Document | None, key: str) -> dict[str, int]:
    found = document.body.get(key) if document and document.body else None
    if not isinstance(found, Mapping):
        return {}
    return {
        str(name): number
        for name, number in found.items()
        if isinstance(number, int) and not isinstance(number, bool)
    }


def _plain(value: object) -> object:
    """Return a value as it is after a journey through JSON."""
    match value:
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _farm(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    old, new = _without_forwards(before), _without_forwards(after)
    yield from _flat("", old[0], new[0])
    for name in sorted({*old[1], *new[1]}):
        one, other = old[1].get(name), new[1].get(name)
        if one == other:
            continue
        if one is not None:
            yield _told(one, "removed")
        if other is not None:
            yield _told(other, "added")


def _without_forwards(
    farm: Mapping[str, object],
) -> tuple[dict[str, object], dict[str, Mapping[str, object]]]:
    router = farm.get("router")
    if not isinstance(router, Mapping):
        return dict(farm), {}
    listed = router.get("forwards", ())
    forwards = {
        str(each.get("name")): each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, Mapping)
    }
    rest = {key: value for key, value in router.items() if key != "forwards"}
    return {**farm, "router": rest}, forwards


def _told(forward: Mapping[str, object], verb: str) -> str:
    port = forward.get("port")
    shown = f"{port} -> {forward.get('to')}:{forward.get('to_port') or port}"
    protocol = forward.get("protocol", "tcp")
    if protocol == "both":
        shown = f"tcp and udp {shown}"
    elif protocol != "tcp":
        shown = f"{protocol} {shown}"
    sources = forward.get("from")
    listed = sources if isinstance(sources, list) else []
    anywhere = "" if listed in ([], ["0.0.0.0/0"]) else ", from "
    return f"forward {shown} {verb}{anywhere}" + (
        ", ".join(str(source) for source in listed) if anywhere else ""
    )


def _flat(path: str, old: object, new: object, *, unit: str = "") -> Iterator[str]:
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        one = old if isinstance(old, Mapping) else {}
        other = new if isinstance(new, Mapping) else {}
        for key in sorted({*one, *other}):
            inner = f"{path}.{key}" if path else str(key)
            yield from _flat(inner, one.get(key), other.get(key), unit=unit)
    elif old == new:
        return
    elif isinstance(old, list) or isinstance(new, list) or path.startswith("variables"):
        yield f"{path} changed"
    elif old is None:
        yield f"{path} {new}{unit} added"
    elif new is None:
        yield f"{path} {old}{unit} removed"
    else:
        yield f"{path} {old} -> {new}{unit}"
