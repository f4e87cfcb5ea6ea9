"""What a port remembers of the connections that its groups let through.

The bridge family's own conntrack is a module that not every kernel has, so each port
remembers in nft sets with time-outs; `filters` says what that means. Keys begin with
the node's own side, whichever way a packet goes. Two functions make the chains: `keep`
remembers a packet that a rule let through, `known` lets through what belongs to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_REMEMBERED: Final = 65536
"""Connections that a port remembers at most; conntrack's usual number for a machine."""

_ENDS = "{ tcp, udp, udplite, sctp, dccp }"


@dataclass(frozen=True, slots=True)
class _Family:
    """How nft calls the parts of IPv4 and of IPv6 packets."""

    number: str
    word: str
    protocol: str
    pair: str
    """The two addresses, as raw payload: an ICMP error's inner ones are looked up."""
    inner: str
    turned: str
    errors: str
    echo: str


# In `pair` the sender comes first, in `inner` the inner sender, in `turned` the inner
# receiver. Offsets are in bits: @nh from the IP header on, @th from the ICMP header
# on, which has 8 bytes before the inner packet (RFC 792, RFC 4443).
_IPV4 = _Family(
    "4",
    "ip",
    "icmp",
    "@nh,96,32 . @nh,128,32",
    "@th,160,32 . @th,192,32",
    "@th,192,32 . @th,160,32",
    "{ 3, 11, 12 }",
    "{ 0, 8 }",
)
_IPV6 = _Family(
    "6",
    "ip6",
    "icmpv6",
    "@nh,64,128 . @nh,192,128",
    "@th,128,128 . @th,256,128",
    "@th,256,128 . @th,128,128",
    "{ 1, 2, 3, 4 }",
    "{ 128, 129 }",
)
_FAMILIES = (_IPV4, _IPV6)


_KINDS = ("ends", "closing", "ping", "other", "pair")


def names(name: str) -> list[str]:
    """Return the names of the sets of a port."""
    return [f"{name}_{kind}{family.number}" for family in _FAMILIES for kind in _KINDS]


def sets(name: str) -> list[str]:
    """Return the sets of a port: name and definition."""
    return [each for family in _FAMILIES for each in _sets(name, family)]


def keep(name: str, *, out: bool) -> Iterator[str]:
    """Remember a packet that a rule let through."""
    for family in _FAMILIES:
        ends, ping, other, pair = _keys(family, out=out)
        number, own = family.number, f"meta protocol {family.word}"
        yield f"{own} update @{name}_pair{number} {{ {pair} }}"
        yield f"{own} meta l4proto tcp update @{name}_ends{number} {{ {ends} }} accept"
        yield (
            f"{own} meta l4proto {_ENDS} "
            f"update @{name}_ends{number} {{ {ends} timeout 3m }} accept"
        )
        yield (
            f"{own} {family.protocol} type {family.echo} "
            f"update @{name}_ping{number} {{ {ping} }} accept"
        )
        yield (
            f"{own} meta l4proto != {family.protocol} "
            f"update @{name}_other{number} {{ {other} }} accept"
        )
    # What cannot be remembered, because the memory is full or there is nothing to
    # remember, is let through all the same: a rule allows it.
    yield "accept"


def known(name: str, *, out: bool) -> Iterator[str]:
    """Let through what belongs to something that was let through before."""
    for family in _FAMILIES:
        ends, ping, other, pair = _keys(family, out=out)
        number, own = family.number, f"meta protocol {family.word}"
        inner = family.turned if out else family.inner
        yield (
            f"{own} meta l4proto tcp tcp flags & (fin | rst) != 0 "
            f"{ends} @{name}_ends{number} update @{name}_closing{number} {{ {ends} }} "
            f"delete @{name}_ends{number} {{ {ends} }} accept"
        )
        yield (
            f"{own} meta l4proto tcp {ends} @{name}_ends{number} "
            f"update @{name}_ends{number} {{ {ends} }} "
            f"update @{name}_pair{number} {{ {pair} }} accept"
        )
        # A new connection between the same ports is judged by the rules.
        yield (
            f"{own} meta l4proto tcp tcp flags & (syn | ack) != syn "
            f"{ends} @{name}_closing{number} "
            f"update @{name}_closing{number} {{ {ends} }} accept"
        )
        yield (
            f"{own} meta l4proto {_ENDS} meta l4proto != tcp "
            f"{ends} @{name}_ends{number} "
            f"update @{name}_ends{number} {{ {ends} timeout 3m }} "
            f"update @{name}_pair{number} {{ {pair} }} accept"
        )
        yield (
            f"{own} {family.protocol} type {family.echo} {ping} @{name}_ping{number} "
            f"update @{name}_ping{number} {{ {ping} }} accept"
        )
        yield (
            f"{own} {family.protocol} type {family.errors} {inner} "
            f"@{name}_pair{number} accept"
        )
        yield (
            f"{own} {other} @{name}_other{number} "
            f"update @{name}_other{number} {{ {other} }} accept"
        )


def _sets(name: str, family: _Family) -> Iterator[str]:
    word, number = family.word, family.number
    for kind, key, timeout in (
        # conntrack's own times: nf_conntrack_tcp_timeout_established and the like.
        (
            "ends",
            f"meta l4proto . {word} saddr . th sport . {word} daddr . th dport",
            "5d",
        ),
        (
            "closing",
            f"meta l4proto . {word} saddr . th sport . {word} daddr . th dport",
            "2m",
        ),
        ("ping", f"{word} saddr . {word} daddr . {family.protocol} id", "30s"),
        ("other", f"meta l4proto . {word} saddr . {word} daddr", "10m"),
        ("pair", family.pair, "10m"),
    ):
        yield (
            f"{name}_{kind}{number} {{ typeof {key}; "
            f"flags dynamic,timeout; timeout {timeout}; size {_REMEMBERED}; }}"
        )


def _keys(family: _Family, *, out: bool) -> tuple[str, str, str, str]:
    """Return the keys of a packet in the sets: the node's own side comes first."""
    word = family.word
    mine, theirs = ("saddr", "daddr") if out else ("daddr", "saddr")
    port, other = ("sport", "dport") if out else ("dport", "sport")
    pair = family.pair
    if not out:
        pair = " . ".join(reversed(pair.split(" . ")))
    return (
        f"meta l4proto . {word} {mine} . th {port} . {word} {theirs} . th {other}",
        f"{word} {mine} . {word} {theirs} . {family.protocol} id",
        f"meta l4proto . {word} {mine} . {word} {theirs}",
        pair,
    )
