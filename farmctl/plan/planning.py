"""Hold a target against the view: the steps in waves, each with its reason.

The waves, in this order: the document (so that the farm is known before anything else
is there), security groups, the network, templates, what has to end first because its
address is needed, the router's files as the nodes to come need them, all other nodes at
once, the router's files without the nodes that have gone, templates and networks that
nothing needs any more, security groups that nothing needs any more, surplus documents,
and the guests' configuration once all is up. Applied in full, a plan leaves nothing:
the next one is empty.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from farmctl.errors import NotPossibleError
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Role, Tag, VmState
from farmctl.model.rolling import Rolled, Rolling
from farmctl.model.steps import (
    ChangeObject,
    DeleteObject,
    Note,
    Plan,
    RemoveNode,
    ReplaceNode,
    Step,
)
from farmctl.model.target import Target
from farmctl.model.view import CloudView, FarmView, Vm
from farmctl.plan import (
    addresses,
    condition,
    configuring,
    document,
    fingerprints,
    leftovers,
    narrowing,
    nodes,
    objects,
    resolve,
)
from farmctl.plan.rolling import counted
from farmctl.plan.routing import RouterSteps, Routing, router_steps

_DEFAULT_GROUP = "0"
_ROLE_ORDER = {Role.ROUTER: 0, Role.HEAD: 1, Role.WORKER: 2, None: 3}


def plan(
    target: Target,
    view: CloudView,
    *,
    site: str,
    avoid: Collection[str] = (),
    routing: Routing | None = None,
    configuration: str = "",
    tending: nodes.Tending | None = None,
    rolling: Rolling | None = None,
) -> Plan:
    """Return what separates the target from the cloud.

    The order of steps depends on nothing but the arguments.

    Args:
        target: the farm as it should be.
        view: one look at the cloud.
        site: its name, for people.
        avoid: addresses in the farm's class C that OpenNebula has refused to give.
        routing: what the router's files are drawn from; None: they are not looked at.
        configuration: the digest of what the guests of its nodes are configured with;
            empty if nothing configures them.
        tending: which workers go and which are apart, decided by who watches the
            farm's work; None: the wanted numbers decide.
        rolling: the pools whose outdated workers stay until they are empty.

    Raises:
        NotPossibleError: foreign objects hold names or addresses that the farm needs,
            or the farm is another user's.
        ExhaustedError: the class C has no room for the nodes.
    """
    _refuse_foreign(target.farm, view)
    rolls = counted(rolling or Rolling(), view.farm(target.farm))
    for_nodes = nodes.node_steps(
        target,
        view,
        avoid=frozenset(avoid),
        tending=tending,
        rolled=frozenset(rolls),
    )
    routed = (
        RouterSteps(early=for_nodes.early, nodes=for_nodes.steps)
        if routing is None
        else router_steps(
            routing,
            target,
            view,
            early=for_nodes.early,
            nodes=for_nodes.steps,
            kept=for_nodes.kept,
        )
    )
    ending = [
        step.vm_id
        for step in (*for_nodes.early, *for_nodes.steps)
        if isinstance(step, ReplaceNode | RemoveNode)
    ]
    for_objects = objects.object_steps(target, view)
    groups, narrowed = narrowing.around(
        for_objects.groups, routed.before, view.farm(target.farm)
    )
    unneeded = leftovers.surplus(target, view, ending=ending)
    waves = (
        for_objects.document,
        groups,
        for_objects.network,
        for_objects.templates,
        routed.early,
        routed.before,
        narrowed,
        routed.nodes,
        routed.after,
        unneeded.objects,
        unneeded.groups,
        unneeded.documents,
        configuring.steps(view.farm(target.farm), for_nodes, configuration),
    )
    return Plan(
        farm=target.farm,
        kind=target.kind,
        site=site,
        endpoint=view.endpoint,
        version=view.version,
        seen_at=view.at,
        origin=target.origin,
        cidr=target.cidr,
        waves=_waves(waves),
        notes=(
            *for_objects.notes,
            *unneeded.notes,
            *for_nodes.notes,
            *routed.notes,
            *_still_rolling(rolls, for_objects.templates),
            *_open_public_network(target, view),
        ),
        keeps={**for_objects.keeps, **for_nodes.keeps},
        rolls=rolls,
        fingerprint=fingerprints.fingerprint(
            view,
            farm=target.farm,
            cidr=target.cidr,
            images=(shape.image for shape in target.shapes),
        ),
    )


def plan_destroy(farm: str, view: CloudView, *, site: str = "") -> Plan:
    """Return the steps that leave nothing of a farm.

    Nodes first; then the network and the templates; then the security groups; then the
    document, so that the farm is known until its end. What strangers hold will not go:
    the network, its security group and the document then stay, with a note.

    Args:
        farm: the farm's name.
        view: one look at the cloud.
        site: its name, for people.

    Raises:
        NotPossibleError: the farm is another user's.
    """
    _refuse_foreign(farm, view)
    mine = view.farm(farm)
    notes = [
        note
        for network in sorted(mine.networks, key=lambda each: each.id)
        if (note := leftovers.lodgers_of(network, mine)) is not None
    ]
    held = [
        note
        for network in sorted(mine.networks, key=lambda each: each.id)
        if (note := leftovers.holds_of(network, mine)) is not None
    ]
    networks = [
        _gone(Kind.NETWORK, each.id, each.name)
        for each in sorted(mine.networks, key=lambda each: each.id)
        if leftovers.lodgers_of(each, mine) is None
    ]
    templates = [
        _gone(Kind.TEMPLATE, each.id, each.name)
        for each in sorted(mine.templates, key=lambda each: _place(each.tag, each.id))
    ]
    used = {
        group
        for vm in mine.strangers
        for nic in vm.nics
        for group in nic.security_group_ids
    }
    groups = [
        _gone(Kind.SECURITY_GROUP, each.id, each.name)
        for each in sorted(mine.groups, key=lambda each: (each.name, each.id))
        if not notes and each.id not in used
    ]
    stays = len(networks) < len(mine.networks) or len(groups) < len(mine.groups)
    documents = [
        _gone(Kind.DOCUMENT, each.id, each.name)
        for each in sorted(mine.documents, key=lambda each: -each.id)
        if not stays
    ]
    return Plan(
        farm=farm,
        kind=document.kind(mine.document),
        site=site,
        endpoint=view.endpoint,
        version=view.version,
        seen_at=view.at,
        cidr=addresses.kept(mine),
        waves=_waves(
            (
                _endings(mine),
                [*networks, *templates],
                groups,
                documents,
            )
        ),
        notes=(*notes, *held),
        fingerprint=fingerprints.fingerprint(
            view, farm=farm, cidr=addresses.kept(mine), images=()
        ),
        destroys=True,
    )


def _waves(waves: Iterable[Iterable[Step]]) -> tuple[tuple[Step, ...], ...]:
    made = (tuple(wave) for wave in waves)
    return tuple(wave for wave in made if wave)


def _gone(kind: Kind, object_id: int, name: str) -> DeleteObject:
    return DeleteObject(kind=kind, id=object_id, name=name, because="the farm ends")


def _endings(mine: FarmView) -> list[Step]:
    living = [vm for vm in mine.vms if vm.state is not VmState.GONE]
    return [
        RemoveNode(
            vm_id=vm.id,
            name=vm.name,
            role=vm.tag.role if vm.tag else None,
            pool=vm.tag.pool if vm.tag else "",
            may_work=condition.may_work(
                vm, document.readiness(mine.document, _key(vm))
            ),
            because="the farm ends",
        )
        for vm in sorted(living, key=lambda vm: _place(vm.tag, vm.id))
    ]


def _key(vm: Vm) -> str:
    if vm.tag is None:
        return ""
    return vm.tag.pool or (vm.tag.role.value if vm.tag.role else "")


def _place(tag: Tag | None, own_id: int) -> tuple[int, str, int, int]:
    if tag is None:
        return (len(_ROLE_ORDER), "", 0, own_id)
    return (_ROLE_ORDER[tag.role], tag.pool, tag.ordinal, own_id)


def _still_rolling(
    rolls: Mapping[str, Rolled], templates: Iterable[Step]
) -> Iterator[Note]:
    """Say which pools roll already; one whose template changes now has a line."""
    begin = {step.tag.pool for step in templates if isinstance(step, ChangeObject)}
    for pool, rolled in rolls.items():
        if pool not in begin:
            yield Note(
                subject=pool,
                message=f"is rolled: {rolled.words}; the others are replaced as their "
                "jobs end",
            )


def _open_public_network(target: Target, view: CloudView) -> Iterator[Note]:
    """Say when the public network's own group lets everything in.

    An interface has its network's groups as well as its own (measured, 7.4.0), so the
    farm's group then limits nothing.
    """
    for shape in target.shapes:
        if not shape.public_network:
            continue
        network = resolve.find_network(shape.public_network, view)
        carried = network.attributes.get("SECURITY_GROUPS", "") if network else ""
        parts = carried.split(",") if isinstance(carried, str) else []
        if network is not None and _DEFAULT_GROUP in [part.strip() for part in parts]:
            yield Note(
                subject=f"network {network.name}",
                message="lets everything in to each router by OpenNebula's security "
                "group 0; the router's own firewall alone guards the farm. An admin "
                f"takes it off with onevnet update {network.id} --append FILE, the "
                'file being SECURITY_GROUPS=""',
            )


def _refuse_foreign(farm: str, view: CloudView) -> None:
    """Refuse a farm whose network an ordinary user sees, and whose document not."""
    mine = view.farm(farm)
    network = mine.network
    if network is None or mine.document is not None or view.user.admin:
        return
    if network.owner_id != view.user.id:
        owner = network.owner or f"user {network.owner_id}"
        raise NotPossibleError(
            f"The farm {farm} is {owner}'s: its network is there, and its document "
            f"is not shown to {view.user.name}.",
            hint=f"Choose another name, or ask {owner} for it.",
        )
