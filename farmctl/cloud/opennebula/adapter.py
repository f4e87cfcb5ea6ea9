"""OpenNebula behind the cloud port.

Each method is the calls that the port names, made over `wire`, written with `text` and
`tags` and read with `reader` and `accounts`. Nothing is remembered between calls but
who the user is: the cloud is the state.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, assert_never

from farmctl.clock import Clock, SystemClock
from farmctl.cloud.opennebula import accounts, paging, reader, tags, text
from farmctl.cloud.opennebula.concurrency import at_once
from farmctl.cloud.opennebula.session import Session
from farmctl.cloud.opennebula.version import check_version
from farmctl.cloud.opennebula.wire import Wire
from farmctl.errors import BadAnswerError, BusyError, GoneError, LockedError
from farmctl.model.attributes import Attributes, Kind
from farmctl.model.nodes import Mark, Tag
from farmctl.model.view import (
    Capacity,
    CloudView,
    Document,
    Holder,
    Network,
    Quota,
    User,
    Vm,
)

DOCUMENT_TYPE = 4270
"""The type of farmctl's documents; OpenNebula leaves types to their users."""

PAGE = 2000
"""VMs read by one call: about 10 MB."""

_IDS_AT_ONCE = 1000

_ALL_VISIBLE = -2
_REPLACE = 0
_MERGE = 1
_LOCK_ADMIN = 3
"""The lock level under which a document can still be written, and not locked again."""

_RECOVER_DELETE = 3

_FIXED_OF_NETWORK = frozenset(
    {
        "AR",
        "BRIDGE",
        "BRIDGE_TYPE",
        "PHYDEV",
        "VN_MAD",
        "VLAN_ID",
        "OUTER_VLAN_ID",
        "AUTOMATIC_VLAN_ID",
        "AUTOMATIC_OUTER_VLAN_ID",
        "PARENT_NETWORK_ID",
        "TEMPLATE_ID",
        "NAME",
    }
)
"""What a network is made with and keeps.

Ranges have calls of their own; the others would move running VMs to another bridge or
VLAN, or belong to OpenNebula.
"""

_POOL_CALL = {
    Kind.DOCUMENT: "one.document",
    Kind.SECURITY_GROUP: "one.secgroup",
    Kind.NETWORK: "one.vn",
    Kind.TEMPLATE: "one.template",
}


class OpenNebula:
    """One OpenNebula as one user sees it; implements `farmctl.cloud.port.Cloud`."""

    def __init__(
        self,
        endpoint: str,
        session: Session,
        *,
        timeout: float = 60.0,
        patience: float = 60.0,
        connect_timeout: float = 5.0,
        cafile: str | None = None,
        clock: Clock | None = None,
        page: int = PAGE,
    ) -> None:
        """Prepare the adapter; nothing is sent yet.

        Args:
            endpoint: the URL of OpenNebula's XML-RPC.
            session: who asks.
            timeout: seconds of silence after which an answer counts as lost.
            patience: seconds during which harmless calls are repeated.
            connect_timeout: seconds to wait for a connection.
            cafile: certificates to trust for https instead of the system's.
            clock: for pauses; the machine's if none is given.
            page: VMs read by one call.
        """
        self._clock = clock if clock is not None else SystemClock()
        self._wire = Wire(
            endpoint,
            session,
            clock=self._clock,
            timeout=timeout,
            connect_timeout=connect_timeout,
            patience=patience,
            cafile=cafile,
        )
        self._page = page

    @property
    def endpoint(self) -> str:
        return self._wire.endpoint

    def observe(self, called: Callable[[str], None]) -> None:
        """Tell `called` of each call that is sent from now on, by its method's name."""
        self._wire.called = called

    def look(self) -> CloudView:
        """Read the whole cloud; see the port.

        The calls are made at once and are no transaction: a VM may show a network
        that the pool of networks does not show yet. A ninth call reads the quota of
        the user's group, for users to whom quotas apply.
        """
        at = self._clock.now()
        with at_once() as submit:
            version = submit(self._version)
            account = submit(self._account)
            vms = submit(self._all_vms)
            networks = submit(self._read, "one.vnpool.info", reader.networks)
            groups = submit(self._read, "one.secgrouppool.info", reader.security_groups)
            templates = submit(self._read, "one.templatepool.info", reader.templates)
            documents = submit(self.documents)
            images = submit(self._read, "one.imagepool.info", reader.images)
            # The version first: what an unknown one answers elsewhere tells nothing.
            number = version.result()
            user, quotas = account.result()
            return CloudView(
                at=at,
                version=number,
                endpoint=self.endpoint,
                user=user,
                quotas=quotas,
                vms=tuple(vms.result()),
                networks=tuple(networks.result()),
                groups=tuple(groups.result()),
                templates=tuple(templates.result()),
                documents=tuple(documents.result()),
                images=tuple(images.result()),
            )

    def capacity(self) -> Capacity:
        with at_once() as submit:
            hosts = submit(self._ask_large, "one.hostpool.info")
            datastores = submit(self._ask_large, "one.datastorepool.info")
            return reader.capacity(
                "one.hostpool.info",
                hosts.result(),
                "one.datastorepool.info",
                datastores.result(),
            )

    def documents(self) -> Sequence[Document]:
        return self._read("one.documentpool.info", reader.documents, DOCUMENT_TYPE)

    def networks(self) -> Sequence[Network]:
        return self._read("one.vnpool.info", reader.networks)

    def vms(self, ids: Collection[int]) -> Sequence[Vm]:
        method = "one.vmpool.infoset"
        ordered = sorted(set(ids))
        found: list[Vm] = []
        for start in range(0, len(ordered), _IDS_AT_ONCE):
            some = ",".join(str(each) for each in ordered[start : start + _IDS_AT_ONCE])
            found += reader.vms(method, self._ask(method, some, True, large=True))
        return found

    def create(self, kind: Kind, name: str, tag: Tag, attributes: Attributes) -> int:
        """Make an object; see the port.

        A network takes a second call where it names security groups: OpenNebula adds
        its own open group 0 to those of a new network, and an update takes it away.
        """
        written = text.emit(
            {
                "NAME": text.check_name(name),
                **_without_name(attributes),
                **tags.tag_attributes(tag),
            }
        )
        method = f"{_POOL_CALL[kind]}.allocate"
        match kind:
            case Kind.DOCUMENT:
                made = self._wire.call(method, written, DOCUMENT_TYPE)
            case Kind.NETWORK:
                made = self._wire.call(method, written, -1)
            case Kind.SECURITY_GROUP | Kind.TEMPLATE:
                made = self._wire.call(method, written)
            case _:
                assert_never(kind)
        object_id = _id(method, made)
        if kind is Kind.NETWORK and "SECURITY_GROUPS" in attributes:
            groups = {"SECURITY_GROUPS": attributes["SECURITY_GROUPS"]}
            self._update(kind, object_id, groups, _MERGE)
        return object_id

    def change(
        self, kind: Kind, object_id: int, name: str, tag: Tag, attributes: Attributes
    ) -> None:
        """Replace the content of an object; see the port.

        A second call gives all but documents their name, should somebody have renamed
        them: a NAME in an update would be an attribute and rename nothing.
        """
        content = {**_without_name(attributes), **tags.tag_attributes(tag)}
        match kind:
            case Kind.NETWORK:
                kept = {
                    each: value
                    for each, value in content.items()
                    if each not in _FIXED_OF_NETWORK
                }
                self._update(kind, object_id, kept, _MERGE)
            case Kind.DOCUMENT:
                self._update(kind, object_id, content, _MERGE)
            case Kind.SECURITY_GROUP | Kind.TEMPLATE:
                self._update(kind, object_id, content, _REPLACE)
            case _:
                assert_never(kind)
        if kind is not Kind.DOCUMENT:
            method = f"{_POOL_CALL[kind]}.rename"
            self._wire.call(method, object_id, text.check_name(name), repeatable=True)

    def delete(self, kind: Kind, object_id: int) -> None:
        method = f"{_POOL_CALL[kind]}.delete"
        # Without its images. (A network's flag, by force, is not in 6.10.)
        more = (False,) if kind is Kind.TEMPLATE else ()
        try:
            self._wire.call(method, object_id, *more, repeatable=True)
        except GoneError:
            return

    def write_document(
        self, document_id: int, body: Mapping[str, object], holder: Holder | None
    ) -> None:
        content = tags.document_attributes(body, holder)
        self._update(Kind.DOCUMENT, document_id, content, _MERGE)

    def lock(self, document_id: int) -> bool:
        try:
            self._wire.call("one.document.lock", document_id, _LOCK_ADMIN, True)
        except (BusyError, LockedError):
            return False
        return True

    def unlock(self, document_id: int) -> None:
        """Unlock a document; see the port.

        Raises:
            LockedError: another user has locked it.
        """
        try:
            self._wire.call("one.document.unlock", document_id, repeatable=True)
        except GoneError:
            return
        except (BusyError, LockedError):
            # OpenNebula says "owned by another user" also where nobody has locked it.
            method = "one.document.info"
            shown = self._ask(method, document_id, False, False)
            if reader.is_locked(method, shown):
                raise

    def instantiate(
        self,
        template_id: int,
        name: str,
        tag: Tag,
        attributes: Attributes,
        *,
        hold: bool,
    ) -> int:
        method = "one.template.instantiate"
        tagged = tags.node_attributes(tag, text.check_name(name))
        extra = text.emit({**_without_name(attributes), **tagged})
        made = self._wire.call(method, template_id, name, hold, extra, False)
        return _id(method, made)

    def deploy(self, vm_id: int, *, host_id: int, datastore_id: int) -> None:
        self._wire.call("one.vm.deploy", vm_id, host_id, True, datastore_id, "")

    def release(self, vm_id: int) -> None:
        try:
            self._act("release", vm_id)
        except BusyError:
            return

    def start(self, vm_id: int) -> None:
        self._act("resume", vm_id)

    def unready(self, vm_id: int) -> None:
        written = text.emit({"READY": "NO"})
        self._wire.call("one.vm.update", vm_id, written, _MERGE, repeatable=True)

    def end(self, vm_id: int, *, force: bool = False) -> None:
        try:
            self._act("terminate-hard", vm_id)
        except GoneError:
            return
        except BusyError:
            if not force:
                raise
            self._wire.call("one.vm.recover", vm_id, _RECOVER_DELETE, repeatable=True)

    def forget(self, vm_id: int) -> None:
        try:
            self._wire.call("one.vm.recover", vm_id, _RECOVER_DELETE, repeatable=True)
        except GoneError:
            return

    def mark(self, vm_id: int, mark: Mark) -> None:
        written = text.emit(tags.mark_attributes(mark))
        self._wire.call("one.vm.update", vm_id, written, _MERGE, repeatable=True)

    def reconfigure(self, vm_id: int, context: Mapping[str, str]) -> None:
        """Set variables of CONTEXT; see the port.

        Merged, not replaced: what OpenNebula itself has put there (ETH0_IP and the
        like) may not be written, and what is not named stays.
        """
        written = text.emit({"CONTEXT": context})
        self._wire.call("one.vm.updateconf", vm_id, written, _MERGE, repeatable=True)

    def close(self) -> None:
        self._wire.close()

    def _act(self, action: str, vm_id: int) -> None:
        self._wire.call("one.vm.action", action, vm_id, repeatable=True)

    def _update(
        self, kind: Kind, object_id: int, content: Attributes, mode: int
    ) -> None:
        self._wire.call(
            f"{_POOL_CALL[kind]}.update",
            object_id,
            text.emit(content),
            mode,
            repeatable=True,
        )

    def _version(self) -> str:
        return check_version(self._ask("one.system.version"))

    def _account(self) -> tuple[User, tuple[Quota, ...]]:
        method = "one.user.info"
        user, group_id, own = accounts.user(method, self._ask(method, -1, False))
        found = [own]
        if group_id != accounts.ONEADMIN:
            method = "one.group.info"
            shown = self._ask(method, group_id, False)
            found.append(accounts.group_quota(method, shown))
        return user, tuple(each for each in found if each is not None)

    def _all_vms(self) -> list[Vm]:
        return paging.all_vms(self._ask_large, page=self._page)

    def _read(
        self, method: str, read: Callable[[str, str], list[Any]], *more: int
    ) -> list[Any]:
        shown = self._ask(method, _ALL_VISIBLE, -1, -1, *more, large=True)
        return read(method, shown)

    def _ask(self, method: str, *args: object, large: bool = False) -> str:
        answer = self._wire.call(method, *args, repeatable=True, large=large)
        if not isinstance(answer, str):
            raise BadAnswerError(f"{method} was answered with {answer!r}, not a text.")
        return answer

    def _ask_large(self, method: str, *args: object) -> str:
        return self._ask(method, *args, large=True)


def _without_name(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if name != "NAME"}


def _id(method: str, answer: object) -> int:
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise BadAnswerError(f"{method} was answered with {answer!r}, not an id.")
    return answer
