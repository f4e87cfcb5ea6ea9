"""A farm is changed by one process at a time, and a dead one holds up nobody."""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from documents import Documents, TurnedClock
from rig import Record

from farmctl.clock import SystemClock
from farmctl.errors import FarmLockedError
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Tag
from farmctl.model.view import Holder
from farmctl.reconcile import LockTakenOver, Options, Tempo, WaitingForLock, World
from farmctl.reconcile.identity import myself
from farmctl.reconcile.lock import FarmLock, LockLostError

FARM = "alice-wn"
HERE = Options(command="farmctl apply alice-wn.yaml", lock_wait=0.2)
QUICK = Tempo(poll_fastest=0.01, beat=0.05, holder_ttl=30.0, settle=0.02)
ELSEWHERE = Holder(
    host="ui02",
    boot="another boot",
    pid=4711,
    started="1",
    nonce="abcd",
    beat=7,
    command="farmctl scale alice-wn wn 9",
)


def world(cloud, *, clock=None, tempo=QUICK, record=None):
    record = record or Record()
    return World(
        cloud=cloud,
        site=None,
        clock=clock or SystemClock(),
        journal=record,
        contexts=None,
        routers=None,
        progress=record,
        tempo=tempo,
    )


def held_by(holder):
    cloud = Documents()
    made = cloud.create(Kind.DOCUMENT, FARM, Tag(farm=FARM), {})
    assert cloud.lock(made)
    cloud.write_document(made, {"sizes": {"wn": 9}}, holder)
    return cloud


def ended_process():
    """Return the pid of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_holding_a_farm_makes_its_document_locks_it_and_says_who():
    cloud = Documents()
    with FarmLock(world(cloud), FARM, HERE, body={"farm": {}}) as lock:
        (document,) = cloud.documents()
        assert document.lock is not None
        assert document.holder.command == "farmctl apply alice-wn.yaml"
        assert document.body == {"farm": {}}
        lock.write({"farm": {"kind": "batch"}})
    (document,) = cloud.documents()
    assert document.lock is None
    assert document.holder is None
    assert document.body == {"farm": {"kind": "batch"}}


class InAndOut(Documents):
    """Documents of which another process changes one between a look and the lock."""

    def lock(self, document_id):
        self.write_document(document_id, {"sizes": {"wn": 5}}, None)
        return super().lock(document_id)


def test_what_another_wrote_right_before_the_lock_is_kept():
    cloud = InAndOut()
    cloud.create(Kind.DOCUMENT, FARM, Tag(farm=FARM), {})
    with FarmLock(world(cloud), FARM, HERE):
        assert cloud.documents()[0].body == {"sizes": {"wn": 5}}
    assert cloud.documents()[0].body == {"sizes": {"wn": 5}}


def test_a_farm_held_by_a_living_process_is_refused_and_says_by_whom():
    cloud = Documents()
    record = Record()
    with FarmLock(world(cloud), FARM, HERE):
        with pytest.raises(FarmLockedError) as error:
            FarmLock(world(cloud, record=record), FARM, HERE).__enter__()
        assert "'farmctl apply alice-wn.yaml' (pid " in error.value.message
        assert cloud.documents()[0].lock is not None
    assert record.of(WaitingForLock)


def test_a_process_that_waits_gets_the_farm_when_the_other_is_done():
    cloud = Documents()
    first = FarmLock(world(cloud), FARM, HERE)
    first.__enter__()
    threading.Timer(0.2, first.__exit__, (None, None, None)).start()
    with FarmLock(world(cloud), FARM, replace(HERE, lock_wait=10)) as second:
        assert cloud.documents()[0].holder.nonce == second._holder.nonce


def test_the_lock_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once():
    cloud = held_by(replace(myself("farmctl apply"), pid=ended_process()))
    record = Record()
    before = time.monotonic()
    with FarmLock(world(cloud, record=record), FARM, HERE):
        assert time.monotonic() - before < 2
        assert cloud.documents()[0].holder.command == HERE.command
        assert cloud.documents()[0].body == {"sizes": {"wn": 9}}
    (taken,) = record.of(LockTakenOver)
    assert "has ended" in taken.because
    assert cloud.documents()[0].lock is None


def test_a_pid_that_was_given_to_another_process_does_not_keep_the_farm():
    cloud = held_by(replace(myself("farmctl apply"), started="1"))
    with FarmLock(world(cloud), FARM, HERE):
        assert cloud.documents()[0].holder.command == HERE.command


def test_a_lock_that_this_process_could_not_give_back_is_its_own_again():
    cloud = held_by(myself("farmctl apply, an hour ago"))
    with FarmLock(world(cloud), FARM, HERE):
        assert cloud.documents()[0].holder.command == HERE.command


def test_a_holder_elsewhere_that_is_silent_is_taken_over_after_the_time_to_live():
    cloud = held_by(ELSEWHERE)
    clock = TurnedClock()
    with FarmLock(world(cloud, clock=clock), FARM, HERE):
        assert 1030 <= clock.seconds < 1040


def test_a_holder_elsewhere_that_beats_is_refused_however_long_it_takes():
    cloud = held_by(ELSEWHERE)
    (document,) = cloud.documents()

    def beat():
        shown = cloud.all[document.id].holder
        later = replace(shown, beat=int(clock.seconds / 10))
        cloud.write_document(document.id, {}, later)

    clock = TurnedClock(each=beat)
    with pytest.raises(FarmLockedError, match="pid 4711 on ui02"):
        FarmLock(
            world(cloud, clock=clock), FARM, replace(HERE, lock_wait=100)
        ).__enter__()
    assert clock.seconds >= 1100
    assert cloud.documents()[0].holder.nonce == "abcd"


def test_a_lock_to_which_nobody_put_a_name_is_taken_over_after_a_short_grace():
    cloud = held_by(None)
    clock = TurnedClock()
    with FarmLock(world(cloud, clock=clock), FARM, HERE):
        assert 1005 <= clock.seconds < 1010


def test_of_many_that_take_over_at_once_one_has_the_farm_at_a_time():
    cloud = held_by(replace(myself("farmctl apply"), pid=ended_process()))
    inside, most, done = [], [], []

    def run():
        options = replace(HERE, lock_wait=60)
        tempo = replace(QUICK, settle=0.1, beat=5)
        with FarmLock(world(cloud, tempo=tempo), FARM, options) as lock:
            inside.append(lock)
            time.sleep(0.02)
            lock.check()
            most.append(len(inside))
            inside.remove(lock)
        done.append(lock)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8
    assert set(most) == {1}
    assert len(cloud.documents()) == 1


def test_of_many_that_make_the_document_at_once_all_agree_on_the_first():
    cloud = Documents()
    start = threading.Barrier(6)
    used = []

    def run():
        start.wait()
        with FarmLock(world(cloud), FARM, replace(HERE, lock_wait=60)) as lock:
            used.append(lock.document_id)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used == [5] * 6


def test_whoever_was_taken_over_notices_and_changes_nothing_more():
    cloud = Documents()
    with FarmLock(world(cloud), FARM, HERE) as lock:
        cloud.write_document(5, {}, ELSEWHERE)
        for _ in range(200):
            if lock.lost is not None:
                break
            time.sleep(0.01)
        with pytest.raises(LockLostError, match="taken alice-wn over"):
            lock.check()
    (document,) = cloud.documents()
    assert document.lock is not None, "it was another's to give back"
    assert document.holder == ELSEWHERE


def test_a_process_that_slept_looks_before_it_changes_anything():
    cloud = Documents()
    clock = TurnedClock()
    tempo = replace(QUICK, beat=3600)
    with FarmLock(world(cloud, clock=clock, tempo=tempo), FARM, HERE) as lock:
        cloud.write_document(5, {}, ELSEWHERE)
        lock.check()  # its last sign of life is fresh: nobody takes it for dead
        clock.sleep(25)
        with pytest.raises(LockLostError):
            lock.check()


def test_a_living_holder_beats():
    cloud = Documents()
    with FarmLock(world(cloud), FARM, HERE):
        for _ in range(200):
            if cloud.documents()[0].holder.beat >= 2:
                break
            time.sleep(0.01)
        assert cloud.documents()[0].holder.beat >= 2
