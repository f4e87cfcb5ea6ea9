"""Boots that fail: few are tried, the rest of the farm goes on, and it is said why."""

import time
from dataclasses import replace

from farms import FAST, SITE, until


def test_a_broken_image_is_booted_a_few_times_and_then_waited_for(bench, name):
    queue = bench.make(name, count="{min: 0, max: 20}")
    queue.submit(20, seconds=0.5)
    before = bench.cloud.calls()["one.template.instantiate"]
    settings = replace(FAST, boot=30.0)
    with bench.cloud.fault("boot"), bench.serving(settings=settings):
        until(lambda: bench.said(name, "not more nodes"), what="the breaker says so")
        time.sleep(4.0)
        assert 3 <= bench.cloud.calls()["one.template.instantiate"] - before <= 5
        assert any(
            "boots of its image failed in a row" in why
            for _, why in bench.said(name, "not more nodes")
        )


def test_a_node_that_never_joins_is_put_aside_with_its_reason_and_replaced(bench, name):
    queue = bench.make(name, count="{min: 0, max: 1}")
    queue.set(**{"nobody joins": True})
    queue.submit(1, seconds=0.3)
    bench.site = SITE.replace("joined: 20s", "joined: 2s")
    with bench.serving():
        until(lambda: bench.said(name, "node put aside"), what="it is put aside")
        queue.set(**{"nobody joins": False})
        until(lambda: not queue.left, what="the work is done by another")
    ((_, why), *_) = bench.said(name, "node put aside")
    assert why == "it is ready, and the batch system does not know it within 2 s"


def test_one_sick_node_does_not_keep_the_others_from_working(bench, name):
    queue = bench.make(name, count="{min: 0, max: 4}")
    queue.submit(8, seconds=0.4)
    with bench.cloud.fault("boot", host="wrk-00"), bench.serving():
        until(lambda: not queue.left, what="all jobs end")
    assert queue.state["killed"] == []
