"""The farm file: one class C network, one router, at most one head, any pools."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from farmctl.spec import rules
from farmctl.spec.base import Written, WrittenFile, refuse
from farmctl.spec.fields import (
    Budget,
    Cidrs,
    ClassC,
    Cpus,
    Disk,
    Duration,
    FarmName,
    ForwardName,
    ForwardTarget,
    ImageKey,
    Memory,
    Nodes,
    PlaybookChoice,
    PoolName,
    Port,
    Price,
    PublicAddress,
    Readiness,
    SshKeys,
    Surge,
    Variables,
)
from farmctl.spec.text import Wrong, show

Kind = Literal["batch", "interactive", "imaging", "pilot", "plain"]
Flavour = Literal["openwrt", "debian"]
Protocol = Literal["tcp", "udp", "both"]
Batch = Literal["slurm", "gridengine", "htcondor"]


def protocols(protocol: Protocol) -> tuple[str, ...]:
    """Return what `both` stands for."""
    return ("tcp", "udp") if protocol == "both" else (protocol,)


class Forward(Written):
    """A port of the public address that leads to one node."""

    name: ForwardName
    """What the forward is called."""

    port: Port
    """The port of the public address."""

    protocol: Protocol = "tcp"
    """tcp, udp or both."""

    to: ForwardTarget
    """The node: head, or one of a pool such as wn-001."""

    to_port: Port | None = None
    """The port of the node; without it the same as `port`."""

    sources: Cidrs = Field(default=("0.0.0.0/0",), alias="from")
    """The networks that may use it; without it everybody."""

    @property
    def target_port(self) -> int:
        """The port of the node."""
        return self.port if self.to_port is None else self.to_port

    @property
    def protocols(self) -> tuple[str, ...]:
        """`tcp`, `udp`, or the two of them."""
        return protocols(self.protocol)


class Router(Written):
    """The farm's only way out, and the only way in."""

    image: ImageKey
    """Our name of the image, from the site's images."""

    flavour: Flavour = "openwrt"
    """What the image is: openwrt (UCI) or debian (dnsmasq and nftables)."""

    public_address: PublicAddress = "auto"
    """auto, an address of the public network, or none."""

    cpus: Cpus = 1
    """How many virtual CPUs it has."""

    memory: Memory = Field(default=192, json_schema_extra={"default": "192MiB"})
    """How much memory it has; OpenWrt is at home in 192MiB."""

    dhcp_open: bool = False
    """Whether machines that are no nodes of the farm get an address too."""

    forwards: Annotated[tuple[Forward, ...], Field(strict=False)] = ()
    """Ports of the public address that lead to one node each."""


class Machine(Written):
    """The shape of a node."""

    image: ImageKey
    """Our name of the image, from the site's images."""

    cpus: Cpus
    """How many virtual CPUs a node has, such as 4."""

    memory: Memory
    """How much memory a node has, such as 8GiB."""

    disk: Disk | None = None
    """How large the root disk is, such as 40GiB; without it as large as the image."""

    readiness: Readiness | None = None
    """When such a node is up, if not as the site says: onegate or running."""


class Head(Machine):
    """The farm's service node: batch server, login, gateway of the users."""


class Count(Written):
    """How many nodes a pool has: always at least `min`, never more than `max`.

    A bare number, `count: 4`, is both at once.
    """

    min: Nodes
    """The fewest nodes, which are there with nothing to do."""

    max: Nodes
    """The most nodes, however much there is to do."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of both ways to write it."""
        both = handler.resolve_ref_schema(handler(core_schema))
        number = {"type": "integer", "minimum": 0, "maximum": 252}
        return {"description": cls.__doc__, "anyOf": [number, both]}

    @property
    def start(self) -> int:
        """How many nodes there are before anything else was decided: `min`."""
        return self.min

    def within(self, size: int) -> int:
        """Return `size`, or the limit that it would overstep."""
        return max(self.min, min(size, self.max))

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"min": value, "max": value}
        if not isinstance(value, dict | Count):
            raise Wrong(
                f"{show(value)} is neither a number nor min and max.",
                "Write 4, or {min: 0, max: 40}.",
            )
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise Wrong(
                f"min is {self.min}, which is more than max, {self.max}.",
                "Raise max or lower min.",
            )
        return self


class Pool(Machine):
    """Interchangeable workers of one shape and image."""

    count: Count
    """How many: a number, or min and max between which the pool follows its work."""

    surge: Surge | None = None
    """How many nodes a rolling update has beyond the pool's size at once; without it a
    tenth of the most, and at least one."""


class Lease(Written):
    """When the farm ends by itself."""

    expires_in: Duration
    """From when it was first applied."""


class Farm(WrittenFile):
    """One isolated virtual farm."""

    farm: FarmName
    """The name of the farm, with which the names of its nodes begin."""

    kind: Kind
    """What the farm is for, and so what it is sized by."""

    network: ClassC = "auto"
    """The farm's class C: auto for the next free one of the site, or such as
    172.16.40.0/24."""

    router: Router
    """The farm's only way out, and the only way in."""

    head: Head | None = None
    """The service node, if the farm has one."""

    pools: Mapping[PoolName, Pool] = Field(default_factory=dict)
    """The workers, by the name of their pool."""

    batch: Batch | None = None
    """The batch system, whose server runs on the head. Slurm is set up by our playbook;
    the others have to be in the images, or in a playbook of the site's own."""

    price: Price | None = None
    """What an hour of one waiting task is worth, in core-hours: the higher, the sooner
    nodes are started and the longer they are kept. Without it 1 for batch, pilot and
    plain farms, 5 for imaging, 20 for interactive ones."""

    budget: Budget | None = None
    """How many core-hours the workers may cost from one midnight (UTC) to the next.
    Once it is spent no node is started beyond each pool's `min`; those that are there
    end their work. Without it there is no such limit."""

    lease: Lease | None = None
    """When the farm ends by itself; without it never."""

    ssh_keys: SshKeys = ()
    """Public keys of those who may log in to the nodes."""

    playbook: PlaybookChoice | None = None
    """The Ansible playbook that configures the nodes, if it is not the site's: one in
    the folder of the site file, such as alice.yml, or none."""

    variables: Variables = Field(default_factory=dict)
    """Free text that each node finds in its environment, by name; 64 kB in all."""

    @property
    def name(self) -> str:
        """The name of the farm."""
        return self.farm

    @property
    def most_nodes(self) -> int:
        """How many nodes there can ever be, router and head included."""
        workers = sum(pool.count.max for pool in self.pools.values())
        return workers + (1 if self.head is None else 2)

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        refuse("Farm", rules.broken_in_farm(rules.FarmDraft.of(self)))
        return self
