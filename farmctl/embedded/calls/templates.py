"""VM templates, and VMs made from them."""

from farmctl.embedded import building, disks, render
from farmctl.embedded.attributes import (
    Attributes,
    parse,
    restricted,
    restricted_change,
    to_int,
)
from farmctl.embedded.calls import images
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import MACHINE
from farmctl.embedded.calls.shared import (
    Kind,
    free_name,
    refuse_restricted,
    register,
    register_pool,
    set_bits,
)
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import MachineTemplate
from farmctl.embedded.machine import Machine
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.refusal import (
    ALLOCATE,
    INTERNAL,
    Refusal,
    unauthorised,
    wrong_state,
)

KIND = Kind(
    entity=MachineTemplate,
    prefix="template",
    draw=lambda _cloud, item: render.machine_template(item),
    taken="TEMPLATE",
    restricted=MACHINE,
)
register(KIND, "update rename chown lock unlock")
register_pool(KIND, "templatepool", filtered=True)


@method("one.template.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, text: str) -> Answer:
    """Make a template."""
    template = parse(text)
    Inquiry(cloud.pools, caller).creates(MachineTemplate).decide()
    refuse_restricted(caller, "VM Template includes", restricted(template, MACHINE))
    return _add(cloud, caller, template.take_text("NAME"), template)


@method("one.template.info", "i|bb")
def info(  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    template_id: int,
    _extended: bool = False,
    _decrypt: bool = False,
) -> Answer:
    """Show a template."""
    item = cloud.pools.templates.get(template_id)
    require(cloud.pools, caller, Right.USE, item, past_lock=True)
    return cloud.pools.templates.xml(item, "info", render.machine_template)


@method("one.template.chmod", "i" + "i" * 9 + "|b")
def chmod(cloud: Cloud, caller: Caller, template_id: int, *bits: int) -> Answer:
    """Change who may do what; recursive: with the template's images too."""
    item = cloud.pools.templates.get(template_id)
    set_bits(cloud, caller, item, list(bits[:9]))
    if len(bits) > 9 and bits[9]:  # noqa: PLR2004  # after the nine bits
        for disk in item.template.vectors("DISK"):
            image = disks.find_image(cloud, disk, caller.uid)
            if image is not None:
                set_bits(cloud, caller, image, list(bits[:9]))
    return template_id


@method("one.template.delete", "i|b")
def delete(
    cloud: Cloud, caller: Caller, template_id: int, recursive: bool = False
) -> Answer:
    """Delete a template; recursive: with its images."""
    item = cloud.pools.templates.get(template_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    if recursive:
        for disk in item.template.vectors("DISK"):
            image = disks.find_image(cloud, disk, caller.uid)
            if image is not None and not cloud.pools.uses.count("IMAGE", image.id):
                require(cloud.pools, caller, Right.MANAGE, image)
                images.remove(cloud, image)
    cloud.pools.remove(item)
    return template_id


@method("one.template.clone", "is|b")
def clone(
    cloud: Cloud, caller: Caller, source_id: int, name: str, recursive: bool = False
) -> Answer:
    """Copy a template; recursive: with copies of its images."""
    source = cloud.pools.templates.get(source_id)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, source)
    inquiry.creates(MachineTemplate).decide()
    template = source.template.copy()
    if recursive:
        _copy_images(cloud, caller, template, name, persistent=False)
    return _add(cloud, caller, name, template)


@method("one.template.instantiate", "i|sbsb")
def instantiate(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud,
    caller: Caller,
    template_id: int,
    name: str = "",
    hold: bool = False,
    extra: str = "",
    persistent: bool = False,
) -> Answer:
    """Make a VM from a template."""
    source = cloud.pools.templates.get(template_id)
    if source.template.flag("VROUTER"):
        raise wrong_state("Virtual router templates cannot be instantiated")
    if persistent:
        require(cloud.pools, caller, Right.USE, source)
        template = source.template.copy()
        copy_name = name or f"{source.name}-copy"
        _copy_images(cloud, caller, template, copy_name, persistent=True)
        copied = _add(cloud, caller, copy_name, template)
        extra = f"{extra}\nCLONING_TEMPLATE_ID={source.id}"
        template_id = copied
    return from_template(cloud, caller, template_id, name, extra, hold=hold).id


def from_template(  # what an instance is made from
    cloud: Cloud,
    caller: Caller,
    template_id: int,
    name: str,
    extra: str,
    *,
    hold: bool,
    added: Attributes | None = None,
) -> Machine:
    """Make a VM from a template: rights, quotas, then the VM.

    Raises:
        Refusal: a right or quota is lacking (512), or the VM cannot be made (16384).
    """
    source = cloud.pools.templates.get(template_id)
    template = source.template.copy()
    given = parse(extra)
    if given:
        if not caller.is_admin():
            name_of = restricted_change(given, template, MACHINE)
            if name_of is not None:
                raise unauthorised(
                    caller.uid,
                    f"User Template includes a restricted attribute {name_of}",
                )
        template.merge(given)
    if added is not None:
        template.merge(added)
    caller = _as_other(cloud, caller, template)
    for attribute in ("NAME", "TEMPLATE_NAME", "TEMPLATE_ID"):
        template.erase(attribute)
    template.put("TEMPLATE_NAME", source.name)
    template.put("TEMPLATE_ID", str(template_id))
    if name:
        template.put("NAME", name)
    inquiry = Inquiry(cloud.pools, caller).needs(Right.USE, source)
    if extra:
        inquiry.creates(MachineTemplate)
    building.ask(cloud, inquiry, template, caller.uid)
    inquiry.decide()
    building.take_quotas(cloud, caller, template)
    try:
        return building.build(cloud, caller, template, hold=hold)
    except Refusal as error:
        if error.code != INTERNAL:
            raise
        noun = MachineTemplate.noun
        raise Refusal(
            ALLOCATE, f"Error allocating a new {noun}. {error.message}"
        ) from None


def _as_other(cloud: Cloud, caller: Caller, template: Attributes) -> Caller:
    as_uid, as_gid = template.take_text("AS_UID"), template.take_text("AS_GID")
    if not (as_uid or as_gid):
        return caller
    uid, gid = caller.uid, caller.gid
    uname, gname, groups = caller.uname, caller.gname, caller.groups
    inquiry = Inquiry(cloud.pools, caller)
    if as_uid:
        user = cloud.pools.users.get(to_int(as_uid) or 0)
        inquiry.needs(Right.MANAGE, user)
        uid, uname = user.id, user.name
    if as_gid:
        group = cloud.pools.groups.get(to_int(as_gid) or 0)
        inquiry.needs(Right.MANAGE, group)
        gid, gname, groups = group.id, group.name, frozenset({group.id})
    inquiry.decide()
    return Caller(
        uid=uid,
        gid=gid,
        uname=uname,
        gname=gname,
        groups=groups,
        method=caller.method,
        request_id=caller.request_id,
    )


def _copy_images(
    cloud: Cloud, caller: Caller, template: Attributes, name: str, *, persistent: bool
) -> None:
    for number, disk in enumerate(template.vectors("DISK")):
        image = disks.find_image(cloud, disk, caller.uid)
        if image is None:
            continue
        copied = images.clone(cloud, caller, image.id, f"{name}-disk-{number}", -1)
        cloud.pools.images.get(int(copied)).persistent = persistent
        for attribute in ("IMAGE", "IMAGE_UNAME", "IMAGE_UID"):
            disk.pop(attribute, None)
        disk["IMAGE_ID"] = str(copied)


def _add(cloud: Cloud, caller: Caller, name: str, template: Attributes) -> int:
    template_id = cloud.pools.new_id(MachineTemplate)
    name = name or f"template-{template_id}"
    free_name(cloud, KIND, name, caller.uid)
    template.erase("NAME")
    cloud.pools.add(
        MachineTemplate(
            id=template_id,
            name=name,
            uid=caller.uid,
            gid=caller.gid,
            uname=caller.uname,
            gname=caller.gname,
            template=template,
            regtime=cloud.now(),
        )
    )
    return template_id
