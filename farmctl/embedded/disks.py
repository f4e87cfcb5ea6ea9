"""Disks of VMs: taking images, what a disk inherits, device names, giving back."""

from farmctl.embedded.attributes import Attributes, Vector, to_int
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.configuration import listed
from farmctl.embedded.entities import Datastore, Image
from farmctl.embedded.permissions import Inquiry, Right, lookup_owner
from farmctl.embedded.pools import Pools
from farmctl.embedded.quotas import Usage, datastore_usage, image_usage
from farmctl.embedded.refusal import Refusal, internal
from farmctl.embedded.states import ImageState

_INHERIT_IMAGE = listed("INHERIT_IMAGE_ATTR")
_INHERIT_DATASTORE = listed("INHERIT_DATASTORE_ATTR")
_TYPES = ("OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT")
_DISK_TYPES = (0, 1, 2)
_IN_USE = {False: ImageState.USED, True: ImageState.USED_PERS}
_CDROM = 1


def state_of(pools: Pools, image: Image) -> ImageState:
    """Return the image's state; a READY one that VMs use shows USED."""
    if image.state is ImageState.READY and pools.uses.count("IMAGE", image.id):
        return _IN_USE[image.persistent]
    return image.state


def find_image(cloud: Cloud, disk: Vector, uid: int) -> Image | None:
    """Return the image that a DISK names, None where it names none that exists."""
    name = disk.get("IMAGE")
    if name is not None:
        owner, complaint = lookup_owner(cloud.pools, disk, "IMAGE", uid)
        return None if complaint else cloud.pools.images.named(name, owner)
    image_id = to_int(disk.get("IMAGE_ID", ""))
    return None if image_id is None else cloud.pools.images.find(image_id)


def ask(cloud: Cloud, inquiry: Inquiry, template: Attributes, uid: int) -> None:
    """Ask for the right to use every image that the disks name."""
    for disk in template.vectors("DISK"):
        image = find_image(cloud, disk, uid)
        if image is not None:
            inquiry.needs(Right.USE, image)


def usage(cloud: Cloud, template: Attributes, uid: int) -> tuple[float, list[Usage]]:
    """Return what the disks of a template will take.

    Returns:
        MiB of the system datastore, and what counts for images and datastores.
    """
    size = 0.0
    taken: list[Usage] = []
    for disk in template.vectors("DISK"):
        image = find_image(cloud, disk, uid)
        wanted = float(to_int(disk.get("SIZE", "")) or (image.size if image else 0))
        if image is None:
            size += wanted
            continue
        taken.append(image_usage(image.id))
        store = cloud.pools.datastores.find(image.datastore_id)
        target = _target(image, store)
        if target == "SYSTEM":
            size += wanted
        elif target == "SELF" and store is not None:
            taken.append(datastore_usage(store.id, wanted, 0))
    return size, taken


def acquire(
    cloud: Cloud, vm_id: int, disk: Vector, disk_id: int, uid: int
) -> tuple[int, str]:
    """Take the disk's image and fill in what the disk inherits.

    Returns:
        The image's type (0 OS, 1 CDROM, 2 DATABLOCK) and its device prefix.

    Raises:
        Refusal: there is no such image, or it cannot be used now (8192).
    """
    disk.pop("TM_MAD_SYSTEM", None)
    if "IMAGE" not in disk and "IMAGE_ID" not in disk:
        disk_type, prefix = _volatile(disk)
    else:
        image = _usable(cloud, disk, uid)

        prefix = _inherit(cloud, disk, image)
        disk_type = image.image_type
    if disk.get("SERIAL") == "auto":
        disk["SERIAL"] = f"{vm_id}-{disk_id}"
    disk["DISK_ID"] = str(disk_id)
    return disk_type, prefix


def acquire_all(cloud: Cloud, vm_id: int, template: Attributes, uid: int) -> None:
    """Take the images of all disks of a new VM and name their devices.

    Raises:
        Refusal: one of them cannot be had (8192).
    """
    used: set[str] = set()
    os_disks: list[tuple[str, Vector]] = []
    data_disks: list[tuple[str, Vector]] = []
    cdroms: list[tuple[str, Vector]] = []
    disk_id = -1
    for disk_id, disk in enumerate(template.vectors("DISK")):
        try:
            kind, prefix = acquire(cloud, vm_id, disk, disk_id, uid)
        except Refusal as error:
            raise internal(f"DISK {disk_id}: {error.message}") from None
        target = disk.get("TARGET", "")
        if target:
            if target in used:
                raise internal(f"Two disks have defined the same target {target}")
            used.add(target)
        elif kind == _CDROM:
            cdroms.append((prefix or "sd", disk))
        elif kind == 0 and not os_disks:
            os_disks.append((prefix, disk))
        else:
            data_disks.append((prefix, disk))
    _name_devices(os_disks, used)
    context = template.vector("CONTEXT")
    if context is not None:
        context["DISK_ID"] = str(disk_id + 1)
        if not context.get("TARGET"):
            cdroms.append((context.get("DEV_PREFIX") or "sd", context))
    _name_devices(cdroms, used)
    _name_devices(data_disks, used)


def name_device(template: Attributes, disk: Vector, prefix: str) -> None:
    """Give one more disk of a VM the next free device."""
    used = {d["TARGET"] for d in template.vectors("DISK") if "TARGET" in d}
    context = template.vector("CONTEXT")
    if context is not None and "TARGET" in context:
        used.add(context["TARGET"])
    _name_devices([(prefix, disk)], used)


def system_size(disks: list[Vector]) -> float:
    """Return how much of the system datastore disks take, in MiB."""
    total = 0.0
    for disk in disks:
        target = disk.get("LN_TARGET" if disk.get("CLONE") == "NO" else "CLONE_TARGET")
        if target == "SYSTEM" or "IMAGE_ID" not in disk:
            total += float(to_int(disk.get("SIZE", "")) or 0)
            total += float(to_int(disk.get("DISK_SNAPSHOT_TOTAL_SIZE", "")) or 0)
    return total


def _target(image: Image, store: Datastore | None) -> str:
    if store is None:
        return "SYSTEM"
    name = "LN_TARGET" if image.persistent else "CLONE_TARGET"
    return store.template.text(name)


def _volatile(disk: Vector) -> tuple[int, str]:
    kind = disk.get("TYPE", "").upper()
    if kind not in ("SWAP", "FS"):
        raise internal(f"Unknown disk type {kind}")
    size = to_int(disk.get("SIZE", ""))
    if size is None or size <= 0:
        raise internal("SIZE attribute must be a positive integer value.")
    disk.setdefault("DEV_PREFIX", "sd")
    return 2, disk["DEV_PREFIX"]


def _usable(cloud: Cloud, disk: Vector, uid: int) -> Image:
    image_id = to_int(disk.get("IMAGE_ID", ""))
    if image_id is not None:
        image = cloud.pools.images.find(image_id)
        if image is None:
            raise internal(f"Image with ID: {image_id} does not exist")
    else:
        name = disk.get("IMAGE", "")
        owner, complaint = lookup_owner(cloud.pools, disk, "IMAGE", uid)
        if complaint:
            raise internal(
                f"User {uid} does not own an image with name: {name} . "
                "Set IMAGE_UNAME or IMAGE_UID of owner in DISK."
            )
        image = cloud.pools.images.named(name, owner)
        if image is None:
            raise internal(
                f"User {owner} does not own an image with name: {name} . "
                "Set IMAGE_UNAME or IMAGE_UID of owner in DISK."
            )
    if image.image_type not in _DISK_TYPES:
        raise internal(
            f"Image {image.id} ({image.name}) of type {_TYPES[image.image_type]} "
            "cannot be used as DISK."
        )
    match state_of(cloud.pools, image):
        case ImageState.READY | ImageState.USED:
            pass
        case ImageState.LOCKED:
            raise internal(f"Cannot acquire image {image.id}, it is locked")
        case ImageState.USED_PERS:
            raise internal(
                f"Cannot acquire image {image.id}, it is persistent and already in use"
            )
        case _:
            raise internal(
                f"Cannot acquire image {image.id}, it is in state: {image.state.name}"
            )
    size = to_int(disk.get("SIZE", ""))
    if size is not None and image.persistent and size != image.size:
        raise internal(
            f"SIZE attribute is not supported for persistent image [{image.id}]."
        )
    if size is not None and size < image.size:
        raise internal(
            f"SIZE of {size}MB is less than the image [{image.id}] "
            f"size of {image.size}MB."
        )
    return image


def _inherit(cloud: Cloud, disk: Vector, image: Image) -> str:
    prefix = disk.get("DEV_PREFIX", "")
    if not prefix and image.image_type != _CDROM:
        prefix = image.template.text("DEV_PREFIX") or "sd"
        disk["DEV_PREFIX"] = prefix
    disk.update(
        IMAGE=image.name,
        IMAGE_ID=str(image.id),
        SOURCE=image.source,
        ORIGINAL_SIZE=str(image.size),
        DISK_SNAPSHOT_TOTAL_SIZE="0",
        DRIVER=image.format,
        FORMAT=image.format,
        IMAGE_STATE=str(int(_IN_USE[image.persistent])),
        TYPE="CDROM" if image.image_type == _CDROM else "FILE",
    )
    if not disk.get("SIZE"):
        disk["SIZE"] = str(image.size)
    if image.image_type == _CDROM:
        disk.update(SAVE="NO", CLONE="NO", READONLY="YES")
    else:
        disk.setdefault("READONLY", image.template.text("READONLY") or "NO")
        if image.persistent:
            disk.update(PERSISTENT="YES", CLONE="NO", SAVE="YES")
        else:
            disk.update(CLONE="YES", SAVE="NO")
    if image.template.text("TARGET") and not disk.get("TARGET"):
        disk["TARGET"] = image.template.text("TARGET")
    _fill(disk, image.template, _INHERIT_IMAGE)
    store = cloud.pools.datastores.find(image.datastore_id)
    if store is None:
        raise internal("Associated datastore for the image does not exist")
    disk.update(
        DATASTORE=store.name,
        DATASTORE_ID=str(store.id),
        TM_MAD=store.tm_mad,
        CLUSTER_ID=",".join(map(str, store.cluster_ids)),
    )
    _fill(disk, store.template, ("CLONE_TARGET", "LN_TARGET", *_INHERIT_DATASTORE))
    return prefix


def _fill(disk: Vector, template: Attributes, names: tuple[str, ...]) -> None:
    for name in names:
        value = template.text(name)
        if value and not disk.get(name):
            disk[name] = value


def _name_devices(disks: list[tuple[str, Vector]], used: set[str]) -> None:
    for prefix, disk in disks:
        index = 0
        while (target := prefix + _letters(index)) in used:
            index += 1
        disk["TARGET"] = target
        used.add(target)


def _letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
