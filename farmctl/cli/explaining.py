"""Why a farm is as it is: gathered from the cloud, its document and the journal.

Nothing is decided here. What is wanted, who set it, what limits it and what the next
apply would do are put side by side, with numbers; `explain_view` says them in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farmctl.cli import chronicle
from farmctl.cli.standing_view import Told
from farmctl.cli.text import took
from farmctl.errors import FarmctlError, InputError
from farmctl.journal import Journal, Record
from farmctl.model.nodes import Phase, Role
from farmctl.model.standing import KEY, VERDICT, from_json
from farmctl.model.steps import Plan
from farmctl.model.view import CloudView, Quota
from farmctl.plan import document
from farmctl.reconcile import FarmStatus, Status, World, make_plan
from farmctl.reconcile import status as look
from farmctl.spec import Farm, Pool, from_canonical, read_farm


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWhy:
    """One pool: what it has, what it should have, who says so, what it may have.

    `decided` is the size decided by hand, if one was; `hand` the journal's record of
    it. `room` is how many nodes more the quota would allow, None for no limit.
    """

    pool: str
    has: int
    ready: int
    wanted: int
    least: int
    most: int
    cpus: int
    memory_mib: int
    decided: int | None
    hand: Record | None
    place: str
    room: int | None
    quota: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """All that is known about why a farm is as it is.

    `plan` is what the next apply would do with the farm as it was declared last, or
    None with the reason in `refused`. `seen` is the look that all of it rests on.
    `told` is how the farm stands with its daemon, None where none was heard of.
    """

    farm: str
    seen: Status
    status: FarmStatus
    declared: Farm | None
    unreadable: str
    pools: tuple[PoolWhy, ...]
    plan: Plan | None
    refused: str
    journal: tuple[Record, ...]
    told: Told | None = None


def gather(world: World, name: str, journal: Journal) -> Why:
    """Return why a farm is as it is now.

    Makes one look at the cloud, and one at its capacity if nodes would be made.

    Raises:
        NotPossibleError: the cloud shows no such farm.
        CloudError: the cloud cannot be looked at.
    """
    view = world.cloud.look()
    seen = look(world, name, view=view)
    status = seen.farms[0]
    declared, unreadable = _declared(view, name)
    plan, refused = _next(world, declared, view) if declared else (None, "")
    records = tuple(journal.read(name))
    return Why(
        farm=name,
        seen=seen,
        status=status,
        declared=declared,
        unreadable=unreadable,
        pools=tuple(_pools(view, status, declared, journal)) if declared else (),
        plan=plan,
        refused=refused,
        journal=records,
        told=_told(view, status, records, journal, now=world.clock.now()),
    )


def _told(
    view: CloudView,
    status: FarmStatus,
    records: tuple[Record, ...],
    journal: Journal,
    *,
    now: float,
) -> Told | None:
    """Return the newest standing there is: in the journal here, or in the document."""
    written = next((e for e in reversed(records) if e.event == VERDICT), None)
    here = from_json(written.values.get(KEY)) if written else None
    document = view.farm(status.farm).document
    body = document.body if document else None
    there = from_json(body.get(KEY)) if body else None
    if here is not None and (there is None or there.at <= here.at):
        place = f"the journal {journal.file(status.farm)}"
        return Told(
            standing=here, place=place, source="journal", at=now, daemon=status.daemon
        )
    if there is None:
        return None
    place = f"the farm's document, {took(max(0.0, now - there.at))} old"
    return Told(
        standing=there, place=place, source="document", at=now, daemon=status.daemon
    )


def _declared(view: CloudView, name: str) -> tuple[Farm | None, str]:
    found = view.farm(name).document
    if found is None:
        return None, "OpenNebula has no document of it"
    if not found.body:
        return None, "its document in OpenNebula cannot be read"
    try:
        return from_canonical(dict(found.body)), ""
    except InputError as error:
        return None, str(error)


def _next(world: World, declared: Farm, view: CloudView) -> tuple[Plan | None, str]:
    try:
        return make_plan(world, declared, view=view), ""
    except FarmctlError as error:
        return None, str(error)


def _pools(
    view: CloudView, status: FarmStatus, declared: Farm, journal: Journal
) -> list[PoolWhy]:
    decided = document.sizes(view.farm(status.farm).document)
    written = _written(declared)
    return [
        _pool(
            name,
            pool,
            status=status,
            decided=decided,
            hand=_hand(journal, status.farm, name, decided.get(name)),
            place=_place(written, name, pool),
            quotas=view.quotas,
        )
        for name, pool in declared.pools.items()
    ]


def _pool(
    name: str,
    pool: Pool,
    *,
    status: FarmStatus,
    decided: Mapping[str, int],
    hand: Record | None,
    place: str,
    quotas: tuple[Quota, ...],
) -> PoolWhy:
    nodes = [
        each
        for each in status.nodes
        if each.role is Role.WORKER and each.pool == name and not each.aside
    ]
    room, whose = _room(pool, quotas)
    return PoolWhy(
        pool=name,
        has=len(nodes),
        ready=sum(each.phase is Phase.READY for each in nodes),
        wanted=pool.count.within(decided.get(name, pool.count.start)),
        least=pool.count.min,
        most=pool.count.max,
        cpus=pool.cpus,
        memory_mib=pool.memory,
        decided=decided.get(name),
        hand=hand,
        place=place,
        room=room,
        quota=whose,
    )


def _room(pool: Pool, quotas: tuple[Quota, ...]) -> tuple[int | None, str]:
    """Return how many nodes more the tightest quota allows, and whose it is."""
    tightest: int | None = None
    whose = ""
    for quota in quotas:
        limits = [
            quota.vms,
            None if quota.cpus is None else int(quota.cpus // pool.cpus),
            None if quota.memory_mib is None else quota.memory_mib // pool.memory,
        ]
        for limit in limits:
            if limit is not None and (tightest is None or limit < tightest):
                tightest, whose = max(0, limit), quota.whose
    return tightest, whose


def _hand(journal: Journal, farm: str, pool: str, size: int | None) -> Record | None:
    """Return the journal's record of who decided the size, if it has one."""
    if size is None:
        return None
    last = None
    for each in journal.read(farm):
        if each.event == chronicle.SCALE_BEGAN and each.values.get("pool") == pool:
            last = each
    return last if last is not None and last.values.get("size") == size else None


def _written(declared: Farm) -> Farm | None:
    """Return the farm file in this folder, if it says what the cloud knows."""
    path = Path(f"{declared.name}.yaml")
    try:
        return read_farm(path) if path.is_file() else None
    except FarmctlError:
        return None


def _place(written: Farm | None, name: str, pool: Pool) -> str:
    """Return where the pool's count stands, such as `alice-wn.yaml:18`, or nothing."""
    if written is None or name not in written.pools:
        return ""
    if written.pools[name].count != pool.count:
        return ""  # it was set by hand since
    line, _ = written.origin.place("pools", name, "count")
    return f"{written.origin.file}:{line}" if line else ""
