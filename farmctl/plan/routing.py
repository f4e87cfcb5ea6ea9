"""The router's files in a plan: what its VM carries, held against what is drawn.

The files know every node of the farm, so they are drawn last, from the nodes that the
plan leaves there. A router that is made gets them with its context, in the place of the
template's: that one is the same for every farm of its shape, and so is the digest. A
router that is there is changed in place. A node that goes keeps its name and its lease
until it has ended: files that no longer know it are put in force after that, by a step
of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from farmctl.model.attributes import digest
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.router import Interface, RouterValues
from farmctl.model.steps import (
    AwaitNode,
    Cause,
    ChangeRouter,
    CreateNode,
    NodeSpec,
    Note,
    RemoveNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.target import Target
from farmctl.model.view import CloudView, FarmView, Nic, Vm
from farmctl.plan import resolve, router
from farmctl.spec import Farm, Site
from farmctl.spec.farm import Flavour

if TYPE_CHECKING:
    from farmctl.model.attributes import Attributes

_MADE = CreateNode | ReplaceNode | StartNode | AwaitNode
_BEHIND = (Role.HEAD, Role.WORKER)

_UNSURE = "it may run other files than its context has"
_UNREADABLE = "its context has no files that can be read"
_OF_NODES = ("names", "leases")
"""What changes on a router with the nodes behind it, as `RouterFiles.topics` says."""

_ONE = {"come": "comes", "go": "goes"}
_LATER = ("SUSPENDED", "STOPPED")
"""States in which OpenNebula changes no context: the router is started first."""


class RouterFiles(Protocol):
    """Renders a router's files; `context.routers` does."""

    def variable(self, flavour: Flavour, values: RouterValues) -> Mapping[str, str]:
        """Return the one variable of the context that carries the files.

        Equal values give equal text, to the byte.

        Raises:
            NotPossibleError: they are too large for a context, or cannot be rendered.
        """
        ...

    def differences(self, before: str, after: str) -> tuple[str, ...]:
        """Return the lines that differ; of an unreadable first, every line is new."""
        ...

    def topics(self, before: str, after: str) -> tuple[str, ...]:
        """Return in words what two such texts differ in, such as forwards."""
        ...

    def readable(self, text: str) -> bool:
        """Say whether a text is such a one, however old."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What a router's files are drawn from, besides the nodes, and what renders them.

    `farm` is the farm as declared, `files` renders. `live`: somebody logs in to routers
    and hands their files over.
    """

    site: Site
    farm: Farm
    files: RouterFiles
    live: bool = True


@dataclass(kw_only=True)
class RouterSteps:
    """The node steps, the router's with its files; and those that change it in place.

    `before` is for what comes, `after` for what has gone; `notes` is on its forwards.
    """

    early: list[Step]
    nodes: list[Step]
    before: list[Step] = field(default_factory=list)
    after: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def router_steps(
    routing: Routing,
    target: Target,
    view: CloudView,
    *,
    early: Sequence[Step],
    nodes: Sequence[Step],
    kept: Iterable[Vm],
) -> RouterSteps:
    """Return the steps for nodes, and those that keep the router's files up to date.

    Args:
        routing: what the files are drawn from.
        target: the farm as it should be.
        view: one look at the cloud.
        early: steps for nodes that come first, as another needs their address.
        nodes: all other steps for nodes.
        kept: nodes that stay as they are.

    Raises:
        NotPossibleError: the files cannot be drawn; see `plan.router.draw`.
    """
    mine = view.farm(target.farm)
    drawing = _Drawing.of(routing, target, view)
    kept = list(kept)
    staying = [*_kept_hosts(drawing, mine, kept), *_made(drawing, mine, early, nodes)]
    name, files = drawing.variable(staying)
    steps = RouterSteps(
        early=[_with_files(step, target, name, files) for step in early],
        nodes=[_with_files(step, target, name, files) for step in nodes],
        notes=list(router.closed(routing.farm, staying)),
    )
    there = _there(mine, kept, early, nodes)
    if there is None:
        return steps
    change = _Change(routing=routing, target=target, variable=name, vm=there)
    leaving = _leaving(drawing, mine, nodes, staying)
    shown = there.router_files
    if unsure(there) and not leaving:
        steps.before.append(change.to(files, because=_UNSURE, since=shown))
    elif leaving:
        _, still = drawing.variable([*staying, *leaving])
        if shown not in {files, still}:
            because = change.why(nodes, still, since=shown)
            steps.before.append(change.to(still, because=because, since=shown))
            shown = still
        if shown != files:
            gone = [host.name for host in leaving]
            steps.after.append(
                change.to(
                    files, because=_counted(len(gone), "go"), since=shown, leavers=gone
                )
            )
    elif shown != files:
        because = change.why(nodes, files, since=shown)
        step = change.to(files, because=because, since=shown)
        later = there.state is VmState.STOPPING or there.state_name in _LATER
        (steps.after if later else steps.before).append(step)
    return steps


def unsure(vm: Vm) -> bool:
    """Say whether a router may run other files than its context has.

    Somebody was about to give it others over SSH, and did not come to its context.
    """
    return bool(vm.mark.sent) and vm.mark.sent != digest({}, vm.router_files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    """Draws the files for some nodes."""

    routing: Routing
    cidr: str
    network_id: int | None
    public: Interface | None
    prefix: str

    @classmethod
    def of(cls, routing: Routing, target: Target, view: CloudView) -> "_Drawing":
        network = view.farm(target.farm).network
        return cls(
            routing=routing,
            cidr=target.cidr,
            network_id=None if network is None else network.id,
            public=_public(routing, view),
            prefix=_prefix(target.farm, view),
        )

    def variable(self, hosts: Iterable[router.Host]) -> tuple[str, str]:
        """Return the name of the variable and the text in it."""
        farm = self.routing.farm
        values = router.draw(
            self.routing.site,
            farm,
            cidr=self.cidr,
            hosts=hosts,
            public=self.public,
            mac_prefix=self.prefix,
        )
        variable = self.routing.files.variable(farm.router.flavour, values)
        ((name, text),) = variable.items()
        return name, text

    def host(self, name: str, address: str, nic: Nic | None) -> router.Host:
        """Return a node's place; the MAC that it has, or is going to have."""
        mac = router.mac_of(address, prefix=self.prefix)
        if nic is not None and nic.mac and nic.address == address:
            mac = nic.mac
        return router.Host(name=name, address=address, mac=mac)

    def nic(self, vm: Vm | None) -> Nic | None:
        """Return a VM's interface in the farm's network."""
        found = vm.nics if vm is not None else ()
        return next((n for n in found if n.network_id == self.network_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Writes the step that changes the router in place."""

    routing: Routing
    target: Target
    variable: str
    vm: Vm

    def why(self, nodes: Sequence[Step], files: str, *, since: str) -> str:
        """Say what makes the files others: the nodes that come, and all else."""
        coming = sum(
            isinstance(step, CreateNode) and step.node.role is not Role.ROUTER
            for step in nodes
        )
        topics = list(self.routing.files.topics(since, files))
        if not coming:
            return f"{', '.join(topics) or 'its files'} changed"
        rest = [each for each in topics if each not in _OF_NODES]
        said = _counted(coming, "come")
        return f"{said}; {', '.join(rest)}" if rest else said

    def to(
        self, files: str, *, because: str, since: str, leavers: Iterable[str] = ()
    ) -> ChangeRouter:
        readable = self.routing.files.readable(since)
        return ChangeRouter(
            vm_id=self.vm.id,
            name=node_name(self.target.farm, Role.ROUTER),
            variable=self.variable,
            files=files,
            changes=self.routing.files.differences(since, files),
            leavers=tuple(sorted(leavers)),
            at_boot=_at_boot(self.routing),
            because=because if readable else _UNREADABLE,
            cause=Cause.CHANGE if readable and because != _UNSURE else Cause.DRIFT,
        )


def _at_boot(routing: Routing) -> bool:
    """Say whether the router takes other files at its next boot only.

    Nobody hands them over, and OpenWrt's image looks into its context when it boots; a
    Debian looks again when that has changed.
    """
    return not routing.live and routing.farm.router.flavour == "openwrt"


def _public(routing: Routing, view: CloudView) -> Interface | None:
    """Return the public interface; its address only where the farm names one.

    What OpenNebula chooses the router reads in its context: drawn from the VM, its
    files would be others as soon as it was there.
    """
    wish = routing.farm.router.public_address
    if wish == "none":
        return None
    network = resolve.find_network(routing.site.networks.public.name, view)
    if network is None:
        return None
    return router.public_interface(network, address="" if wish == "auto" else wish)


def _prefix(farm: str, view: CloudView) -> str:
    """Return what OpenNebula begins MACs with (MAC_PREFIX of its oned.conf).

    Shown by every MAC that it made of an address: those of the farm's own network and
    nodes come first. Only where there is none at all it is taken for OpenNebula's own;
    a farm's first nodes then show better, and its router learns it from the next plan.
    """
    mine = view.farm(farm)
    others = sorted(view.networks, key=lambda each: each.id)
    seen = [
        *((area.first, area.mac) for net in mine.networks for area in net.ranges),
        *((nic.address, nic.mac) for vm in mine.vms for nic in vm.nics),
        *((area.first, area.mac) for net in others for area in net.ranges),
        *((nic.address, nic.mac) for vm in view.vms for nic in vm.nics),
    ]
    for address, mac in seen:
        if address and mac.lower() == router.mac_of(address, prefix=mac.lower()[:5]):
            return mac.lower()[:5]
    return router.MAC_PREFIX


def _kept_hosts(
    drawing: _Drawing, mine: FarmView, kept: Iterable[Vm]
) -> Iterator[router.Host]:
    for vm in kept:
        nic, tag = drawing.nic(vm), vm.tag
        if nic is None or not nic.address or tag is None:
            continue
        if tag.role is None or tag.role is Role.ROUTER:
            continue
        name = node_name(mine.farm, tag.role, tag.pool, tag.ordinal)
        yield drawing.host(name, nic.address, nic)


def _made(
    drawing: _Drawing, mine: FarmView, early: Sequence[Step], nodes: Sequence[Step]
) -> Iterator[router.Host]:
    by_id = {vm.id: vm for vm in mine.vms}
    for step in (*early, *nodes):
        if isinstance(step, _MADE) and step.node.role is not Role.ROUTER:
            vm = None
            if isinstance(step, StartNode | AwaitNode):
                vm = by_id.get(step.vm_id)
            yield drawing.host(step.node.name, step.node.address, drawing.nic(vm))


def _leaving(
    drawing: _Drawing,
    mine: FarmView,
    nodes: Sequence[Step],
    staying: Sequence[router.Host],
) -> list[router.Host]:
    """Return the nodes that are on their way out, and nobody has the place of."""
    names = {host.name for host in staying}
    addresses = {host.address for host in staying}
    by_id = {vm.id: vm for vm in mine.vms}
    found: dict[str, router.Host] = {}
    for step in nodes:
        if not isinstance(step, RemoveNode) or step.role not in _BEHIND:
            continue
        nic = drawing.nic(by_id.get(step.vm_id))
        free = nic is not None and nic.address and nic.address not in addresses
        if nic is not None and free and step.name not in names:
            addresses.add(nic.address)
            names.add(step.name)
            found[step.name] = drawing.host(step.name, nic.address, nic)
    return list(found.values())


def _with_files(step: Step, target: Target, name: str, files: str) -> Step:
    """Return the step, its router with its files among its context.

    OpenNebula replaces a template's context whole by one named on top of it.
    """
    match step:
        case CreateNode() | ReplaceNode() | StartNode() | AwaitNode():
            if step.node.role is Role.ROUTER:
                return replace(step, node=_told(step.node, target, name, files))
    return step


def _told(node: NodeSpec, target: Target, name: str, files: str) -> NodeSpec:
    shape = next(each for each in target.shapes if each.role is Role.ROUTER)
    context = shape.attributes.get("CONTEXT")
    if not isinstance(context, Mapping):
        message = "a router's template has a context"
        raise TypeError(message)
    attributes: Attributes = {**node.attributes, "CONTEXT": {**context, name: files}}
    return replace(node, attributes=attributes)


def _there(
    mine: FarmView, kept: Iterable[Vm], early: Sequence[Step], nodes: Sequence[Step]
) -> Vm | None:
    """Return the router that is there and stays; None if it is made, or made anew."""
    for vm in kept:
        if vm.tag is not None and vm.tag.role is Role.ROUTER:
            return vm
    for step in (*early, *nodes):
        if isinstance(step, StartNode | AwaitNode) and step.node.role is Role.ROUTER:
            return next((vm for vm in mine.vms if vm.id == step.vm_id), None)
    return None


def _counted(number: int, verb: str) -> str:
    if number == 1:
        return f"names and leases: 1 node {_ONE[verb]}"
    return f"names and leases: {number} nodes {verb}"
