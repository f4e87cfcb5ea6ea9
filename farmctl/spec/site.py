"""The site file: one OpenNebula cloud and its rules."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farmctl.model.nodes import Readiness as ReadinessKind
from farmctl.spec import site_rules
from farmctl.spec.base import Written, WrittenFile, refuse
from farmctl.spec.fields import (
    Addresses,
    Cidr,
    Cidrs,
    Domain,
    Duration,
    Endpoint,
    FileName,
    ImageNames,
    Interface,
    OneName,
    PlaybookName,
    Readiness,
    Requirement,
    SiteName,
    SshKeys,
    UserName,
)

Driver = Literal["802.1Q", "vxlan", "ovswitch", "bridge", "dummy"]
_VXLAN_MTU = 1450
PlacementKind = Literal["auto", "direct", "scheduler"]


class Cloud(Written):
    """How to reach OpenNebula; what is left out comes from its own environment."""

    endpoint: Endpoint | None = None
    """The XML-RPC endpoint; without it $ONE_XMLRPC."""

    auth_file: FileName | None = None
    """The file that holds user:password; without it $ONE_AUTH or ~/.one/one_auth."""


class HypervisorClass(Written):
    """A class of hypervisors, and where its nodes' disks are."""

    requires: Requirement
    """What a hypervisor of this class fulfils, as in SCHED_REQUIREMENTS."""

    system_datastore: OneName
    """The name of the system datastore that holds the disks of running nodes."""


class Hypervisors(Written):
    """The two classes of hypervisors."""

    service: HypervisorClass
    """Where routers and heads run: shared storage, public and private interfaces."""

    worker: HypervisorClass
    """Where workers run: local disks, the private interface only."""


class VlanIds(Written):
    """The VLAN ids that farms may have, both ends included."""

    first: Annotated[int, Field(ge=2, le=16_777_215)]
    """The lowest."""

    last: Annotated[int, Field(ge=2, le=16_777_215)]
    """The highest; 4094 but for vxlan."""


class FarmNetworks(Written):
    """The address space of the farms, and how one farm is kept from another."""

    supernet: Cidr
    """The private IPv4 network out of which each farm gets a class C."""

    driver: Driver
    """OpenNebula's network driver, which isolates the farms; bridge (VN_MAD fw) is for
    one hypervisor, dummy for the embedded cloud."""

    physical_device: Interface | None = None
    """The hypervisors' interface that carries the farms (PHYDEV)."""

    bridge: Interface | None = None
    """The hypervisors' Open vSwitch, for the driver ovswitch."""

    vlan_ids: VlanIds | None = None
    """The ids to choose from, each for one class C; without it OpenNebula chooses.
    ovswitch needs it."""

    mtu: Annotated[int, Field(ge=576, le=9216)] | None = None
    """The largest packet in the farms' networks, in bytes; without it 1500, with vxlan
    1450."""

    @property
    def largest_packet(self) -> int | None:
        """The MTU that the farms' networks are to have; None leaves it to OpenNebula.

        VXLAN puts 50 bytes before each frame, and OpenNebula's driver does not count
        them: packets of 1500 bytes would be lost on wires that carry 1500.
        """
        if self.mtu is None and self.driver == "vxlan":
            return _VXLAN_MTU
        return self.mtu


class PublicNetwork(Written):
    """The network that the routers' public addresses come from."""

    name: OneName
    """Its name in OpenNebula."""


class Networks(Written):
    """The site's networks, as far as farms touch them."""

    farms: FarmNetworks
    """Where the farms' class C networks come from."""

    public: PublicNetwork
    """Where public addresses come from."""

    reserved: Cidrs = ()
    """Parts of the supernet that no farm gets."""


class Admin(Written):
    """The people who run the site."""

    addresses: Cidrs = ()
    """From where a router answers SSH (60022) and LuCI (60443)."""

    ssh_keys: SshKeys = ()
    """Public keys that are put on every node."""


class Login(Written):
    """How farmctl logs in to nodes, for what can only be done inside of them."""

    user: UserName = "root"
    """The user; it takes root to change a router."""

    key_file: FileName | None = None
    """The private SSH key, readable by its owner alone; its public half belongs among
    admin.ssh_keys. Without it the keys of ssh-agent and of ~/.ssh are tried."""


class Deadlines(Written):
    """How long a node may take, before it counts as sick."""

    running: Duration = Field(default=300, json_schema_extra={"default": "5m"})
    """From its creation until OpenNebula shows RUNNING."""

    ready: Duration = Field(default=600, json_schema_extra={"default": "10m"})
    """From RUNNING until its guest reports READY."""

    joined: Duration = Field(default=900, json_schema_extra={"default": "15m"})
    """From READY, and configured, until its batch system knows it; farmctl serve alone
    looks at that."""


class Site(WrittenFile):
    """One OpenNebula cloud and its rules."""

    site: SiteName
    """The name of the site."""

    domain: Domain
    """The DNS domain under which each farm gets its own."""

    cloud: Cloud | None = None
    """How to reach OpenNebula; without it the environment says, or the embedded cloud
    is used."""

    hypervisors: Hypervisors
    """The two classes of hypervisors."""

    networks: Networks
    """The site's networks, as far as farms touch them."""

    images: ImageNames
    """Our name of an image: its name in OpenNebula."""

    image_datastore: OneName | None = None
    """The image datastore that farmctl puts images of its own into."""

    readiness: Readiness = ReadinessKind.ONEGATE
    """When a node is up: onegate (its guest reported READY) or running (OpenNebula
    shows RUNNING; for a site without OneGate)."""

    dns: Addresses = ()
    """The name servers that the routers ask; without it those of the public network."""

    admin: Admin = Field(default_factory=Admin)
    """The people who run the site."""

    login: Login | None = None
    """How farmctl logs in to nodes; without it it never does: routers are then changed
    through OpenNebula alone, and nothing is configured in a node or looked at."""

    playbook: PlaybookName | None = None
    """The Ansible playbook that configures the nodes of every farm: a path, a relative
    one beginning where this file is; site.yml is, unless there is one here, the one
    that farmctl brings along. Without it nodes are what their image and context make
    of them."""

    deadlines: Deadlines = Field(default_factory=Deadlines)
    """How long a node may take, before it counts as sick."""

    concurrency: Annotated[int, Field(ge=1, le=256)] = 16
    """How many changes apply asks of OpenNebula at once."""

    placement: PlacementKind = "auto"
    """Who picks the hypervisor: direct (farmctl), scheduler (OpenNebula), or auto:
    farmctl where it has ADMIN right."""

    @property
    def name(self) -> str:
        """The name of the site."""
        return self.site

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        refuse("Site", site_rules.broken_in_site(site_rules.SiteDraft.of(self)))
        return self
