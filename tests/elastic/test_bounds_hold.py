"""What must hold whatever a farm meets: drawn workloads, clouds and limits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.elastic.terms import Pool, Terms
from farmctl.model.sample import Drain, End, Keep, NodeState, Park, Start, Undrain
from farmctl.simulate.cloudmodel import CloudModel
from farmctl.simulate.engine import replay
from farmctl.simulate.own import Own
from farmctl.simulate.trace import Job, Trace, by_submission

jobs = st.lists(
    st.tuples(
        st.integers(0, 20_000),
        st.integers(1, 4_000),
        st.integers(1, 12),
        st.sampled_from(["ann", "bob", "eve"]),
    ),
    min_size=1,
    max_size=40,
)


class Watched(Own):
    """Checks each verdict against the sample that it was made from."""

    def act(self, farm) -> float:
        sample = self._sample(farm)
        nodes = {node.name: node for node in sample.nodes}
        before = len(self.said)
        again = super().act(farm)
        pool = self.scaler.terms.pools[0]
        for _, decision in self.said[before:]:
            assert decision.because
            match decision:
                case End(node=name):
                    assert not nodes[name].work
                    assert nodes[name].state in {NodeState.DRAINING, NodeState.STANDBY}
                case Park(node=name):
                    assert not nodes[name].work
                    assert nodes[name].state is NodeState.DRAINING
                case Drain(node=name):
                    assert nodes[name].state is NodeState.READY
                case Undrain(node=name):
                    assert nodes[name].state is NodeState.DRAINING
                case Start(count=count):
                    assert count > 0
                case Keep():
                    pass
        live = [node for node in farm.nodes.values() if node.state <= 1]
        assert len(live) <= pool.most
        return again


@settings(max_examples=60, deadline=None)
@given(
    drawn=jobs,
    price=st.sampled_from([1.0, 5.0, 20.0]),
    most=st.integers(1, 9),
    least=st.integers(0, 1),
    failures=st.sampled_from([0.0, 0.3]),
    spread=st.sampled_from([0.0, 0.5]),
    standby=st.sampled_from([0, 8]),
)
def test_sizes_stay_in_bounds_and_no_busy_node_ends(
    *, drawn, price, most, least, failures, spread, standby
):
    trace = Trace(
        name="drawn",
        jobs=by_submission(
            Job(name=str(at), submit=submit, run=run, cores=cores, user=user)
            for at, (submit, run, cores, user) in enumerate(drawn)
        ),
    )
    cloud = CloudModel(failures=failures, spread=spread, standby=standby)
    pool = Pool(name="wn", slots=4, least=least, most=most, standby=standby // 4)
    policy = Watched(Terms(pools=(pool,), price=price))
    policy.keeps_said = True
    farm = replay(trace, policy, cloud=cloud, pools={"wn": 4})
    assert farm.ledger.tasks == sum(cores for _, _, cores, _ in drawn)
    assert farm.ledger.busy == 0
