r"""CONTEXT: variables replaced, addresses of NICs filled in, OneGate's endpoint.

OpenNebula replaces `$NAME` and `$NAME[ATTRIBUTE, KEY="value"]` in every value of
CONTEXT and in the requirements; `\$` is left as it stands, backslash and all, and a
lone `$` is a syntax error. What an operator does not expect is reproduced too.
"""

import re

from farmctl.embedded.attributes import Attributes, Vector, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Network
from farmctl.embedded.leases import range_of
from farmctl.embedded.machine import Machine
from farmctl.embedded.refusal import Refusal, internal

_LITERAL = re.compile(r"(?:[^$\\]|\\\$|\\[^$]|\\$)+")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_INDEX = re.compile(
    r"\[[ \t]*([A-Za-z0-9_]+)"
    r"(?:[ \t]*,[ \t]*([A-Za-z0-9_]+)[ \t]*=[ \t]*(?:\"([^\"]*)\"|([A-Za-z0-9]+)))?"
    r"[ \t]*\]"
)
_AFTER = re.compile(r"[ \t]*([=,\]])|(?=(\[))")
_SIGNS = {"=": "EQUAL", ",": "COMMA", "]": "CBRACKET", None: "$undefined"}
_SEPARATOR = "@^_^@"
# What a guest sees of a NIC, where it is found, and whether its range and network
# are looked through as well.
_FOUR = (
    ("IP", "IP", False),
    ("MAC", "MAC", False),
    ("MASK", "NETWORK_MASK", True),
    ("NETWORK", "NETWORK_ADDRESS", True),
    ("GATEWAY", "GATEWAY", True),
    ("DNS", "DNS", True),
    ("SEARCH_DOMAIN", "SEARCH_DOMAIN", True),
    ("MTU", "GUEST_MTU", True),
    ("METRIC", "METRIC", True),
    ("METHOD", "METHOD", True),
    ("VLAN_ID", "VLAN_ID", True),
    ("VROUTER_IP", "VROUTER_IP", False),
    ("VROUTER_MANAGEMENT", "VROUTER_MANAGEMENT", False),
    ("EXTERNAL", "EXTERNAL", False),
    ("ROUTES", "ROUTES", True),
)
_SIX = (
    ("IP6", "IP6_GLOBAL", False),
    ("IP6_ULA", "IP6_ULA", False),
    ("IP6_GATEWAY", "GATEWAY6", True),
    ("IP6_METRIC", "IP6_METRIC", True),
    ("IP6_METHOD", "IP6_METHOD", True),
    ("IP6_PREFIX_LENGTH", "PREFIX_LENGTH", True),
    ("VROUTER_IP6", "VROUTER_IP6_GLOBAL", False),
)
_ROUTER_ATTRIBUTES = (
    "VROUTER_ID",
    "VROUTER_KEEPALIVED_ID",
    "VROUTER_KEEPALIVED_PASSWORD",
)


def fill(cloud: Cloud, vm: Machine) -> None:
    """Complete the VM's CONTEXT as OpenNebula does at allocation.

    Raises:
        Refusal: a value holds a `$` that begins no variable (8192).
    """
    context = vm.template.vector("CONTEXT")
    if context is None:
        return
    replace_in(cloud, vm, context, sorted(context))
    network_context(cloud, vm, context)
    token_context(cloud, vm, context)
    for name in _ROUTER_ATTRIBUTES:
        if vm.template.text(name):
            context[name] = vm.template.text(name)


def token_context(cloud: Cloud, vm: Machine, context: Vector) -> None:
    """Tell the guest where OneGate is, where TOKEN is YES."""
    if context.get("TOKEN", "").upper() == "YES":
        context["ONEGATE_ENDPOINT"] = cloud.onegate_url
        context["VMID"] = str(vm.id)
        vm.template.put("CREATED_BY", str(vm.created_by))


def network_context(cloud: Cloud, vm: Machine, context: Vector) -> None:
    """Write the addresses of all NICs into CONTEXT where NETWORK is YES."""
    if context.get("NETWORK", "").upper() != "YES":
        return
    for nic in vm.all_nics():
        if nic.get("NETWORK_MODE", "").upper() == "AUTO":
            continue
        prefix = _prefix(nic)
        for guest, name, deeper in (*_FOUR, *_SIX):
            value = nic.get(name, "")
            if not value and name == "IP6_GLOBAL":
                value = nic.get("IP6", "")
            if not value and deeper:
                value = _from_network(cloud, nic, name)
            context[f"{prefix}_{guest}"] = value


def forget_nic(vm: Machine, nic: Vector) -> None:
    """Take a NIC's addresses out of CONTEXT."""
    context = vm.template.vector("CONTEXT")
    if context is None:
        return
    prefix = f"{_prefix(nic)}_"
    for name in [n for n in context if n.startswith(prefix)]:
        del context[name]


def replaced(cloud: Cloud, vm: Machine, text: str) -> str:
    """Replace the variables in a text.

    Raises:
        Refusal: a `$` begins no variable (8192).
    """
    try:
        return _replaced(cloud, vm, text)
    except _NotAVariableError as error:
        raise error.refusal(text, 0) from None


def replace_in(cloud: Cloud, vm: Machine, context: Vector, names: list[str]) -> None:
    """Replace the variables in some values of CONTEXT.

    Raises:
        Refusal: a `$` begins no variable (8192).
    """
    whole = _SEPARATOR.join(f"{name}={context[name]}" for name in sorted(context))
    new = dict(context)
    for name in names:
        try:
            new[name] = _replaced(cloud, vm, context[name])
        except _NotAVariableError as error:
            before = [f"{n}={context[n]}" for n in sorted(context) if n < name]
            start = len(_SEPARATOR.join([*before, f"{name}="]))
            raise error.refusal(whole, start) from None
    context.update(new)


class _NotAVariableError(Exception):
    """A `$` that begins no variable: what was found where, and what was expected."""

    def __init__(self, at: int, found: str, expected: str) -> None:
        super().__init__(found)
        self._at = at
        self._found = found
        self._expected = expected

    def refusal(self, text: str, start: int) -> Refusal:
        """Return the refusal; columns count from 1 in the text as OpenNebula has it."""
        column = start + self._at + 1
        return internal(
            f"Error parsing: {text}. syntax error, unexpected {self._found}, "
            f"expecting {self._expected} at line 0, columns {column}:{column + 1}"
        )


def _replaced(cloud: Cloud, vm: Machine, text: str) -> str:
    if "$" not in text:
        return text
    parts: list[str] = []
    at = 0
    while at < len(text):
        literal = _LITERAL.match(text, at)
        if literal is not None:
            parts.append(literal.group())
            at = literal.end()
            continue
        name = _NAME.match(text, at + 1)
        if name is None:
            raise _NotAVariableError(at + 1, "EOA", "$end or VARIABLE or RSTRING")
        at = name.end()
        index = _INDEX.match(text, at)
        if index is None:
            wrong = _AFTER.match(text, at)
            if wrong is not None:
                found = _SIGNS[wrong.group(1)]
                raise _NotAVariableError(at, found, "OBRACKET or EOA")
            parts.append(_single(vm, name.group().upper()))
            continue
        at = index.end()
        parts.append(_indexed(cloud, vm, name.group().upper(), index))
    return "".join(parts)


def _prefix(nic: Vector) -> str:
    if "ALIAS_ID" in nic:
        return f"ETH{nic['PARENT_ID']}_ALIAS{nic['ALIAS_ID']}"
    return f"ETH{nic['NIC_ID']}"


def _from_network(cloud: Cloud, nic: Vector, name: str) -> str:
    network_id = to_int(nic.get("NETWORK_ID", ""))
    network = None if network_id is None else cloud.pools.networks.find(network_id)
    return "" if network is None else _of_network(network, nic, name)


def _of_network(network: Network, nic: Vector, name: str) -> str:
    found = range_of(network, to_int(nic.get("AR_ID", "")))
    if found is not None and found.attributes.get(name):
        return found.attributes[name]
    return network.template.text(name)


def _single(vm: Machine, name: str) -> str:
    own = {
        "UID": str(vm.uid),
        "UNAME": vm.uname,
        "GID": str(vm.gid),
        "GNAME": vm.gname,
        "NAME": vm.name,
    }
    if name in own:
        return own[name]
    return vm.template.text(name) or vm.user_template.text(name)


def _indexed(cloud: Cloud, vm: Machine, name: str, index: re.Match[str]) -> str:
    wanted, key, quoted, bare = index.groups()
    wanted, key = wanted.upper(), (key or "").upper()
    value = quoted if quoted is not None else bare or ""
    if name == "USER":
        user = cloud.pools.users.find(vm.uid)
        return "" if user is None else user.template.text(wanted)
    if name == "NETWORK":
        for nic in vm.all_nics():
            if key and nic.get(key) == value:
                return nic.get(wanted) or _from_network(cloud, nic, wanted)
        return ""
    return _vector_value(vm.template, name, wanted, key, value) or _vector_value(
        vm.user_template, name, wanted, key, value
    )


def _vector_value(
    template: Attributes, name: str, wanted: str, key: str, value: str
) -> str:
    for vector in template.vectors(name):
        if not key or vector.get(key) == value:
            return vector.get(wanted, "")
    return ""
