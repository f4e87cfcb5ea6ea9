"""The garbage collector passes over what was there when the daemon began."""

import gc
import weakref

import pytest

from farmctl.daemon import spare_what_stays


@pytest.fixture
def thawed():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("thawed")
def test_what_lives_when_a_daemon_begins_is_not_looked_through_again():
    before = len(gc.get_objects())
    spare_what_stays()
    assert len(gc.get_objects()) < before / 10
    assert gc.get_freeze_count() > before / 2
    assert gc.get_threshold()[0] > 10_000


class Loop:
    """Something that only the collector can tell to be garbage."""

    def __init__(self):
        self.itself = self


@pytest.mark.usefixtures("thawed")
def test_what_is_garbage_when_a_daemon_begins_is_not_kept_for_good():
    loop = Loop()
    found = weakref.ref(loop)
    del loop
    spare_what_stays()
    assert found() is None
