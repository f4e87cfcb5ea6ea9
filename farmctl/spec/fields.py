"""The types of the files' fields: what is written, what it becomes, what editors see.

Each is a plain Python type with its check from `spec.text` or `units` behind it. The
values that come out are normalised: amounts in MiB, durations in seconds, networks with
their prefix.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from farmctl import units
from farmctl.model.nodes import Readiness as _Readiness
from farmctl.spec import ssh_keys, text
from farmctl.spec.text import Wrong

CLASS_C = 24
"""The prefix of a farm's network."""


def _quantity(
    parse: Callable[[str], int], unit: str, example: str
) -> Callable[[object], int]:
    """Return a reader of written quantities; a bare number has no unit."""

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            raise Wrong(f"{value} has no unit.", f"Write {value}{unit} if that is it.")
        if value is None:
            raise Wrong("has no value.", f"Write {example}.")
        if not isinstance(value, str):
            raise Wrong(f"{text.show(value)} has no place here.", f"Write {example}.")
        message = ""
        try:
            return parse(value)
        except ValueError as error:
            message = str(error)
        said, _, hint = message.partition(". Write ")
        raise Wrong(f"{said}." if hint else said, f"Write {hint}" if hint else "")

    return read


def _schema(pattern: str, *examples: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "examples": list(examples), **more}
    )


_DEAREST = 1000


def _price(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < float(str(value)) <= _DEAREST:
        raise Wrong(
            f"{text.show(value)} is not a price of waiting.",
            "Write how many core-hours an hour of one waiting task is worth, such as "
            f"5; at most {_DEAREST}.",
        )
    return float(str(value))


_LARGEST_BUDGET = 1_000_000


def _budget(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < float(str(value)) <= _LARGEST_BUDGET:
        raise Wrong(
            f"{text.show(value)} is not a budget.",
            "Write how many core-hours the workers may cost a day, such as 960 for 40 "
            f"cores all day; at most {_LARGEST_BUDGET}.",
        )
    return float(str(value))


def _class_c(value: str) -> str:
    if value == "auto":
        return value
    cidr = text.network(value)
    net = ipaddress.IPv4Network(cidr)
    if net.prefixlen != CLASS_C:
        around = ipaddress.IPv4Network(f"{net.network_address}/{CLASS_C}", strict=False)
        raise Wrong(
            f"{text.show(value)} is no class C: a farm has a whole /24.",
            f"Write auto or {around}.",
        )
    return cidr


def _public_address(value: str) -> str:
    if value in ("auto", "none"):
        return value
    try:
        return text.address(value)
    except Wrong as error:
        raise Wrong(
            f"{text.show(value)} is no public address.",
            "Write auto, none or an address such as 192.0.2.10.",
        ) from error


_IPV4 = r"(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}"
_LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"

Memory = Annotated[
    int,
    BeforeValidator(_quantity(units.parse_amount, "MiB", "15GiB or 15360MiB")),
    PlainSerializer(units.format_amount, return_type=str),
    _schema(units.AMOUNT_PATTERN, "8GiB", "15360MiB"),
]
"""Memory in MiB; written as 15GiB."""

Disk = Annotated[
    int,
    BeforeValidator(
        _quantity(
            lambda value: units.parse_amount(value, of="disk"),
            "MiB",
            "120GiB or 122880MiB",
        )
    ),
    PlainSerializer(units.format_amount, return_type=str),
    _schema(units.AMOUNT_PATTERN, "40GiB", "120GiB"),
]
"""Disk in MiB; written as 120GiB."""

Duration = Annotated[
    int,
    BeforeValidator(_quantity(units.parse_duration, "s", "90s, 1h30m or 7d")),
    PlainSerializer(units.format_duration, return_type=str),
    _schema(units.DURATION_PATTERN, "90s", "1h30m", "7d"),
]
"""Seconds; written as 7d."""

Cpus = Annotated[int, Field(ge=1, le=1024)]
Nodes = Annotated[int, Field(ge=0, le=252)]
Surge = Annotated[int, Field(ge=1, le=252)]
Port = Annotated[int, Field(ge=1, le=65535)]
Price = Annotated[
    float,
    BeforeValidator(_price),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": _DEAREST}),
]
"""Core-hours that an hour of one waiting task is worth."""

Budget = Annotated[
    float,
    BeforeValidator(_budget),
    WithJsonSchema(
        {"type": "number", "exclusiveMinimum": 0, "maximum": _LARGEST_BUDGET}
    ),
]
"""Core-hours a day."""

FarmName = Annotated[
    str,
    AfterValidator(text.farm_name),
    _schema(f"^{_LABEL}$", "alice-wn", maxLength=text.LONGEST_FARM_NAME),
]
PoolName = Annotated[
    str,
    AfterValidator(text.pool_name),
    _schema(f"^{_LABEL}$", "wn", maxLength=text.LONGEST_POOL_NAME),
]
ForwardName = Annotated[
    str, AfterValidator(text.forward_name), _schema(f"^{_LABEL}$", "ssh", maxLength=32)
]
ForwardTarget = Annotated[
    str,
    AfterValidator(text.forward_target),
    _schema(rf"^(head|{_LABEL}-\d{{3}})$", "head", "wn-001"),
]
SiteName = Annotated[
    str,
    AfterValidator(text.site_name),
    _schema(f"^{_LABEL}$", "torino", maxLength=text.LONGEST_FARM_NAME),
]
ImageKey = Annotated[
    str,
    AfterValidator(text.image_key),
    _schema(r"^[a-z0-9][a-z0-9._-]{0,63}$", "wn-el9"),
]
OneName = Annotated[
    str,
    AfterValidator(text.one_name),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": text.LONGEST_ONE_NAME,
            "pattern": r"^[^\"'$</|;&\\\t\n]+$",
        }
    ),
]
Requirement = Annotated[
    str,
    AfterValidator(text.requirement),
    _schema(r"^[^\r\n]+$", 'FARM_CLASS="worker"'),
]
Domain = Annotated[
    str,
    AfterValidator(text.domain),
    _schema(
        r"^[a-z0-9-]+(\.[a-z0-9-]+)*$",
        "farm.example.org",
        maxLength=text.LONGEST_DOMAIN,
    ),
]
Endpoint = Annotated[
    str,
    AfterValidator(text.endpoint),
    _schema(r"^https?://[^\s@]+$", "https://one.example.org:2633/RPC2"),
]
FileName = Annotated[
    str, AfterValidator(text.file_name), _schema(r"\S", "~/.one/one_auth")
]
PlaybookName = Annotated[
    str, AfterValidator(text.playbook), _schema(r"\S\.ya?ml$", "site.yml")
]
PlaybookChoice = Annotated[
    str,
    AfterValidator(text.playbook_or_none),
    _schema(r"^none$|\S\.ya?ml$", "site.yml", "none"),
]
Interface = Annotated[
    str,
    AfterValidator(text.interface),
    _schema(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$", "eth1"),
]
Address = Annotated[
    str, AfterValidator(text.address), _schema(f"^{_IPV4}$", "192.0.2.53")
]
Cidr = Annotated[
    str,
    AfterValidator(text.network),
    _schema(rf"^{_IPV4}(/\d{{1,2}})?$", "192.0.2.0/24", "198.51.100.7"),
]
"""An IPv4 network with its prefix; a bare address becomes a /32."""

ClassC = Annotated[
    str,
    AfterValidator(_class_c),
    _schema(rf"^(auto|{_IPV4}/24)$", "auto", "172.16.40.0/24"),
]
PublicAddress = Annotated[
    str,
    AfterValidator(_public_address),
    _schema(f"^(auto|none|{_IPV4})$", "auto", "none", "198.51.100.7"),
]
SshKey = Annotated[
    str,
    AfterValidator(ssh_keys.ssh_key),
    _schema(r"^\s*(ssh|ecdsa|sk)-\S+ \S+.*$", "ssh-ed25519 AAAAC3… user@example.org"),
]
UserName = Annotated[
    str,
    AfterValidator(text.user_name),
    _schema(r"^[a-z_][a-z0-9_-]{0,31}$", "root"),
]
VariableName = Annotated[
    str, AfterValidator(text.variable_name), _schema("^[A-Z][A-Z0-9_]{0,63}$", "VO")
]
FreeText = Annotated[str, AfterValidator(text.free_text)]

Readiness = Annotated[_Readiness, Field(strict=False)]

Addresses = Annotated[tuple[Address, ...], Field(strict=False)]
Cidrs = Annotated[tuple[Cidr, ...], Field(strict=False)]
SshKeys = Annotated[tuple[SshKey, ...], Field(strict=False)]
ImageNames = Mapping[ImageKey, OneName]
Variables = Mapping[VariableName, FreeText]
