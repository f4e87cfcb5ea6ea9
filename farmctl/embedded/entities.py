"""The objects of the cloud, as they live in memory and in the store.

Mutable on purpose: the engine is single-threaded, and whoever changes an object tells
`pools` by `touch`. Names of fields follow OpenNebula's XML in lower case.
"""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from farmctl.embedded.attributes import Attributes, Vector
from farmctl.embedded.states import HostState, ImageState, NetState

OWNER_ONLY = (1, 1, 0, 0, 0, 0, 0, 0, 0)
USED_BY_GROUP = (1, 1, 0, 1, 0, 0, 0, 0, 0)
USED_BY_ALL = (1, 1, 0, 1, 0, 0, 1, 0, 0)


@dataclass(kw_only=True)
class Lock:
    """Who locked an object, when, and from which level of right on."""

    level: int
    owner: int
    time: int
    request_id: int


@dataclass(kw_only=True)
class Entity:
    """What every object has; `uid` and `gid` are -1 where OpenNebula shows none."""

    kind: ClassVar[str]
    noun: ClassVar[str]
    """OpenNebula's word for it in messages."""
    tag: ClassVar[str]
    """The XML element, which pools repeat with `_POOL`."""

    id: int
    name: str
    uid: int = -1
    gid: int = -1
    uname: str = ""
    gname: str = ""
    permissions: list[int] = field(default_factory=lambda: list(OWNER_ONLY))
    template: Attributes = field(default_factory=Attributes)
    lock: Lock | None = None

    def body(self) -> str:
        """Write as JSON for the store."""
        return json.dumps(self.__dict__, default=_plain, separators=(",", ":"))

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Read what `body` wrote."""
        data: dict[str, Any] = json.loads(body)
        data["template"] = Attributes(data["template"])
        if data["lock"] is not None:
            data["lock"] = Lock(**data["lock"])
        cls._revive(data)
        return cls(**data)

    @classmethod
    def _revive(cls, data: dict[str, Any]) -> None:
        """Turn the values that are more than JSON back into themselves."""

    def clusters(self) -> list[int]:
        """Return the clusters that ACL rules by cluster look at."""
        return []


def _plain(value: Any) -> Any:
    return value.values if isinstance(value, Attributes) else value.__dict__


Quotas = dict[str, list[Vector]]


def no_quotas() -> Quotas:
    """Return quotas that limit nothing and count nothing."""
    return {"DATASTORE": [], "NETWORK": [], "VM": [], "IMAGE": []}


@dataclass(kw_only=True)
class User(Entity):
    """A user; `password` is a SHA-256 digest."""

    kind = "USER"
    noun = "user"
    tag = "USER"

    groups: list[int] = field(default_factory=list)
    password: str = ""
    auth_driver: str = "core"
    enabled: bool = True
    quotas: Quotas = field(default_factory=no_quotas)
    tokens: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Group(Entity):
    """A group of users."""

    kind = "GROUP"
    noun = "group"
    tag = "GROUP"

    users: list[int] = field(default_factory=list)
    admins: list[int] = field(default_factory=list)
    quotas: Quotas = field(default_factory=no_quotas)


@dataclass(kw_only=True)
class Rule(Entity):
    """An ACL rule, in OpenNebula's own bits."""

    kind = "ACL"
    noun = "ACL"
    tag = "ACL"

    user: int
    resource: int
    rights: int
    zone: int


@dataclass(kw_only=True)
class Host(Entity):
    """A hypervisor: memory in KiB, CPU in hundredths of a core."""

    kind = "HOST"
    noun = "host"
    tag = "HOST"

    state: HostState = HostState.INIT
    im_mad: str = "dummy"
    vm_mad: str = "dummy"
    cluster_id: int = 0
    total_cpu: int = 800
    total_memory: int = 16 * 1024 * 1024
    cpu_usage: int = 0
    memory_usage: int = 0
    vms: list[int] = field(default_factory=list)
    dead: bool = False
    """Killed by a test: its VMs are gone, OpenNebula may not know it yet."""
    guests: str = ""
    """What has become of the guests of a host that came back: `poweroff` or ""."""
    created: float = 0.0

    @classmethod
    def _revive(cls, data: dict[str, Any]) -> None:
        data["state"] = HostState(data["state"])

    def clusters(self) -> list[int]:
        return [self.cluster_id]

    def blank(self) -> bool:
        """Say whether the host shows no capacity: offline, or not looked at yet."""
        return self.state in (HostState.OFFLINE, HostState.INIT)


@dataclass(kw_only=True)
class Cluster(Entity):
    """A cluster of hosts, datastores and networks, which know their clusters."""

    kind = "CLUSTER"
    noun = "cluster"
    tag = "CLUSTER"


@dataclass(kw_only=True)
class Datastore(Entity):
    """A datastore: type 0 holds images, 1 is a system datastore, 2 holds files."""

    kind = "DATASTORE"
    noun = "datastore"
    tag = "DATASTORE"

    ds_type: int = 0
    ds_mad: str = "dummy"
    tm_mad: str = "dummy"
    disk_type: int = 0
    state: int = 0
    cluster_ids: list[int] = field(default_factory=lambda: [0])
    images: list[int] = field(default_factory=list)
    total_mb: int = 20480000

    def clusters(self) -> list[int]:
        return self.cluster_ids


@dataclass(kw_only=True)
class Image(Entity):
    """An image; `image_type` 0 is OS, 1 CDROM, 2 DATABLOCK; sizes in MiB."""

    kind = "IMAGE"
    noun = "image"
    tag = "IMAGE"

    image_type: int = 0
    persistent: bool = False
    regtime: int = 0
    modtime: int = 0
    source: str = "dummy_path"
    path: str = ""
    format: str = "dummy_format"
    size: int = 1024
    state: ImageState = ImageState.READY
    datastore_id: int = 1
    cloning_id: int = -1
    cloning_ops: int = 0
    due: float = 0.0
    """When it becomes READY; 0: nothing is under way."""

    @classmethod
    def _revive(cls, data: dict[str, Any]) -> None:
        data["state"] = ImageState(data["state"])


@dataclass(kw_only=True)
class AddressRange:
    """A range of a network; `leases` maps an index to what holds it.

    A holder is `VM`, `NET` or `VROUTER` and an id; a hold by hand is VM -1.
    """

    attributes: Vector
    next_index: int = 0
    leases: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The range's number within its network."""
        return int(self.attributes["AR_ID"])

    @property
    def size(self) -> int:
        """How many addresses the range has."""
        return int(self.attributes["SIZE"])


@dataclass(kw_only=True)
class Network(Entity):
    """A virtual network; a reservation has a `parent`."""

    kind = "NET"
    noun = "virtual network"
    tag = "VNET"

    cluster_ids: list[int] = field(default_factory=lambda: [0])
    bridge: str = ""
    bridge_type: str = "linux"
    state: NetState = NetState.LOCK_CREATE
    parent: int = -1
    template_id: int = -1
    vn_mad: str = ""
    phydev: str = ""
    vlan_id: str = ""
    outer_vlan_id: str = ""
    vlan_automatic: bool = False
    outer_vlan_automatic: bool = False
    vrouters: list[int] = field(default_factory=list)
    ranges: list[AddressRange] = field(default_factory=list)
    range_count: int = 0
    due: float = 0.0

    @classmethod
    def _revive(cls, data: dict[str, Any]) -> None:
        data["state"] = NetState(data["state"])
        data["ranges"] = [
            AddressRange(
                attributes=r["attributes"],
                next_index=r["next_index"],
                leases={int(i): (h[0], h[1]) for i, h in r["leases"].items()},
            )
            for r in data["ranges"]
        ]

    def clusters(self) -> list[int]:
        return self.cluster_ids if self.parent < 0 else []

    def used(self) -> int:
        """Return how many leases are taken."""
        return sum(len(r.leases) for r in self.ranges)


@dataclass(kw_only=True)
class NetworkTemplate(Entity):
    """A template of networks."""

    kind = "VNTEMPLATE"
    noun = "virtual network template"
    tag = "VNTEMPLATE"

    regtime: int = 0


@dataclass(kw_only=True)
class SecurityGroup(Entity):
    """A security group.

    Of the VMs that use it, some are `committing`: being brought up to date.
    """

    kind = "SECGROUP"
    noun = "security group"
    tag = "SECURITY_GROUP"

    outdated: list[int] = field(default_factory=list)
    committing: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    due: float = 0.0


@dataclass(kw_only=True)
class MachineTemplate(Entity):
    """A template of VMs."""

    kind = "TEMPLATE"
    noun = "virtual machine template"
    tag = "VMTEMPLATE"

    regtime: int = 0


@dataclass(kw_only=True)
class Document(Entity):
    """A document of any type; farmctl's are of type 4270."""

    kind = "DOCUMENT"
    noun = "document"
    tag = "DOCUMENT"

    doc_type: int = 0


@dataclass(kw_only=True)
class Router(Entity):
    """A virtual router: NICs and the VMs that serve them."""

    kind = "VROUTER"
    noun = "virtual router"
    tag = "VROUTER"

    vms: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class MachineGroup(Entity):
    """A group of VMs with placement roles."""

    kind = "VMGROUP"
    noun = "vm group"
    tag = "VM_GROUP"

    roles: list[Vector] = field(default_factory=list)
    next_role: int = 0


@dataclass(kw_only=True)
class Zone(Entity):
    """The one zone that there is."""

    kind = "ZONE"
    noun = "zone"
    tag = "ZONE"


@dataclass(kw_only=True)
class ScheduledAction(Entity):
    """An action that a VM takes at a time; all times in seconds since the epoch."""

    kind = "SCHEDULEDACTION"
    noun = "scheduled action"
    tag = "SCHED_ACTION"

    vm_id: int
    action: str = ""
    args: str = ""
    time: int = -1
    repeat: int = -1
    days: str = ""
    end_type: int = -1
    end_value: int = -1
    done: int = -1
    message: str = ""
    warning: int = 0
