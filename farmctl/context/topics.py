"""What of a router changes, in a few words: forwards, leases, admin access and so on.

Told from the files themselves, old and new, as those are all that anybody has of the
old. A UCI file is read by its named sections, of which `openwrt` makes one for each
thing; the lines of a Debian's files speak for themselves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from farmctl.context import debian
from farmctl.model.router import Admin

ADMIN, FORWARDS, LEASES, NAMES = "admin access", "forwards", "leases", "names"
DHCP, DNS, FIREWALL, TIME = "DHCP", "DNS", "firewall", "time servers"
MONITORING, INTERFACES, HOST = "monitoring", "interfaces", "its own name"
SCRIPT = "another version of its script"

_ORDER = (
    FORWARDS,
    ADMIN,
    NAMES,
    LEASES,
    DHCP,
    DNS,
    FIREWALL,
    TIME,
    MONITORING,
    INTERFACES,
    HOST,
    SCRIPT,
)

_UCI: tuple[tuple[str, str], ...] = (
    (r"firewall redirect .*", FORWARDS),
    (r"firewall rule open_[a-z]+_(ssh|web)", ADMIN),
    (r"firewall rule open_[a-z]+_monitoring", MONITORING),
    (r"firewall .*", FIREWALL),
    (r"dhcp host .*", LEASES),
    (r"dhcp domain .*", NAMES),
    (r"dhcp dhcp .*", DHCP),
    (r"dhcp .*", DNS),
    (r"system timeserver .*", TIME),
    (r"system .*", HOST),
    (r"network .*", INTERFACES),
    (r"(dropbear|uhttpd) .*", ADMIN),
    (r"prometheus-node-exporter-lua .*", MONITORING),
)
"""Package, type and name of a section, and what it is about; the first that fits."""

_ADMIN_PORTS = rf"dport ({Admin().ssh_port}|{Admin().web_port})\b"
_LINES: tuple[tuple[str, str], ...] = (
    (r"ruleset\.nft: .*\bdnat ip to\b.*", FORWARDS),
    (rf"ruleset\.nft: .*{_ADMIN_PORTS}.*", ADMIN),
    (r"ruleset\.nft: .*", FIREWALL),
    (r"sshd\.conf: .*", ADMIN),
    (r"dhcp-hosts: .*", LEASES),
    (r"hosts: .*", NAMES),
    (r"dnsmasq\.conf: dhcp-.*", DHCP),
    (r"dnsmasq\.conf: .*", DNS),
    (r"chrony\.conf: .*", TIME),
    (rf"{debian.SCRIPT}: .*", SCRIPT),
)

_SECTION = re.compile(r"config (?P<type>\S+) '(?P<name>[^']*)'")


def topics(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return what two sets of files differ in, the most telling first.

    Empty if they do not differ, or only where nobody would look.
    """
    found = set[str]()
    for name in {*before, *after}:
        old, new = before.get(name, ""), after.get(name, "")
        if old == new:
            continue
        if _SECTION.search(old) or _SECTION.search(new):
            had, has = _sections(old), _sections(new)
            changed = {key for key in {*had, *has} if had.get(key) != has.get(key)}
            found |= set(_about((f"{name} {key}" for key in changed), _UCI))
        else:
            lines = set(old.splitlines()) ^ set(new.splitlines())
            found |= set(_about((f"{name}: {line}" for line in lines), _LINES))
    return tuple(each for each in _ORDER if each in found)


def _sections(text: str) -> Mapping[str, str]:
    """Return the sections of a UCI file by type and name."""
    starts = list(_SECTION.finditer(text))
    ends = [each.start() for each in starts[1:]] + [len(text)]
    return {
        f"{each['type']} {each['name']}": text[each.start() : end].strip()
        for each, end in zip(starts, ends, strict=True)
    }


def _about(things: Iterable[str], table: Iterable[tuple[str, str]]) -> Iterator[str]:
    patterns = [(re.compile(pattern, re.DOTALL), topic) for pattern, topic in table]
    for thing in things:
        for pattern, topic in patterns:
            if pattern.fullmatch(thing):
                yield topic
                break
