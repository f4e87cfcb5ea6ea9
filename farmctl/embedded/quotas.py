"""Quotas of users and groups: what is limited, what is used, and saying no.

Usage is counted for every user and group but oneadmin's, limited or not, as OpenNebula
shows it. -1 is the default limit, -2 none. A `Usage` is what a call takes or gives
back: which quota, of which object, how much of which metric.
"""

from collections.abc import Iterable
from typing import NamedTuple

from farmctl.embedded import refusal
from farmctl.embedded.attributes import Attributes, Vector, number_text, to_float
from farmctl.embedded.entities import Entity, Group, Quotas, User, no_quotas
from farmctl.embedded.machine import Machine
from farmctl.embedded.pools import Pools
from farmctl.embedded.refusal import Refusal, unauthorised

METRICS = {
    "DATASTORE": ("SIZE", "IMAGES"),
    "NETWORK": ("LEASES",),
    "VM": (
        "VMS",
        "RUNNING_VMS",
        "CPU",
        "RUNNING_CPU",
        "MEMORY",
        "RUNNING_MEMORY",
        "PCI_DEV",
        "RUNNING_PCI_DEV",
        "PCI_NIC",
        "RUNNING_PCI_NIC",
        "SYSTEM_DISK_SIZE",
    ),
    "IMAGE": ("RVMS",),
}
_DEFAULT = -1.0
_UNLIMITED = -2.0


class Usage(NamedTuple):
    """How much of one quota: `quota` is a section, `id` the object's, "" for VMs."""

    quota: str
    id: str
    amounts: dict[str, float]


def machine_usage(*, cpu: float, memory: float, disk: float, running: bool) -> Usage:
    """Return what one VM of that shape takes of the VM quota."""
    amounts = {"VMS": 1.0, "CPU": cpu, "MEMORY": memory, "SYSTEM_DISK_SIZE": disk}
    if running:
        amounts.update(RUNNING_VMS=1.0, RUNNING_CPU=cpu, RUNNING_MEMORY=memory)
    return Usage("VM", "", amounts)


def running_usage(vm: Machine, *, sign: int = 1) -> Usage:
    """Return the part of a VM's usage that only running VMs take."""
    amounts = {
        "RUNNING_VMS": 1.0 * sign,
        "RUNNING_CPU": vm.cpu() * sign,
        "RUNNING_MEMORY": float(vm.memory()) * sign,
    }
    return Usage("VM", "", amounts)


def network_usage(network_id: int, leases: int = 1) -> Usage:
    """Return what leases of a network take."""
    return Usage("NETWORK", str(network_id), {"LEASES": float(leases)})


def image_usage(image_id: int) -> Usage:
    """Return what a disk made from an image takes of the image's quota."""
    return Usage("IMAGE", str(image_id), {"RVMS": 1.0})


def datastore_usage(datastore_id: int, size: float, images: int = 1) -> Usage:
    """Return what an image takes of a datastore's quota; `size` in MiB."""
    return Usage(
        "DATASTORE", str(datastore_id), {"SIZE": size, "IMAGES": float(images)}
    )


def charge(pools: Pools, uid: int, gid: int, usage: Iterable[Usage]) -> None:
    """Take what a call needs, from the user and from the group.

    Raises:
        Refusal: a limit would be exceeded (512); the call's rollback gives back
            what was taken.
    """
    usage = list(usage)
    for owner, defaults in _owners(pools, uid, gid):
        pools.touch(owner)
        for piece in usage:
            message = _check(owner.quotas, piece, defaults)
            if message:
                raise _exceeded(owner, uid, message)
            _count(owner.quotas, piece, 1)


def account(
    pools: Pools, uid: int, gid: int, usage: Iterable[Usage], *, sign: int = 1
) -> None:
    """Count, without asking whether it fits; `sign` -1 gives back."""
    usage = list(usage)
    for owner, _ in _owners(pools, uid, gid):
        for piece in usage:
            _count(owner.quotas, piece, sign)
            if sign < 0:
                _clean(owner.quotas, piece)
        pools.touch(owner)


def set_limits(owner_quotas: Quotas, template: Attributes) -> None:
    """Set limits from a quota template.

    Raises:
        Refusal: a limit is no number, or below -2 (2048).
    """
    for quota, metrics in METRICS.items():
        for given in template.vectors(quota):
            key = given.get("ID", "")
            limits = {m: to_float(given[m]) for m in metrics if given.get(m)}
            good = all(v is not None and v >= _UNLIMITED for v in limits.values())
            if not good or (quota != "VM" and not key.isdigit()):
                inner = ",".join(f"{k}={given[k]}" for k in sorted(given))
                raise refusal.wrong_state(
                    f"Negative limits or bad format in quota {quota} = [ {inner} ]"
                )
            entry = _entry(owner_quotas, quota, key) or _new(owner_quotas, quota, key)
            for metric, limit in limits.items():
                entry[metric] = _text(limit or 0.0)
            _clean(owner_quotas, Usage(quota, key, {}))


def xml(quotas: Quotas) -> str:
    """Write quotas as OpenNebula shows them."""
    parts = []
    for quota, entries in quotas.items():
        inner = Attributes({quota: list(entries)}).xml(f"{quota}_QUOTA")
        parts.append(inner)
    return "".join(parts)


def default_quotas(pools: Pools, who: str) -> Quotas:
    """Return the limits of everybody without own ones; `who` is USER or GROUP."""
    found: Quotas | None = pools.values.get(f"default_{who.lower()}_quotas")
    return found if found is not None else no_quotas()


def _owners(pools: Pools, uid: int, gid: int) -> list[tuple[User | Group, Quotas]]:
    owners: list[tuple[User | Group, Quotas]] = []
    user = pools.users.find(uid)
    if user is not None and uid != 0:
        owners.append((user, default_quotas(pools, "USER")))
    group = pools.groups.find(gid)
    if group is not None and gid != 0:
        owners.append((group, default_quotas(pools, "GROUP")))
    return owners


def _exceeded(owner: Entity, uid: int, message: str) -> Refusal:
    return unauthorised(uid, f"{owner.noun} [{owner.id}] {message}")


def _entry(quotas: Quotas, quota: str, key: str) -> Vector | None:
    for entry in quotas[quota]:
        if entry.get("ID", "") == key:
            return entry
    return None


def _new(quotas: Quotas, quota: str, key: str) -> Vector:
    entry = {"ID": key} if key else {}
    for metric in METRICS[quota]:
        entry[metric] = "-1"
        entry[f"{metric}_USED"] = "0"
    quotas[quota].append(entry)
    return entry


def _check(quotas: Quotas, piece: Usage, defaults: Quotas) -> str:
    entry = _entry(quotas, piece.quota, piece.id)
    default = _entry(defaults, piece.quota, piece.id) or {}
    for metric in METRICS[piece.quota]:
        amount = piece.amounts.get(metric)
        if amount is None:
            continue
        limit = float((entry or {}).get(metric, "-1"))
        if limit == _DEFAULT:
            limit = float(default.get(metric, "-2"))
            if limit == _DEFAULT:
                limit = _UNLIMITED
        used = float((entry or {}).get(f"{metric}_USED", "0"))
        # Usage is kept to two decimals; a sum of tenths must not miss its limit.
        if limit != _UNLIMITED and round(used + amount, 4) > limit:
            where = f" with ID: {piece.id}" if piece.id else ""
            return (
                f"limit of {number_text(limit)} reached for {metric} quota "
                f"in {piece.quota}{where}"
            )
    return ""


def _count(quotas: Quotas, piece: Usage, sign: int) -> None:
    entry = _entry(quotas, piece.quota, piece.id)
    if entry is None:
        if sign < 0:
            return
        entry = _new(quotas, piece.quota, piece.id)
    for metric, amount in piece.amounts.items():
        used = f"{metric}_USED"
        entry[used] = _text(float(entry.get(used, "0")) + sign * amount)


def _clean(quotas: Quotas, piece: Usage) -> None:
    entry = _entry(quotas, piece.quota, piece.id)
    if entry is None:
        return
    for metric in METRICS[piece.quota]:
        if float(entry[metric]) != _DEFAULT or float(entry[f"{metric}_USED"]) != 0:
            return
    quotas[piece.quota].remove(entry)


def _text(value: float) -> str:
    value = round(value, 4)
    return str(int(value)) if value == int(value) else f"{value:.2f}"
