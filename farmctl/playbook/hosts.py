"""A farm as Ansible's inventory: its nodes, their groups, and what is told of each.

Values only. Everything that people or guests wrote is data and stays data: where an
inventory could take text for a Jinja template, it is marked as none (`!unsafe`). The
names of groups and hosts come out of checked names.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml

from farmctl.model.guests import Guest
from farmctl.model.nodes import Role, node_name
from farmctl.spec import Farm, Site

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

PYTHON = "/usr/bin/python3"
"""Where a node has Python; named, so that Ansible does not go and look for it."""

_BRACE = "{"
"""What every template begins with."""

_SLURM_TAKES = ("default", "all")
"""Words of slurm.conf that no partition can be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How Ansible reaches a node: what it calls it, and the arguments of its ssh."""

    host: str
    ssh_args: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Hosts, groups and variables; the groups hold names of hosts."""

    hosts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def joined(self, other: "Inventory") -> "Inventory":
        """Return both as one; a host of both is the other's."""
        groups = {name: list(hosts) for name, hosts in self.groups.items()}
        for name, hosts in other.groups.items():
            groups[name] = [*groups.get(name, ()), *hosts]
        return Inventory(hosts={**self.hosts, **other.hosts}, groups=groups)

    def as_json(self) -> dict[str, Json]:
        """Return what a script tells Ansible for `--list`."""
        told: dict[str, Json] = {
            "_meta": {
                "hostvars": {
                    name: {key: _marked(value) for key, value in variables.items()}
                    for name, variables in self.hosts.items()
                }
            },
            "all": {"children": ["ungrouped", *self.groups]},
        }
        for name, hosts in self.groups.items():
            told[name] = {"hosts": list(hosts)}
        return told

    def as_yaml(self) -> str:
        """Return the same as a file."""
        plain = {
            "all": {
                "hosts": {
                    name: {key: _data(value) for key, value in variables.items()}
                    for name, variables in self.hosts.items()
                },
                "children": {
                    name: {"hosts": dict.fromkeys(hosts)}
                    for name, hosts in self.groups.items()
                },
            }
        }
        return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def facts(farm: Farm, site: Site) -> dict[str, Json]:
    """Return what is true of the whole farm, however many nodes it has now."""
    return {
        "farmctl_site": site.name,
        "farmctl_farm": farm.name,
        "farmctl_kind": farm.kind,
        "farmctl_batch": farm.batch if farm.batch and farm.head else "",
        "farmctl_domain": f"{farm.name}.{site.domain}",
        "farmctl_variables": dict(farm.variables),
        "farmctl_head": node_name(farm.name, Role.HEAD) if farm.head else "",
        "farmctl_pools": [
            {
                "name": name,
                "partition": f"{name}-pool" if name in _SLURM_TAKES else name,
                "cpus": pool.cpus,
                "memory_mib": pool.memory,
            }
            for name, pool in farm.pools.items()
        ],
    }


def inventory(
    farm: Farm,
    site: Site,
    guests: Iterable[Guest],
    ways: Mapping[str, Way],
    *,
    alone: bool = False,
) -> Inventory:
    """Return the inventory of a farm's nodes that run.

    Args:
        farm: the farm.
        site: its site.
        guests: its nodes that run.
        ways: how to reach each, by its name; one that is missing cannot be reached
            now, and is told of without a way.
        alone: no other farm is in the inventory, so that what is the same for all
            nodes has to be read once only.
    """
    known = list(guests)
    common = facts(farm, site) | {
        "farmctl_alone": alone,
        "farmctl_head_address": _address(known, Role.HEAD),
        "farmctl_router_address": _address(known, Role.ROUTER),
        "ansible_python_interpreter": PYTHON,
        "ansible_ssh_args": "",
    }
    groups: dict[str, list[str]] = {
        "router": [],
        "openwrt": [],
        "head": [],
        "workers": [],
        group("farm", farm.name): [],
        **{group("pool", name): [] for name in farm.pools},
    }
    hosts: dict[str, dict[str, Json]] = {}
    for each in known:
        own: dict[str, Json] = {
            "farmctl_role": each.role.value,
            "farmctl_pool": each.pool,
            "farmctl_address": each.address,
            "farmctl_public_address": each.public_address,
            "farmctl_cpus": max(1, int(each.cpus)),
            "farmctl_memory_mib": each.memory_mib,
        }
        if each.name in ways:
            own["ansible_host"] = ways[each.name].host
            own["ansible_ssh_common_args"] = ways[each.name].ssh_args
        hosts[each.name] = common | own
        groups[group("farm", farm.name)].append(each.name)
        match each.role:
            case Role.WORKER:
                groups["workers"].append(each.name)
                groups.setdefault(group("pool", each.pool), []).append(each.name)
            case Role.HEAD:
                groups["head"].append(each.name)
            case Role.ROUTER:
                groups["router"].append(each.name)
                if farm.router.flavour == "openwrt":
                    groups["openwrt"].append(each.name)
    return Inventory(hosts=hosts, groups=groups)


def group(kind: str, name: str) -> str:
    """Return the group of a farm or pool: Ansible's groups have no `-` in them.

    Names of farms and pools have no `_`, so two of them never become one group.
    """
    return f"{kind}_{name.replace('-', '_')}"


def _address(guests: Iterable[Guest], role: Role) -> str:
    return next((each.address for each in guests if each.role is role), "")


class _Unsafe(str):
    """A text that Ansible takes for no template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """YAML in which such texts are marked, and nothing is written twice by name."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's
        return True


_Dumper.add_representer(
    _Unsafe,
    lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'),
)


def _data(value: Json) -> Json:
    """Return a value for YAML, text that could be a template marked as none."""
    match value:
        case str() if _BRACE in value:
            return _Unsafe(value)
        case list():
            return [_data(each) for each in value]
        case dict():
            return {key: _data(each) for key, each in value.items()}
        case _:
            return value


def _marked(value: Json) -> Json:
    """Return a value for JSON, with Ansible's mark on text that could be a template."""
    match value:
        case str() if _BRACE in value:
            return {"__ansible_unsafe": value}
        case list():
            return [_marked(each) for each in value]
        case dict():
            return {key: _marked(each) for key, each in value.items()}
        case _:
            return value


def canonical(value: Mapping[str, Json]) -> str:
    """Return values as one text, the same for the same values."""
    return json.dumps(cast("Json", value), sort_keys=True, ensure_ascii=True)
