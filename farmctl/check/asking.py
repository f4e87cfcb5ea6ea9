"""What a node is asked to try; `templates/check/node.py` tries it. Pure.

Each node asks for its own name and for some others; the first one asks for all, so that
a farm of 200 nodes is not asked 40,000 times.
"""

from collections.abc import Collection, Mapping, Sequence

from farmctl.check.expected import Expected
from farmctl.check.values import Probe
from farmctl.model.guests import Guest

Asked = Mapping[str, object]

SOME = 24
"""How many other nodes each node asks for, besides the first."""

HEARD = 4.0
"""Seconds for which one node listens to what another must not be able to send."""

KINDS = ("ip", "mac", "arp_ip", "arp_mac", "control")
"""The odd frames, and the honest one that shows that frames arrive at all."""

FOREIGN = "203.0.113.250"
"""The foreign address that odd frames claim (RFC 5737: no machine has it)."""

_PARTS = {
    Probe.ADDRESS: "lease",
    Probe.NAMES: "names",
    Probe.TIME: "time",
    Probe.STRANGERS: "strangers",
    Probe.ROUTER: "metrics",
}


def look(
    expected: Expected,
    guest: Guest,
    wanted: Collection[Probe],
    *,
    number: int,
    outside: str,
    home: tuple[str, int, str] | None,
    echo: tuple[str, int, str] | None,
) -> Asked:
    """Return what a node is asked to look at.

    Args:
        expected: the farm.
        guest: the node.
        wanted: the probes.
        number: which of the nodes it is; the first tries what one alone must try.
        outside: a name that only servers outside know; empty if none is asked for.
        home: address, port and token to call, so that we see as whom it comes.
        echo: host, port and path of a service that says as whom it comes.
    """
    values, first = expected.values, number == 0
    parts = {_PARTS[each] for each in wanted if each in _PARTS}
    if not first:
        parts -= {"strangers", "metrics"}
    names = _names(expected, guest, everything=first)
    short = [guest.name, values.hostname]
    domain = values.domain
    foreign = (
        [each.address for each in expected.foreign]
        if Probe.ISOLATION in wanted and number <= 1
        else []
    )
    router = values.lan.address
    knocked = [
        (router, port)
        for port in (22, 53, 80, 443, values.admin.ssh_port, values.admin.web_port)
    ]
    knocked += [(each, 53) for each in outer_servers(expected)]
    knocked += [(each, port) for each in foreign for port in (22, 53, 60_022)]
    return {
        "do": "look",
        "parts": sorted(parts),
        "address": guest.address,
        "mac": expected.mac(guest),
        "router": router,
        "forward": [
            *(f"{each}.{domain}" for each in names),
            *([outside] if outside else []),
        ],
        "reverse": list(names.values()),
        "look_up": [*short, *([outside] if outside else [])],
        "ping": [router, *foreign],
        "knock": knocked,
        "arp": foreign,
        "metrics": values.monitoring.port,
        "home": list(home) if home is not None and Probe.OUTWARD in wanted else [],
        "echo": list(echo) if echo is not None and Probe.OUTWARD in wanted else [],
    }


def listen(guest: Guest, marks: Mapping[str, str]) -> Asked:
    """Return what the node is asked that hears what another sends."""
    return {
        "do": "listen",
        "address": guest.address,
        "marks": dict(marks),
        "seconds": HEARD + 6,
    }


def send(
    expected: Expected, guest: Guest, to: Guest, marks: Mapping[str, str]
) -> Asked:
    """Return what the node is asked that sends odd frames to another."""
    return {
        "do": "send",
        "address": guest.address,
        "to": to.address,
        "to_mac": expected.mac(to),
        "foreign": FOREIGN,
        "marks": dict(marks),
        "seconds": HEARD,
    }


def outer_servers(expected: Expected) -> Sequence[str]:
    """Return name servers outside, which a node reaches if it reaches anything."""
    wan = expected.values.wan
    if wan is None:
        return ()
    found = (*expected.site.dns, *wan.dns, wan.gateway)
    return tuple(each for each in dict.fromkeys(found) if each)[:3]


def _names(expected: Expected, guest: Guest, *, everything: bool) -> Mapping[str, str]:
    """Return some nodes' names with their addresses: its own and the router's too."""
    known = {each.names[-1]: each.address for each in expected.values.names}
    own = {guest.name: guest.address, expected.values.hostname: ""}
    others = [each for each in known if each not in own]
    if not everything and len(others) > SOME:
        # Others for each node: those that come after it, round about.
        start = sum(each < guest.name for each in others)
        others = [*others[start:], *others[:start]][:SOME]
    return {name: known[name] for name in (*own, *others) if name in known}
