"""What people write: the site file and the farm file.

`reading` turns a file into a `Site` or a `Farm`, or into every mistake at once;
`crosscheck` holds a farm against its site; `record` is the farm as OpenNebula keeps it;
`schema` is for editors. The models are frozen and are used as they are by the rooms
above: amounts in them are MiB, durations are seconds.
"""

from farmctl.spec.base import Origin
from farmctl.spec.crosscheck import check
from farmctl.spec.farm import Count, Farm, Forward, Head, Lease, Pool, Router
from farmctl.spec.reading import (
    parse_farm,
    parse_site,
    read_farm,
    read_site,
    render_mistakes,
)
from farmctl.spec.record import canonical, from_canonical
from farmctl.spec.schema import json_schema
from farmctl.spec.site import (
    Admin,
    Cloud,
    Deadlines,
    FarmNetworks,
    HypervisorClass,
    Hypervisors,
    Login,
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
    "Login",
    "Networks",
    "Origin",
    "Pool",
    "PublicNetwork",
    "Router",
    "Site",
    "VlanIds",
    "canonical",
    "check",
    "from_canonical",
    "json_schema",
    "parse_farm",
    "parse_site",
    "read_farm",
    "read_site",
    "render_mistakes",
]
