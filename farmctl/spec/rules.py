"""Rules between several fields of a farm file, each as far as its fields make sense.

A `…Draft` holds what such a rule needs, with None where a value is missing or wrong in
itself: that is a mistake of its own, and no reason to keep quiet about the others.
Drafts are drawn from the models (`of`) and from half-right files (`spec.reading`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from farmctl.spec import text
from farmctl.spec.base import Breach
from farmctl.spec.suggestions import did_you_mean

if TYPE_CHECKING:
    from farmctl.spec.farm import Farm

WORKER_ADDRESSES = 252
"""`.1` to `.252`; `.253` is the head, `.254` the router (Torino's habit)."""

ADMIN_PORTS = {60022: "the router's SSH", 60443: "the router's LuCI"}
"""Taken on the public address of every router (Torino's habit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardDraft:
    """What is known of a forward that may be wrong in places."""

    name: str | None
    port: int | None
    protocols: Sequence[str]
    to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmDraft:
    """What is known of a farm that may be wrong in places."""

    kind: str | None
    has_head: bool
    has_batch: bool
    public_address: str | None
    dhcp_open: bool
    forwards: Sequence[ForwardDraft]
    pools: Mapping[str, int | None]
    """The most nodes of each pool."""

    variables: Mapping[str, str]
    budget: float | None
    least_cores: int | None
    """Cores of the workers that are always there, None if that is not known."""

    @classmethod
    def of(cls, farm: "Farm") -> Self:
        """Return the draft of a farm that is right field by field."""
        return cls(
            kind=farm.kind,
            has_head=farm.head is not None,
            has_batch=farm.batch is not None,
            public_address=farm.router.public_address,
            dhcp_open=farm.router.dhcp_open,
            forwards=[
                ForwardDraft(
                    name=forward.name,
                    port=forward.port,
                    protocols=forward.protocols,
                    to=forward.to,
                )
                for forward in farm.router.forwards
            ],
            pools={name: pool.count.max for name, pool in farm.pools.items()},
            variables=farm.variables,
            budget=farm.budget,
            least_cores=sum(pool.cpus * pool.count.min for pool in farm.pools.values()),
        )


def broken_in_farm(draft: FarmDraft) -> Iterator[Breach]:
    """Yield every rule between fields that a farm breaks."""
    yield from _batch(draft)
    yield from _size(draft)
    yield from _targets(draft)
    yield from _ports(draft)
    yield from _budget(draft)
    used = sum(
        len(f"{k}{v}".encode(errors="replace")) for k, v in draft.variables.items()
    )
    if used > text.VARIABLE_BYTES:
        yield Breach(
            loc=("variables",),
            message=f"the variables hold {used} bytes; {text.VARIABLE_BYTES} fit.",
            hint="Let the nodes fetch what is large.",
        )


def _batch(draft: FarmDraft) -> Iterator[Breach]:
    if draft.kind != "batch":
        return
    if not draft.has_batch:
        yield Breach(
            loc=("kind",),
            message="a batch farm says which batch system it has.",
            hint="Add batch: slurm, batch: gridengine or batch: htcondor.",
        )
    if not draft.has_head:
        yield Breach(
            loc=("kind",),
            message="a batch farm needs a head for its batch server.",
            hint="Add head, or use kind: pilot for workers of a server elsewhere.",
        )


def _budget(draft: FarmDraft) -> Iterator[Breach]:
    if draft.budget is None:
        return
    if not draft.has_batch:
        yield Breach(
            loc=("budget",),
            message="nothing is started for waiting work in a farm without a batch "
            "system, so there is nothing to limit.",
            hint="Add batch, or leave budget out and set the counts.",
        )
    least = 24 * (draft.least_cores or 0)
    if least > draft.budget:
        yield Breach(
            loc=("budget",),
            message=f"the nodes that are always there (min) cost {least} core-hours a "
            f"day, which is more than {draft.budget:g}.",
            hint="Raise budget, or lower the counts' min.",
        )


def _size(draft: FarmDraft) -> Iterator[Breach]:
    most = [most for most in draft.pools.values() if most is not None]
    total = sum(most)
    if total > WORKER_ADDRESSES:
        said = " + ".join(str(number) for number in most)
        yield Breach(
            loc=("pools",),
            message=f"{said} nodes are too many for a class C, which has room for "
            f"{WORKER_ADDRESSES} workers."
            if len(most) > 1
            else f"{total} nodes are too many for a class C.",
            hint="Lower the counts, or make two farms.",
        )
    elif total == WORKER_ADDRESSES and draft.dhcp_open:
        yield Breach(
            loc=("router", "dhcp_open"),
            message=f"{total} nodes leave no address of the class C to other machines.",
            hint="Lower the counts, or leave dhcp_open out.",
        )


def _targets(draft: FarmDraft) -> Iterator[Breach]:
    known = [*(["head"] if draft.has_head else []), *draft.pools]
    for index, forward in enumerate(draft.forwards):
        to = forward.to
        if to is None:
            continue
        loc = ("router", "forwards", index, "to")
        node = text.node_of_pool(to)
        if to == "head":
            if not draft.has_head:
                yield Breach(
                    loc=loc,
                    message="the farm has no head.",
                    hint="Add head, or forward to a node of a pool, such as wn-001.",
                )
        elif to == "router":
            yield Breach(
                loc=loc,
                message="a forward leads to a node behind the router, not to itself.",
                hint="Its SSH answers at port 60022 of the public address.",
            )
        elif to in draft.pools:
            yield Breach(
                loc=loc,
                message=f"{to!r} is a whole pool; a forward leads to one node.",
                hint=f"Write {to}-001.",
            )
        elif node is None or node[0] not in draft.pools:
            shown = to if node is None else node[0]
            yield Breach(
                loc=loc,
                message=f"no node or pool is called {text.show(shown)}.",
                hint=did_you_mean(shown, known, else_say="The farm has"),
            )
        else:
            yield from _ordinal(loc, node, draft.pools[node[0]])


def _ordinal(
    loc: tuple[str | int, ...], node: tuple[str, int], most: int | None
) -> Iterator[Breach]:
    pool, number = node
    if number == 0:
        yield Breach(
            loc=loc,
            message=f"the nodes of a pool count from 1, not from {pool}-000.",
            hint=f"Write {pool}-001.",
        )
    elif most is not None and number > most:
        yield Breach(
            loc=loc,
            message=f"pool {pool} never has a node {number}: its most is {most}.",
            hint=f"Raise pools.{pool}.count, or forward to another node.",
        )


def _ports(draft: FarmDraft) -> Iterator[Breach]:
    if draft.public_address == "none" and draft.forwards:
        yield Breach(
            loc=("router", "public_address"),
            message="without a public address nothing can be forwarded.",
            hint="Write public_address: auto, or leave the forwards out.",
        )
    taken: dict[tuple[str, int], str] = {
        ("tcp", port): what for port, what in ADMIN_PORTS.items()
    }
    names: set[str] = set()
    for index, forward in enumerate(draft.forwards):
        at = ("router", "forwards", index)
        if forward.name is not None and forward.name in names:
            yield Breach(
                loc=(*at, "name"),
                message=f"two forwards are called {forward.name!r}.",
                hint="Give each a name of its own.",
            )
        names.add(forward.name or "")
        if forward.port is None:
            continue
        ends = [(protocol, forward.port) for protocol in forward.protocols]
        clash = next((end for end in ends if end in taken), None)
        if clash is not None:
            yield Breach(
                loc=(*at, "port"),
                message=f"{clash[0]} port {forward.port} is taken by {taken[clash]}.",
                hint="Choose another port.",
            )
        for end in ends:
            taken.setdefault(end, f"forward {forward.name or index + 1}")
