"""What each port lets through: nft's text in the bridge family.

`skeleton` is the table with its hooks, `plugged` and `unplugged` add and remove what
one port has, `regrouped` exchanges its security groups' rules. Each returns lines that
`fabric` gives to one `nft -f -`, which is one transaction: a port has all of its rules
or none. A frame from or to a port that the table does not know is dropped.

The order in a port, for frames that leave the node: source MAC; kind of frame; ARP;
neighbour discovery; DHCP; source address; what was let through before; rules of the
groups; drop. For frames to the node: ARP, neighbour discovery, what was let through
before, rules, drop. Each drop has a counter of the port and the reason, `REASONS`.

Held against OpenNebula 7.4 (src/vnm_mad/remotes/lib/security_groups_iptables.rb, and
ovswitch/OpenvSwitch.rb with arp_cache_poisoning on, its default):

* As there: a foreign source MAC is dropped; with FILTER_IP_SPOOFING so is each foreign
  IPv4 source, but for DHCP from 0.0.0.0:68 to 255.255.255.255:67; IPv6 is dropped
  from addresses that are not the NIC's, but for the discovery of neighbours (133, 135,
  136 out, 134 to 137 in, which its groups let through too); what is established comes
  before the rules; a changed group does not cut what is established.
* Tighter: iptables sees neither ARP nor frames that are not IP, so OpenNebula's drivers
  for Linux bridges filter the sender's MAC and address in ARP not at all, and Open
  vSwitch the address only; here both are. Frames with a VLAN tag and all but IPv4,
  IPv6 and ARP are dropped, there they pass. Neighbour discovery is let through after
  the check of the MAC, there before.
* Wider: an ARP request from 0.0.0.0 (RFC 5227: is this address in use?) passes; Open
  vSwitch drops it. It names no address and poisons no cache.
* Memory: OpenNebula uses the kernel's conntrack through br_netfilter. The bridge
  family's own conntrack is a module that not every kernel has (ours had not), so each
  port remembers by itself, in nft sets with a time-out: the two ends of TCP, UDP, SCTP
  and DCCP, the id of a ping, and the pair of hosts of any other protocol. Therefore
  the end of a TCP connection is known by FIN or RST only, an error message (ICMP 3, 11,
  12) is let through if the two hosts in it are remembered, without a look at the ports,
  and later fragments of a packet are let through, as they are nothing without the
  first, which is filtered. No port can fill the memory of another, and two networks
  with the same addresses do not meet in it, which in OpenNebula they do.
"""

from collections.abc import Iterator
from typing import Final

from farmctl.embedded.netns import grouprules, memory
from farmctl.embedded.netns.ports import Port, Rule, by_family, mac_address

TABLE: Final = "bridge farmctl"
"""The family and name of the one table in the fabric's namespace."""

REASONS: Final = ("mac", "kind", "arp_mac", "arp_ip", "ip", "ip6", "out", "in")
"""Why a frame was dropped: source MAC; neither IPv4, IPv6 nor ARP, or tagged; the
sender's MAC or address in ARP; the source address; no rule for what leaves the node,
or for what goes to it."""

SEPARATOR: Final = "."
"""Between the port's name and the reason, in the name of a counter."""


def skeleton() -> list[str]:
    """Return the table: its hooks, and maps from a port's name to its chains."""
    return [
        f"add table {TABLE}",
        f"delete table {TABLE}",
        f"add table {TABLE}",
        f"add map {TABLE} leave {{ type ifname : verdict; }}",
        f"add map {TABLE} enter {{ type ifname : verdict; }}",
        *_hook("from_ports", "prerouting", "iifname vmap @leave"),
        *_hook("to_ports", "forward", "oifname vmap @enter"),
        # The fabric itself is no station: it neither hears nor says anything.
        *_hook("to_fabric", "input", ""),
        *_hook("from_fabric", "output", ""),
    ]


def plugged(port: Port) -> list[str]:
    """Return what one port needs; it must not be in the table yet.

    Raises:
        ValueError: a rule of its groups is none.
    """
    name = _identifier(port.name)
    lines = [f"add counter {TABLE} {port.name}{SEPARATOR}{why}" for why in REASONS]
    lines += [f"add set {TABLE} {each}" for each in memory.sets(name)]
    lines += [f"add chain {TABLE} {chain}" for chain in _chains(name)]
    for chain, said in (
        (f"{name}_kept_out", memory.keep(name, out=True)),
        (f"{name}_kept_in", memory.keep(name, out=False)),
        (f"{name}_known_out", memory.known(name, out=True)),
        (f"{name}_known_in", memory.known(name, out=False)),
        (f"{name}_out", _leaving(port)),
        (f"{name}_in", _entering(port)),
    ):
        lines += [f"add rule {TABLE} {chain} {each}" for each in said]
    lines += _rules(port.name, port.rules)
    lines += [
        f'add element {TABLE} leave {{ "{port.name}" : goto {name}_out }}',
        f'add element {TABLE} enter {{ "{port.name}" : goto {name}_in }}',
    ]
    return lines


def regrouped(port: str, rules: tuple[Rule, ...] | None) -> list[str]:
    """Return what exchanges a port's rules and leaves its memory as it is.

    Raises:
        ValueError: a rule is none.
    """
    name = _identifier(port)
    return [
        f"flush chain {TABLE} {name}_rules_out",
        f"flush chain {TABLE} {name}_rules_in",
        *_rules(port, rules),
    ]


def unplugged(port: str) -> list[str]:
    """Return what removes a port that is in the table."""
    name = _identifier(port)
    return [
        f'delete element {TABLE} leave {{ "{port}" }}',
        f'delete element {TABLE} enter {{ "{port}" }}',
        *(f"flush chain {TABLE} {chain}" for chain in _chains(name)),
        *(f"delete chain {TABLE} {chain}" for chain in _chains(name)),
        *(f"delete set {TABLE} {each}" for each in memory.names(name)),
        *(f"delete counter {TABLE} {port}{SEPARATOR}{why}" for why in REASONS),
    ]


def _identifier(port: str) -> str:
    """Return a name that begins nft's names of what belongs to a port."""
    return "p_" + port.replace("-", "_").replace(".", "_")


def _hook(chain: str, hook: str, rule: str) -> Iterator[str]:
    yield (
        f"add chain {TABLE} {chain} "
        f"{{ type filter hook {hook} priority filter; policy drop; }}"
    )
    if rule:
        yield f"add rule {TABLE} {chain} {rule}"


def _chains(name: str) -> tuple[str, ...]:
    # From the first to the last no chain is named by one that comes later, so that
    # they can be deleted in this order.
    order = ("out", "in", "rules_out", "rules_in", "known_out", "known_in")
    return (
        *(f"{name}_{each}" for each in order),
        f"{name}_kept_out",
        f"{name}_kept_in",
    )


def _leaving(port: Port) -> Iterator[str]:
    name, mac = _identifier(port.name), mac_address(port.mac)
    four, six = by_family(port.addresses)

    def dropped(why: str) -> str:
        return f"counter name {port.name}{SEPARATOR}{why} drop"

    if port.filter_mac:
        yield f"ether saddr != {mac} {dropped('mac')}"
    yield f"ether type != {{ ip, ip6, arp }} {dropped('kind')}"
    # A sender's address of other lengths stands elsewhere and could not be checked.
    yield f"ether type arp arp htype != 1 {dropped('kind')}"
    yield f"ether type arp arp hlen != 6 {dropped('kind')}"
    yield f"ether type arp arp plen != 4 {dropped('kind')}"
    if port.filter_mac:
        yield f"arp saddr ether != {mac} {dropped('arp_mac')}"
    if port.filter_ip:
        if four:
            yield f"arp saddr ip {{ {', '.join(four)} }} accept"
        yield "arp operation request arp saddr ip 0.0.0.0 accept"
        yield f"ether type arp {dropped('arp_ip')}"
    yield "ether type arp accept"
    yield "meta protocol ip6 icmpv6 type { 133, 135, 136 } accept"
    if port.filter_ip:
        yield (
            "ip saddr 0.0.0.0 udp sport 68 ip daddr 255.255.255.255 udp dport 67 accept"
        )
        own = f"ip saddr != {{ {', '.join(four)} }} " if four else ""
        yield f"meta protocol ip {own}{dropped('ip')}"
        own = f"ip6 saddr != {{ {', '.join(six)} }} " if six else ""
        yield f"meta protocol ip6 {own}{dropped('ip6')}"
    yield from _fragments()
    yield f"jump {name}_known_out"
    yield f"jump {name}_rules_out"
    yield dropped("out")


def _entering(port: Port) -> Iterator[str]:
    name = _identifier(port.name)
    yield "ether type arp accept"
    if port.filter_destination:
        own = ", ".join(by_family(port.addresses)[0])
        yield f"ip daddr != {{ {own} }} counter name {port.name}{SEPARATOR}in drop"
    yield "meta protocol ip6 icmpv6 type { 134, 135, 136, 137 } accept"
    yield from _fragments()
    yield f"jump {name}_known_in"
    yield f"jump {name}_rules_in"
    yield f"counter name {port.name}{SEPARATOR}in drop"


def _fragments() -> Iterator[str]:
    yield "meta protocol ip ip frag-off & 0x1fff != 0 accept"
    yield "meta protocol ip6 frag frag-off != 0 accept"


def _rules(port: str, rules: tuple[Rule, ...] | None) -> Iterator[str]:
    name = _identifier(port)
    if rules is None:
        yield f"add rule {TABLE} {name}_rules_out accept"
        yield f"add rule {TABLE} {name}_rules_in accept"
        return
    for match in grouprules.matches(rules, "outbound"):
        yield f"add rule {TABLE} {name}_rules_out {match} goto {name}_kept_out"
    for match in grouprules.matches(rules, "inbound"):
        yield f"add rule {TABLE} {name}_rules_in {match} goto {name}_kept_in"
