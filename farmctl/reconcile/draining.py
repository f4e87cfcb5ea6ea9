"""A drain by hand: noted on the node's VM, where every daemon and every apply sees it.

The mark is what counts. That the batch system gives the node no new work is asked for
by whoever can reach it, and again by each round of a daemon until it is so.
"""

from dataclasses import replace

from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.view import Vm
from farmctl.reconcile.lock import FarmLock
from farmctl.reconcile.statuses import status
from farmctl.reconcile.values import Options, World
from farmctl.spec.suggestions import did_you_mean


def mark_draining(
    world: World, farm: str, node: str, options: Options, *, draining: bool
) -> str:
    """Note on a worker that it is to be drained, or that it is not any more.

    Returns:
        The worker's full name.

    Raises:
        NotPossibleError: there is no such farm, or no such worker.
        FarmLockedError: somebody else is changing this farm.
        CloudError: OpenNebula does not answer, or refuses.
    """
    view = world.cloud.look()
    status(world, farm, view=view)  # knows what to say of a farm that is not there
    workers = {
        node_name(farm, Role.WORKER, vm.tag.pool, vm.tag.ordinal): vm
        for vm in view.farm(farm).vms
        if vm.tag is not None
        and vm.tag.role is Role.WORKER
        and vm.state not in {VmState.ENDING, VmState.GONE}
    }
    node = f"{farm}-{node}" if f"{farm}-{node}" in workers else node
    if node not in workers:
        raise NotPossibleError(
            f"{farm} has no worker {node!r}.",
            hint=did_you_mean(node, list(workers), else_say="It has"),
        )
    if workers[node].mark.draining is draining:
        return node
    with FarmLock(world, farm, options) as lock:
        for vm in world.cloud.vms([workers[node].id]):
            lock.check()
            _mark(world, vm, draining=draining)
    event = "drain asked for" if draining else "drain taken back by hand"
    world.journal.record(farm, event, because=options.command, subject=node)
    return node


def _mark(world: World, vm: Vm, *, draining: bool) -> None:
    world.cloud.mark(vm.id, replace(vm.mark, draining=draining))
