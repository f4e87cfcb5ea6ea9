"""A new image goes through a pool that works: one first, then the others; or back."""

import pytest
from farms import FAST, SITE, farm_text, serve, until
from insides import Insides
from proxy import Mode, Proxy

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


def declare(bench, name, *, retry=False, **farm):
    """Apply the farm with something else in it, as a person does."""
    options = Options(lock_wait=30.0, wait=False, retry=retry)
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


def test_new_nodes_are_configured_while_the_pool_has_one_too_many(
    bench, name, tmp_path
):
    """Each round would have other sizes to write down, and never come to them."""
    (tmp_path / "inside").mkdir()
    bench.guests = Insides(tmp_path / "inside")
    queue = bench.make(name, image="old", count="{min: 0, max: 2}")
    queue.submit(12, seconds=0.8)
    with bench.serving(settings=ROLLS):
        working(bench, name, queue, 2)
        old = set(images(bench, name))
        declare(bench, name, image="wn", count="{min: 0, max: 2}")

        def rolled():
            if queue.left < 8:
                queue.submit(6, seconds=0.8)
            return not old & set(images(bench, name)) and not rolling(bench, name).rolls

        until(rolled, seconds=60, what="it rolls through")
        until(lambda: not queue.left, seconds=60, what="all jobs end")
    well(queue)


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


def begun(bench, forking, endpoint):
    order = {
        "folder": str(bench.folder),
        "truth": bench.cloud.endpoint,
        "endpoint": endpoint,
        "auth_file": str(bench.cloud.auth_file),
        "site": SITE,
    }
    process = forking.Process(target=serve, args=(order,))
    process.start()
    return process


def killed(bench, forking, queue, *, at, mode):
    """Let a daemon work until it dies at a changing call."""
    with Proxy(bench.cloud.endpoint, at=at, mode=mode) as proxy:
        first = begun(bench, forking, proxy.endpoint)
        proxy.kill_this(first.pid)

        def dead():
            if queue.left < 8:
                queue.submit(6, seconds=0.8)
            return not first.is_alive()

        until(dead, seconds=60, what=f"it dies at call {at}")
        first.join(10)
        first.close()


@pytest.mark.parametrize(
    ("at", "mode"),
    [(3, Mode.KILL_AFTER), (9, Mode.KILL_BEFORE), (16, Mode.KILL_AFTER),
     (26, Mode.KILL_AFTER)],
)  # fmt: skip
def test_a_roll_goes_on_whatever_call_its_daemon_died_at(
    bench, name, forking, at, mode
):
    queue = bench.make(name, image="old", count="2")
    old = set(images(bench, name))
    queue.submit(8, seconds=0.8)
    declare(bench, name, image="wn", count="2")
    killed(bench, forking, queue, at=at, mode=mode)
    assert len(set(images(bench, name))) <= 2
    with bench.serving(settings=ROLLS):

        def rolled():
            if queue.left < 8:
                queue.submit(6, seconds=0.8)
            return not old & set(images(bench, name)) and not rolling(bench, name).rolls

        until(rolled, seconds=60, what="the next daemon completes it")
        until(lambda: not queue.left, seconds=60, what="all jobs end")
        until(lambda: len(bench.workers(name)) == 2, what="there are two again")
    well(queue)


@pytest.mark.parametrize("at", [9, 13, 17])
def test_a_roll_goes_back_whatever_call_its_daemon_died_at(bench, name, forking, at):
    queue = bench.make(name, image="old", count="2")
    (old,) = set(images(bench, name))
    queue.submit(8, seconds=0.8)
    before = bench.cloud.calls()["one.template.instantiate"]
    with bench.cloud.fault("boot"):
        declare(bench, name, image="wn", count="2")
        killed(bench, forking, queue, at=at, mode=Mode.KILL_AFTER)
        with bench.serving(settings=ROLLS):
            until(lambda: rolling(bench, name).refused, what="it is refused")
            until(lambda: not rolling(bench, name).rolls, what="it has gone back")
            until(lambda: not queue.left, seconds=60, what="all jobs end")
    assert set(images(bench, name)) == {old}
    assert bench.cloud.calls()["one.template.instantiate"] - before <= 3
    well(queue)


def test_a_refused_file_starts_nothing_until_a_person_asks_once_more(bench, name):
    path = bench.folder / "farm.yaml"
    bench.make(name, image="old", count="1")
    path.write_text(farm_text(name, image="wn", count="1"))
    with bench.serving(settings=ROLLS, files=[path]):
        with bench.cloud.fault("boot"):
            until(lambda: rolling(bench, name).refused, what="it is refused")
        until(lambda: not rolling(bench, name).rolls, what="it has gone back")
        made = bench.cloud.calls()["one.template.instantiate"]
        path.write_text(farm_text(name, image="wn", count="{min: 1, max: 2}"))
        until(
            lambda: (
                bench.here.cloud.look()
                .farm(name)
                .document.body["farm"]["pools"]["wn"]["count"]["max"]
                == 2
            ),
            what="the rest of the file is taken",
        )
        assert rolling(bench, name).refused
        assert bench.cloud.calls()["one.template.instantiate"] == made
        for _ in range(2):  # as cron does
            outcome = declare(bench, name, image="wn", count="{min: 1, max: 2}")
            (note,) = [n for n in outcome.plan.notes if n.subject == "wn"]
            assert note.message.endswith("with farmctl apply --retry")
        assert rolling(bench, name).refused
        assert bench.cloud.calls()["one.template.instantiate"] == made
        outcome = declare(bench, name, image="wn", count="{min: 1, max: 2}", retry=True)
        assert any("was tried before" in note.message for note in outcome.plan.notes)
        until(
            lambda: not rolling(bench, name).rolls and not rolling(bench, name).refused,
            seconds=60,
            what="it rolls through, now that it boots",
        )


def test_a_canary_that_failed_on_one_hypervisor_is_tried_on_another(bench, name):
    queue = bench.make(name, image="old", count="2")
    old = set(images(bench, name))
    queue.submit(8, seconds=0.8)
    with (
        bench.cloud.fault("boot", host="wrk-00"),
        bench.serving(settings=ROLLS),
    ):
        declare(bench, name, image="wn", count="2")

        def rolled():
            if queue.left < 8:
                queue.submit(6, seconds=0.8)
            return not old & set(images(bench, name)) and not rolling(bench, name).rolls

        until(rolled, seconds=60, what="it rolls through all the same")
        until(lambda: not queue.left, seconds=60, what="all jobs end")
    assert not rolling(bench, name).refused
    well(queue)
