"""Where nodes go: the class, what is free, and apart from each other."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.model.nodes import Readiness, Role, Tag, VmState
from farmctl.model.steps import NodeSpec
from farmctl.model.target import Placement
from farmctl.model.view import Vm
from farmctl.plan.placement import Place, Placer, place

WORKER = Placement(
    hypervisor_class="worker", requires='FARM_CLASS="worker"', datastore="lvm"
)


def node(ordinal, *, cpus=6.0, memory_mib=15_360, disk_mib=0, placement=WORKER):
    return NodeSpec(
        name=f"a-wn-{ordinal:03d}",
        role=Role.WORKER,
        pool="wn",
        ordinal=ordinal,
        address=f"172.16.0.{ordinal}",
        template="a-wn",
        tag=Tag(farm="a", role=Role.WORKER, pool="wn", ordinal=ordinal),
        attributes={},
        cpus=cpus,
        memory_mib=memory_mib,
        disk_mib=disk_mib,
        placement=placement,
        readiness=Readiness.RUNNING,
    )


def vm(number, host_id, *, state=VmState.RUNNING):
    return Vm(
        id=number,
        name=f"a-wn-{number:03d}",
        owner_id=0,
        state=state,
        tag=Tag(farm="a", role=Role.WORKER, pool="wn", ordinal=number),
        host_id=host_id,
    )


def test_workers_go_to_workers_and_apart(kit):
    found = place([node(n) for n in range(1, 9)], kit.capacity(), ())
    hosts = Counter(each.host for each in found.values())
    assert hosts == {f"worker-{n:02d}": 2 for n in (2, 3, 4, 5)}
    assert {each.datastore_id for each in found.values()} == {101}


def test_a_new_node_goes_where_fewest_of_its_kind_are(kit):
    there = [vm(1, 2), vm(2, 3), vm(3, 4), vm(4, 5, state=VmState.ENDING)]
    assert place([node(9)], kit.capacity(), there)["a-wn-009"].host == "worker-05"


def test_full_says_how_much_there_is_on_the_best(kit):
    found = place([node(1, cpus=25.0)], kit.capacity(), ())
    assert found["a-wn-001"] == (
        "no worker hypervisor has 25 cores and 15360 MiB free together; the most on "
        "any one are 24 cores, 131072 MiB"
    )


def test_what_was_given_away_counts_as_gone(kit):
    found = place([node(n) for n in range(1, 20)], kit.capacity(), ())
    placed = [each for each in found.values() if isinstance(each, Place)]
    assert len(placed) == 16
    assert max(Counter(each.host for each in placed).values()) == 4
    assert isinstance(found["a-wn-017"], str)


def test_disabled_and_avoided_hypervisors_get_nothing(kit):
    capacity = kit.capacity()
    hosts = tuple(
        replace(host, usable=False, state_name="DISABLED") if host.id == 2 else host
        for host in capacity.hosts
    )
    capacity = replace(capacity, hosts=hosts)
    placer = Placer(capacity, ())
    avoid = frozenset({"worker-03", "worker-04"})
    assert placer.take(node(1), avoid=avoid).host == "worker-05"
    avoid |= {"worker-05"}
    assert placer.take(node(2), avoid=avoid) == (
        "no worker hypervisor takes VMs: worker-02 DISABLED, worker-03 was tried, "
        "worker-04 was tried, worker-05 was tried"
    )
    assert placer.take(node(3)).host == "worker-03"


def test_a_class_without_hypervisors_says_so(kit):
    gpu = Placement(hypervisor_class="gpu", requires="GPU > 0", datastore="lvm")
    found = place([node(1, placement=gpu)], kit.capacity(), ())
    assert found["a-wn-001"] == "no hypervisor fulfils GPU > 0"


def test_the_datastore_has_to_have_room_and_serve_the_cluster(kit):
    capacity = kit.capacity()
    small = tuple(replace(each, free_mib=1000) for each in capacity.datastores)
    found = place(
        [node(1, disk_mib=600), node(2, disk_mib=600)],
        replace(capacity, datastores=small),
        (),
    )
    assert isinstance(found["a-wn-001"], Place)
    assert found["a-wn-002"] == (
        "the system datastore lvm has no room for 600 MiB, or does not serve a worker "
        "hypervisor with room"
    )
    elsewhere = tuple(
        replace(each, cluster_ids=frozenset({100})) for each in capacity.datastores
    )
    found = place([node(1)], replace(capacity, datastores=elsewhere), ())
    assert isinstance(found["a-wn-001"], str)


def test_a_place_given_back_can_be_taken_again(kit):
    placer = Placer(kit.capacity(workers=1, cpus=6.0), ())
    first = placer.take(node(1))
    assert isinstance(placer.take(node(2)), str)
    placer.give_back(first, node(1))
    assert placer.take(node(2)) == first
    placer.give_back(first, node(2))
    placer.full(first.host_id)
    assert isinstance(placer.take(node(3)), str)


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.lists(
        st.tuples(st.sampled_from([1.0, 2.0, 6.0]), st.sampled_from([512, 4096])),
        max_size=60,
    ),
    workers=st.integers(1, 6),
    avoided=st.sets(st.integers(2, 5)),
)
def test_no_hypervisor_is_ever_given_more_than_it_has(kit, shapes, workers, avoided):
    capacity = kit.capacity(workers=workers, cpus=8.0, memory_mib=16_384)
    nodes = [
        node(number, cpus=cpus, memory_mib=memory)
        for number, (cpus, memory) in enumerate(shapes, start=1)
    ]
    avoid = frozenset(f"worker-{number:02d}" for number in avoided)
    placer = Placer(capacity, ())
    cpus, memory = Counter(), Counter()
    for each in nodes:
        found = placer.take(each, avoid=avoid)
        usable = [
            host
            for host in capacity.hosts
            if host.name.startswith("worker")
            and host.name not in avoid
            and cpus[host.id] + each.cpus <= 8.0
            and memory[host.id] + each.memory_mib <= 16_384
        ]
        assert isinstance(found, Place) == bool(usable)
        if isinstance(found, Place):
            assert found.host_id in {host.id for host in usable}
            cpus[found.host_id] += each.cpus
            memory[found.host_id] += each.memory_mib
