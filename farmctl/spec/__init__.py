"""What people write: the site file and the farm file.

`reading` turns a file into a `Site` or a `Farm`, or into every mistake at once;
`crosscheck` holds a farm against its site; `record` is the farm as OpenNebula keeps it;
`schema` is for editors. The models are frozen and are used as they are by the rooms
above: amounts in them are MiB, durations are seconds.
"""

from farmctl.spec.base import Origin
from farmctl.spec.farm import Count, Farm, Forward, Head, Lease, Pool, Router
from farmctl.spec.site import (
    Admin,
    Cloud,
    Deadlines,
    FarmNetworks,
    HypervisorClass,
    Hypervisors,
    Networks,
    PublicNetwork,
    Site,
    VlanIds,
)

__all__ = [
    "Admin",
    "Cloud",
    "Count",
    "Deadlines",
    "Farm",
    "FarmNetworks",
    "Forward",
    "Head",
    "HypervisorClass",
    "Hypervisors",
    "Lease",
    "Networks",
    "Origin",
    "Pool",
    "PublicNetwork",
    "Router",
    "Site",
    "VlanIds",
]
