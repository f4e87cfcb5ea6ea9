"""Who slept so long that another took the farm over leaves the lock to it."""

from documents import Documents, TurnedClock
from rig import Record

from farmctl.model.view import Holder
from farmctl.reconcile import Options, Tempo, World
from farmctl.reconcile.lock import FarmLock

ANOTHER = Holder(
    host="ui02", boot="b", pid=4711, started="1", nonce="abcd", beat=7, command=""
)
SLOW = Tempo(beat=3600, holder_ttl=30.0, settle=0.02)


def test_who_slept_leaves_the_lock_and_the_body_of_who_took_the_farm_over():
    cloud, clock, record = Documents(), TurnedClock(), Record()
    here = World(
        cloud=cloud,
        site=None,
        clock=clock,
        journal=record,
        contexts=None,
        routers=None,
        progress=record,
        tempo=SLOW,
    )
    with FarmLock(here, "alice-wn", Options(), body={"farm": "as it was"}):
        (document,) = cloud.documents()
        cloud.write_document(document.id, {"farm": "as it is now"}, ANOTHER)
        clock.sleep(40)
    (document,) = cloud.documents()
    assert document.lock is not None
    assert document.holder == ANOTHER
    assert document.body == {"farm": "as it is now"}
