"""How a farm's document spells its rolls: read leniently, written small.

What to go back to is a template's content, packed: a few kB of it are the start script
of its context. A document that somebody damaged holds no roll, and ends nothing.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from farmctl.model.attributes import Attributes
from farmctl.model.rolling import Before, Refusal, Roll, Rolling
from farmctl.model.view import Document
from farmctl.plan import codec
from farmctl.plan.document import ROLLING

LARGEST = 256 * 1024
"""Characters of what one pool goes back to, packed; above it none is kept.

The variables that a farm may have (`spec.text.VARIABLE_BYTES`) are in a template twice,
in its start script and by themselves, and fit even if they do not pack at all. The
document has them as well, in its declaration; OpenNebula gives a document 16 MB.
"""

_UNPACKED = 1 << 20
_WHY = 300
_CROOKED = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


def read(document: Document | None) -> Rolling:
    """Return the rolls that a document tells of; nothing readable counts as none."""
    body = document.body if document and document.body else {}
    found = body.get(ROLLING)
    if not isinstance(found, Mapping):
        return Rolling()
    try:
        before = {str(k): _before(v) for k, v in _table(found, "before").items()}
        return Rolling(
            rolls={str(k): _roll(v) for k, v in _table(found, "pools").items()},
            before=before,
            refused={
                str(k): _refusal(v, stranded=str(k) not in before)
                for k, v in _table(found, "refused").items()
            },
        )
    except (*_CROOKED, zlib.error):
        return Rolling()


def written(rolling: Rolling) -> dict[str, object]:
    """Return the rolls as JSON, empty if there are none."""
    made: dict[str, object] = {}
    if rolling.rolls:
        made["pools"] = {
            pool: {
                "old": roll.old,
                "new": roll.new,
                "began": roll.began,
                "proven": roll.proven,
                "failed": {str(vm_id): at for vm_id, at in roll.failed.items()},
                "back": roll.back,
                "freed": roll.freed,
                "placed": list(roll.placed),
            }
            for pool, roll in rolling.rolls.items()
        }
    if rolling.before:
        made["before"] = {
            pool: {
                "digest": known.digest,
                "image": known.image,
                "disk": known.disk_mib,
                "packed": _packed(known),
            }
            for pool, known in rolling.before.items()
        }
    if rolling.refused:
        made["refused"] = {
            pool: {"digest": each.digest, "why": each.why[:_WHY], "at": each.at}
            for pool, each in rolling.refused.items()
        }
    return made


def fits(known: Before) -> bool:
    """Tell whether the document has room for what to go back to."""
    return len(_plain(known)) < _UNPACKED and len(_packed(known)) <= LARGEST


def _plain(known: Before) -> str:
    tree = codec.encode(known.attributes, Attributes)
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


def _packed(known: Before) -> str:
    text = _plain(known)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(text: str) -> Attributes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not packed") from error
    plain = zlib.decompressobj().decompress(data, _UNPACKED)
    found: Attributes = codec.decode(json.loads(plain), Attributes)
    return found


def _table(found: Mapping[Any, Any], key: str) -> Mapping[Any, Any]:
    inner = found.get(key, {})
    return inner if isinstance(inner, Mapping) else {}


def _roll(value: Mapping[str, Any]) -> Roll:
    return Roll(
        old=str(value["old"]),
        new=str(value["new"]),
        began=float(value["began"]),
        proven=float(value["proven"]),
        failed={int(key): float(at) for key, at in value["failed"].items()},
        back=bool(value["back"]),
        # An earlier farmctl did not keep these.
        freed=str(value.get("freed", "")),
        placed=tuple(int(each) for each in value.get("placed", ())),
    )


def _before(value: Mapping[str, Any]) -> Before:
    return Before(
        digest=str(value["digest"]),
        image=str(value["image"]),
        disk_mib=int(value["disk"]),
        attributes=_unpacked(str(value["packed"])),
    )


def _refusal(value: Mapping[str, Any], *, stranded: bool) -> Refusal:
    return Refusal(
        digest=str(value["digest"]),
        why=str(value["why"]),
        at=float(value["at"]),
        stranded=stranded,
    )
