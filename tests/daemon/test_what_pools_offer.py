"""What a pool's nodes are taken to offer before one of them has shown it."""

from farmctl.daemon import bounds, deciding
from farmctl.elastic.terms import Pool, Terms
from farmctl.model.matching import sort_out
from farmctl.model.sample import NodeSample, NodeState, Sample, Waiting
from farmctl.spec import reading

FARM = reading.parse_farm("""
farm: f
kind: batch
batch: slurm
router: {image: debian}
head: {image: batch, cpus: 1, memory: 1GiB}
pools:
  wn: {image: batch, cpus: 2, memory: 600MiB, count: {min: 0, max: 4}}
  big: {image: batch, cpus: 4, memory: 1500MiB, count: {min: 0, max: 2}}
""")


def waiting(*queues):
    return Waiting(owner="ann", slots=1, count=1, since=0.0, queues=frozenset(queues))


def tied(*work, nodes=()):
    sample = Sample(taken=9.0, waiting=work, nodes=nodes)
    shapes = deciding.shapes(FARM, sample, {})
    return [
        each.pools for each in sort_out(sample, tuple(shapes.values())).sample.waiting
    ]


def test_a_queue_of_a_pools_name_is_that_pools_alone():
    assert tied(waiting("big"), waiting("wn")) == [{"big"}, {"wn"}]


def test_any_other_queue_may_be_every_pools_until_nodes_have_shown_it():
    node = NodeSample(
        name="f-wn-001",
        pool="wn",
        slots=2,
        state=NodeState.READY,
        since=0.0,
        queues=frozenset({"wn"}),
    )
    assert tied(waiting("all")) == [None]
    assert tied(waiting("all"), nodes=(node,)) == [{"big"}]


def test_a_pool_that_waits_for_its_canary_is_in_no_others_way():
    terms = Terms(
        pools=(
            Pool(name="one", slots=4, least=3, most=9),
            Pool(name="two", slots=8, least=2, most=9),
        )
    )
    found = bounds.offered(terms, quota=16, barred=[], held=["one"])
    assert [(pool.name, pool.least) for pool in found.pools] == [("two", 2)]
    assert found.quota == 16
    alone = bounds.offered(terms, quota=None, barred=["two"], held=["one"])
    assert [(pool.name, pool.least) for pool in alone.pools] == [("one", 0), ("two", 2)]
