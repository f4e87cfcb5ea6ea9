"""Public SSH keys: taken only if they are what they say, with a plain comment.

A key lands in each node's `authorized_keys` by way of an OpenNebula template; a
comment could carry a quote or an option into either, so it is held to a few characters.
"""

import base64
import binascii
import re

from farmctl.spec.text import Wrong, show

SSH_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)

_COMMENT = re.compile(r"[A-Za-z0-9 @._+:,=-]{0,128}")
_LARGEST_KEY = 8_192
_SMALLEST_RSA_BYTES = 256


def ssh_key(text: str) -> str:
    """Refuse what is not one public SSH key: type, base64 and a plain comment."""
    key = text.strip()
    if "PRIVATE KEY" in key:
        raise Wrong(
            "this is a private key, which must not stand here.",
            "Use the one line of the file that ends in .pub, and make a new key.",
        )
    kind, _, rest = key.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    comment = comment.strip()
    if kind not in SSH_KEY_TYPES:
        raise Wrong(
            f"{show(key)} does not begin with a type of public key.",
            f"Use one line of a .pub file; {', '.join(SSH_KEY_TYPES[:2])} and ecdsa "
            "are taken, options before the type are not.",
        )
    if not _carries(blob, kind):
        raise Wrong(
            f"this {kind} key is damaged: its base64 part is not such a key.",
            "Copy the whole line of the .pub file again.",
        )
    if not _COMMENT.fullmatch(comment):
        raise Wrong(
            f"the comment {show(comment)} of this key holds more than it may.",
            "Keep to letters, digits, spaces and @._+:,=-, or leave it out.",
        )
    return f"{kind} {blob} {comment}".rstrip()


def _carries(blob: str, kind: str) -> bool:
    """Say whether `blob` is base64 of whole fields, the first of them `kind`."""
    if len(blob) > _LARGEST_KEY:
        return False
    try:
        rest = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        field, rest = rest[4 : 4 + size], rest[4 + size :]
        if len(field) != size:
            return False
        fields.append(field)
    match kind, fields:
        case "ssh-ed25519", [_, point]:
            shaped = len(point) == 32  # noqa: PLR2004 - an Ed25519 point
        case "ssh-rsa", [_, _, modulus]:
            shaped = len(modulus.lstrip(b"\0")) >= _SMALLEST_RSA_BYTES
        case _:
            shaped = len(fields) >= 3  # noqa: PLR2004 - type, curve, point
    return shaped and fields[0] == kind.encode()
