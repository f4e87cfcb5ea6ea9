"""Which class C a farm gets, and which of its addresses each node gets.

OpenNebula accepts networks that overlap and ranges that overlap: checking is ours.
Everything here rests on one look at the cloud. Two farms that look at the same moment
can choose alike; `earlier_claim` tells the later one, and `reconcile` then asks again
with a `seed`, so that the farms spread instead of racing for the next lowest.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from netaddr import AddrFormatError, IPAddress, IPNetwork

from farmctl.errors import ExhaustedError, NotPossibleError
from farmctl.model.view import CloudView, Document, FarmView, Network
from farmctl.plan.segments import Refusals
from farmctl.spec import Networks

ROUTER_HOST = 254
"""The last octet of the router's address: Torino's habit."""

HEAD_HOST = 253
"""The last octet of the head's address."""

LAST_WORKER_HOST = 252
"""Workers count up from .1 to here."""

_CLASS_C = 256
_CLASS_C_PREFIX = 24
_HOLDERS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The addresses from `first` to `last` (as numbers) are spoken for by `who`.

    `farm` is set where the claim is a farm's; `network_id` where there is a network,
    otherwise the claim stands in the document `document_id` only.
    """

    first: int
    last: int
    who: str
    farm: str = ""
    network_id: int | None = None
    document_id: int | None = None

    def overlaps(self, first: int, last: int) -> bool:
        """Say whether the two share an address."""
        return self.first <= last and first <= self.last


def claims(view: CloudView) -> tuple[Claim, ...]:
    """Return every claim to IPv4 addresses that the cloud shows, ours or not.

    Networks claim their ranges and their NETWORK_ADDRESS; a farm's document claims the
    class C that it names, so that a farm whose network is still to come counts too.
    """
    return tuple(
        claim
        for source in (
            *(_network_claims(network) for network in view.networks),
            *(_document_claims(document) for document in view.documents),
        )
        for claim in source
    )


def class_c(
    networks: Networks,
    view: CloudView,
    *,
    farm: str,
    wish: str = "auto",
    seed: str = "",
    avoid: Collection[str] = (),
) -> str:
    """Return the class C of a farm, such as 172.16.40.0/24.

    Stable: a farm that has a network keeps its class C, and one whose document names
    one keeps that as long as nobody else's network overlaps it. Otherwise it is the
    lowest free /24 of the supernet; with a `seed`, one picked among the free by a hash
    of farm and seed, so that farms which lost a race spread.

    Args:
        networks: the site's address plan.
        view: one look at the cloud.
        farm: the farm's name.
        wish: `auto`, or the /24 that the farm's file asks for.
        seed: a text that makes another choice, such as the number of the attempt.
        avoid: /24s that are not to be chosen, having been lost to others.

    Raises:
        NotPossibleError: the wish is outside the supernet, reserved, overlaps another
            network (which is named), goes with a VLAN id that cannot be had, or is not
            what the farm has already.
        ExhaustedError: no /24 is free; the message says how many there are and who
            holds them, or that no VLAN id is left.
    """
    held = kept(view.farm(farm))
    if held and wish not in ("auto", held):
        raise NotPossibleError(
            f"{farm} has the class C {held}; its file asks for {wish}.",
            hint="A farm keeps its class C for life: write `network: auto`, or destroy "
            "the farm before you apply it.",
        )
    if held:
        return held
    others = [claim for claim in claims(view) if claim.farm != farm]
    refusals = Refusals(networks.farms, view, farm=farm)
    if wish != "auto":
        _refuse_taken(networks, wish, others, refusals)
        return wish
    noted = noted_cidr(view.farm(farm).document)
    if (
        noted
        and noted not in avoid
        and _fits(networks, noted, others)
        and not refusals.of(noted)
    ):
        return noted
    return _choose(networks, others, refusals, farm=farm, seed=seed, avoid=avoid)


def kept(farm: FarmView) -> str:
    """Return the class C of the network that a farm has, or nothing."""
    network = farm.network
    if network is None:
        return ""
    for first, _ in _spans(network):
        return str(IPNetwork((first - first % _CLASS_C, _CLASS_C_PREFIX)))
    return ""


def earlier_claim(view: CloudView, *, farm: str, cidr: str) -> Claim | None:
    """Return the claim to (a part of) `cidr` that goes before the farm's own.

    A network that is no farm's always goes before; of two farms' networks the one with
    the lower id, of two documents likewise, and a network before a document. Of any
    number of farms that chose alike exactly one finds nothing here, and keeps it.
    """
    first, last = _ends(cidr)
    mine = view.farm(farm)
    ours = _rank(
        mine.network.id if mine.network else None,
        mine.document.id if mine.document else None,
    )
    rivals = [
        claim
        for claim in claims(view)
        if claim.farm != farm
        and claim.overlaps(first, last)
        and (not claim.farm or _rank(claim.network_id, claim.document_id) < ours)
    ]
    return min(rivals, key=lambda claim: (bool(claim.farm), claim.who), default=None)


def router_address(cidr: str) -> str:
    """Return the router's address in a farm's class C."""
    return str(IPAddress(_ends(cidr)[0] + ROUTER_HOST))


def head_address(cidr: str) -> str:
    """Return the head's address in a farm's class C."""
    return str(IPAddress(_ends(cidr)[0] + HEAD_HOST))


def is_worker_address(cidr: str, address: str) -> bool:
    """Say whether an address is one that workers of this class C get."""
    prefix, _, last = address.rpartition(".")
    inside = prefix == cidr.rpartition(".")[0]
    return inside and 1 <= int(last) <= LAST_WORKER_HOST


def worker_addresses(cidr: str, count: int, *, in_use: Collection[str]) -> list[str]:
    """Return the `count` lowest free worker addresses, from .1 to .252.

    Args:
        cidr: the farm's class C.
        count: how many are needed.
        in_use: all that is taken: by VMs of the farm, by strangers, held by hand.

    Raises:
        ExhaustedError: fewer are free.
    """
    prefix = cidr.rpartition(".")[0]
    taken = set(in_use)
    free = [
        address
        for host in range(1, LAST_WORKER_HOST + 1)
        if (address := f"{prefix}.{host}") not in taken
    ]
    if len(free) < count:
        raise ExhaustedError(
            f"{cidr} is full: {count} worker addresses are needed, {len(free)} of "
            f"{LAST_WORKER_HOST} are free.",
            hint="Lower the pools' counts, end VMs that do not belong to the farm, or "
            "make two farms.",
        )
    return free[:count]


def _rank(network_id: int | None, document_id: int | None) -> tuple[int, int]:
    if network_id is not None:
        return (0, network_id)
    return (1, document_id) if document_id is not None else (2, 0)


# The same few addresses are read again for every farm of a cloud.
@lru_cache(maxsize=65_536)
def _number(address: str) -> int:
    return int(IPAddress(address))


@lru_cache(maxsize=65_536)
def _ends(cidr: str) -> tuple[int, int]:
    network = IPNetwork(cidr)
    return int(network.first), int(network.last)


def _spans(network: Network) -> Iterator[tuple[int, int]]:
    address = network.attributes.get("NETWORK_ADDRESS")
    if isinstance(address, str) and address:
        mask = network.attributes.get("NETWORK_MASK")
        wide = mask if isinstance(mask, str) and mask else "255.255.255.0"
        yield from _readable(f"{address}/{wide}")
    for each in network.ranges:
        if each.first and each.size > 0:
            first = _number(each.first)
            yield first, first + each.size - 1


def _readable(cidr: str) -> Iterator[tuple[int, int]]:
    # It is free text to OpenNebula; what is no network claims nothing.
    try:
        ends = _ends(cidr)
    except (AddrFormatError, ValueError):
        return
    yield ends


def _network_claims(network: Network) -> Iterator[Claim]:
    farm = network.tag.farm if network.tag else ""
    for first, last in _spans(network):
        yield Claim(
            first=first,
            last=last,
            who=f"network {network.name} ({network.id})",
            farm=farm,
            network_id=network.id,
        )


def noted_cidr(document: Document | None) -> str:
    """Return the class C that a farm's document names; nothing if it is none."""
    noted = document.body.get("cidr") if document and document.body else None
    if not isinstance(noted, str):
        return ""
    try:
        first, last = _ends(noted)
    except (AddrFormatError, ValueError):
        return ""
    return noted if (first % _CLASS_C, last - first) == (0, _CLASS_C - 1) else ""


def _document_claims(document: Document) -> Iterator[Claim]:
    noted = noted_cidr(document)
    if noted and document.tag is not None:
        first, last = _ends(noted)
        yield Claim(
            first=first,
            last=last,
            who=f"farm {document.tag.farm}",
            farm=document.tag.farm,
            document_id=document.id,
        )


def _fits(networks: Networks, cidr: str, others: Iterable[Claim]) -> bool:
    first, last = _ends(cidr)
    low, high = _ends(networks.farms.supernet)
    return (
        low <= first
        and last <= high
        and not any(claim.overlaps(first, last) for claim in others)
        and not any(
            _ends(net)[0] <= last and first <= _ends(net)[1]
            for net in networks.reserved
        )
    )


def _refuse_taken(
    networks: Networks, wish: str, others: Iterable[Claim], refusals: Refusals
) -> None:
    first, last = _ends(wish)
    low, high = _ends(networks.farms.supernet)
    hint = "Write `network: auto` for the next free one."
    if not (low <= first and last <= high):
        raise NotPossibleError(
            f"{wish} is outside the site's supernet {networks.farms.supernet}.",
            hint=hint,
        )
    for reserved in networks.reserved:
        begin, end = _ends(reserved)
        if begin <= last and first <= end:
            raise NotPossibleError(
                f"{wish} overlaps {reserved}, which the site has reserved.", hint=hint
            )
    for claim in others:
        if claim.overlaps(first, last):
            raise NotPossibleError(f"{wish} overlaps the {claim.who}.", hint=hint)
    reason = refusals.of(wish)
    if reason:
        raise NotPossibleError(f"{wish} {reason}.", hint=hint)


def _choose(
    networks: Networks,
    others: Collection[Claim],
    refusals: Refusals,
    *,
    farm: str,
    seed: str,
    avoid: Collection[str],
) -> str:
    low, high = _ends(networks.farms.supernet)
    reserved = [_ends(net) for net in networks.reserved]
    spans = [(claim.first, claim.last) for claim in others] + reserved
    taken = {
        block
        for first, last in spans
        if first <= high and low <= last
        for block in range(max(first, low) // _CLASS_C, min(last, high) // _CLASS_C + 1)
    }
    taken |= {_ends(cidr)[0] // _CLASS_C for cidr in avoid}
    blocks = range(low // _CLASS_C, high // _CLASS_C + 1)
    vacant = [block for block in blocks if block not in taken]
    free = [block for block in vacant if not refusals.of(_cidr(block))]
    if not free and vacant:
        raise ExhaustedError(
            f"None of the {len(vacant)} class C networks that are left has a VLAN id "
            f"to go with it: {_cidr(vacant[0])} {refusals.of(_cidr(vacant[0]))}.",
            hint="Widen networks.farms.vlan_ids in the site file, or destroy a farm "
            "that is no longer needed.",
        )
    if not free:
        raise _exhausted(networks, others, len(blocks))
    chosen = free[0]
    if seed:
        hashed = hashlib.sha256(f"{farm}\n{seed}".encode()).digest()
        chosen = free[int.from_bytes(hashed[:8], "big") % len(free)]
    return _cidr(chosen)


def _cidr(block: int) -> str:
    return str(IPNetwork((block * _CLASS_C, _CLASS_C_PREFIX)))


def _exhausted(
    networks: Networks, others: Collection[Claim], blocks: int
) -> ExhaustedError:
    low, high = _ends(networks.farms.supernet)
    who = sorted(
        {
            f"farm {claim.farm}" if claim.farm else claim.who
            for claim in others
            if claim.overlaps(low, high)
        }
    )
    shown = ", ".join(who[:_HOLDERS_SHOWN])
    if len(who) > _HOLDERS_SHOWN:
        shown += f" and {len(who) - _HOLDERS_SHOWN} more"
    return ExhaustedError(
        f"None of the {blocks} class C networks of {networks.farms.supernet} is free"
        + (f": they are held by {shown}." if who else ": all are reserved."),
        hint="Destroy a farm that is no longer needed, or widen networks.farms."
        "supernet in the site file.",
    )
