"""What the cloud shows, as values: the only input of a decision besides the files.

`CloudView` is one look at the whole cloud; `FarmView` is the part of it that belongs
to one farm, with the strangers in its network. Both are made by the cloud adapter and
by tests; nothing here asks anybody anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

from farmctl.model.attributes import Attributes
from farmctl.model.nodes import Mark, Tag, VmState


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks. `admin`: may deploy, migrate and recover VMs (group oneadmin)."""

    id: int
    name: str
    group_ids: frozenset[int] = frozenset()
    admin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface of a VM; `address` is its IPv4 address or empty."""

    network_id: int
    network: str
    address: str
    mac: str = ""
    security_group_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """One VM as OpenNebula shows it, ours or a stranger's.

    `since` is STIME, seconds since the epoch, when it was asked for; `changed` since
    when it runs, or is off, 0 where that is not shown. `asked_off`: somebody had
    OpenNebula switch it off; otherwise it went off from inside, or its hypervisor did.
    `error` is OpenNebula's ERROR attribute,
    `sched_message` the scheduler's word on why it waits. `worked`: it was ready once,
    though it may be off or booting again by now, and its disk may hold what somebody
    wants. `host_key` is the SSH host key that the guest has told of itself, `TYPE
    BASE64`. `router_files` are a router's files as its context carries them; both may
    be empty.
    """

    id: int
    name: str
    owner_id: int
    state: VmState
    tag: Tag | None = None
    mark: Mark = field(default_factory=Mark)
    nics: tuple[Nic, ...] = ()
    host_id: int | None = None
    host: str = ""
    cpus: float = 0.0
    memory_mib: int = 0
    reported_ready: bool = False
    worked: bool = False
    since: int = 0
    changed: int = 0
    asked_off: bool = False
    error: str = ""
    sched_message: str = ""
    state_name: str = ""
    host_key: str = ""
    router_files: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRange:
    """A range of a network: `size` addresses from the IPv4 address `first`.

    `mac` is the MAC that goes with the first of them; two ranges are the same whatever
    it is.
    """

    first: str
    size: int
    mac: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A virtual network. `attributes` is its own template, ranges aside."""

    id: int
    name: str
    owner_id: int
    owner: str = ""
    tag: Tag | None = None
    ranges: tuple[AddressRange, ...] = ()
    used_leases: int = 0
    usable: bool = True  # in state READY
    vlan_id: str = ""  # chosen by OpenNebula or given to it
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A security group; its rules are the RULE vectors of `attributes`."""

    id: int
    name: str
    owner_id: int
    tag: Tag | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A VM template."""

    id: int
    name: str
    owner_id: int
    tag: Tag | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who changes a farm: written into the document by the process that locked it.

    `beat` grows while the process lives; it is compared with itself over time, never
    with another machine's clock. `boot` and `started` tell a recycled pid apart.
    """

    host: str
    boot: str
    pid: int
    started: str
    nonce: str
    beat: int
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """OpenNebula's lock on a document; `since` is in seconds since the epoch."""

    owner_id: int
    since: int
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The document (type 4270) of a farm: what must outlive a process.

    `body` is decoded JSON; None if it cannot be read, which is drift.
    """

    id: int
    name: str
    owner_id: int
    tag: Tag | None = None
    body: Mapping[str, object] | None = None
    lock: Lock | None = None
    holder: Holder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A disk image; usable when READY or USED (or shared, USED_PERS)."""

    id: int
    name: str
    owner_id: int
    owner: str = ""
    size_mib: int = 0
    usable: bool = True
    state_name: str = "READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A hypervisor. Free amounts are what OpenNebula has not given away yet.

    `attributes` is what a requirement is matched against (NAME, ID, CLUSTER_ID, … and
    all that its template says).
    """

    id: int
    name: str
    usable: bool  # MONITORED: takes new VMs
    state_name: str
    cluster_id: int
    free_cpus: float
    free_memory_mib: int
    total_cpus: float
    total_memory_mib: int
    running_vms: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    disabled: bool = False  # by an admin: what runs there goes on, nothing new comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastore:
    """A datastore; only system datastores hold the disks of running VMs."""

    id: int
    name: str
    system: bool
    usable: bool
    free_mib: int
    cluster_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the user or the user's group may still use; None means no limit."""

    whose: str  # "user tina", "group spot"
    vms: int | None = None
    cpus: float | None = None
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Where nodes can go; read only when a plan makes some."""

    hosts: tuple[Host, ...] = ()
    datastores: tuple[Datastore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmView:
    """All that the cloud shows of one farm.

    Several documents or networks of one farm are possible after a lost answer; the one
    with the lowest id counts, the others are surplus. `strangers` are VMs without this
    farm's tag that hold a lease in its network.
    """

    farm: str
    documents: tuple[Document, ...] = ()
    networks: tuple[Network, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    templates: tuple[Template, ...] = ()
    vms: tuple[Vm, ...] = ()
    strangers: tuple[Vm, ...] = ()

    @property
    def document(self) -> Document | None:
        """The document that counts."""
        return min(self.documents, key=lambda each: each.id, default=None)

    @property
    def network(self) -> Network | None:
        """The network that counts."""
        return min(self.networks, key=lambda each: each.id, default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing in the cloud carries this farm's tag."""
        return not (
            self.documents or self.networks or self.groups or self.templates or self.vms
        )


class _Tagged(Protocol):
    @property
    def tag(self) -> Tag | None: ...


_T = TypeVar("_T", bound=_Tagged)


def _by_farm(things: Iterable[_T]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = {}
    for thing in things:
        if thing.tag is not None:
            found.setdefault(thing.tag.farm, []).append(thing)
    return found


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """One look at the cloud, taken `at` (seconds since the epoch)."""

    at: float
    version: str
    endpoint: str
    user: User
    quotas: tuple[Quota, ...] = ()
    vms: tuple[Vm, ...] = ()
    networks: tuple[Network, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    templates: tuple[Template, ...] = ()
    documents: tuple[Document, ...] = ()
    images: tuple[Image, ...] = ()
    capacity: Capacity | None = None

    @cached_property
    def farms(self) -> Mapping[str, FarmView]:
        """Each farm that the cloud shows, by name, sorted; one pass over the cloud."""
        documents = _by_farm(self.documents)
        networks = _by_farm(self.networks)
        groups = _by_farm(self.groups)
        templates = _by_farm(self.templates)
        vms = _by_farm(self.vms)
        strangers = self._strangers()
        names = {*documents, *networks, *groups, *templates, *vms}
        return {
            farm: FarmView(
                farm=farm,
                documents=tuple(documents.get(farm, ())),
                networks=tuple(networks.get(farm, ())),
                groups=tuple(groups.get(farm, ())),
                templates=tuple(templates.get(farm, ())),
                vms=tuple(vms.get(farm, ())),
                strangers=tuple(strangers.get(farm, ())),
            )
            for farm in sorted(names)
        }

    def _strangers(self) -> dict[str, list[Vm]]:
        farm_of = {each.id: each.tag.farm for each in self.networks if each.tag}
        found: dict[str, list[Vm]] = {}
        for vm in self.vms:
            farms = {farm_of.get(nic.network_id) for nic in vm.nics}
            for farm in farms:
                if farm is not None and (vm.tag is None or vm.tag.farm != farm):
                    found.setdefault(farm, []).append(vm)
        return found

    def farm(self, name: str) -> FarmView:
        """Return what the cloud shows of the farm `name`; an empty view if nothing."""
        return self.farms.get(name, FarmView(farm=name))
