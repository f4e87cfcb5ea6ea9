"""Judging what answers from outside: declared ports, and no others. Pure."""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network

from farmctl.check.direct import Inner
from farmctl.check.expected import Expected, forwards, may_reach, openings
from farmctl.check.knocking import Answer, Target
from farmctl.check.values import Finding, Probe, fault, good, unseen
from farmctl.context.debian import WEB
from farmctl.model.router import Forwarding, Zone

WELL_KNOWN = (
    *(21, 22, 23, 25, 53, 80, 88, 110, 111, 123, 135, 137, 139, 143, 161, 179, 389),
    *(443, 445, 464, 465, 514, 515, 548, 587, 631, 636, 873, 990, 993, 995, 1094),
    *(1095, 1194, 1433, 1521, 1723, 2049, 2119, 2170, 2375, 2376, 2379, 2811, 3128),
    *(3306, 3389, 3690, 4242, 4505, 4506, 5000, 5432, 5555, 5601, 5672, 5900, 5985),
    *(6000, 6379, 6443, 6817, 6818, 6819, 7000, 7777, 8000, 8008, 8042, 8080, 8086),
    *(8443, 8649, 8787, 8888, 9000, 9090, 9092, 9100, 9200, 9618, 9999, 10000, 10250),
    *(11211, 16509, 20000, 22222, 27017, 49152, 50000, 60022, 60443),
)
"""Ports that services of farms, of routers and of grid sites usually have."""

_MOST = 12
_SSH = 22


def to_try(expected: Expected, sample: Collection[int]) -> tuple[int, ...]:
    """Return the ports of the public address to knock at, in order."""
    declared = {each.port for each in expected.values.forwards}
    absent = {each.port for each in expected.farm.router.forwards}
    return tuple(sorted({*declared, *absent, *WELL_KNOWN, *sample}))


def inner_to_try(expected: Expected) -> tuple[Target, ...]:
    """Return addresses in the class C that must not answer from outside.

    One that no machine has is among them: what answers there is no node.
    """
    found = [(expected.values.lan.address, port) for port in (22, 53, 60022, 60443)]
    one_of_each = {each.role: each for each in reversed(expected.behind)}
    found += [(each.address, _SSH) for each in one_of_each.values()]
    if nobody := _nobody(expected):
        found.append((nobody, _SSH))
    return tuple(found)


def _nobody(expected: Expected) -> str:
    """Return an address of the class C that no machine has; empty if none is left."""
    taken = {each.address for each in expected.values.names}
    hosts = IPv4Network(expected.values.cidr).hosts()
    return next((str(each) for each in hosts if str(each) not in taken), "")


def judge(
    expected: Expected,
    outer: Mapping[int, Answer],
    inner: Inner,
    *,
    reached: bool,
) -> Iterator[Finding]:
    """Yield what the answers mean.

    Args:
        expected: the farm.
        outer: what ports of the public address answered.
        inner: what addresses of the class C answered, if they were asked.
        reached: the router was reached from here in another way, so that silence
            means something.
    """
    reached = reached or any(
        each in (Answer.OPEN, Answer.REFUSED) for each in outer.values()
    )
    declared = forwards(expected)
    for each in expected.values.forwards:
        if each.port in outer and each.port in declared:
            yield _forward(expected, each, outer[each.port])
        if "udp" in each.protocols:
            yield unseen(
                Probe.PORTS,
                f"{each.port}/udp",
                f"{each.name}: UDP does not tell whether it arrived",
            )
    admin = openings(expected, Zone.WAN, expected.here) if expected.here else {}
    if expected.farm.router.flavour == "debian":
        admin = {port: each for port, each in admin.items() if each.name != WEB}
    for port, opening in sorted(admin.items()):
        if port in outer:
            yield _opening(port, opening.name, outer[port])
    others = {
        port: answer
        for port, answer in outer.items()
        if port not in declared and port not in admin
    }
    yield from _others(expected, others, reached=reached)
    yield from _inner(expected, inner)


def _forward(expected: Expected, forward: Forwarding, answer: Answer) -> Finding:
    port = str(forward.port)
    node = next(
        (n.name for n in expected.values.leases if n.address == forward.address), ""
    )
    goal = f"{forward.name}, to {expected.short(node)}:{forward.to_port}"
    if forward.sources and expected.masked:
        return unseen(
            Probe.PORTS,
            port,
            f"{goal}: a NAT is on the way, so it is unknown as whom we come",
        )
    if not may_reach(expected.here, forward.sources):
        if answer is Answer.OPEN:
            return fault(
                Probe.PORTS,
                port,
                f"{goal}: answers from here ({expected.here}), which is not in its "
                "`from`",
                hint="Apply the farm, or look at the router's firewall.",
            )
        return good(
            Probe.PORTS, port, f"{goal}: closed to {expected.here}, as its `from` says"
        )
    match answer:
        case Answer.OPEN:
            return good(Probe.PORTS, port, f"{goal}: answers")
        case Answer.REFUSED:
            return fault(
                Probe.PORTS,
                port,
                f"{goal}: the way is open, and nothing listens at its end",
                hint="Start the service in the node, or take the forward out.",
            )
        case Answer.SILENT | Answer.AWAY:
            return fault(
                Probe.PORTS,
                port,
                f"{goal}: no answer; the packets are dropped on the way or in the node",
                hint="The router's firewall, the security groups and the node's own "
                "firewall each may drop them.",
            )


def _opening(port: int, name: str, answer: Answer) -> Finding:
    what = "LuCI" if name == WEB else "the router's SSH"
    if answer is Answer.OPEN:
        return good(Probe.PORTS, str(port), f"{what}: answers, as we are an admin")
    return fault(
        Probe.PORTS,
        str(port),
        f"{what}: {answer.value} from here, which is in admin.addresses",
        hint="Whoever administers the router is locked out.",
    )


def _others(
    expected: Expected, others: Mapping[int, Answer], *, reached: bool
) -> Iterator[Finding]:
    found = [port for port, answer in sorted(others.items()) if answer is Answer.OPEN]
    absent = {
        each.port: each
        for each in expected.farm.router.forwards
        if each.name in expected.values.absent
    }
    for port in found[:_MOST]:
        why = "and nothing declares it"
        if port in absent:
            why = f"and there is no {absent[port].to} that it could lead to"
        if port in (expected.values.admin.ssh_port, expected.values.admin.web_port):
            why = f"and {expected.here} is not in admin.addresses"
        yield fault(
            Probe.PORTS,
            str(port),
            f"answers from outside, {why}",
            hint="Look at the router's firewall; `farmctl apply` puts its files back.",
        )
    if len(found) > _MOST:
        yield fault(
            Probe.PORTS, "others", f"{len(found) - _MOST} more ports answer as well"
        )
    closed = len(others) - len(found)
    if others and not reached:
        yield unseen(
            Probe.PORTS,
            "others",
            f"{closed} ports do not answer, and neither does anything else: from here "
            "that proves nothing",
        )
    elif closed:
        yield good(Probe.PORTS, "others", f"{closed} other ports do not answer")


def _inner(expected: Expected, inner: Inner) -> Iterator[Finding]:
    cidr = expected.values.cidr
    if expected.here and may_reach(expected.here, [cidr]):
        yield unseen(Probe.PORTS, cidr, "this machine stands in the farm's network")
        return
    if inner.why_not:
        yield unseen(Probe.PORTS, cidr, inner.why_not)
        return
    nobody = (_nobody(expected), _SSH)
    if inner.answers.get(nobody) is Answer.OPEN:
        yield unseen(
            Probe.PORTS,
            cidr,
            f"even {nobody[0]}, which no machine has, answers here: something on the "
            "way answers for everybody",
        )
        return
    # From farther away, a refusal may be that of a firewall on the way.
    telling = (Answer.OPEN, Answer.REFUSED) if inner.beside else (Answer.OPEN,)
    found = [target for target, answer in inner.answers.items() if answer in telling]
    for address, port in found:
        yield fault(
            Probe.PORTS,
            f"{address}:{port}",
            "answers from outside, without the router's forwards",
            hint="The router lets packets for its class C in, or the network is routed "
            "to where you are.",
        )
    if inner.answers and not found:
        yield good(
            Probe.PORTS, cidr, "addresses of the class C cannot be reached from here"
        )
