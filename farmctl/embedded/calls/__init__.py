"""The methods of OpenNebula's API, a module per resource.

`registry` knows them by name; importing this package registers all of them.
"""

from farmctl.embedded.calls import (
    acl,
    clusters,
    datastores,
    documents,
    groups,
    hosts,
    images,
    machine_changes,
    machine_disks,
    machine_nics,
    machine_pool,
    machines,
    network_ranges,
    network_templates,
    networks,
    routers,
    security_groups,
    system,
    templates,
    users,
    vdcs,
)

__all__ = [
    "acl",
    "clusters",
    "datastores",
    "documents",
    "groups",
    "hosts",
    "images",
    "machine_changes",
    "machine_disks",
    "machine_nics",
    "machine_pool",
    "machines",
    "network_ranges",
    "network_templates",
    "networks",
    "routers",
    "security_groups",
    "system",
    "templates",
    "users",
    "vdcs",
]
