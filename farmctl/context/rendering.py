"""The CONTEXT vector of a node, from the site, the farm and the node's role.

What is free text travels as base64, because OpenNebula would take a `$` in it for a
variable of its own; what is not is checked here once more before it is let through.
"""

import base64
from collections.abc import Mapping
from functools import cache
from typing import assert_never

import jinja2

from farmctl import assets
from farmctl.context import quoting
from farmctl.errors import NotPossibleError
from farmctl.model.attributes import Attributes
from farmctl.model.nodes import Readiness, Role, node_name
from farmctl.spec import Farm, Site

LARGEST_VALUE = 131_071 - 64
"""Bytes of one value. one-context exports each to the scripts that it runs, and Linux
starts no program with an environment string of 128 KiB (MAX_ARG_STRLEN); its name and
the sign between have room in the 64."""

LARGEST_CONTEXT = 512 * 1024
"""Bytes of all names and values together, well inside the 2 MiB that Linux gives the
whole environment of a program."""

LONGEST_HOST = 253
"""Characters of a full host name (RFC 1035)."""

OWN_NAME = "$NAME"
"""OpenNebula puts the VM's own name in its place; the one variable that we use."""

READY_SCRIPT = "test -e /run/farmctl/ready"
"""one-context reports READY when this succeeds: the start script ran to its end."""

_LAST_ORDINAL = 999


def contexts(site: Site, farm: Farm) -> Mapping[str, Attributes]:
    """Return the CONTEXT of each kind of node: `router`, `head`, and pools by name."""
    found = {"router": render(site, farm, Role.ROUTER)}
    if farm.head is not None:
        found["head"] = render(site, farm, Role.HEAD)
    for pool in farm.pools:
        found[pool] = render(site, farm, Role.WORKER, pool)
    return found


def render(site: Site, farm: Farm, role: Role, pool: str = "") -> Attributes:
    """Return the CONTEXT vector that all nodes of one role or pool share.

    Equal input gives equal output, to the byte: the digest of a node rests on it.

    Raises:
        NotPossibleError: a value cannot be handed to a node, or is too large for it.
    """
    domain = f"{farm.name}.{site.domain}"
    _check_host_names(farm, role, pool, domain)
    values = {
        "FARMCTL_SITE": site.name,
        "FARMCTL_FARM": farm.name,
        "FARMCTL_KIND": farm.kind,
        "FARMCTL_ROLE": role.value,
        "FARMCTL_POOL": pool,
        "FARMCTL_DOMAIN": domain,
        "FARMCTL_BATCH": farm.batch or "",
    }
    script = quoting.render(
        _templates(),
        _template(farm, role),
        {
            "farm": farm.name,
            "kind": farm.kind,
            "domain": domain,
            "values": {**dict(sorted(farm.variables.items())), **values},
        },
    )
    found = {
        "NETWORK": "YES",
        "TOKEN": "YES",
        "SET_HOSTNAME": OWN_NAME,
        **{key: _plain(key, value) for key, value in values.items() if value},
        "FARMCTL_VALUES_BASE64": _base64(quoting.canonical_json(dict(farm.variables))),
        "START_SCRIPT_BASE64": _base64(script),
    }
    if _readiness(site, farm, role, pool) is Readiness.ONEGATE:
        found["REPORT_READY"] = "YES"
        found["READY_SCRIPT"] = _base64(READY_SCRIPT)
    keys = dict.fromkeys((*site.admin.ssh_keys, *farm.ssh_keys))
    if keys:
        found["SSH_PUBLIC_KEY"] = "\n".join(
            _plain("SSH_PUBLIC_KEY", key) for key in keys
        )
    _check_sizes(found)
    return found


@cache
def _templates() -> jinja2.Environment:
    return quoting.environment(assets.path("templates", "context"))


def _template(farm: Farm, role: Role) -> str:
    match role:
        case Role.ROUTER:
            return f"router/{farm.router.flavour}/start.sh.j2"
        case Role.HEAD | Role.WORKER:
            return f"{role.value}/start.sh.j2"
        case _:
            assert_never(role)


def _readiness(site: Site, farm: Farm, role: Role, pool: str) -> Readiness:
    own = None
    if role is Role.HEAD and farm.head is not None:
        own = farm.head.readiness
    if role is Role.WORKER:
        own = farm.pools[pool].readiness
    return site.readiness if own is None else own


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _plain(key: str, value: str) -> str:
    """Refuse what OpenNebula or a context reader would take for more than text."""
    for char in value:
        if char in '$"\\`' or not char.isprintable() or ord(char) > 0xFFFF:  # noqa: PLR2004 - the end of the BMP
            raise NotPossibleError(
                f"{key} holds {char!a}, which a node's context cannot carry.",
                hint="Take it out.",
            )
    return value


def _check_host_names(farm: Farm, role: Role, pool: str, domain: str) -> None:
    longest = f"{node_name(farm.name, role, pool, _LAST_ORDINAL)}.{domain}"
    if len(longest) > LONGEST_HOST:
        raise NotPossibleError(
            f"Host names such as {longest[:40]}… would have {len(longest)} characters; "
            f"DNS takes {LONGEST_HOST}.",
            hint="Shorten the name of the farm, or the site's domain.",
        )


def _check_sizes(found: Mapping[str, str]) -> None:
    for key, value in found.items():
        size = len(value.encode())
        if size > LARGEST_VALUE:
            raise NotPossibleError(
                f"{key} of the context would have {size} bytes; a node takes "
                f"{LARGEST_VALUE}.",
                hint="Make the farm's variables shorter, or put a file into the image.",
            )
    total = sum(len(key) + len(value.encode()) + 2 for key, value in found.items())
    if total > LARGEST_CONTEXT:
        raise NotPossibleError(
            f"The context would have {total} bytes; a node takes {LARGEST_CONTEXT}.",
            hint="Put fewer SSH keys or shorter variables into the farm.",
        )
