"""A new image goes through a pool that works: one first, then the others; or back."""

from farms import FAST, farm_text, until

from farmctl.model.nodes import VmState
from farmctl.plan.rolled import read
from farmctl.reconcile import Options, apply
from farmctl.spec import reading

ROLLS = FAST


def images(bench, name):
    """Return the digests of the workers that are there, sick ones left out."""
    return [
        vm.tag.digest
        for vm in bench.workers(name)
        if not vm.mark.aside and vm.state is not VmState.FAILED
    ]


def declare(bench, name, **farm):
    """Apply the farm with something else in it, as a person does."""
    options = Options(lock_wait=30.0, wait=False)
    outcome = apply(bench.world(), reading.parse_farm(farm_text(name, **farm)), options)
    assert not outcome.failed, outcome
    return outcome


def rolling(bench, name):
    return read(bench.here.cloud.look().farm(name).document)


def working(bench, name, queue, count):
    until(
        lambda: (
            len(bench.workers(name)) == count and len(queue.state["nodes"]) == count
        ),
        what="nodes join",
    )


def well(queue):
    state = queue.state
    assert state["killed"] == []
    assert {job["ran"] for job in state["jobs"]} == {1}


def test_a_new_image_rolls_through_a_pool_that_is_always_full(bench, name):
    queue = bench.make(name, image="old", count="{min: 0, max: 4}")
    queue.submit(12, seconds=1.0)
    with bench.serving(settings=ROLLS):
        working(bench, name, queue, 4)
        (old,) = set(images(bench, name))
        declare(bench, name, image="wn", count="{min: 0, max: 4}")
        most, fewest = 0, 9

        def rolled():
            nonlocal most, fewest
            if queue.left < 10:
                queue.submit(8, seconds=1.0)
            there = images(bench, name)
            most = max(most, len(there))
            nodes = queue.state["nodes"].values()
            fewest = min(fewest, sum(not n["drained"] and n["up"] for n in nodes))
            return len(there) >= 4 and old not in there

        until(rolled, seconds=60, what="all are new")
        until(lambda: not rolling(bench, name).rolls, what="the roll is over")
        until(lambda: not queue.left, seconds=60, what="all jobs end")
    well(queue)
    assert most <= 5
    assert fewest >= 4
    assert [event for event, _ in bench.said(name) if "canary" in event]


def test_a_broken_image_stops_after_its_canaries_and_the_old_one_goes_on(bench, name):
    queue = bench.make(name, image="old", count="{min: 0, max: 3}")
    queue.submit(60, seconds=0.6)
    with bench.serving(settings=ROLLS):
        working(bench, name, queue, 3)
        (old,) = set(images(bench, name))
        before = bench.cloud.calls()["one.template.instantiate"]
        with bench.cloud.fault("boot"):
            declare(bench, name, image="wn", count="{min: 0, max: 3}")
            until(lambda: rolling(bench, name).refused, what="it is refused")
            made = bench.cloud.calls()["one.template.instantiate"] - before
            assert made == 2
        until(lambda: not rolling(bench, name).rolls, what="it has gone back")
        assert set(images(bench, name)) == {old}
        (template,) = [
            each
            for each in bench.here.cloud.look().farm(name).templates
            if each.tag.pool == "wn"
        ]
        assert template.tag.digest == old
        until(lambda: not queue.left, seconds=60, what="all jobs end")
    well(queue)
    ((_, why),) = bench.said(name, "make refused")
    assert why.startswith("2 canaries failed, and none has proven itself: ")
