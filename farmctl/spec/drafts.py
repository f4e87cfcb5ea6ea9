"""Drafts for `rules` out of files that are wrong in places.

Each value is taken if it is right in itself. A misspelt key counts as the one that was
meant: its mistake is told once, not again as "there is no such pool".
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from farmctl.spec import farm, fields, site
from farmctl.spec.composer import Plain
from farmctl.spec.keys import known_keys
from farmctl.spec.rules import FarmDraft, ForwardDraft
from farmctl.spec.site_rules import SiteDraft
from farmctl.spec.suggestions import nearest

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_LATER = ConfigDict(defer_build=True)  # drafts are for files that are wrong
_KIND: TypeAdapter[str] = TypeAdapter(farm.Kind, config=_LATER)
_PUBLIC: TypeAdapter[str] = TypeAdapter(fields.PublicAddress, config=_LATER)
_NAME: TypeAdapter[str] = TypeAdapter(fields.ForwardName, config=_LATER)
_TARGET: TypeAdapter[str] = TypeAdapter(fields.ForwardTarget, config=_LATER)
_PROTOCOL: TypeAdapter[farm.Protocol] = TypeAdapter(farm.Protocol, config=_LATER)
_BUDGET: TypeAdapter[float] = TypeAdapter(fields.Budget, config=_LATER)
_CPUS: TypeAdapter[int] = TypeAdapter(fields.Cpus, config=_LATER)
_DRIVER: TypeAdapter[str] = TypeAdapter(site.Driver, config=_LATER)
_CIDR: TypeAdapter[str] = TypeAdapter(fields.Cidr, config=_LATER)
_INTERFACE: TypeAdapter[str] = TypeAdapter(fields.Interface, config=_LATER)


def of_farm(values: Mapping[str, Plain]) -> FarmDraft:
    """Return what is right in a farm file."""
    said = _meant(values, farm.Farm)
    router = _meant(said.get("router"), farm.Router)
    pools = said.get("pools")
    variables = said.get("variables")
    return FarmDraft(
        kind=_right(_KIND, said.get("kind")),
        has_head=said.get("head") is not None,
        has_batch=said.get("batch") is not None,
        public_address=_right(_PUBLIC, router.get("public_address", "auto")),
        dhcp_open=router.get("dhcp_open") is True,
        forwards=[_forward(item) for item in _items(router.get("forwards"))],
        pools={
            name: _most(_meant(pool, farm.Pool).get("count"))
            for name, pool in (pools.items() if isinstance(pools, dict) else ())
        },
        variables={
            name: value
            for name, value in (
                variables.items() if isinstance(variables, dict) else ()
            )
            if isinstance(value, str)
        },
        budget=_right(_BUDGET, said.get("budget")),
        least_cores=_least_cores(pools if isinstance(pools, dict) else {}),
    )


def of_site(values: Mapping[str, Plain]) -> SiteDraft:
    """Return what is right in a site file."""
    said = _meant(values, site.Site)
    networks = _meant(said.get("networks"), site.Networks)
    farms = _meant(networks.get("farms"), site.FarmNetworks)
    admin = _meant(said.get("admin"), site.Admin)
    vlans = _right_model(site.VlanIds, farms.get("vlan_ids"))
    return SiteDraft(
        supernet=_right(_CIDR, farms.get("supernet")),
        driver=_right(_DRIVER, farms.get("driver")),
        device=_right(_INTERFACE, farms.get("physical_device")),
        has_device=farms.get("physical_device") is not None,
        has_bridge=farms.get("bridge") is not None,
        vlan_ids=None if vlans is None else (vlans.first, vlans.last),
        has_vlan_ids=farms.get("vlan_ids") is not None,
        admins=[_right(_CIDR, net) for net in _items(admin.get("addresses"))],
        admin_keys=len(_items(admin.get("ssh_keys"))),
        reserved=[_right(_CIDR, net) for net in _items(networks.get("reserved"))],
        has_login=said.get("login") is not None,
        has_playbook=said.get("playbook") is not None,
    )


def _forward(value: Plain) -> ForwardDraft:
    said = _meant(value, farm.Forward)
    port = said.get("port")
    protocol = _right(_PROTOCOL, said.get("protocol", "tcp"))
    return ForwardDraft(
        name=_right(_NAME, said.get("name")),
        port=port if isinstance(port, int) and not isinstance(port, bool) else None,
        protocols=() if protocol is None else farm.protocols(protocol),
        to=_right(_TARGET, said.get("to")),
    )


def _most(value: Plain) -> int | None:
    count = _right_model(farm.Count, value)
    return None if count is None else count.max


def _least_cores(pools: Mapping[str, object]) -> int | None:
    total = 0
    for each in pools.values():
        pool = _meant(each, farm.Pool)
        count = _right_model(farm.Count, pool.get("count"))
        cpus = _right(_CPUS, pool.get("cpus"))
        if count is None or cpus is None:
            return None
        total += cpus * count.min
    return total


def _meant(value: object, model: type[BaseModel]) -> dict[str, Any]:
    """Return a mapping with misspelt keys put right; empty if it is none."""
    if not isinstance(value, Mapping):
        return {}
    known = known_keys(model, ())
    said = {key: inner for key, inner in value.items() if key in known}
    for key, inner in value.items():
        if key not in known and (meant := nearest(key, known)):
            said.setdefault(meant, inner)
    return said


def _items(value: object) -> list[Plain]:
    return value if isinstance(value, list) else []


def _right(adapter: TypeAdapter[T], value: object) -> T | None:
    """Return the value as its type has it, None if it is wrong or not there."""
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        return None


def _right_model(model: type[M], value: object) -> M | None:
    """Return the value as its model has it, None if it is wrong or not there."""
    try:
        return model.model_validate(value)
    except ValidationError:
        return None
