"""Images: registering, copying, deleting; files are made up, sizes are kept."""

from pathlib import Path

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes, parse, restricted
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.restrictions import IMAGE
from farmctl.embedded.calls.shared import (
    Kind,
    free_name,
    refuse_restricted,
    register,
    register_pool,
)
from farmctl.embedded.cloud import Cloud, sorted_with, sorted_without
from farmctl.embedded.disks import state_of
from farmctl.embedded.entities import Datastore, Image
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.quotas import account, charge, datastore_usage
from farmctl.embedded.refusal import internal, wrong_state
from farmctl.embedded.states import ImageState

KIND = Kind(
    entity=Image,
    prefix="image",
    draw=lambda cloud, item: render.image(cloud.pools, item),
    taken="IMAGE",
    restricted=IMAGE,
)
register(KIND, "info update rename chmod chown lock unlock")
register_pool(KIND, "imagepool", filtered=True)
_TYPES = {"OS": 0, "CDROM": 1, "DATABLOCK": 2, "KERNEL": 3, "RAMDISK": 4, "CONTEXT": 5}
_FILE_TYPES = (3, 4, 5)
_DEFAULT_SIZE = 1024


@method("one.image.allocate", "si|b")
def allocate(
    cloud: Cloud, caller: Caller, text: str, store_id: int, _unchecked: bool = False
) -> Answer:
    """Register an image."""
    template = parse(text)
    refuse_restricted(caller, "Template includes", restricted(template, IMAGE))
    store = cloud.pools.datastores.get(store_id)
    inquiry = Inquiry(cloud.pools, caller).creates(Image)
    inquiry.needs(Right.USE, store).decide()
    name = template.take_text("NAME")
    free_name(cloud, KIND, name, caller.uid)
    kind = (template.take_text("TYPE") or "OS").upper()
    if kind not in _TYPES:
        raise internal(f"Unknown image type: {kind}")
    if store.ds_type == 1:
        raise internal("New images cannot be allocated in a system datastore.")
    path = template.take_text("PATH")
    size = template.integer("SIZE")
    template.erase("SIZE")
    if size is None:
        size = _measure(path, store, real=cloud.settings.real)
    source = template.take_text("SOURCE")
    persistent = template.take_text("PERSISTENT").upper() == "YES"
    if "DEV_PREFIX" not in template:
        template.put("DEV_PREFIX", "sd")
    image = _add(cloud, caller, store, name, template)
    image.image_type, image.persistent, image.size = _TYPES[kind], persistent, size
    # Nodes boot from where the path leads, and so do those of a copy.
    shown = path if cloud.settings.real else ""
    image.path, image.source = path or source, source or shown or "dummy_path"
    if template.text("FORMAT"):
        image.format = template.take_text("FORMAT")
    charge(cloud.pools, caller.uid, caller.gid, [datastore_usage(store.id, size)])
    _be_ready_later(cloud, image)
    return image.id


@method("one.image.clone", "is|i")
def clone(
    cloud: Cloud, caller: Caller, image_id: int, name: str, store_id: int = -1
) -> Answer:
    """Copy an image."""
    source = cloud.pools.images.get(image_id)
    store = cloud.pools.datastores.get(
        source.datastore_id if store_id < 0 else store_id
    )
    inquiry = Inquiry(cloud.pools, caller).creates(Image)
    inquiry.needs(Right.USE, source).needs(Right.USE, store).decide()
    if state_of(cloud.pools, source) not in (ImageState.READY, ImageState.USED):
        raise wrong_state("Image cannot be cloned in its current state")
    free_name(cloud, KIND, name, caller.uid)
    usage = datastore_usage(store.id, source.size)
    charge(cloud.pools, caller.uid, caller.gid, [usage])
    image = _add(cloud, caller, store, name, source.template.copy())
    image.image_type, image.size = source.image_type, source.size
    image.format, image.path = source.format, source.source
    _be_ready_later(cloud, image)
    return image.id


@method("one.image.delete", "i|b")
def delete(cloud: Cloud, caller: Caller, image_id: int, _force: bool = False) -> Answer:
    """Delete an image that no VM uses."""
    image = cloud.pools.images.get(image_id)
    require(cloud.pools, caller, Right.MANAGE, image)
    if cloud.pools.uses.count("IMAGE", image_id):
        raise wrong_state("Cannot delete image. There are VMs using it.")
    remove(cloud, image)
    return image_id


def remove(cloud: Cloud, image: Image) -> None:
    """Take an image out of its datastore and the cloud."""
    store = cloud.pools.datastores.find(image.datastore_id)
    if store is not None:
        store.images = sorted_without(store.images, image.id)
        cloud.pools.touch(store)
    usage = datastore_usage(image.datastore_id, image.size)
    account(cloud.pools, image.uid, image.gid, [usage], sign=-1)
    cloud.pools.remove(image)


@method("one.image.enable", "ib")
def enable(cloud: Cloud, caller: Caller, image_id: int, wanted: bool) -> Answer:
    """Let VMs use an image, or not."""
    image = cloud.pools.images.get(image_id)
    require(cloud.pools, caller, Right.MANAGE, image)
    if wanted:
        if image.state not in (ImageState.DISABLED, ImageState.ERROR):
            raise internal("Image cannot be in state " + image.state.name)
        image.state = ImageState.READY
    elif (state := state_of(cloud.pools, image)) is not ImageState.READY:
        raise internal("Image cannot be in state " + state.name)
    else:
        image.state = ImageState.DISABLED
    cloud.pools.touch(image)
    return image_id


@method("one.image.persistent", "ib")
def persistent(cloud: Cloud, caller: Caller, image_id: int, wanted: bool) -> Answer:
    """Make an image persistent, or not."""
    image = cloud.pools.images.get(image_id)
    require(cloud.pools, caller, Right.MANAGE, image)
    if image.image_type in _FILE_TYPES:
        raise wrong_state("KERNEL, RAMDISK and CONTEXT must be non-persistent.")
    if state_of(cloud.pools, image) is not ImageState.READY:
        raise internal(
            "Image cannot be made persistent or non-persistent while in use."
        )
    image.persistent = wanted
    cloud.pools.touch(image)
    return image_id


@method("one.image.chtype", "is")
def change_type(cloud: Cloud, caller: Caller, image_id: int, kind: str) -> Answer:
    """Change an image's type."""
    image = cloud.pools.images.get(image_id)
    require(cloud.pools, caller, Right.MANAGE, image)
    if kind.upper() not in _TYPES:
        raise internal(f"Unknown image type: {kind}")
    image.image_type = _TYPES[kind.upper()]
    cloud.pools.touch(image)
    return image_id


def arm(cloud: Cloud, image: Image) -> None:
    """Have an image that is being copied become READY when it is due."""
    if image.due <= 0:
        return
    image_id = image.id

    def ready() -> None:
        found = cloud.pools.images.find(image_id)
        if found is None or found.state is not ImageState.LOCKED:
            return
        fault = cloud.faults.strike(
            ("image",), effects=("fail",), images=(found.name,), name=found.name
        )
        found.state = ImageState.READY if fault is None else ImageState.ERROR
        if fault is not None:
            found.template.put("ERROR", cloud.stamp(fault.message or "Error copying"))
        found.due = 0.0
        cloud.pools.touch(found)

    cloud.later(image.due, ready)


def _add(
    cloud: Cloud, caller: Caller, store: Datastore, name: str, template: Attributes
) -> Image:
    image = Image(
        id=cloud.pools.new_id(Image),
        name=name,
        uid=caller.uid,
        gid=caller.gid,
        uname=caller.uname,
        gname=caller.gname,
        template=template,
        regtime=cloud.now(),
        modtime=cloud.now(),
        datastore_id=store.id,
        state=ImageState.LOCKED,
    )
    store.images = sorted_with(store.images, image.id)
    cloud.pools.touch(store)
    cloud.pools.add(image)
    return image


def _be_ready_later(cloud: Cloud, image: Image) -> None:
    image.due = cloud.timeline.now() + cloud.timings.image
    arm(cloud, image)


def _measure(path: str, store: Datastore, *, real: bool) -> int:
    made_up = store.ds_mad == "dummy" and not (real and path.startswith("/"))
    if made_up or path.startswith(("http:", "https:", "tree:")):
        return _DEFAULT_SIZE
    if not path:
        raise internal("No PATH in template.")
    file = Path(path)
    if not file.exists():
        raise internal(
            f"Cannot parse image SIZE: cannot access '{path}' "
            "(No such file or directory)"
        )
    return max(1, file.stat().st_size // 1048576)
