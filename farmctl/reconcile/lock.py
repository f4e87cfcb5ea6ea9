"""The lock of a farm: one process changes it at a time, and a dead one holds up nobody.

The farm's document is the lock. OpenNebula's lock on it (ADMIN level, with the test
flag) is the atomic gate: of two callers one is refused, and the holder may still write
the document. The `Holder` written beside it says who is inside, and its beat that it
lives. `judgement` decides on a holder that may be dead; a dead holder's lock is taken
over by writing our name over its own, never by unlocking first: an unlocked moment
would let a third one in.

What is written where, in which order, and why:

* documents are not unique by name. After creating one, list them: the lowest id counts,
  a surplus one is deleted by whoever holds the lock (and by its own maker);
* the holder is erased before the unlock, so that behind a locked gate there is never
  the name of a process that has left;
* whoever takes over waits, reads again, writes, waits, and reads again. Of two the last
  writer wins, and the other one sees it.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from farmctl.errors import AnswerLostError, CloudError, FarmctlError, GoneError
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Tag
from farmctl.model.view import Document, Holder
from farmctl.reconcile.identity import myself
from farmctl.reconcile.judgement import Judge, Verdict, locked_error
from farmctl.reconcile.progress import LockTakenOver, WaitingForLock
from farmctl.reconcile.values import Options, World

_active: set[str] = set()
"""The nonces of this process' own live locks; another of ours is a leftover."""


class RunStoppedError(FarmctlError):
    """The run was asked to stop, or has to: nothing more is asked of the cloud."""


class LockLostError(FarmctlError):
    """Another process has taken this farm over: nothing more may be changed."""


class FarmLock:
    """A farm, held. Enter it to wait for the lock; leave it to give the lock back."""

    def __init__(
        self,
        world: World,
        farm: str,
        options: Options,
        *,
        body: Mapping[str, object] | None = None,
    ) -> None:
        """Prepare to hold a farm; `body` is for a document that says nothing yet."""
        self._world = world
        self._farm = farm
        self._options = options
        self._holder = myself(options.command)
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread: threading.Thread | None = None
        self._confirmed = 0.0
        self._body: Mapping[str, object] = body or {}
        self._gone = False
        self._left = False
        self.document_id = -1
        self.made = False
        """Whether there was no document, so that this lock has made one."""

    def __enter__(self) -> Self:
        _active.add(self._holder.nonce)
        try:
            document = self._acquire()
        except BaseException:
            _active.discard(self._holder.nonce)
            raise
        self.document_id = document.id
        self._body = document.body or self._body
        self._confirmed = self._world.clock.monotonic()
        self._thread = threading.Thread(
            target=self._keep_alive, name=f"holder of {self._farm}", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None and not self._left:
            self._thread.join()  # its beat may be under way; not to one that is away
        _active.discard(self._holder.nonce)
        if self._lost.is_set() or self._gone:
            return
        if self._left:
            self._note_left("OpenNebula does not answer.")
            return
        try:
            self.check()  # after a long sleep it may be another's to give back
            with self._writing:
                self._world.cloud.write_document(
                    self.document_id, dict(self._body), None
                )
                self._world.cloud.unlock(self.document_id)
        except (GoneError, LockLostError):
            pass
        except CloudError as problem:
            self._note_left(str(problem))

    def _note_left(self, because: str) -> None:
        # The next run recognises that this one is over and takes the lock over.
        self._world.journal.record(self._farm, "lock left behind", because=because)

    @property
    def lost(self) -> LockLostError | None:
        """The error to end with, if another process has taken the farm over."""
        if not self._lost.is_set():
            return None
        return LockLostError(
            f"Another process has taken {self._farm} over.",
            hint=f"Nothing more was changed here; see: farmctl status {self._farm}",
        )

    def leave_behind(self) -> None:
        """Do not try to give the lock back: OpenNebula is away.

        Waiting for it once more would only keep whoever waits for us; the next run
        takes the lock over.
        """
        self._left = True

    def check(self) -> None:
        """Make sure that the farm is still ours; to be called before each change.

        Asks OpenNebula only where the last sign of life is so old that somebody may
        have taken us for dead (a suspended laptop, a stopped process).

        Raises:
            LockLostError: another process has taken the farm over.
        """
        age = self._world.clock.monotonic() - self._confirmed
        if not self._lost.is_set() and age > self._world.tempo.holder_ttl * 2 / 3:
            self._beat()
        if self.lost is not None:
            raise self.lost

    def write(self, body: Mapping[str, object]) -> None:
        """Replace the body of the farm's document."""
        self.check()
        with self._writing:
            self._world.cloud.write_document(self.document_id, dict(body), self._holder)
            self._body = dict(body)

    def delete(self) -> None:
        """Delete the farm's document, and the lock with it: nothing is left."""
        with self._writing:
            self._world.cloud.delete(Kind.DOCUMENT, self.document_id)
            self._gone = True
        self._over.set()

    def _acquire(self) -> Document:
        judge = Judge(world=self._world, options=self._options, ours=_active)
        while True:
            if self._options.stop is not None and self._options.stop.is_set():
                raise RunStoppedError("It was asked to stop.")
            document = self._document()
            try:
                held = self._attempt(document, judge)
            except GoneError:
                continue  # destroyed in between: begin again
            if held is not None:
                return held

    def _attempt(self, document: Document, judge: Judge) -> Document | None:
        """Try once: return the document if we hold it now, None to look again."""
        cloud, clock = self._world.cloud, self._world.clock
        if document.lock is None:
            asked = clock.monotonic()
            try:
                if not cloud.lock(document.id):
                    return None
            except AnswerLostError:
                return None  # whose lock it is, the next look shows, or time
            slow = clock.monotonic() - asked > self._world.tempo.gate_grace / 2
            try:
                # Somebody may have been in and out since the documents were listed:
                # what they wrote is kept.
                document = self._read(document.id)
                if slow and (document.lock is None or document.holder is not None):
                    return None  # a lock that has no name for so long is taken over
                body = dict(document.body or self._body)
                cloud.write_document(document.id, body, self._holder)
            except CloudError:
                if not slow:  # else it may be another's by now
                    with suppress(CloudError):
                        cloud.unlock(document.id)
                raise
            return document
        verdict, because = judge.judge(document)
        if verdict is Verdict.DEAD:
            return self._take_over(document, because)
        if verdict is Verdict.REFUSED:
            raise locked_error(self._farm, document, clock.now())
        self._world.progress.tell(
            WaitingForLock(
                holder=document.holder,
                since=document.lock.since,
                seconds=judge.waited,
            )
        )
        clock.sleep(min(self._world.tempo.poll_slowest, judge.patience))
        return None

    def _document(self) -> Document:
        """Return the document that counts, made if there is none."""
        found = self._documents()
        if not found:
            self.made = True
            with suppress(CloudError):
                # Refused, lost or done: what counts is what the list shows next.
                self._world.cloud.create(
                    Kind.DOCUMENT, self._farm, Tag(farm=self._farm), {}
                )
            found = self._documents()
        if not found:
            self._world.cloud.create(
                Kind.DOCUMENT, self._farm, Tag(farm=self._farm), {}
            )
            found = self._documents()
        return found[0]

    def _documents(self) -> list[Document]:
        documents = self._world.reads.documents()
        ours = [each for each in documents if each.tag and each.tag.farm == self._farm]
        return sorted(ours, key=lambda each: each.id)

    def _take_over(self, document: Document, because: str) -> Document | None:
        """Write our name over a dead one; None if anything moved in the meantime."""
        world = self._world
        world.clock.sleep(world.tempo.settle)
        before = self._read(document.id)
        if before != document:
            return None
        body = dict(document.body or self._body)
        world.cloud.write_document(document.id, body, self._holder)
        world.clock.sleep(world.tempo.settle)
        after = self._read(document.id)
        if after.lock is None or not self._is_ours(after.holder):
            return None
        world.progress.tell(LockTakenOver(holder=document.holder, because=because))
        world.journal.record(self._farm, "lock taken over", because=because)
        return after

    def _read(self, document_id: int) -> Document:
        for document in self._documents():
            if document.id == document_id:
                return document
        raise GoneError(f"The document {document_id} of {self._farm} is gone.")

    def _is_ours(self, holder: Holder | None) -> bool:
        return holder is not None and holder.nonce == self._holder.nonce

    def _keep_alive(self) -> None:
        while not self._over.wait(self._world.tempo.beat):
            self._beat()
            if self._lost.is_set():
                return

    def _beat(self) -> None:
        """Say that we live, unless somebody else's name stands there."""
        with self._writing:
            if self._gone:
                return
            try:
                if not self._is_ours(self._read(self.document_id).holder):
                    self._lost.set()
                    return
                self._holder = replace(self._holder, beat=self._holder.beat + 1)
                self._world.cloud.write_document(
                    self.document_id, dict(self._body), self._holder
                )
            except GoneError:
                self._lost.set()
            except CloudError:
                return  # away: the next beat, or the next step, finds out
            else:
                self._confirmed = self._world.clock.monotonic()
