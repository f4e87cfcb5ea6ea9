"""Private SSH keys as files: what keeps one from being used, and whose key it is.

Nothing secret is read out of one: OpenSSH's format has the public half and the name of
the cipher in clear (PROTOCOL.key of OpenSSH). Where the answer goes, `identity` knows.
"""

import base64
import binascii
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TypeAlias

Fault: TypeAlias = tuple[str, str]
"""What is wrong with a key, and what to do."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")
_MAGIC = b"openssh-key-v1\0"
_MUCH = 65_536
_AGENT = 5.0
"""Seconds within which an agent has to tell its keys."""


def faults(path: Path) -> list[Fault]:
    """Return all that keeps a private key from being used; nothing if it can be."""
    make = f"Make one with `ssh-keygen -t ed25519 -f {path}`"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return [(f"{path} is no file.", f"{make}.")]
        text = _read(path)
    except FileNotFoundError:
        return [(f"{path} is not there.", f"{make}, or name the one that you have.")]
    except OSError as error:
        return [(f"{path} cannot be read: {error.strerror}.", "Run as its owner.")]
    first = text.partition(b"\n")[0].strip()
    if first.startswith(_PUBLIC):
        private = path.with_suffix("") if path.suffix == ".pub" else None
        return [
            (
                f"{path} is a public key, and the private one belongs here.",
                f"Name {private}." if private else f"{make}.",
            )
        ]
    if not (first.startswith(b"-----BEGIN ") and first.endswith(b"PRIVATE KEY-----")):
        return [(f"{path} is no private key.", f"{make}.")]
    told: list[Fault] = []
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        told.append(
            (
                f"{path} can be read by others than its owner (mode {mode:04o}).",
                f"chmod 600 {path}",
            )
        )
    if _has_passphrase(text) and not _in_agent(_public(text)):
        message = f"{path} has a passphrase, and nobody is there to type it."
        hint = (
            f"Put it into your agent with `ssh-add {path}`, take the passphrase off "
            f"with `ssh-keygen -p -f {path}`, or make a key of farmctl's own."
        )
        told.append((message, hint))
    return told


def public_half(path: Path) -> str:
    """Return the type and base64 of a private key's public half.

    Empty where it cannot be told: an older format, no key, or a file not to be read.
    """
    try:
        return _public(_read(path))
    except OSError:
        return ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MUCH)


def _has_passphrase(text: bytes) -> bool:
    if b"ENCRYPTED" in text:  # PKCS#8 says so in its first line, PEM in its second
        return True
    fields = _fields(text)
    return bool(fields) and fields[0] != b"none"


def _public(text: bytes) -> str:
    fields = _fields(text)
    if len(fields) <= _BLOB:
        return ""
    blob = fields[_BLOB]
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return f"{kind.decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"


_BLOB = 3
"""The public half comes behind the cipher, the key derivation and its options."""


def _fields(text: bytes) -> list[bytes]:
    """Return the fields in clear of a key in OpenSSH's own format; none of others."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        data = base64.b64decode(
            b"".join(line for line in lines if b"-----" not in line), validate=True
        )
    except (binascii.Error, ValueError):
        return []
    if not data.startswith(_MAGIC):
        return []
    rest, fields = data[len(_MAGIC) :], list[bytes]()
    while len(fields) <= _BLOB and rest:
        if len(fields) == _BLOB:
            rest = rest[4:]  # how many keys there are: OpenSSH writes one
        size = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return fields


def _in_agent(public: str) -> bool:
    """Tell whether the agent has the key: a passphrase is then no matter."""
    asked = shutil.which("ssh-add")
    if not public or asked is None or not os.environ.get("SSH_AUTH_SOCK"):
        return False
    try:
        told = subprocess.run(  # noqa: S603 - the path of ssh-add, and no shell
            [asked, "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_AGENT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return public in told.stdout.decode("utf-8", "replace")
