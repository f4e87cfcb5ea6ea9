"""Judging what a node saw of itself, its router and the world. Pure.

What it saw of others than those, `neighbours` judges.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from farmctl.check import asking, neighbours
from farmctl.check.expected import Expected
from farmctl.check.seen import (
    Seen,
    Trouble,
    answered,
    believed_in_part,
    found_in,
)
from farmctl.check.values import Finding, Probe, fault, good, unseen
from farmctl.model.guests import Guest
from farmctl.model.nodes import Role

CLOCK = 1.0
"""Seconds that two clocks may differ: log lines and certificates stand more."""

_LEAST_MEMORY = 0.85
"""Of what a node was given, the part that its kernel must show: it keeps some."""

_NO_SUCH_NAME, _REFUSED = 3, 5
_MOST = 2
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def judge(
    expected: Expected,
    guest: Guest,
    seen: Seen,
    wanted: Collection[Probe],
    *,
    first: bool,
    outside: str,
    caller: str | None,
) -> Iterator[Finding]:
    """Yield what a node's answer means.

    Args:
        expected: the farm.
        guest: the node.
        seen: what it saw.
        wanted: the probes that were asked for.
        first: it tried what one node alone tries.
        outside: the name outside that it asked for, empty if none.
        caller: the address from which it called us; empty if it did not, None if it
            was not asked to.
    """
    made: dict[Probe, Callable[[], Iterator[Finding]]] = {
        Probe.ADDRESS: lambda: _address(expected, guest, seen),
        Probe.NAMES: lambda: _names(expected, guest, seen, outside),
        Probe.OUTWARD: lambda: _outward(expected, guest, seen, caller),
        Probe.TIME: lambda: _time(expected, guest, seen),
        Probe.SIZE: lambda: _size(expected, guest, seen),
    }
    if first:
        made[Probe.STRANGERS] = lambda: neighbours.strangers(expected, guest, seen)
        made[Probe.ROUTER] = lambda: neighbours.router(expected, guest, seen)
    for probe, judged in made.items():
        if probe not in wanted:
            continue
        found: list[Finding] = []
        try:
            with believed_in_part():
                found.extend(judged())
        except Trouble as trouble:
            found.append(unseen(probe, expected.short(guest.name), str(trouble)))
        yield from found


def _address(expected: Expected, guest: Guest, seen: Seen) -> Iterator[Finding]:
    name, lan = expected.short(guest.name), expected.values.lan.address
    wrong: list[str] = []
    mac = expected.mac(guest)
    having = [
        each["mac"]
        for each in found_in(seen, "devices").values()
        if guest.address in each["addresses"]
    ]
    if having != [mac]:
        wrong.append(f"{guest.address} is on {', '.join(having) or 'none'}, not {mac}")
    gateway = found_in(seen, "gateway")
    if gateway != lan:
        wrong.append(f"its gateway is {gateway or 'none'}, not {lan}")
    if lan not in found_in(seen, "ping"):
        wrong.append(f"the router ({lan}) does not answer a ping")
    lease = found_in(seen, "dhcp")
    if lease is None:
        wrong.append("the router's DHCP offers it nothing")
    else:
        wrong += _lease(expected, guest, lease)
    if wrong:
        yield fault(Probe.ADDRESS, name, "; ".join(wrong))
    else:
        yield good(Probe.ADDRESS, name, f"{guest.address}, leased to {mac}")


def _lease(expected: Expected, guest: Guest, lease: Mapping[str, Any]) -> Iterator[str]:
    lan, values = expected.values.lan.address, expected.values
    if lease["address"] != guest.address:
        yield f"DHCP offers it {lease['address']}"
    elif not lease["acknowledged"]:
        yield "DHCP offers it its address and does not acknowledge it"
    for part, told in (("routers", "router"), ("dns", "name server"), ("ntp", "NTP")):
        if lease[part] != [lan]:
            yield f"DHCP names {', '.join(lease[part]) or 'nobody'} as {told}"
    if lease["server"] != lan:
        yield f"{lease['server'] or 'somebody'} answers DHCP, not the router"
    if tuple(lease["search"]) != values.search:
        yield f"DHCP gives the search domains {' '.join(lease['search']) or 'none'}"


def _names(
    expected: Expected, guest: Guest, seen: Seen, outside: str
) -> Iterator[Finding]:
    values, name = expected.values, expected.short(guest.name)
    known = {each.names[0]: each.address for each in values.names}
    back = {each.address: each.names[0] for each in values.names}
    asked = found_in(seen, "names")
    wrong = [
        f"{each} is {_answer(answer)}, not {known.get(each) or back.get(each)}"
        for each, answer in asked.items()
        if each != outside
        and answer["answers"] != [known.get(each) or back.get(each, "")]
    ]
    right = len(asked) - len(wrong) - (outside in asked)
    resolver = found_in(seen, "resolver")
    if resolver["nameservers"][:1] != [values.lan.address]:
        told = ", ".join(resolver["nameservers"]) or "nobody"
        wrong.append(f"/etc/resolv.conf asks {told}, not {values.lan.address}")
    if resolver["search"][:1] != [values.domain]:
        told = " ".join(resolver["search"]) or "nothing"
        wrong.append(f"/etc/resolv.conf searches {told}, not {values.domain} first")
    looked_up = found_in(seen, "looked_up")
    short = {values.hostname: values.lan.address, guest.name: guest.address}
    wrong += [
        f"the node itself takes {each} for {', '.join(looked_up.get(each, ['?']))}"
        for each, address in short.items()
        if looked_up.get(each) != [address]
    ]
    if wrong:
        yield fault(Probe.NAMES, name, _listed(wrong))
    else:
        yield good(Probe.NAMES, name, f"{right} names and addresses, both ways")
    if outside:
        yield _outside(name, outside, asked[outside])


def _outside(name: str, outside: str, answer: Mapping[str, Any]) -> Finding:
    if answer["code"] == 0 and answer["answers"]:
        return good(Probe.NAMES, name, f"{outside} is {answer['answers'][0]}")
    if answer["code"] in (0, _NO_SUCH_NAME):
        return good(
            Probe.NAMES, name, f"the name servers above answer (no {outside} there)"
        )
    if answer["code"] == _REFUSED:
        return unseen(
            Probe.NAMES,
            name,
            f"the name servers above refuse to look up {outside}; --outside-name names "
            "another",
        )
    return fault(
        Probe.NAMES,
        name,
        f"{outside}, a name outside: {_answer(answer)}",
        hint="Do the name servers that the router asks answer? The site's `dns` names "
        "them, or the public network.",
    )


def _outward(
    expected: Expected, guest: Guest, seen: Seen, caller: str | None
) -> Iterator[Finding]:
    name = expected.short(guest.name)
    if expected.values.wan is None:
        return
    public = expected.public_address
    echoed = _ADDRESS.findall(found_in(seen, "echo")["text"]) if "echo" in seen else []
    if echoed and public not in echoed:
        yield fault(
            Probe.OUTWARD, name, f"is seen outside as {echoed[0]}, not as {public}"
        )
        return
    if echoed:
        yield good(Probe.OUTWARD, name, f"is seen outside as {public}, the router")
        return
    if caller and not expected.masked and caller != public:
        yield fault(
            Probe.OUTWARD, name, f"is seen outside as {caller}, not as {public}"
        )
        return
    if caller:
        seen_as = "" if expected.masked else f", seen as {public}, the router"
        yield good(Probe.OUTWARD, name, f"reaches {expected.here}{seen_as}")
        return
    knocked = found_in(seen, "knock")
    servers = asking.outer_servers(expected)
    reached = [each for each in servers if answered(knocked.get(f"{each}:53", ""))]
    if reached:
        yield good(
            Probe.OUTWARD,
            name,
            f"reaches {reached[0]}; as whom, nobody there tells us",
        )
    elif servers:
        yield fault(
            Probe.OUTWARD,
            name,
            f"reaches nothing outside ({', '.join(servers)})",
            hint="Does the router reach it, and does it mask (NAT) its nodes?",
        )
    else:
        yield unseen(Probe.OUTWARD, name, "no address outside is known to try")


def _time(expected: Expected, guest: Guest, seen: Seen) -> Iterator[Finding]:
    name = expected.short(guest.name)
    answer = found_in(seen, "ntp")
    if answer is None:
        yield fault(
            Probe.TIME,
            name,
            "the router's NTP does not answer",
            hint="Does its chrony or sysntpd run?",
        )
    elif abs(answer["offset"]) >= CLOCK:
        yield fault(
            Probe.TIME,
            name,
            f"the router's clock is {answer['offset']:+.1f} s off ours",
        )
    else:
        yield good(
            Probe.TIME, name, f"the router tells the time (stratum {answer['stratum']})"
        )


def clock(expected: Expected, name: str, offset: float, uncertain: float) -> Finding:
    """Return what a node's clock, held against ours, means; both in seconds."""
    short = expected.short(name)
    if abs(offset) - uncertain >= CLOCK:
        return fault(
            Probe.TIME,
            short,
            f"its clock is {offset:+.1f} s off",
            hint="Does an NTP client run there? On a hypervisor with a wrong clock all "
            "nodes are off.",
        )
    return good(Probe.TIME, short, f"its clock is within {CLOCK:g} s of ours")


def _size(expected: Expected, guest: Guest, seen: Seen) -> Iterator[Finding]:
    name, machine = expected.short(guest.name), found_in(seen, "machine")
    farm = expected.farm
    declared = farm.head if guest.role is Role.HEAD else farm.pools.get(guest.pool)
    if declared is None:
        return
    if machine["container"]:
        yield unseen(Probe.SIZE, name, "a container shows what its hypervisor has")
        return
    wrong = []
    if machine["cpus"] != declared.cpus:
        wrong.append(f"has {machine['cpus']} cores, not {declared.cpus}")
    if not declared.memory * _LEAST_MEMORY <= machine["memory"] <= declared.memory:
        wrong.append(f"has {machine['memory']} MiB of memory, not {declared.memory}")
    if wrong:
        yield fault(Probe.SIZE, name, " and ".join(wrong))
    else:
        yield good(
            Probe.SIZE, name, f"{machine['cpus']} cores, {machine['memory']} MiB"
        )


def _answer(answer: Mapping[str, Any]) -> str:
    if answer["answers"]:
        return ", ".join(answer["answers"])
    said = {
        -2: "no way there",
        -1: "no answer",
        2: "a failure",
        3: "unknown",
        5: "refused",
    }
    return said.get(answer["code"], f"nothing (code {answer['code']})")


def _listed(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
    return "; ".join(wrong[:_MOST]) + more
