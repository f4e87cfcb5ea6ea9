"""Judging what a node saw of others: farms, strangers, its router's ports. Pure."""

from collections.abc import Iterator, Mapping

from farmctl.check.expected import Expected, openings
from farmctl.check.seen import (
    Seen,
    Trouble,
    answered,
    believed_in_part,
    found_in,
)
from farmctl.check.values import Finding, Probe, fault, good, unseen
from farmctl.model.guests import Guest
from farmctl.model.router import Zone

_SPOOFS = {
    "ip": "with a foreign IP address",
    "mac": "with a foreign MAC",
    "arp_ip": "that claim a foreign address by ARP",
    "arp_mac": "that claim its address for a foreign MAC by ARP",
}


def isolation(
    expected: Expected, seen: Mapping[str, Seen], reasons: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what nodes reach of other farms.

    Args:
        expected: the farm.
        seen: what those nodes saw that tried, by their names.
        reasons: why others could not be asked.
    """
    if not expected.foreign:
        yield unseen(Probe.ISOLATION, "", "there is no other farm to reach")
        return
    for name, each in seen.items():
        try:
            with believed_in_part():
                found = list(_isolation(expected, expected.short(name), each))
            yield from found
        except Trouble as trouble:
            yield unseen(Probe.ISOLATION, expected.short(name), str(trouble))
    if not seen:
        why = next(iter(reasons.values()), "no node behind the router runs")
        yield unseen(Probe.ISOLATION, "", why)


def _isolation(expected: Expected, name: str, seen: Seen) -> Iterator[Finding]:
    on_the_wire, pinged = found_in(seen, "arp"), found_in(seen, "ping")
    knocked = found_in(seen, "knock")
    reached = 0
    for each in expected.foreign:
        ways = []
        if each.address in on_the_wire:
            ways.append(f"on the same wire (ARP says {on_the_wire[each.address]})")
        if each.address in pinged:
            ways.append("by ping")
        ways += [
            f"at TCP port {target.rpartition(':')[2]} ({answer})"
            for target, answer in knocked.items()
            if target.startswith(f"{each.address}:") and answered(answer)
        ]
        if ways:
            reached += 1
            yield fault(
                Probe.ISOLATION,
                name,
                f"reaches {each.name} ({each.address}) {' and '.join(ways)}",
                hint="Is each farm on a segment of its own? Look at the networks' "
                "VLAN_ID, bridge and driver.",
            )
    if not reached:
        farms = len({each.farm for each in expected.foreign})
        tried = f"{len(expected.foreign)} addresses of {farms} other farm"
        yield good(Probe.ISOLATION, name, f"reaches none of {tried}{'s' * (farms > 1)}")


def strangers(expected: Expected, guest: Guest, seen: Seen) -> Iterator[Finding]:
    """Yield what a machine that nobody knows would get, as a node tried."""
    name = expected.short(guest.name)
    found = found_in(seen, "strangers")
    dhcp = expected.values.dhcp
    if found["frame"] is not None:
        yield fault(
            Probe.STRANGERS,
            name,
            f"a machine with an unknown MAC is offered {found['frame']['address']}: "
            "its frames pass",
            hint="Is MAC anti-spoofing on in the farm's network (FILTER_MAC_SPOOFING)?",
        )
    if dhcp.open:
        if found["client"] is None:
            yield fault(
                Probe.STRANGERS,
                name,
                "an unknown client is offered nothing, and dhcp_open says otherwise",
            )
        elif found["frame"] is None:
            yield good(
                Probe.STRANGERS,
                name,
                f"an unknown client is offered {found['client']['address']}, as "
                "dhcp_open says",
            )
    elif found["client"] is not None:
        yield fault(
            Probe.STRANGERS,
            name,
            f"the router's DHCP offers an unknown client {found['client']['address']}",
            hint="Apply the farm: its router should know its nodes and nobody else.",
        )
    elif found["frame"] is None:
        if found_in(seen, "dhcp") is None:
            yield unseen(Probe.STRANGERS, name, "nobody is offered an address")
            return
        yield good(
            Probe.STRANGERS,
            name,
            "the DHCP server ignores unknown clients, and frames with an unknown MAC "
            "get no answer either",
        )


def router(expected: Expected, guest: Guest, seen: Seen) -> Iterator[Finding]:
    """Yield what the router answers on its inner side, as a node sees it."""
    lan, flavour = expected.values.lan.address, expected.farm.router.flavour
    knocked = found_in(seen, "knock")
    allowed = openings(expected, Zone.LAN, guest.address)
    shut = [
        port
        for port in (expected.values.admin.ssh_port, expected.values.admin.web_port)
        if port not in allowed and knocked.get(f"{lan}:{port}") == "open"
    ]
    wild = [p for p in (22, 80, 443) if knocked.get(f"{lan}:{p}") == "open"]
    for port in (*shut, *wild):
        yield fault(
            Probe.ROUTER,
            str(port),
            f"answers {expected.short(guest.name)}, from inside the farm",
            hint="Apply the farm: its firewall is not the one that it should have.",
        )
    if not (shut or wild):
        yield good(
            Probe.ROUTER, "inside", "answers nodes on its declared ports and no others"
        )
    said = str(found_in(seen, "metrics"))
    if " 200 " in f"{said} ":
        yield good(Probe.ROUTER, "exporter", "tells Prometheus how the router is")
    elif flavour == "openwrt":
        yield fault(Probe.ROUTER, "exporter", f"does not answer: {said}")
    else:
        yield unseen(Probe.ROUTER, "exporter", f"none answers: {said}")


def spoofing(
    subject: str, sent: Mapping[str, object], heard: Mapping[str, object]
) -> Finding:
    """Return what came of one node's odd frames to another.

    Args:
        subject: both nodes.
        sent: what the sender says: how many `rounds`.
        heard: what the listener says: of each kind, how many were `heard`.
    """
    kinds = heard.get("heard")
    arrived = kinds if isinstance(kinds, Mapping) else {}
    through = [said for kind, said in _SPOOFS.items() if arrived.get(kind)]
    if through:
        return fault(
            Probe.SPOOFING,
            subject,
            f"frames {', '.join(through)} arrive",
            hint="Is anti-spoofing on in the farm's network (FILTER_MAC_SPOOFING, "
            "FILTER_IP_SPOOFING)?",
        )
    if not arrived.get("control"):
        return unseen(
            Probe.SPOOFING,
            subject,
            f"no honest frame arrived either (of {sent.get('rounds', 0)} sent), so "
            "nothing can be said",
        )
    return good(
        Probe.SPOOFING,
        subject,
        "foreign MAC, IP and ARP are dropped, honest frames pass",
    )
