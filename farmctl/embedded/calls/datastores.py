"""Datastores."""

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes, parse
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, pool_xml, register
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.configuration import transfer
from farmctl.embedded.entities import USED_BY_GROUP, Datastore
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.refusal import internal, wrong_state

KIND = Kind(
    entity=Datastore,
    prefix="datastore",
    draw=lambda _cloud, item: render.datastore(item),
    taken="DATASTORE",
    by_owner=False,
)
register(KIND, "info update rename chmod chown")
_TYPES = {"IMAGE_DS": 0, "SYSTEM_DS": 1, "FILE_DS": 2, "BACKUP_DS": 3}
_SYSTEM_STORES = 100
_OF_SYSTEM = ("DS_LIVE_MIGRATE", "DS_MIGRATE", "DS_MIGRATE_SNAP", "SHARED")
_OF_IMAGES = ("CLONE_TARGET", "LN_TARGET")


def make(cloud: Cloud, template: Attributes, *, cluster_id: int) -> Datastore:
    """Make a datastore from its template, owned by oneadmin.

    Raises:
        Refusal: its type or a driver is missing (8192).
    """
    name = template.take_text("NAME")
    kind = (template.text("TYPE") or "IMAGE_DS").upper()
    if kind not in _TYPES:
        raise internal(f"Unknown datastore type {kind}")
    free_name(cloud, KIND, name, 0)
    tm_mad = template.text("TM_MAD")
    ds_mad = template.text("DS_MAD")
    if not tm_mad:
        raise internal("No TM_MAD in template.")
    if kind != "SYSTEM_DS" and not ds_mad:
        raise internal("No DS_MAD in template.")
    _transfer(template, kind, tm_mad)
    template.put("TYPE", kind)
    if "SAFE_DIRS" not in template and "RESTRICTED_DIRS" not in template:
        template.put("SAFE_DIRS", "/var/tmp")  # noqa: S108  # OpenNebula's default
        template.put("RESTRICTED_DIRS", "/")
    return Datastore(
        id=cloud.pools.new_id(Datastore),
        name=name,
        permissions=list(USED_BY_GROUP),
        ds_type=_TYPES[kind],
        ds_mad=ds_mad or "-",
        tm_mad=tm_mad,
        cluster_ids=[cluster_id],
        template=template,
    )


def _transfer(template: Attributes, kind: str, driver: str) -> None:
    can = transfer(driver)
    if can is None:
        raise internal(f'TM_MAD named "{driver}" is not defined in oned.conf')
    system = kind == "SYSTEM_DS"
    for name in _OF_SYSTEM if system else _OF_IMAGES:
        template.put(name, can[name])
    for name in _OF_IMAGES if system else ("SHARED",):
        template.erase(name)
    modes = "" if system else can.get("TM_MAD_SYSTEM", "")
    if modes:
        template.put("TM_MAD_SYSTEM", modes)
    for mode in filter(None, modes.upper().split(",")):
        for name in ("LN_TARGET", "CLONE_TARGET", "DISK_TYPE"):
            template.put(f"{name}_{mode}", can[f"{name}_{mode}"])
    for name in () if system else ("DRIVER", "DISK_TYPE"):
        if name in can:
            template.put(name, can[name])
    template.put("ALLOW_ORPHANS", can.get("ALLOW_ORPHANS", "NO"))
    template.put("PERSISTENT_SNAPSHOTS", can.get("PERSISTENT_SNAPSHOTS", "YES"))
    if kind == "FILE_DS":
        template.erase("DISK_TYPE")
    elif "DISK_TYPE" not in template:
        template.put("DISK_TYPE", "FILE")


@method("one.datastore.allocate", "s|i")
def allocate(cloud: Cloud, caller: Caller, text: str, cluster_id: int = -1) -> Answer:
    """Make a datastore."""
    template = parse(text)
    cluster = cloud.pools.clusters.get(max(cluster_id, 0))
    inquiry = Inquiry(cloud.pools, caller).creates(Datastore)
    if cluster_id >= 0:
        inquiry.needs(Right.ADMIN, cluster)
    inquiry.decide()
    store = make(cloud, template, cluster_id=cluster.id)
    store.uid, store.gid = caller.uid, caller.gid
    store.uname, store.gname = caller.uname, caller.gname
    cloud.pools.add(store)
    return store.id


@method("one.datastore.delete", "i")
def delete(cloud: Cloud, caller: Caller, store_id: int) -> Answer:
    """Delete an empty datastore."""
    item = cloud.pools.datastores.get(store_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if store_id < _SYSTEM_STORES:
        raise wrong_state(
            "Cannot delete datastore. System Datastores (ID < 100) cannot be deleted."
        )
    if item.images:
        raise wrong_state(
            f"Cannot delete datastore. Datastore {store_id} is not empty."
        )
    cloud.pools.remove(item)
    return store_id


@method("one.datastore.enable", "ib")
def enable(cloud: Cloud, caller: Caller, store_id: int, wanted: bool) -> Answer:
    """Let the scheduler use a system datastore, or not."""
    item = cloud.pools.datastores.get(store_id)
    require(cloud.pools, caller, Right.MANAGE, item)
    if item.ds_type != _TYPES["SYSTEM_DS"] and not wanted:
        raise internal("Only SYSTEM_DS can be disabled")
    item.state = 0 if wanted else 1
    cloud.pools.touch(item)
    return store_id


@method("one.datastorepool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show datastores, newest first."""
    found = select(cloud.pools, caller, cloud.pools.datastores, -2, -1, -1)
    return pool_xml(cloud, KIND, found)
