"""All objects of the cloud, what has changed among them, and what they look like.

One call is one transaction: whoever changes an object says `touch`, and at the end of
the call `commit` writes what was touched, or `rollback` reads it back from the store.
The XML of an object is kept until it is touched, so that a page of 2,000 VMs is a join.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from farmctl.embedded import refusal
from farmctl.embedded.entities import (
    Cluster,
    Datastore,
    Document,
    Entity,
    Group,
    Host,
    Image,
    MachineGroup,
    MachineTemplate,
    Network,
    NetworkTemplate,
    Router,
    Rule,
    ScheduledAction,
    SecurityGroup,
    User,
    Zone,
)
from farmctl.embedded.machine import Machine
from farmctl.embedded.refusal import Refusal
from farmctl.embedded.states import State
from farmctl.embedded.store import Store
from farmctl.embedded.uses import Uses
from farmctl.embedded.vdc import Vdc

E = TypeVar("E", bound=Entity)


class Pool(Generic[E]):
    """The objects of one kind, by id."""

    def __init__(self, entity: type[E]) -> None:
        self.entity = entity
        self.items: dict[int, E] = {}
        self.next_id = 0
        self.rendered: dict[int, dict[str, str]] = {}

    def __iter__(self) -> Iterator[E]:
        return iter(self.items.values())

    def __len__(self) -> int:
        return len(self.items)

    def find(self, object_id: int) -> E | None:
        """Return the object, None where there is none."""
        return self.items.get(object_id)

    def get(self, object_id: int) -> E:
        """Return the object.

        Raises:
            Refusal: there is none (1024).
        """
        found = self.items.get(object_id)
        if found is None:
            raise missing(self.entity, object_id)
        return found

    def named(self, name: str, uid: int | None = None) -> E | None:
        """Return the object of that name, and of that owner where one is given."""
        for item in self.items.values():
            if item.name == name and (uid is None or item.uid == uid):
                return item
        return None

    def xml(self, item: E, style: str, draw: Callable[[E], str]) -> str:
        """Return the object's XML in a style, drawn at most once per change."""
        styles = self.rendered.setdefault(item.id, {})
        found = styles.get(style)
        if found is None:
            found = styles[style] = draw(item)
        return found


def missing(entity: type[Entity], object_id: int) -> Refusal:
    """Return the refusal for an object that is not there."""
    what = f" [{object_id}]." if object_id != -1 else " Pool."
    message = f"Error getting {entity.noun}{what}"
    return Refusal(refusal.NO_EXISTS, message, object_id=object_id)


class Pools:
    """Every pool, with the transaction that all of them share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.users = Pool(User)
        self.groups = Pool(Group)
        self.rules = Pool(Rule)
        self.hosts = Pool(Host)
        self.clusters = Pool(Cluster)
        self.datastores = Pool(Datastore)
        self.images = Pool(Image)
        self.networks = Pool(Network)
        self.network_templates = Pool(NetworkTemplate)
        self.security_groups = Pool(SecurityGroup)
        self.templates = Pool(MachineTemplate)
        self.machines = Pool(Machine)
        self.documents = Pool(Document)
        self.routers = Pool(Router)
        self.machine_groups = Pool(MachineGroup)
        self.zones = Pool(Zone)
        self.vdcs = Pool(Vdc)
        self.schedule = Pool(ScheduledAction)
        self.uses = Uses()
        self.live: dict[int, Machine] = {}
        """The VMs that are not DONE."""
        self.waiting: dict[int, None] = {}
        """The VMs that the scheduler has to place, in the order of their asking."""
        self.version = 0
        """Counts the transactions that changed something."""
        self.values: dict[str, Any] = {}
        """What the cloud itself keeps: secrets, clock, defaults."""
        self._by_kind: dict[str, Pool[Any]] = {
            pool.entity.kind: pool
            for pool in vars(self).values()
            if isinstance(pool, Pool)
        }
        self._touched: dict[tuple[str, int], Entity] = {}
        self._removed: dict[tuple[str, int], None] = {}
        self._counted: dict[str, int] = {}
        self._noted: dict[str, Any] = {}

    def of(self, entity: type[E]) -> Pool[E]:
        """Return the pool of a kind."""
        found: Pool[E] = self._by_kind[entity.kind]
        return found

    def kinds(self) -> Iterable[Pool[Any]]:
        """Return all pools."""
        return self._by_kind.values()

    def load(self) -> bool:
        """Read everything from the store; say whether there was anything."""
        counters = self._store.value("next_id") or {}
        self.values = self._store.value("values") or {}
        for kind, object_id, body in self._store.objects():
            pool = self._by_kind[kind]
            pool.items[object_id] = pool.entity.from_body(body)
            pool.next_id = max(pool.next_id, object_id + 1)
        for kind, next_id in counters.items():
            self._by_kind[kind].next_id = max(self._by_kind[kind].next_id, next_id)
        for vm in self.machines:
            self._sort_in(vm)
            self.uses.follow(vm)
        return bool(counters)

    def new_id(self, entity: type[Entity]) -> int:
        """Take the next id of a kind; given back if the call fails."""
        pool = self._by_kind[entity.kind]
        self._counted.setdefault(entity.kind, pool.next_id)
        pool.next_id += 1
        return int(pool.next_id - 1)

    def add(self, item: Entity) -> None:
        """Put a new object into its pool."""
        self._by_kind[item.kind].items[item.id] = item
        self.touch(item)

    def touch(self, item: Entity) -> None:
        """Note that the object has changed."""
        self._touched[item.kind, item.id] = item
        if isinstance(item, Machine):
            self._sort_in(item)

    def remove(self, item: Entity) -> None:
        """Take the object out of its pool for good."""
        key = (item.kind, item.id)
        pool = self._by_kind[item.kind]
        pool.items.pop(item.id, None)
        pool.rendered.pop(item.id, None)
        self._touched.pop(key, None)
        self._removed[key] = None

    def note(self, name: str, value: Any) -> None:
        """Keep a value of the cloud itself."""
        self._noted.setdefault(name, self.values.get(name))
        self.values[name] = value

    def commit(self) -> None:
        """Write what has changed.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        if not (self._touched or self._removed or self._counted or self._noted):
            return
        values: dict[str, Any] = {}
        if self._counted:
            values["next_id"] = {k: p.next_id for k, p in self._by_kind.items()}
        if self._noted:
            values["values"] = self.values
        # A VM's state may have changed again since it was touched.
        for item in self._touched.values():
            self._by_kind[item.kind].rendered.pop(item.id, None)
            if isinstance(item, Machine):
                self._sort_in(item)
                self._redraw(item)
        rows = [
            (kind, object_id, item.body())
            for (kind, object_id), item in self._touched.items()
        ]
        self._store.write(rows, self._removed, values)
        self.version += 1
        self._forget()

    def rollback(self) -> None:
        """Read everything that was changed back from the store."""
        for kind, object_id in [*self._touched, *self._removed]:
            pool = self._by_kind[kind]
            pool.rendered.pop(object_id, None)
            body = self._store.body(kind, object_id)
            if body is None:
                pool.items.pop(object_id, None)
                if kind == Machine.kind:
                    self.live.pop(object_id, None)
                    self.waiting.pop(object_id, None)
                continue
            item = pool.items[object_id] = pool.entity.from_body(body)
            if isinstance(item, Machine):
                self._sort_in(item)
        if self._removed:
            # What had been taken out came back at the end; ids are kept in order.
            for pool in self._by_kind.values():
                pool.items = dict(sorted(pool.items.items()))
        for kind, next_id in self._counted.items():
            self._by_kind[kind].next_id = next_id
        self.values.update(self._noted)
        self._forget()

    def _redraw(self, vm: Machine) -> None:
        for kind, object_id in self.uses.follow(vm):
            self._by_kind[kind].rendered.pop(object_id, None)

    def _sort_in(self, vm: Machine) -> None:
        if vm.state is State.DONE:
            self.live.pop(vm.id, None)
        else:
            self.live[vm.id] = vm
        if vm.state is State.PENDING or (vm.resched and vm.state is not State.DONE):
            self.waiting[vm.id] = None
        else:
            self.waiting.pop(vm.id, None)

    def _forget(self) -> None:
        self._touched.clear()
        self._removed.clear()
        self._counted.clear()
        self._noted.clear()

    def machines_on(self, host: Host) -> list[Machine]:
        """Return the VMs whose current record is on that host and not over."""
        return [self.machines.items[i] for i in host.vms if i in self.live]
