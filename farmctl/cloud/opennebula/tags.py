"""What farmctl writes on objects: tags, marks, and the body of a farm's document.

The laws want every object to carry its farm in its own template. These are the
attributes in which it does, each way: values to attributes, elements to values.
Reading is tolerant: people edit templates by hand, and a tag that makes no sense is
drift for `plan` to name, never a crash.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lxml import etree

from farmctl.cloud.opennebula import text, tree
from farmctl.model.attributes import Attributes
from farmctl.model.nodes import Mark, Role, Tag
from farmctl.model.view import Holder

TAG = "FARMCTL"
NODE = "NODE"
MARK = "FARMCTL_MARK"
BODY = "BODY_BASE64"
HOLDER = "HOLDER_BASE64"
HOST_KEY = "FARMCTL_HOST_KEY"
"""What a guest tells OneGate of its SSH host key."""

_UNMARKED = Mark()
_HOST_KEY = re.compile(
    r"(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) ([A-Za-z0-9+/]{40,2048}={0,2})"
)
_DIGEST = re.compile(r"[A-Za-z0-9._-]{1,64}")


def tag_attributes(tag: Tag) -> Attributes:
    """Return the vector FARMCTL of a tag; what the tag lacks is left out.

    A tag without a farm is none: what is the site's own carries no tag.
    """
    return {TAG: _tag_pairs(tag)} if tag.farm else {}


def tag_of(template: etree._Element | None) -> Tag | None:
    """Return the tag in a TEMPLATE or USER_TEMPLATE; None where there is no FARM."""
    vector = template.find(TAG) if template is not None else None
    if vector is None:
        return None
    pairs = {str(each.tag): each.text or "" for each in vector}
    farm = pairs.get("FARM")
    if not farm:
        return None
    return Tag(
        farm=farm,
        role=_role(pairs.get("ROLE", "")),
        pool=pairs.get("POOL", ""),
        digest=pairs.get("DIGEST", ""),
        ordinal=max(0, tree.number(pairs.get("ORDINAL"))),
    )


def node_attributes(tag: Tag, name: str) -> Attributes:
    """Return the vector FARMCTL of a node: its tag and, as NODE, the name it got.

    A VM that somebody makes of a farm's template by hand has the template's tag, but no
    NODE: that is how the farm's own VMs are told from it.
    """
    return {TAG: {**_tag_pairs(tag), NODE: name}}


def node_tag_of(
    user_template: etree._Element | None, context: etree._Element | None
) -> Tag | None:
    """Return the tag of a VM that farmctl made; None for any other VM.

    The guest may write USER_TEMPLATE through OneGate, but not CONTEXT, which names the
    farm, role and pool as well: a tag that says something else is not believed.
    """
    tag = tag_of(user_template)
    if tag is None or user_template is None:
        return None
    if not user_template.findtext(f"{TAG}/{NODE}"):
        return None
    told = context.findtext("FARMCTL_FARM") if context is not None else None
    if told is None or context is None:
        return tag
    role = tag.role.value if tag.role is not None else ""
    written = (tag.farm, role, tag.pool)
    given = (
        told,
        context.findtext("FARMCTL_ROLE") or "",
        context.findtext("FARMCTL_POOL") or "",
    )
    return tag if written == given else None


def mark_attributes(mark: Mark) -> Attributes:
    """Return the vector FARMCTL_MARK of a mark, complete, so that it replaces one."""
    return {
        MARK: {
            "DRAINING": _yes(mark.draining),
            "ASIDE": _yes(mark.aside),
            "REASON_BASE64": text.encode(mark.reason),
            "ATTEMPTS": str(mark.attempts),
            **({"CONFIGURED": mark.configured} if mark.configured else {}),
            **({"SENT": mark.sent} if mark.sent else {}),
        }
    }


def mark_of(template: etree._Element | None) -> Mark:
    """Return the mark in a USER_TEMPLATE; an empty one where there is none."""
    vector = template.find(MARK) if template is not None else None
    if vector is None:
        return _UNMARKED
    pairs = {str(each.tag): each.text or "" for each in vector}
    return Mark(
        draining=pairs.get("DRAINING", "").upper() == "YES",
        aside=pairs.get("ASIDE", "").upper() == "YES",
        reason=text.decode(pairs.get("REASON_BASE64", "")) or "",
        attempts=max(0, tree.number(pairs.get("ATTEMPTS"))),
        configured=_digest(pairs.get("CONFIGURED", "")),
        sent=_digest(pairs.get("SENT", "")),
    )


def host_key_of(user_template: etree._Element) -> str:
    """Return the SSH host key in a USER_TEMPLATE as `TYPE BASE64`, or nothing.

    The guest writes it, and so may anybody in it: what is not exactly a key, of the
    type that it says it is, is none. A comment after it is left out.
    """
    words = (user_template.findtext(HOST_KEY) or "").split()
    found = _HOST_KEY.fullmatch(" ".join(words[:2]))
    if found is None:
        return ""
    try:
        blob = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return ""
    kind = found[1].encode("ascii")
    named = len(kind).to_bytes(4, "big") + kind
    return found[0] if blob.startswith(named) else ""


def document_attributes(
    body: Mapping[str, object], holder: Holder | None
) -> Attributes:
    """Return the attributes in which a farm's document keeps its body and holder."""
    written = json.dumps(asdict(holder)) if holder is not None else ""
    return {
        BODY: text.encode(json.dumps(body, sort_keys=True, separators=(",", ":"))),
        HOLDER: text.encode(written),
    }


def body_of(template: etree._Element | None) -> Mapping[str, object] | None:
    """Return the body of a document, or None if there is none that can be read."""
    found = _json_at(template, BODY)
    return found if isinstance(found, dict) else None


def holder_of(template: etree._Element | None) -> Holder | None:
    """Return the holder of a document, or None if there is none that can be read."""
    found = _json_at(template, HOLDER)
    if not isinstance(found, dict):
        return None
    try:
        return Holder(
            host=str(found["host"]),
            boot=str(found["boot"]),
            pid=int(found["pid"]),
            started=str(found["started"]),
            nonce=str(found["nonce"]),
            beat=int(found["beat"]),
            command=str(found.get("command", "")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _tag_pairs(tag: Tag) -> dict[str, str]:
    pairs = {
        "FARM": tag.farm,
        "ROLE": tag.role.value if tag.role is not None else "",
        "POOL": tag.pool,
        "DIGEST": tag.digest,
        "ORDINAL": str(tag.ordinal) if tag.ordinal else "",
    }
    return {name: value for name, value in pairs.items() if value}


def _json_at(template: etree._Element | None, name: str) -> Any:
    written = template.findtext(name) if template is not None else None
    decoded = text.decode(written) if written else None
    if not decoded:
        return None
    try:
        return json.loads(decoded)
    except (ValueError, RecursionError):
        return None


def _digest(value: str) -> str:
    """Return a digest; the guest may write here, so what is none counts for nothing."""
    return value if _DIGEST.fullmatch(value) else ""


def _role(value: str) -> Role | None:
    try:
        return Role(value)
    except ValueError:
        return None


def _yes(value: bool) -> str:  # noqa: FBT001 - the one value that it spells
    return "YES" if value else "NO"
