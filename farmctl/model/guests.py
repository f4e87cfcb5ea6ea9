"""Guests: the operating systems inside a farm's nodes, as far as we log in to them.

Values and the one `Protocol` that `context`, `batch`, `playbook`, `check` and `ssh`
share. Who may log in, and how the way leads through the router, is the business of
`ssh`; which nodes there are is read from the view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from farmctl.model.nodes import Role, VmState, node_name
from farmctl.model.view import FarmView


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One node that can be logged in to.

    `address` is the one in the farm's class C, `public_address` the router's own
    outside (empty for all others). `host_key` is the SSH host key that the guest told
    OneGate of itself, `TYPE BASE64`; empty where it told none. `since` is when its VM
    was asked for, seconds since the epoch: another VM of that id began at another time.
    """

    vm_id: int
    name: str
    role: Role
    pool: str = ""
    address: str
    public_address: str = ""
    host_key: str = ""
    cpus: float = 0.0
    memory_mib: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a command in a guest: its exit status and what it wrote."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestProgress:
    """How far the configuring of one guest has come; told from any thread.

    `task` is what is done there now, or was done last. `over`: nothing more is to be
    done; then `failure` says why it failed, and is empty if it did not.
    """

    name: str
    task: str
    over: bool = False
    failure: str = ""


class Shell(Protocol):
    """Runs commands in the guests of one farm; safe to call from several threads."""

    def run(
        self,
        guest: Guest,
        command: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 30.0,
    ) -> Ran:
        """Run a program with its arguments, each quoted for the guest's shell.

        Raises:
            UnreachableError: the guest, or the router on the way, does not answer.
            NotAuthenticatedError: it answers, and lets us not in or is not who it was.
        """
        ...


def guests(farm: FarmView) -> tuple[Guest, ...]:
    """Return the farm's nodes that run, by their names; strangers are none.

    The name is the one that the router knows, whatever somebody called the VM since.
    """
    inner = None if farm.network is None else farm.network.id
    found = [
        Guest(
            vm_id=vm.id,
            name=node_name(farm.farm, vm.tag.role, vm.tag.pool, vm.tag.ordinal),
            role=vm.tag.role,
            pool=vm.tag.pool,
            address=next((n.address for n in vm.nics if n.network_id == inner), ""),
            public_address=next(
                (n.address for n in vm.nics if n.network_id != inner), ""
            ),
            host_key=vm.host_key,
            cpus=vm.cpus,
            memory_mib=vm.memory_mib,
            since=vm.since,
        )
        for vm in farm.vms
        if vm.state in _UP and vm.tag is not None and vm.tag.role is not None
    ]
    return tuple(sorted(found, key=lambda each: each.name))


_UP = frozenset({VmState.RUNNING, VmState.MOVING})
