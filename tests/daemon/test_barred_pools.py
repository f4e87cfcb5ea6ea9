"""Work for a pool that may not grow now waits for it; what can go elsewhere does."""

from farms import FAST, farm_text, until

from farmctl.daemon import barred, bounds
from farmctl.elastic.breaker import Allowed
from farmctl.elastic.scaler import Scaler
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import (
    Drain,
    Drainer,
    End,
    Keep,
    NodeSample,
    NodeState,
    Sample,
    Start,
    Undrain,
    Waiting,
)
from farmctl.model.standing import Barred, Standing, as_json, from_json
from farmctl.reconcile import Options, apply
from farmctl.spec import reading

NOW = 100_000.0
TERMS = Terms(
    pools=(Pool(name="wn", slots=1, most=9), Pool(name="big", slots=4, most=9))
)
WHY = "3 boots of its image failed in a row"
OPEN = {"wn": Allowed(count=0, because=f"{WHY}; one is tried again in 88 s")}


def waiting(count, *pools, owner="ann", slots=1):
    tied = frozenset(pools) or None
    return Waiting(owner=owner, slots=slots, count=count, since=NOW - 9, pools=tied)


def node(pool="wn", number=1, *, state=NodeState.READY, work=()):
    drained = state is NodeState.DRAINING
    return NodeSample(
        name=f"f-{pool}-{number:03d}",
        pool=pool,
        slots=1,
        state=state,
        since=NOW - 9_000,
        joined=NOW - 9_000,
        idle_since=None if work else NOW - 9_000,
        work=work,
        drained_by=Drainer.US if drained else Drainer.NOBODY,
    )


def decided(*work, nodes=(), shut=None):
    shut = barred.bars(OPEN) if shut is None else shut
    core = Scaler(TERMS)
    core.terms = bounds.offered(TERMS, quota=None, barred=shut)
    sample = Sample(taken=NOW, waiting=work, nodes=nodes)
    return barred.told(core.decide(sample), sample, core, TERMS, shut).decisions


def test_work_for_a_barred_pool_is_told_as_waiting_for_it():
    (keep,) = decided(waiting(5, "wn"), waiting(2, "wn", owner="bob"))
    assert keep == Keep(
        because="0 slots work, 0 nodes are empty; "
        f"5 slots of work of ann wait for wn: {WHY}; "
        f"2 slots of work of bob wait for wn: {WHY}"
    )


def test_work_that_could_run_elsewhere_as_well_grows_the_other_pool():
    for shut in ({"wn": WHY}, {"wn": "rolled: f-wn-005 has to prove itself first"}):
        (start,) = decided(waiting(4), shut=shut)
        assert (type(start), start.pool, start.count) == (Start, "big", 1)


def test_work_for_a_barred_pool_takes_its_drains_back_and_keeps_its_nodes():
    drained = node(state=NodeState.DRAINING)
    (back,) = decided(waiting(5, "wn"), nodes=(drained,))
    assert (type(back), back.node) == (Undrain, "f-wn-001")
    found = decided(waiting(1, "wn"), nodes=(node(), node(number=2)))
    assert not [each for each in found if isinstance(each, Drain | End)]
    assert [type(each) for each in decided(nodes=(node(),))] == [Drain]


def test_where_all_pools_are_barred_the_core_has_seen_to_it():
    shut = {"wn": WHY, "big": "no hypervisor has room"}
    (start,) = decided(waiting(4), shut=shut)
    assert isinstance(start, Start)
    (told,) = barred.waits([waiting(4)], TERMS.pools, shut)
    assert str(told) == (
        f"4 slots of work of ann wait for wn or big: {WHY}; no hypervisor has room"
    )


def test_what_no_pool_could_run_waits_for_none():
    assert barred.waits([waiting(1, slots=9)], TERMS.pools, {"wn": WHY}) == ()


def test_a_standing_keeps_who_waits_for_what():
    told = Barred(owner="ann", slots=1, pools=("wn", "big"), why=WHY)
    assert str(told) == f"1 slot of work of ann waits for wn or big: {WHY}"
    kept = from_json(as_json(Standing(at=NOW, barred=(told,))))
    assert kept is not None
    assert kept.barred == (told,)


def test_while_one_pools_canary_boots_the_other_pool_grows(bench, name):
    other = "  big: {image: wn, cpus: 1, memory: 256MiB, count: {min: 0, max: 4}}\n"

    def text(image):
        made = farm_text(name, image=image, count="{min: 0, max: 4}")
        return made.replace("batch: slurm", other + "batch: slurm")

    def there(pool):
        return [vm for vm in bench.workers(name) if vm.tag.pool == pool]

    world = bench.world()
    assert apply(world, reading.parse_farm(text("old"))).complete
    queue = bench.here.queue(name)
    queue.submit(2, seconds=120)
    with bench.serving(settings=FAST):
        until(lambda: len(queue.state["nodes"]) == 2, what="two work")
        assert len(there("wn")) == 2
        queue.set(**{"nobody joins": True})
        options = Options(lock_wait=30.0, wait=False)
        assert not apply(world, reading.parse_farm(text("wn")), options).failed
        until(lambda: len(there("wn")) == 3, what="the canary is there")
        queue.submit(3, seconds=1.0)  # the canary is on its way for one of them
        until(lambda: len(there("big")) == 2, seconds=10.0, what="the other grows")
        assert len(there("wn")) == 3
