"""A farm held against its site: what both files must agree on.

What only OpenNebula knows (whether an image is really there, which addresses are free)
is left to `reconcile`, which looks.
"""

import ipaddress
from collections.abc import Iterator

from farmctl.errors import Mistake
from farmctl.spec.base import Breach
from farmctl.spec.farm import Farm
from farmctl.spec.site import Site
from farmctl.spec.suggestions import did_you_mean
from farmctl.spec.wording import dotted


def check(farm: Farm, site: Site) -> list[Mistake]:
    """Return every mistake between a farm and its site, in the order of the farm file.

    The mistakes have a line where the farm was read from a file.
    """
    found: list[Mistake] = []
    for breach in [*_images(farm, site), *_network(farm, site), *_login(farm, site)]:
        line, column = farm.origin.place(*breach.loc)
        found.append(
            Mistake(
                file=farm.origin.file or f"farm {farm.name}",
                line=line,
                column=column,
                path=dotted(breach.loc),
                message=breach.message,
                hint=breach.hint,
            )
        )
    return sorted(found, key=lambda mistake: (mistake.line, mistake.column))


def _images(farm: Farm, site: Site) -> Iterator[Breach]:
    images = {("router", "image"): farm.router.image}
    if farm.head is not None:
        images["head", "image"] = farm.head.image
    asked = [
        *images.items(),
        *((("pools", name, "image"), pool.image) for name, pool in farm.pools.items()),
    ]
    for loc, image in asked:
        if image not in site.images:
            yield Breach(
                loc=loc,
                message=f"site {site.name} has no image called {image!r}.",
                hint=did_you_mean(image, site.images, else_say="It has")
                or "Add it to the site's images.",
            )


def _network(farm: Farm, site: Site) -> Iterator[Breach]:
    supernet = ipaddress.IPv4Network(site.networks.farms.supernet)
    if farm.network != "auto":
        network = ipaddress.IPv4Network(farm.network)
        if not network.subnet_of(supernet):
            yield Breach(
                loc=("network",),
                message=f"{network} is outside {supernet}, where site {site.name} has "
                "its farms.",
                hint="Write auto, or a /24 of it.",
            )
        for reserved in site.networks.reserved:
            if network.overlaps(ipaddress.IPv4Network(reserved)):
                yield Breach(
                    loc=("network",),
                    message=f"site {site.name} keeps {reserved} for itself.",
                    hint="Write auto, or another /24.",
                )
    public = farm.router.public_address
    if public not in ("auto", "none") and ipaddress.IPv4Address(public) in supernet:
        yield Breach(
            loc=("router", "public_address"),
            message=f"{public} is inside {supernet}, the farms' own networks.",
            hint="Write auto, none or an address of the public network.",
        )


def _login(farm: Farm, site: Site) -> Iterator[Breach]:
    if farm.playbook not in (None, "none") and site.login is None:
        yield Breach(
            loc=("playbook",),
            message=f"site {site.name} has no login, and a playbook needs a way into "
            "the nodes.",
            hint="Add login to the site file, or leave the playbook out.",
        )
