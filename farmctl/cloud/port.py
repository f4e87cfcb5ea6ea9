"""The cloud port: all that farmctl ever asks of a cloud.

Small on purpose. Everything above speaks to this `Protocol`; `opennebula` is its one
adapter, and the embedded cloud is reached through it like any other. Each method makes
the calls its docstring names and no more; errors are those of `farmctl.errors`.

What may be repeated: reading, `change`, `delete`, `end`, `start`, `mark` and
`reconfigure` are harmless to repeat, and the adapter does so after a time-out.
`create`, `instantiate` and `deploy` are not: a lost answer is raised as
`AnswerLostError`, and the caller looks again before it asks again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from farmctl.model.attributes import Attributes, Kind
from farmctl.model.nodes import Mark, Tag
from farmctl.model.view import (
    Capacity,
    CloudView,
    Document,
    Holder,
    Network,
    Vm,
)


class Cloud(Protocol):
    """One OpenNebula, reached with one user's credentials."""

    @property
    def endpoint(self) -> str:
        """The URL, without any secret."""
        ...

    def look(self) -> CloudView:
        """Read the whole cloud, capacity aside, as the user may see it.

        Eight calls (version, user, documents, VMs, networks, security groups,
        templates, images), made at once and no transaction; more only where the VM
        pool takes several pages, and one for the quota of a user's group.
        """
        ...

    def capacity(self) -> Capacity:
        """Read hypervisors and datastores: two calls."""
        ...

    def documents(self) -> Sequence[Document]:
        """Read the farms' documents alone: one call."""
        ...

    def networks(self) -> Sequence[Network]:
        """Read all networks alone, those still on their way included: one call."""
        ...

    def vms(self, ids: Collection[int]) -> Sequence[Vm]:
        """Read some VMs in one call, those that have ended included (state GONE).

        Ids that were never given, or that the user may not see, are left out.
        """
        ...

    def create(self, kind: Kind, name: str, tag: Tag, attributes: Attributes) -> int:
        """Make an object and return its id. Not to be repeated unseen.

        One call; a second one gives a network the security groups it asks for and no
        other. A network is usable a moment later.

        Raises:
            NameTakenError: one of that name and owner is there (never for documents).
        """
        ...

    def change(
        self, kind: Kind, object_id: int, name: str, tag: Tag, attributes: Attributes
    ) -> None:
        """Replace the content and the name of a security group or template.

        Of a network, what can be changed is set and the rest kept; of a document, the
        tag is set, and its body and name are kept. Two calls.
        """
        ...

    def delete(self, kind: Kind, object_id: int) -> None:
        """Delete an object; one that is gone is a success.

        Raises:
            BusyError: it is in use, or still on its way.
        """
        ...

    def write_document(
        self, document_id: int, body: dict[str, object], holder: Holder | None
    ) -> None:
        """Replace the body and the holder of a farm's document."""
        ...

    def lock(self, document_id: int) -> bool:
        """Lock a document; False if it is locked already, by whomever. Atomic.

        A locked document can still be written and deleted. A lost answer is raised as
        `AnswerLostError`: the lock may be ours.
        """
        ...

    def unlock(self, document_id: int) -> None:
        """Unlock a document; one that is gone or not locked is a success.

        Raises:
            LockedError: another user has locked it.
        """
        ...

    def instantiate(
        self,
        template_id: int,
        name: str,
        tag: Tag,
        attributes: Attributes,
        *,
        hold: bool,
    ) -> int:
        """Make a VM of a template and return its id. Not to be repeated unseen."""
        ...

    def deploy(self, vm_id: int, *, host_id: int, datastore_id: int) -> None:
        """Start a held, pending or undeployed VM on this hypervisor, capacity enforced.

        Raises:
            BusyError: it is in no state for this (such as running already).
            RefusedError: it does not fit there.
        """
        ...

    def release(self, vm_id: int) -> None:
        """Hand a held VM to OpenNebula's scheduler; one that is not held is left."""
        ...

    def start(self, vm_id: int) -> None:
        """Resume a VM that is powered off, suspended, stopped or undeployed."""
        ...

    def unready(self, vm_id: int) -> None:
        """Have a VM count as not up until its guest says again that it is.

        OpenNebula keeps what a guest has said beyond the end of its boot.
        """
        ...

    def end(self, vm_id: int, *, force: bool = False) -> None:
        """Terminate a VM at once; gone is a success.

        With `force` a transient state is no hindrance (a node that hangs in its boot):
        OpenNebula is told to forget the VM, which takes ADMIN right.

        Raises:
            BusyError: a transient state forbids it for now.
            NotAuthorisedError: it takes force, and the user may not use it.
        """
        ...

    def forget(self, vm_id: int) -> None:
        """End a VM whose hypervisor does not answer; gone is a success.

        Terminating it would be accepted and come to nothing, since nobody carries it
        out. OpenNebula is told to delete it, which takes ADMIN right.
        """
        ...

    def mark(self, vm_id: int, mark: Mark) -> None:
        """Replace the mark of a VM."""
        ...

    def reconfigure(self, vm_id: int, context: Mapping[str, str]) -> None:
        """Set variables of a VM's CONTEXT; all others stay as they are.

        A running VM takes part in it: it is busy for a moment (HOTPLUG), and its guest
        sees its context anew. Nothing else about it changes.

        Raises:
            BusyError: it is in no state for this.
        """
        ...

    def close(self) -> None:
        """Give back the connections."""
        ...
