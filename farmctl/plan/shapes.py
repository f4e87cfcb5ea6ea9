"""The OpenNebula templates of a farm: one for each role and pool.

Everything of a node that is alike among its pool stands in its template, visible to
people in Sunstone; what differs (address, name, ordinal) is added when it is made. The
digest is that of the template's content: a node whose tag has another is out of date.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farmctl.model.attributes import Attributes, Kind, Ref, Vector, digest
from farmctl.model.nodes import Readiness, Role, node_name
from farmctl.model.target import Placement, Shape
from farmctl.model.view import Image, Network
from farmctl.plan import groups
from farmctl.spec import Farm, HypervisorClass, Site

SERVICE = "service"
WORKER = "worker"

_ANYWHERE = "0.0.0.0"  # noqa: S104 - the hypervisors' management network


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What shapes are made of: the files, the rendered contexts, the cloud's objects.

    `images` is by our name of the image; `public` is the public network, if needed.
    """

    site: Site
    farm: Farm
    contexts: Mapping[str, Attributes]
    images: Mapping[str, Image]
    public: Network | None


def router_shape(material: Material) -> Shape:
    """Return the router: public interface first, then the farm's own.

    The farm's own carries packets with foreign senders (the answers from outside), so
    the check of sender addresses is off on it, and on it alone. The public one is
    checked, whatever the site's public network says.
    """
    farm, router = material.farm, material.farm.router
    inner: Vector = {
        "NETWORK_ID": Ref(kind=Kind.NETWORK, name=farm.name),
        "FILTER_IP_SPOOFING": "NO",
    }
    nics: tuple[Vector, ...] = (inner,)
    if material.public is not None:
        outer: Vector = {
            "NETWORK": material.public.name,
            "NETWORK_UNAME": material.public.owner,
            "FILTER_MAC_SPOOFING": "YES",
            "FILTER_IP_SPOOFING": "YES",
            "SECURITY_GROUPS": Ref(
                kind=Kind.SECURITY_GROUP, name=groups.wan_name(farm.name)
            ),
        }
        nics = (outer, inner)
    return _shape(
        material,
        role=Role.ROUTER,
        key="router",
        image=router.image,
        cpus=router.cpus,
        memory_mib=router.memory,
        nics=nics,
        wanted=1,
        ceiling=1,
        readiness=material.site.readiness,
        public_address=router.public_address if material.public else "",
    )


def head_shape(material: Material) -> Shape | None:
    """Return the head, if the farm has one."""
    head = material.farm.head
    if head is None:
        return None
    return _shape(
        material,
        role=Role.HEAD,
        key="head",
        image=head.image,
        cpus=head.cpus,
        memory_mib=head.memory,
        disk_mib=head.disk or 0,
        nics=_inside(material.farm),
        wanted=1,
        ceiling=1,
        readiness=head.readiness or material.site.readiness,
    )


def pool_shape(material: Material, name: str, *, wanted: int) -> Shape:
    """Return the workers of a pool, `wanted` of them."""
    pool = material.farm.pools[name]
    return _shape(
        material,
        role=Role.WORKER,
        pool=name,
        key=name,
        image=pool.image,
        cpus=pool.cpus,
        memory_mib=pool.memory,
        disk_mib=pool.disk or 0,
        nics=_inside(material.farm),
        wanted=wanted,
        ceiling=pool.count.max,
        readiness=pool.readiness or material.site.readiness,
        batch=material.farm.batch or "",
    )


def template_name(farm: str, role: Role, pool: str = "") -> str:
    """Return the name of a template: FARM-router, FARM-head or FARM.POOL.

    A name may hold dashes but no dot, so no two farms come to the same name.
    """
    return f"{farm}.{pool}" if role is Role.WORKER else node_name(farm, role)


def placement(site: Site, role: Role) -> Placement:
    """Return where a role may run: workers on the worker class, others on service."""
    kind = WORKER if role is Role.WORKER else SERVICE
    chosen: HypervisorClass = (
        site.hypervisors.worker if role is Role.WORKER else site.hypervisors.service
    )
    return Placement(
        hypervisor_class=kind,
        requires=chosen.requires,
        datastore=chosen.system_datastore,
    )


def _inside(farm: Farm) -> tuple[Vector, ...]:
    return ({"NETWORK_ID": Ref(kind=Kind.NETWORK, name=farm.name)},)


def _shape(
    material: Material,
    *,
    role: Role,
    key: str,
    image: str,
    cpus: int,
    memory_mib: int,
    nics: tuple[Vector, ...],
    wanted: int,
    ceiling: int,
    readiness: Readiness,
    pool: str = "",
    disk_mib: int = 0,
    batch: str = "",
    public_address: str = "",
) -> Shape:
    farm, site = material.farm.name, material.site
    found = material.images[image]
    place = placement(site, role)
    disk = {"IMAGE_ID": str(found.id)}
    if disk_mib:
        disk["SIZE"] = str(disk_mib)
    said = f"Workers {pool}" if role is Role.WORKER else role.value.capitalize()
    attributes: Attributes = {
        "DESCRIPTION": f"{said} of the farm {farm} at {site.name}, kept by farmctl",
        "CPU": str(cpus),
        "VCPU": str(cpus),
        "MEMORY": str(memory_mib),
        "DISK": disk,
        "NIC": nics if len(nics) > 1 else nics[0],
        "NIC_DEFAULT": {"MODEL": "virtio"},
        # Sunstone's proxy comes from another machine; the console has a password.
        "GRAPHICS": {"TYPE": "VNC", "LISTEN": _ANYWHERE, "RANDOM_PASSWD": "YES"},
        "OS": {"ARCH": "x86_64", "BOOT": "disk0"},
        "CONTEXT": _context(material.contexts.get(key, {}), readiness),
        "SCHED_REQUIREMENTS": place.requires,
        "SCHED_DS_REQUIREMENTS": f'NAME="{place.datastore}"',
    }
    return Shape(
        role=role,
        pool=pool,
        template=template_name(farm, role, pool),
        attributes=attributes,
        digest=digest(attributes),
        image=found.name,
        wanted=wanted,
        ceiling=ceiling,
        cpus=float(cpus),
        memory_mib=memory_mib,
        disk_mib=disk_mib or found.size_mib,
        placement=place,
        readiness=readiness,
        batch=batch,
        public_address=public_address,
        public_network=material.public.name
        if public_address and material.public
        else "",
        public_network_owner=(
            material.public.owner if public_address and material.public else ""
        ),
    )


def _context(rendered: Attributes, readiness: Readiness) -> Vector:
    """Return the context with what OpenNebula needs in order to report READY."""
    context: dict[str, str | Ref] = {"NETWORK": "YES", "TOKEN": "YES"}
    if readiness is Readiness.ONEGATE:
        context["REPORT_READY"] = "YES"
    for name, value in rendered.items():
        if not isinstance(value, str | Ref):
            message = f"CONTEXT has texts only, and {name} is none"
            raise TypeError(message)
        context[name] = value
    return context
