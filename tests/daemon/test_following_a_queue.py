"""A daemon on the embedded cloud, and a batch system that goes on by itself."""

from farms import until


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
