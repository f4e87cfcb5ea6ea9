"""From the declared farm to what it is in the cloud's terms: the target.

Names become ids, roles become templates, the class C becomes a network. Every mistake
that only a look at the cloud can show is found here, and all of them are named at once.
The wishes are not held against what is there already: that is `plan`'s.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from netaddr import IPAddress, IPNetwork

from farmctl.errors import ExhaustedError, InputError, Mistake
from farmctl.model import requirements
from farmctl.model.attributes import Attributes, Kind, Ref
from farmctl.model.nodes import Role
from farmctl.model.target import Shape, Target, TargetObject
from farmctl.model.view import CloudView, Image, Network, User
from farmctl.plan import addresses, document, groups, segments, shapes
from farmctl.plan import public as public_addresses
from farmctl.spec import Farm, Site, crosscheck, record
from farmctl.spec.suggestions import did_you_mean

FIXED = ("VN_MAD", "BRIDGE", "PHYDEV", "VLAN_ID", "AUTOMATIC_VLAN_ID", "AR")
"""What a network is made with and keeps."""

_ONEADMIN = 0

_Owned = TypeVar("_Owned", Network, Image)


def resolve(
    site: Site,
    farm: Farm,
    view: CloudView,
    contexts: Mapping[str, Attributes],
    sizes: Mapping[str, int],
    *,
    cidr: str = "",
) -> Target:
    """Return the farm as it should be, in the cloud's terms.

    Args:
        site: the cloud's rules.
        farm: the farm as declared.
        view: one look at the cloud, for images and networks; its capacity, if it was
            read, is checked for hypervisors of each class.
        contexts: CONTEXT by `router`, `head` and each pool's name. What changes in
            place (forwards) must not be in it: it is part of the nodes' digest.
        sizes: decided sizes by pool; each is clamped to the pool's limits, and a pool
            without one has its `min`.
        cidr: the farm's class C; if empty, `addresses.class_c` chooses it.

    Raises:
        InputError: every mistake in the two files that the cloud shows, with paths.
        NotPossibleError: the class C wished for cannot be had.
        ExhaustedError: no class C or public address is left.
    """
    images = {key: _image(name, view) for key, name in site.images.items()}
    public = (
        None
        if farm.router.public_address == "none"
        else find_network(site.networks.public.name, view)
    )
    mistakes = [
        *crosscheck.check(farm, site),
        *_image_mistakes(site, farm, images, view),
        *_public_mistakes(site, farm, public, view),
        *_class_mistakes(site, farm, view),
    ]
    if mistakes:
        raise InputError(mistakes)
    chosen = cidr or addresses.class_c(
        site.networks, view, farm=farm.name, wish=farm.network
    )
    _refuse_exhausted(farm, public, view)
    material = shapes.Material(
        site=site,
        farm=farm,
        contexts=contexts,
        images={key: image for key, image in images.items() if image is not None},
        public=public,
    )
    made = tuple(_shapes(material, sizes))
    lan = groups.lan_group(farm, chosen)
    return Target(
        farm=farm.name,
        kind=farm.kind,
        cidr=chosen,
        owner=view.user.name,
        groups=(lan, groups.wan_group(farm, site)) if public is not None else (lan,),
        network=TargetObject(
            name=farm.name, attributes=_network(site, farm, chosen, view)
        ),
        shapes=made,
        document=_body(farm, chosen, sizes, made),
        origin=farm.origin.file,
    )


def find_network(name: str, view: CloudView) -> Network | None:
    """Return the network of this name: the user's own, else oneadmin's, else any."""
    return _nearest((each for each in view.networks if each.name == name), view.user)


def _nearest(found: Iterable[_Owned], user: User) -> _Owned | None:
    return min(
        found,
        key=lambda each: (
            each.owner_id != user.id,
            each.owner_id != _ONEADMIN,
            each.id,
        ),
        default=None,
    )


def _image(name: str, view: CloudView) -> Image | None:
    return _nearest((each for each in view.images if each.name == name), view.user)


def _mistake(farm: Farm, *loc: str | int, message: str, hint: str) -> Mistake:
    line, column = farm.origin.place(*loc)
    return Mistake(
        file=farm.origin.file or f"farm {farm.name}",
        line=line,
        column=column,
        path=".".join(str(part) for part in loc),
        message=message,
        hint=hint,
    )


def _machines(farm: Farm) -> Iterator[tuple[tuple[str, ...], str, int, Role]]:
    yield ("router",), farm.router.image, 0, Role.ROUTER
    if farm.head is not None:
        yield ("head",), farm.head.image, farm.head.disk or 0, Role.HEAD
    for name, pool in farm.pools.items():
        yield ("pools", name), pool.image, pool.disk or 0, Role.WORKER


def _image_mistakes(
    site: Site, farm: Farm, images: Mapping[str, Image | None], view: CloudView
) -> Iterator[Mistake]:
    for loc, key, disk_mib, _ in _machines(farm):
        if key not in site.images:
            continue  # `crosscheck` has said so
        image, name = images[key], site.images[key]
        if image is None:
            known = sorted({each.name for each in view.images})
            yield _mistake(
                farm,
                *loc,
                "image",
                message=f"OpenNebula shows no image {name!r}, which the site calls "
                f"{key!r}.",
                hint=did_you_mean(name, known, else_say="It shows")
                or "Register it, or correct images in the site file.",
            )
        elif not image.usable:
            yield _mistake(
                farm,
                *loc,
                "image",
                message=f"the image {name!r} ({image.id}) is {image.state_name}, so no "
                "node can be made of it.",
                hint="Enable or mend it in OpenNebula.",
            )
        elif 0 < disk_mib < image.size_mib:
            yield _mistake(
                farm,
                *loc,
                "disk",
                message=f"{disk_mib} MiB is smaller than the image {name!r}, which has "
                f"{image.size_mib} MiB.",
                hint="Leave disk out for the image's own size.",
            )


def _public_mistakes(
    site: Site, farm: Farm, public: Network | None, view: CloudView
) -> Iterator[Mistake]:
    wish = farm.router.public_address
    if wish == "none":
        return
    loc = ("router", "public_address")
    if public is None:
        name = site.networks.public.name
        known = sorted({each.name for each in view.networks if each.tag is None})
        yield _mistake(
            farm,
            *loc,
            message=f"OpenNebula shows no network {name!r}, the site's public network.",
            hint=did_you_mean(name, known, else_say="It shows")
            or "Correct networks.public.name in the site file, or write "
            "public_address: none.",
        )
        return
    problem = public_addresses.public_problem(public, view, farm=farm.name, wish=wish)
    if problem:
        yield _mistake(
            farm, *loc, message=problem, hint="Write auto, or another address."
        )


def _class_mistakes(site: Site, farm: Farm, view: CloudView) -> Iterator[Mistake]:
    capacity = view.capacity
    if capacity is None:
        return
    if not capacity.hosts and not view.user.admin:
        return  # ordinary users see no hypervisors; the scheduler does
    seen: set[str] = set()
    for loc, _, _, role in _machines(farm):
        place = shapes.placement(site, role)
        if place.hypervisor_class in seen:
            continue
        seen.add(place.hypervisor_class)
        wanted = requirements.parse(place.requires)
        if not any(wanted.matches(host.attributes) for host in capacity.hosts):
            yield _mistake(
                farm,
                *loc,
                message=f"no hypervisor is of the class {place.hypervisor_class}: none "
                f"fulfils {place.requires}.",
                hint=f"Correct hypervisors.{place.hypervisor_class}.requires in the "
                "site file, or give hypervisors that attribute.",
            )
        stores = sorted({each.name for each in capacity.datastores if each.system})
        if place.datastore not in stores:
            yield _mistake(
                farm,
                *loc,
                message="OpenNebula shows no system datastore "
                f"{place.datastore!r}, where the class {place.hypervisor_class} has "
                "its disks.",
                hint=did_you_mean(place.datastore, stores, else_say="It shows")
                or "Correct system_datastore in the site file.",
            )


def _refuse_exhausted(farm: Farm, public: Network | None, view: CloudView) -> None:
    if public is None or public_addresses.public_left(public):
        return
    held = any(
        nic.network_id == public.id
        for vm in view.farm(farm.name).vms
        for nic in vm.nics
    )
    if not held:
        total = sum(each.size for each in public.ranges)
        raise ExhaustedError(
            f"The public network {public.name} is used up: all of its {total} "
            "addresses are taken.",
            hint="Add a range to it, or write router.public_address: none.",
        )


def _shapes(material: shapes.Material, sizes: Mapping[str, int]) -> Iterator[Shape]:
    yield shapes.router_shape(material)
    head = shapes.head_shape(material)
    if head is not None:
        yield head
    for name, pool in material.farm.pools.items():
        wanted = pool.count.within(sizes.get(name, pool.count.start))
        yield shapes.pool_shape(material, name, wanted=wanted)


def _network(site: Site, farm: Farm, cidr: str, view: CloudView) -> Attributes:
    network = IPNetwork(cidr)
    shown = view.farm(farm.name).network
    held = shown.vlan_id if shown is not None else ""
    router = addresses.router_address(cidr)
    return {
        **segments.attributes(site.networks.farms, cidr, held=held),
        "DESCRIPTION": f"The farm {farm.name} at {site.name}, kept by farmctl",
        "NETWORK_ADDRESS": str(network.network),
        "NETWORK_MASK": str(network.netmask),
        "GATEWAY": router,
        "DNS": router,
        "SEARCH_DOMAIN": f"{farm.name}.{site.domain} {site.domain}",
        "FILTER_MAC_SPOOFING": "YES",
        "FILTER_IP_SPOOFING": "YES",
        "SECURITY_GROUPS": Ref(
            kind=Kind.SECURITY_GROUP, name=groups.lan_name(farm.name)
        ),
        "AR": {
            "TYPE": "IP4",
            "IP": str(IPAddress(int(network.first) + 1)),
            "SIZE": str(addresses.ROUTER_HOST),
        },
    }


def _body(
    farm: Farm, cidr: str, sizes: Mapping[str, int], made: Sequence[Shape]
) -> dict[str, object]:
    decided = {
        name: pool.count.within(sizes[name])
        for name, pool in farm.pools.items()
        if name in sizes and pool.count.min != pool.count.max
    }
    keyed = {shape.pool or shape.role.value: shape for shape in made}
    return {
        **record.canonical(farm),
        document.CIDR: cidr,
        document.SIZES: decided,
        document.WANTED: {key: shape.wanted for key, shape in keyed.items()},
        document.READINESS: {
            key: shape.readiness.value for key, shape in keyed.items()
        },
    }
