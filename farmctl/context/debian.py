"""The router's files for a Debian: dnsmasq, nftables, chrony and sshd.

The same values as in `openwrt`, for sites without OpenWrt and for tests on real nodes.
The files go to /etc/farmctl/router, and `farmctl-router`, a shell script that rides
with them, checks them, puts them in force and takes them back. Which device is which
only the router knows: the script looks for the one that has the farm's address.
"""

from collections.abc import Mapping
from functools import cache

import jinja2
from netaddr import IPNetwork

from farmctl import assets
from farmctl.context import quoting
from farmctl.model.router import RouterValues

FILES = (
    "chrony.conf",
    "dhcp-hosts",
    "dnsmasq.conf",
    "hosts",
    "ruleset.nft",
    "sshd.conf",
)
"""The files that are rendered."""

SCRIPT = "farmctl-router"
"""The script that rides with them."""

COMMAND = "/usr/local/sbin/farmctl-router"
"""Where that script stands on a router once its files are in force."""

WEB = "web"
"""The opening for LuCI, which a Debian has none of."""


def files(values: RouterValues) -> Mapping[str, str]:
    """Return the text of each file by its name in /etc/farmctl/router.

    Equal values give equal text, to the byte.

    Raises:
        NotPossibleError: a value cannot stand in one of the files.
    """
    network = IPNetwork(values.cidr)
    told = {
        "values": values,
        "openings": [each for each in values.openings if each.name != WEB],
        "network": str(network.network),
        "netmask": str(network.netmask),
    }
    found = {name: quoting.render(_templates(), f"{name}.j2", told) for name in FILES}
    found[SCRIPT] = script()
    return found


def script() -> str:
    """Return the text of `farmctl-router`: apply, confirm, rollback, boot, status."""
    return assets.path("templates", "router", "debian", SCRIPT).read_text("utf-8")


@cache
def _templates() -> jinja2.Environment:
    return quoting.environment(assets.path("templates", "router", "debian"))
