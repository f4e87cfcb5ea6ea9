"""Reads that several share: few of them, and none older than it was asked for."""

import threading

import pytest

from farmctl.errors import UnreachableError
from farmctl.reconcile.together import Shared

PATIENCE = 10.0


class Source:
    """Something to read: each read waits until it is let go, and tells its number."""

    def __init__(self):
        self.begun = 0
        self.started = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.broken = False

    def read(self):
        self.begun += 1
        number = self.begun
        self.started.release()
        assert self.let_go.acquire(timeout=PATIENCE)
        if self.broken:
            raise UnreachableError("nobody answers")
        return number


class Askers:
    """Threads that ask at once, and what each was told."""

    def __init__(self, shared):
        self.shared = shared
        self.answers = []
        self.threads = []

    def ask(self, count=1):
        for _ in range(count):
            thread = threading.Thread(target=self._ask)
            thread.start()
            self.threads.append(thread)

    def _ask(self):
        try:
            self.answers.append(self.shared())
        except UnreachableError as error:
            self.answers.append(error.message)

    def until_all_have_asked(self):
        waiting = threading.Event()
        for _ in range(1000):
            if self.shared.waiting == len(self.threads):
                return
            waiting.wait(0.01)
        raise AssertionError("not all have asked")

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def source():
    return Source()


def test_all_who_ask_while_one_reads_share_the_next_read(source):
    shared = Shared(source.read)
    first, others = Askers(shared), Askers(shared)
    first.ask()
    assert source.started.acquire(timeout=PATIENCE)
    others.ask(20)
    others.until_all_have_asked()
    source.let_go.release(2)
    first.join()
    others.join()
    assert first.answers == [1]
    assert others.answers == [2] * 20
    assert source.begun == 2


def test_nobody_is_given_what_was_being_read_before_it_asked(source):
    shared = Shared(source.read)
    first, second = Askers(shared), Askers(shared)
    first.ask()
    assert source.started.acquire(timeout=PATIENCE)
    second.ask()
    source.let_go.release()
    first.join()
    assert second.answers == []
    source.let_go.release()
    second.join()
    assert second.answers == [2]


def test_one_after_the_other_reads_each_time(source):
    shared = Shared(source.read)
    source.let_go.release(3)
    assert [shared(), shared(), shared()] == [1, 2, 3]


def test_an_error_is_told_to_all_who_share_it_and_the_next_read_begins_anew(source):
    shared = Shared(source.read)
    first, others = Askers(shared), Askers(shared)
    first.ask()
    assert source.started.acquire(timeout=PATIENCE)
    others.ask(3)
    others.until_all_have_asked()
    source.broken = True
    source.let_go.release(2)
    first.join()
    others.join()
    assert first.answers == ["nobody answers"]
    assert others.answers == ["nobody answers"] * 3
    source.broken = False
    source.let_go.release()
    assert shared() == 3
