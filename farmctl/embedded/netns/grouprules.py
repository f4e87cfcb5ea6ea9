"""RULE vectors of security groups as nft matches.

The words are OpenNebula's (src/vnm_mad/remotes/lib/security_groups*.rb, 7.4.0). As
there, an inbound rule's addresses are the sender's and an outbound one's the
receiver's, ports are always the destination's, ICMP_TYPE is `TYPE` or `TYPE/CODE`,
IPSEC is ESP, and IP without SIZE matches nothing.

Two differences, both to the safe side. A rule that names a network (NETWORK_ID) whose
addresses are not known matches nothing here; OpenNebula's driver drops the name and
lets everybody in. And an ICMP type with an address matches all of its codes, where
OpenNebula writes out those that it knows of.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

Direction = Literal["inbound", "outbound"]

_PORTS = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")
_HIGHEST_PORT: Final = 65535
_TYPE = re.compile(r"([0-9]{1,3})(?:/([0-9]{1,3}))?")
_HIGHEST_TYPE: Final = 255
_ADDRESSES = ("IP", "IP6", "IP6_GLOBAL", "IP6_ULA")
_SIDES: dict[str, str] = {"inbound": "saddr", "outbound": "daddr"}


def matches(rules: Iterable[Mapping[str, str]], direction: Direction) -> Iterator[str]:
    """Yield nft's matches for the rules of one direction, without a verdict.

    An empty text matches everything.

    Raises:
        ValueError: a rule that OpenNebula refuses too.
    """
    for rule in rules:
        if _word(rule, "RULE_TYPE", ("inbound", "outbound")) != direction:
            continue
        protocol = _protocol(rule)
        for side in _sides(rule, direction):
            if not _at_odds(side, protocol):
                yield f"{side} {protocol}".strip()


def _at_odds(side: str, protocol: str) -> bool:
    """Return whether the addresses are of one family and the protocol of the other."""
    six = "ip6" in side
    return bool(side) and (
        (six and "icmp " in f"{protocol} ") or (not six and "icmpv6" in protocol)
    )


def _word(rule: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    word = rule.get(name, "").lower()
    if word not in known:
        raise ValueError(f"{name} of a rule is {rule.get(name)!r}")
    return word


def _protocol(rule: Mapping[str, str]) -> str:
    word = _word(rule, "PROTOCOL", ("all", "tcp", "udp", "icmp", "icmpv6", "ipsec"))
    ports, icmp = rule.get("RANGE", ""), rule.get("ICMP_TYPE", "")
    icmpv6 = rule.get("ICMPV6_TYPE", "")
    for text, name, allowed in (
        (ports, "RANGE", ("tcp", "udp")),
        (icmp, "ICMP_TYPE", ("icmp",)),
        (icmpv6, "ICMPV6_TYPE", ("icmpv6",)),
    ):
        if text and word not in allowed:
            raise ValueError(f"{name} is not for the protocol {word.upper()}")
    match word:
        case "all":
            return ""
        case "tcp" | "udp":
            return (
                f"{word} dport {{ {_ports(ports)} }}" if ports else _carried(word, "")
            )
        case "icmp":
            return _icmp("icmp", icmp) if icmp else _carried("icmp", "ip ")
        case "icmpv6":
            return _icmp("icmpv6", icmpv6) if icmpv6 else _carried("icmpv6", "ip6 ")
        case _:
            return _carried("esp", "")


def _carried(protocol: str, family: str) -> str:
    outer = f"meta protocol {family}" if family else ""
    return f"{outer}meta l4proto {protocol}"


def _ports(text: str) -> str:
    said: list[tuple[int, int]] = []
    for part in text.split(","):
        found = _PORTS.fullmatch(part.strip())
        if not found:
            raise ValueError(f"RANGE {text!r} has no ports")
        first = int(found[1])
        last = int(found[2]) if found[2] else first
        if not first <= last <= _HIGHEST_PORT:
            raise ValueError(f"RANGE {text!r} is none")
        said.append((first, last))
    return ", ".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in _joined(said)
    )


def _joined(said: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join ports that overlap: nft refuses them in one set."""
    current: tuple[int, int] | None = None
    for first, last in sorted(said):
        if current is None:
            current = first, last
        elif first <= current[1] + 1:
            current = current[0], max(current[1], last)
        else:
            yield current
            current = first, last
    if current is not None:
        yield current


def _icmp(family: str, text: str) -> str:
    found = _TYPE.fullmatch(text.strip())
    numbers = [int(each) for each in found.groups() if each] if found else []
    if not numbers or max(numbers) > _HIGHEST_TYPE:
        raise ValueError(f"{text!r} is no ICMP type")
    said = f"{family} type {numbers[0]}"
    return f"{said} {family} code {numbers[1]}" if len(numbers) > 1 else said


def _sides(rule: Mapping[str, str], direction: Direction) -> Iterator[str]:
    named = [rule[name] for name in _ADDRESSES if rule.get(name)]
    if not named and not rule.get("SIZE"):
        if not rule.get("NETWORK_ID"):
            yield ""
        return
    size_text = rule.get("SIZE", "")
    if not size_text:
        return
    if not size_text.isascii() or not size_text.isdigit() or not int(size_text):
        raise ValueError(f"SIZE of a rule is {size_text!r}")
    for text in named:
        first = ipaddress.ip_address(text)
        family = "ip" if first.version == 4 else "ip6"  # noqa: PLR2004
        bits = first.max_prefixlen
        end = min(int(first) + int(size_text), 1 << bits) - 1
        last = type(first)(end)
        side = f"{family} {_SIDES[direction]}"
        if first == last:
            yield f"{side} {first}"
        elif not int(first) and end + 1 == 1 << bits:
            yield f"meta protocol {family}"
        else:
            yield f"{side} {first}-{last}"
