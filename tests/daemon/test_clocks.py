"""A clock that jumps by hours: nothing shrinks, no lease ends, nobody is put aside."""

import time
from dataclasses import replace

import farms
import pytest
from farms import FAST, until

from farmctl.clock import SystemClock

HOURS = 5 * 3600.0
SETTINGS = replace(FAST, clock=3.0)


class Turned(SystemClock):
    """The machine's clock, which somebody sets."""

    ahead = 0.0

    def now(self):
        return time.time() + self.ahead


class Clockwork(farms.Bench):
    clock = Turned()

    def world(self, *given, **more):
        return replace(super().world(*given, **more), clock=self.clock)


@pytest.fixture
def shop(opennebula, tmp_path):
    made = Clockwork(opennebula, tmp_path)
    made.clock = Turned()
    yield made
    made.close()


@pytest.mark.parametrize("by", [HOURS, -HOURS])
def test_a_clock_that_jumps_ends_nothing(shop, name, by):
    queue = shop.make(name, more="lease: {expires_in: 1h}\n")
    queue.submit(3, seconds=1.0)
    queue.submit(1, seconds=8.0)
    with shop.serving(settings=SETTINGS):
        until(lambda: len(queue.state["nodes"]) == 4, what="four nodes join")
        there = {vm.id for vm in shop.workers(name)}
        shop.clock.ahead = by
        until(
            lambda: any(
                "clock has jumped" in why
                for _, why in shop.said(name, "the queue is not believed")
            ),
            what="it is told",
        )
        time.sleep(1.5)
        assert {vm.id for vm in shop.workers(name)} == there
        assert not any(vm.mark.aside for vm in shop.workers(name))
        shop.clock.ahead = 0.0
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not shop.workers(name), what="all nodes go")
    assert queue.state["killed"] == []
    assert [job["ran"] for job in queue.state["jobs"]] == [1] * 4
    assert not shop.said(name, "farm ended")
    assert not shop.said(name, "lease ends soon")


def test_after_a_jump_nodes_are_started_again_as_soon_as_the_time_is_trusted(
    shop, name
):
    queue = shop.make(name)
    with shop.serving(settings=SETTINGS):
        time.sleep(0.5)
        shop.clock.ahead = -HOURS
        until(lambda: shop.said(name, "the queue is not believed"), what="it is told")
        shop.clock.ahead = 0.0
        queue.submit(2, seconds=0.5)
        until(lambda: not queue.left, what="the jobs end")
    assert [job["ran"] for job in queue.state["jobs"]] == [1] * 2
