"""What a text may hold, for each place where it lands.

Every text of the two files ends up in an OpenNebula template, a UCI file, a shell or a
DNS zone. Each function here takes one text and returns it, or refuses it with `Wrong`,
so that nothing behind `spec` has to ask again. What is free text (farm variables)
travels as base64 and has few limits; everything else is narrow.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

from farmctl.model import requirements

SHOWN = 60
"""Characters of a value that a message repeats."""

LONGEST_FARM_NAME = 40
LONGEST_POOL_NAME = 18
"""`FARM-POOL-001` is a DNS label: 40 + 1 + 18 + 4 = 63."""

LONGEST_DOMAIN = 148
"""`NODE.FARM.DOMAIN` is a DNS name: 63 + 1 + 40 + 1 + 148 = 253."""

LONGEST_ONE_NAME = 128
"""OpenNebula's limit for the names of networks, VMs and images (measured, 7.4.0)."""

FORBIDDEN_IN_ONE_NAME = "\"'$</|;&\\\t"
"""What OpenNebula 7.4.0 takes in no name (measured)."""

LOCAL_DOMAINS = ("test", "local", "invalid", "onion", "bind", "localhost")
"""dnsmasq never forwards these (measured on OpenWrt)."""

POOL_NAMES_TAKEN = ("router", "head")

VARIABLE_BYTES = 65_536
"""All variables of a farm together: OpenNebula keeps them in each node's template."""

VARIABLES_TAKEN = re.compile(
    r"(ETH\d+|NIC\d+|PCI\d+)(_.*)?|(FARMCTL|ONE|ONEGATE|VROUTER|LD|BASH)_.*|FARMCTL"
    r"|CONTEXT|DISK_ID|TARGET|TOKEN|NETWORK|NETCFG.*|VMID|FILES|FILES_DS|REPORT_READY"
    r"|READY_SCRIPT.*|START_SCRIPT.*|INIT_SCRIPTS|SSH_PUBLIC_KEY|SET_HOSTNAME|HOSTNAME"
    r"|DNS_HOSTNAME|EC2_PUBLIC_KEY|USERNAME|PASSWORD.*|CRYPTED_PASSWORD.*|TIMEZONE"
    r"|GROW_.*|SWAP.*|PATH|IFS|ENV|HOME|SHELL|USER|PS[0-9]|PWD|OLDPWD|SHELLOPTS|CDPATH"
)
"""Names that OpenNebula's contextualisation or a shell has a use of its own for."""

_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NODE_OF_POOL = re.compile(r"([a-z][a-z0-9-]*)-([0-9]{3})")
_IMAGE_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Wrong(ValueError):  # noqa: N818 - read as `raise Wrong(what, what to do)`
    """A value is not what belongs here: what is wrong, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.hint = hint


def show(value: object) -> str:
    """Return `value` for a message: quoted, cut, nothing unprintable in it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"
            return repr(cut)
        case int() | float():
            return str(value)
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "this value"


def farm_name(text: str) -> str:
    """Refuse what cannot begin a node's host name."""
    return _label(text, what="the name of a farm", longest=LONGEST_FARM_NAME)


def pool_name(text: str) -> str:
    """Refuse what cannot stand in a node's host name, or reads like one node."""
    _label(text, what="the name of a pool", longest=LONGEST_POOL_NAME)
    if text in POOL_NAMES_TAKEN:
        raise Wrong(
            f"{show(text)} is a role of its own.",
            "Call the pool something else, such as 'wn'.",
        )
    if _NODE_OF_POOL.fullmatch(text):
        raise Wrong(
            f"{show(text)} reads like one node of a pool.",
            f"Call the pool {show(text[:-4])}; farmctl numbers its nodes.",
        )
    return text


def forward_name(text: str) -> str:
    """Refuse what cannot name a section of the router's configuration."""
    return _label(text, what="the name of a forward", longest=32)


def site_name(text: str) -> str:
    """Refuse what cannot be shown and tagged everywhere."""
    return _label(text, what="the name of a site", longest=LONGEST_FARM_NAME)


def forward_target(text: str) -> str:
    """Refuse what is neither `head` nor shaped like `wn-001`; `rules` looks it up."""
    if text != "head":
        _label(text, what="the name of a node", longest=63)
    return text


def node_of_pool(text: str) -> tuple[str, int] | None:
    """Return pool and number of a name such as `wn-001`, None if it is not one."""
    match = _NODE_OF_POOL.fullmatch(text)
    return (match[1], int(match[2])) if match else None


def image_key(text: str) -> str:
    """Refuse what is no short name of ours for an image."""
    if not _IMAGE_KEY.fullmatch(text):
        raise Wrong(
            f"{show(text)} cannot be our name of an image.",
            "Use up to 64 of a-z, 0-9, '.', '_' and '-', such as 'wn-el9'.",
        )
    return text


def one_name(text: str) -> str:
    """Refuse what OpenNebula 7.4 refuses as a name, or would silently change."""
    if not text.strip():
        raise Wrong("an OpenNebula name cannot be empty.")
    if text != text.strip():
        raise Wrong(
            f"{show(text)} begins or ends with white space.",
            f"OpenNebula would strip it: write {show(text.strip())}.",
        )
    if len(text) > LONGEST_ONE_NAME:
        raise Wrong(
            f"{show(text)} has {len(text)} characters.",
            f"OpenNebula takes names of at most {LONGEST_ONE_NAME}.",
        )
    _printable_bmp(text)
    if bad := [char for char in text if char in FORBIDDEN_IN_ONE_NAME]:
        raise Wrong(
            f"{show(text)} holds {show(bad[0])}, which OpenNebula takes in no name."
        )
    return text


def one_line(text: str) -> str:
    """Refuse what cannot stand in a quoted value of an OpenNebula template."""
    _printable_bmp(text)
    if text.endswith("\\"):
        raise Wrong(
            f"{show(text)} ends in a backslash, which OpenNebula cannot take there."
        )
    return text


def requirement(text: str) -> str:
    """Refuse what is no requirement expression of OpenNebula's scheduler."""
    one_line(text)
    try:
        requirements.parse(text)
    except ValueError as error:
        raise Wrong(
            f"{show(text)} is no OpenNebula requirement: {_cut(str(error))}.",
            "Write it as SCHED_REQUIREMENTS has it, such as 'FARM_CLASS=\"worker\"'.",
        ) from error
    return text


def domain(text: str) -> str:
    """Refuse what is no DNS domain, or one that the farms' DNS would never forward."""
    labels = text.split(".")
    if not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise Wrong(
            f"{show(text)} is not a DNS domain.",
            "Write it in lower case, such as farm.example.org.",
        )
    if len(text) > LONGEST_DOMAIN:
        raise Wrong(f"a domain of {len(text)} characters leaves no room for nodes.")
    if labels[-1] in LOCAL_DOMAINS:
        raise Wrong(
            f"{show(text)} ends in .{labels[-1]}, which dnsmasq never forwards.",
            "Write a domain of yours, such as farm.example.org.",
        )
    if labels[-1].isdigit():
        raise Wrong(f"{show(text)} ends in a number and reads like an address.")
    return text


def endpoint(text: str) -> str:
    """Refuse what is no address of an OpenNebula API."""
    example = "Write it such as http://one.example.org:2633/RPC2."
    if "@" in text:  # and so probably a password, which no message may repeat
        raise Wrong(
            "an endpoint holds no user or password.",
            "Keep them in the file that cloud.auth_file names.",
        )
    _printable_bmp(text)
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Wrong(f"{show(text)} is not a URL.", example) from error
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", text):
        raise Wrong(f"{show(text)} is not an http or https URL.", example)
    return text


def file_name(text: str) -> str:
    """Refuse what cannot be a path."""
    if not text.strip():
        raise Wrong("the path of a file cannot be empty.")
    _printable(text)
    return text


def user_name(text: str) -> str:
    """Refuse what Linux takes for no user."""
    if not _USER.fullmatch(text):
        raise Wrong(
            f"{show(text)} is not the name of a user.",
            "Use a-z, 0-9, '_' and '-', at most 32 characters, such as root.",
        )
    return text


def playbook(text: str) -> str:
    """Refuse what cannot be the name of a playbook."""
    file_name(text)
    if not text.endswith((".yml", ".yaml")):
        raise Wrong(
            f"{show(text)} ends in neither .yml nor .yaml, as a playbook does.",
            "Write site.yml for the one that farmctl brings along.",
        )
    return text


def playbook_or_none(text: str) -> str:
    """Refuse what is neither the name of a playbook nor `none`."""
    if text == "none":
        return text
    try:
        return playbook(text)
    except Wrong as error:
        raise Wrong(error.message, "Write such as site.yml, or none.") from error


def interface(text: str) -> str:
    """Refuse what Linux takes for no network interface."""
    if not _INTERFACE.fullmatch(text):
        raise Wrong(
            f"{show(text)} is not a network interface.",
            "Write it as `ip link` shows it, at most 15 characters, such as eth1.",
        )
    return text


def address(text: str) -> str:
    """Refuse what is no single IPv4 address; return it as it is usually written."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise Wrong(
            f"{show(text)} is not an IPv4 address.", "Write it such as 192.0.2.10."
        ) from error


def network(text: str) -> str:
    """Refuse what is no IPv4 network; a bare address means that address alone."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        try:
            around = ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            raise Wrong(
                f"{show(text)} is not an IPv4 network.",
                "Write it such as 192.0.2.0/24.",
            ) from error
        raise Wrong(
            f"{show(text)} has bits set behind its prefix.", f"Write {around}."
        ) from error


def variable_name(text: str) -> str:
    """Refuse what is no name of a context variable, or has a meaning already."""
    if not _VARIABLE.fullmatch(text):
        raise Wrong(
            f"{show(text)} cannot name a variable.",
            "Use A-Z, 0-9 and '_', a letter first, at most 64, such as GRID_SITE.",
        )
    if VARIABLES_TAKEN.fullmatch(text):
        raise Wrong(
            f"{show(text)} has a meaning of its own in a node.",
            f"Choose another name, such as FARM_{text}.",
        )
    return text


def free_text(text: str) -> str:
    """Refuse what no node could be handed: NUL, control characters, half characters."""
    for char in text:
        if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs"):
            raise Wrong(
                f"holds the control character U+{ord(char):04X}.",
                "Take it out; line breaks and tabs may stay.",
            )
    return text


def _label(text: str, *, what: str, longest: int) -> str:
    if len(text) > longest:
        raise Wrong(
            f"{show(text)} has {len(text)} characters.",
            f"{what[0].upper()}{what[1:]} has at most {longest}.",
        )
    if not _LABEL.fullmatch(text):
        instead = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[
            :longest
        ]
        raise Wrong(
            f"{show(text)} cannot be {what}.",
            "Use a-z, 0-9 and '-', a letter first and no '-' at the end"
            + (f", such as {show(instead)}." if _LABEL.fullmatch(instead) else "."),
        )
    return text


def _printable(text: str) -> None:
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Cf", "Zl", "Zp"):
            raise Wrong(
                f"{show(text)} holds the invisible character U+{ord(char):04X}.",
                "Take it out.",
            )


def _printable_bmp(text: str) -> None:
    _printable(text)
    for char in text:
        if ord(char) > 0xFFFF:  # noqa: PLR2004 - the end of the BMP
            raise Wrong(
                f"{show(text)} holds {show(char)}, "
                "which OpenNebula's API does not carry.",
                "Take it out: emoji and the like are beyond it.",
            )
    if "]]>" in text:
        raise Wrong(f"{show(text)} holds ']]>', which OpenNebula cannot parse.")


def _cut(text: str) -> str:
    return text if len(text) <= 2 * SHOWN else f"{text[: 2 * SHOWN - 1]}…"


def lying_in(
    written: Sequence[str | None], nets: Sequence[ipaddress.IPv4Network]
) -> list[int]:
    """Return which of the networks lie in one of `nets`; None lies in none."""
    read = [ipaddress.IPv4Network(each) if each else None for each in written]
    return [at for at, net in enumerate(read) if net and any(map(net.subnet_of, nets))]
