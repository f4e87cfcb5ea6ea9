"""What a verdict says besides its decisions: what limits it, and what goes next."""

from farmctl.elastic.terms import Pool
from farmctl.model.sample import Keep, Stay


def test_what_keeps_nodes_away_is_told_by_pool_even_if_none_starts(
    scaler, sample, node
):
    core = scaler(pools=(Pool(name="wn", slots=4, most=2),))
    full = (node("wn-1", busy=4), node("wn-2", busy=4))
    verdict = core.decide(sample(0, *full, waiting=12))
    said = "3 more would pay: wn has 2 of at most 2 nodes"
    assert verdict.limits == {"wn": said}
    assert verdict.decisions == (
        Keep(
            because=f"8 slots work, 0 nodes are empty; 12 slots of work wait (wn: "
            f"{said})"
        ),
    )
    assert core.decide(sample(1, *full)).limits == {}


def test_the_empty_node_that_goes_first_is_told_with_its_time(scaler, sample, node):
    core = scaler(price=1.0)
    empty = node("wn-1", now=100.0), node("wn-2", now=150.0)
    assert core.decide(sample(200, *empty)).stay == Stay(
        node="wn-1",
        until=730.0,
        because="what may come may be worth more than its 4 slots",
    )
    assert core.decide(sample(200, node("wn-1", busy=4))).stay is None
