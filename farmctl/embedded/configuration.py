"""The cloud's configuration, as a stock oned.conf of 7.4 has it.

`stock.conf` beside this module is the truth: what `one.system.config` answers, what
ordinary users may not set, what NICs and disks inherit, what a datastore can do.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

from farmctl.embedded.attributes import Attributes, Vector, parse

Rules = Mapping[str, frozenset[str]]
"""Attributes by name: an empty set means all of it, another those of a vector."""


@cache
def stock() -> Attributes:
    """Return the configuration; not to be changed."""
    file = resources.files("farmctl.embedded") / "stock.conf"
    return parse(file.read_text("utf-8"))


def listed(name: str) -> tuple[str, ...]:
    """Return the values of an attribute that oned.conf repeats."""
    return tuple(value for value in stock().values[name] if isinstance(value, str))


def restricted(kind: str) -> Rules:
    """Return what ordinary users may not set in a `VM`, a `VNET` and so on."""
    rules: dict[str, frozenset[str]] = {}
    for path in listed(f"{kind}_RESTRICTED_ATTR"):
        name, _, inner = path.partition("/")
        rules[name] = rules.get(name, frozenset()) | ({inner} if inner else set())
    return rules


def transfer(driver: str) -> Vector | None:
    """Return what a transfer driver can do, None where there is no such driver."""
    for vector in stock().vectors("TM_MAD_CONF"):
        if vector["NAME"] == driver:
            return vector
    return None
