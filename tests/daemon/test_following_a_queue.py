"""A daemon on the embedded cloud, and a batch system that goes on by itself."""

from farms import until

from farmctl.elastic import overlooked


def test_a_farm_goes_from_nothing_to_its_work_and_back(bench, name):
    queue = bench.make(name)
    queue.submit(12, seconds=0.8)
    with bench.serving():
        until(lambda: bench.workers(name), what="nodes come")
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
    state = queue.state
    assert [job["ran"] for job in state["jobs"]] == [1] * 12
    assert state["killed"] == []
    assert bench.said(name, "nodes started")
    assert bench.said(name, "node ended")


def test_work_that_gets_no_empty_node_is_told_and_tried_until_it_does(
    bench, name, monkeypatch
):
    monkeypatch.setattr(overlooked, "ROUND", 1.0)
    queue = bench.make(name)
    queue.set(limits={"ann": 0})
    queue.submit(3, seconds=0.3)
    with bench.serving():
        until(lambda: bench.said(name, "work gets no node"), what="it is said")
        (_, because), *_ = bench.said(name, "work gets no node")
        left = "wn: 3 slots of ann's work were left alone beside empty nodes"
        assert because.startswith(left)
        until(lambda: not bench.workers(name), what="all nodes go")
        queue.set(limits={})
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: bench.said(name, "work gets nodes again"), what="it is over")
    state = queue.state
    assert [job["ran"] for job in state["jobs"]] == [1] * 3
    assert state["killed"] == []
