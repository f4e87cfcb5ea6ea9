"""Clusters: hosts are in one, datastores and networks in any number."""

from collections.abc import Callable

from farmctl.embedded import render
from farmctl.embedded.attributes import Attributes
from farmctl.embedded.calls.listing import select
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.calls.shared import Kind, free_name, pool_xml, register
from farmctl.embedded.cloud import Cloud, sorted_with, sorted_without
from farmctl.embedded.entities import Cluster, Datastore, Host, Network
from farmctl.embedded.permissions import Caller, Inquiry, Right, require
from farmctl.embedded.refusal import wrong_state


def _renamed(cloud: Cloud, item: Cluster) -> None:
    for host in cloud.pools.hosts:
        if host.cluster_id == item.id:
            # It shows the name of its cluster.
            cloud.pools.touch(host)


KIND = Kind(
    entity=Cluster,
    prefix="cluster",
    draw=lambda cloud, item: render.cluster(cloud.pools, item),
    changes=Right.ADMIN,
    taken="CLUSTER",
    by_owner=False,
    renamed=_renamed,
    cached=False,
)
register(KIND, "info update rename")
_SYSTEM_CLUSTERS = 100


@method("one.cluster.allocate", "s")
def allocate(cloud: Cloud, caller: Caller, name: str) -> Answer:
    """Make a cluster."""
    Inquiry(cloud.pools, caller).creates(Cluster).decide()
    free_name(cloud, KIND, name, 0)
    cluster_id = cloud.pools.new_id(Cluster)
    reserved = Attributes({"RESERVED_CPU": [""], "RESERVED_MEM": [""]})
    cloud.pools.add(Cluster(id=cluster_id, name=name, template=reserved))
    return cluster_id


@method("one.cluster.delete", "i")
def delete(cloud: Cloud, caller: Caller, cluster_id: int) -> Answer:
    """Delete an empty cluster."""
    item = cloud.pools.clusters.get(cluster_id)
    require(cloud.pools, caller, Right.ADMIN, item)
    if cluster_id < _SYSTEM_CLUSTERS:
        raise wrong_state(
            "Cannot delete cluster. System Clusters (ID < 100) cannot be deleted."
        )
    for what, used in (
        ("hosts", any(h.cluster_id == cluster_id for h in cloud.pools.hosts)),
        (
            "datastores",
            any(cluster_id in d.cluster_ids for d in cloud.pools.datastores),
        ),
        ("vnets", any(cluster_id in n.cluster_ids for n in cloud.pools.networks)),
    ):
        if used:
            raise wrong_state(
                f"Cannot delete cluster. Cluster {cluster_id} is not empty, "
                f"it contains {what}."
            )
    cloud.pools.remove(item)
    return cluster_id


@method("one.clusterpool.info")
def pool_info(cloud: Cloud, caller: Caller) -> Answer:
    """Show clusters, newest first."""
    found = select(cloud.pools, caller, cloud.pools.clusters, -2, -1, -1)
    return pool_xml(cloud, KIND, found)


def _host(cloud: Cloud, host: Host, cluster_id: int, *, add: bool) -> None:
    # A host that leaves a cluster is in the default one.
    host.cluster_id = cluster_id if add else 0
    cloud.pools.touch(host)


def _several(
    cloud: Cloud, item: Datastore | Network, cluster_id: int, *, add: bool
) -> None:
    change = sorted_with if add else sorted_without
    item.cluster_ids = change(item.cluster_ids, cluster_id)
    cloud.pools.touch(item)


def _membership(
    word: str,
    entity: type[Host] | type[Datastore] | type[Network],
    right: Right,
    *,
    add: bool,
) -> None:
    def change(cloud: Cloud, caller: Caller, cluster_id: int, item_id: int) -> Answer:
        cluster = cloud.pools.clusters.get(cluster_id)
        item: Host | Datastore | Network
        if entity is Host:
            item = cloud.pools.hosts.get(item_id)
        elif entity is Datastore:
            item = cloud.pools.datastores.get(item_id)
        else:
            item = cloud.pools.networks.get(item_id)
        inquiry = Inquiry(cloud.pools, caller).needs(Right.ADMIN, cluster)
        inquiry.needs(right, item).decide()
        if isinstance(item, Host):
            _host(cloud, item, cluster_id, add=add)
        else:
            _several(cloud, item, cluster_id, add=add)
        return cluster_id

    method(f"one.cluster.{'add' if add else 'del'}{word}", "ii")(change)


_MEMBERS: tuple[Callable[[bool], None], ...] = (
    lambda add: _membership("host", Host, Right.ADMIN, add=add),
    lambda add: _membership("datastore", Datastore, Right.ADMIN, add=add),
    lambda add: _membership("vnet", Network, Right.ADMIN, add=add),
)
for _member in _MEMBERS:
    _member(True)
    _member(False)
