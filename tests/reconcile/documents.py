"""Documents in memory, as OpenNebula keeps and locks them; and a clock that turns."""

import itertools
import threading
import time
from dataclasses import replace

from farmctl.errors import GoneError
from farmctl.model.view import Document, Lock


class Documents:
    """The part of a cloud that a lock needs; shared by several threads."""

    def __init__(self):
        self._guard = threading.Lock()
        self._ids = itertools.count(5)
        self.all = {}

    def documents(self):
        with self._guard:
            return tuple(self.all.values())

    def create(self, kind, name, tag, attributes):
        with self._guard:
            made = next(self._ids)
            self.all[made] = Document(id=made, name=name, owner_id=0, tag=tag, body={})
            return made

    def lock(self, document_id):
        with self._guard:
            document = self._get(document_id)
            if document.lock is not None:
                return False
            lock = Lock(owner_id=0, since=int(time.time()), level=3)
            self.all[document_id] = replace(document, lock=lock)
            return True

    def unlock(self, document_id):
        with self._guard:
            self.all[document_id] = replace(self._get(document_id), lock=None)

    def write_document(self, document_id, body, holder):
        with self._guard:
            document = self._get(document_id)
            self.all[document_id] = replace(document, body=dict(body), holder=holder)

    def delete(self, kind, document_id):
        with self._guard:
            self.all.pop(document_id, None)

    def _get(self, document_id):
        if document_id not in self.all:
            raise GoneError(f"Error getting document [{document_id}].")
        return self.all[document_id]


class TurnedClock:
    """Stands still but for those who sleep; `each` is called after every sleep."""

    def __init__(self, each=None):
        self.seconds = 1000.0
        self.each = each

    def now(self):
        return 1_800_000_000 + self.seconds

    def monotonic(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += max(seconds, 0.001)
        if self.each is not None:
            self.each()
