"""Which nodes are to be configured: new ones, and those that others configured last.

A node carries the digest of what it was configured with in its mark. Whether anything
configures a farm, and with what, is known by who logs in to its guests; here it is one
text that changes when any of that does.
"""

from farmctl.model.nodes import Role, node_name
from farmctl.model.steps import (
    AwaitNode,
    ConfigureNodes,
    CreateNode,
    ReplaceNode,
    StartNode,
    Step,
)
from farmctl.model.view import FarmView, Vm
from farmctl.plan.nodes import NodeSteps

NEW = "not configured yet"
CHANGED = "what configures them has changed"

_ORDER = {Role.ROUTER: 0, Role.HEAD: 1, Role.WORKER: 2}


def steps(mine: FarmView, for_nodes: NodeSteps, configuration: str) -> list[Step]:
    """Return the step that configures what the plan leaves unconfigured, if any.

    Args:
        mine: what the cloud shows of the farm.
        for_nodes: the plan's steps for nodes, and those that stay as they are.
        configuration: the digest that a configured node carries; empty: none is.
    """
    if not configuration:
        return []
    by_id = {vm.id: vm for vm in mine.vms}
    names: dict[str, Role] = {}
    changed = 0
    for vm in for_nodes.kept:
        tag = vm.tag
        if tag is not None and tag.role is not None and not _is(vm, configuration):
            names[node_name(mine.farm, tag.role, tag.pool, tag.ordinal)] = tag.role
            changed += bool(vm.mark.configured)
    for step in (*for_nodes.early, *for_nodes.steps):
        match step:
            case CreateNode() | ReplaceNode():
                names[step.node.name] = step.node.role
            case StartNode() | AwaitNode():
                if not _is(by_id.get(step.vm_id), configuration):
                    names[step.node.name] = step.node.role
    if not names:
        return []
    return [
        ConfigureNodes(
            names=tuple(sorted(names, key=lambda name: (_ORDER[names[name]], name))),
            configuration=configuration,
            because=CHANGED if changed else NEW,
        )
    ]


def _is(vm: Vm | None, configuration: str) -> bool:
    return vm is not None and vm.mark.configured == configuration
