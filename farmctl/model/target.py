"""What a farm should be, in the cloud's terms: the declared farm, resolved.

`reconcile` makes a target from the files, the view and the rendered context; `plan`
holds it against the view. A target names images by id and carries complete attribute
trees, so that a plan made from it carries all that apply needs.
"""

from dataclasses import dataclass, field

from farmctl.model.attributes import Attributes
from farmctl.model.nodes import Readiness, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a node may go.

    `requires` is the class's requirement expression, `datastore` the name of its
    system datastore.
    """

    hypervisor_class: str
    requires: str
    datastore: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetObject:
    """A network, a security group or the document as it should be.

    `attributes` lacks NAME and the tag; both are added from `name` and the farm.
    """

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The nodes of one role or pool, all alike but for name and address.

    `template` is the OpenNebula template's name, `attributes` its content without NAME
    and tag, `digest` that of the content and the image. `wanted` is how many nodes
    there should be, `ceiling` how many there may ever be. `public_address`: "" for
    none, "auto", or the address wished for; the public NIC is in `public_nic`.
    """

    role: Role
    pool: str = ""
    template: str
    attributes: Attributes
    digest: str
    image: str
    wanted: int
    ceiling: int
    cpus: float
    memory_mib: int
    disk_mib: int = 0
    placement: Placement
    readiness: Readiness
    batch: str = ""  # "slurm": may be working once it is ready
    public_address: str = ""
    public_network: str = ""
    public_network_owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One farm as it should be.

    `cidr` is its class C, such as 172.16.40.0/24. `document` is the body to be kept in
    OpenNebula. `owner` is the OpenNebula user name under which objects are made.
    """

    farm: str
    kind: str
    cidr: str
    owner: str
    groups: tuple[TargetObject, ...] = ()
    network: TargetObject
    shapes: tuple[Shape, ...] = ()
    document: dict[str, object] = field(default_factory=dict)
    origin: str = ""  # the farm file, for messages
