"""A batch system that is none, is another or answers nonsense: told, no shrinking."""

import time

import pytest
from farms import until

from farmctl.errors import (
    BatchAnswerError,
    BatchAwayError,
    NotAuthenticatedError,
    WrongBatchError,
)

WRONG = {
    "its programs are not there": WrongBatchError(
        "Slurm's programs are not there: sh: 1: scontrol: not found",
        hint="Is `batch: slurm` right for this farm, and its head configured?",
    ),
    "it is too old": WrongBatchError(
        "Slurm 20.11.4 is too old: its answers were never read.",
        hint="farmctl reads Slurm 22.05 and later.",
    ),
    "its answer is empty": BatchAnswerError(
        "Slurm's list of jobs is no JSON: Expecting value: line 1 column 1 (char 0)"
    ),
    "its head does not answer": BatchAwayError(
        "alice-head does not answer, so its batch system is not seen.",
        hint="It does not answer at 192.0.2.10, port 22.",
    ),
    "nobody may log in to its head": NotAuthenticatedError(
        "alice-head does not let us in."
    ),
}


class Faulty:
    """A farm's batch system, which may fail in whatever way."""

    def __init__(self, queue):
        self.queue, self.error = queue, None

    def __getattr__(self, name):
        if self.error is not None and name in {"sample", "drain", "undrain", "forget"}:
            raise self.error
        return getattr(self.queue, name)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_what_to_do_and_no_node_goes(bench, name, case):
    queue = bench.make(name)
    system = Faulty(queue)
    bench.here.of = lambda farm, guests: system
    queue.submit(1, seconds=0.5)
    queue.submit(2, seconds=4.0)
    with bench.serving():
        until(lambda: len(queue.state["nodes"]) == 3, what="three nodes join")
        there = {vm.id for vm in bench.workers(name)}
        system.error = WRONG[case]
        (said,) = until(
            lambda: {
                why
                for _, why in bench.said(name, "the queue is not believed")
                if WRONG[case].message in why
            },
            what="it is told",
        )
        assert said == str(WRONG[case])
        drained = {n for n, node in queue.state["nodes"].items() if node["drained"]}
        time.sleep(2.0)
        assert {vm.id for vm in bench.workers(name)} == there
        assert drained == {
            n for n, node in queue.state["nodes"].items() if node["drained"]
        }
        system.error = None
        until(lambda: not queue.left, what="all jobs end")
        until(lambda: not bench.workers(name), what="all nodes go")
    assert queue.state["killed"] == []
    assert [job["ran"] for job in queue.state["jobs"]] == [1] * 3


def test_a_farm_that_was_never_seen_keeps_what_was_decided_by_hand(bench, name):
    queue = bench.make(name, count="{min: 2, max: 4}")
    system = Faulty(queue)
    system.error = WRONG["its programs are not there"]
    bench.here.of = lambda farm, guests: system
    with bench.serving():
        until(lambda: bench.said(name, "the queue is not believed"), what="it is told")
        time.sleep(1.5)
        assert len(bench.workers(name)) == 2


def test_work_that_fits_no_pool_starts_nothing_and_is_named(bench, name):
    queue = bench.make(name)
    queue.submit(2, seconds=0.3, slots=16, owner="bob")
    with bench.serving():
        (said,) = {
            why
            for _, why in until(
                lambda: bench.said(name, "work that can never run"), what="it is told"
            )
        }
        assert "bob" in said
        assert "it asks for 16 cores on one node, and a node has 1" in said
        time.sleep(1.0)
        assert not bench.workers(name)
        queue.submit(1, seconds=0.3)
        until(lambda: queue.left == 2, what="what fits is done all the same")
