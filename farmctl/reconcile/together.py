"""Reads of the cloud that the farms of one process share.

A run looks under its farm's lock and once more at its end, and may rest on nothing
that was read before it asked. Where many farms are worked at side by side, all that ask
while one read is under way are answered by the next one: it begins after the last of
them has asked, so that nobody gets anything older than by a read of one's own. How
often the cloud is read then depends on how long the farms take, not on how many they
are.

Reads of single VMs, and everything that changes the cloud, are each run's own.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from farmctl.cloud.port import Cloud
from farmctl.model.view import Capacity, CloudView, Document, Network

_T = TypeVar("_T")


class Reads(Protocol):
    """What is read of the whole cloud; see the cloud port."""

    def look(self) -> CloudView:
        """Read the whole cloud, capacity aside."""
        ...

    def capacity(self) -> Capacity:
        """Read hypervisors and datastores."""
        ...

    def documents(self) -> Sequence[Document]:
        """Read the farms' documents alone."""
        ...

    def networks(self) -> Sequence[Network]:
        """Read all networks alone."""
        ...


class Shared(Generic[_T]):
    """One read at a time; all who ask meanwhile share the next. Safe for threads."""

    def __init__(self, read: Callable[[], _T]) -> None:
        self._read = read
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._next: Future[_T] | None = None
        self.waiting = 0
        """How many share the read that comes next."""

    def __call__(self) -> _T:
        """Return what was read since this was called; an error is everybody's."""
        with self._guard:
            self.waiting += 1
            leads = self._next is None
            answer = self._next = self._next or Future()
        if leads:
            with self._turn:
                with self._guard:
                    self._next = None  # who asks from now on gets a later one
                    self.waiting = 0
                try:
                    answer.set_result(self._read())
                except BaseException as problem:
                    answer.set_exception(problem)
                    raise
        return answer.result()


class Together:
    """The shared reads of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.look = Shared(cloud.look)
        self.capacity = Shared(cloud.capacity)
        self.documents = Shared(cloud.documents)
        self.networks = Shared(cloud.networks)
