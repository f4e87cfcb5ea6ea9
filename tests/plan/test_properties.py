"""What holds for any farm and any cloud: applied plans leave nothing, and more."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.model.attributes import Kind, Ref
from farmctl.model.nodes import Mark, Readiness, Role, Tag, VmState
from farmctl.model.steps import (
    Cause,
    CreateNode,
    CreateObject,
    NodeSpec,
    Note,
    Plan,
    RemoveNode,
    ReplaceNode,
)
from farmctl.model.target import Placement
from farmctl.model.view import Nic, Vm
from farmctl.plan import saved
from farmctl.plan.fingerprints import moved

POOLS = ("wn", "big", "gpu")

LIVELY = (
    VmState.PENDING,
    VmState.HELD,
    VmState.PLACING,
    VmState.STARTING,
    VmState.RUNNING,
    VmState.MOVING,
    VmState.OFF,
    VmState.FAILED,
    VmState.UNKNOWN,
    VmState.ENDING,
    VmState.GONE,
)


@st.composite
def counts(draw):
    low = draw(st.integers(0, 6))
    return {"min": low, "max": low + draw(st.integers(0, 6))}


@st.composite
def farms(draw, name="alice"):
    pools = {
        pool: {
            "image": draw(st.sampled_from(["wn-el9", "wn-old"])),
            "cpus": draw(st.integers(1, 3)),
            "memory": draw(st.sampled_from(["2GiB", "4GiB"])),
            "count": draw(counts()),
        }
        for pool in draw(st.lists(st.sampled_from(POOLS), unique=True))
    }
    head = draw(st.booleans())
    public = draw(st.sampled_from(["auto", "none"]))
    forwards = []
    if head and public != "none":
        ports = draw(st.lists(st.integers(1000, 1010), unique=True, max_size=3))
        forwards = [
            {"name": f"f{port}", "port": port, "to": "head", "to_port": 22}
            for port in ports
        ]
    return {
        "farm": name,
        "kind": "plain",
        "router": {
            "image": "openwrt",
            "flavour": "openwrt",
            "public_address": public,
            "forwards": forwards,
        },
        **(
            {"head": {"image": "head-el9", "cpus": 2, "memory": "4GiB"}} if head else {}
        ),
        "pools": pools,
    }


@st.composite
def mishaps(draw):
    """Return what happens to VMs by their index, and who turns up in the network."""
    return {
        "states": draw(
            st.dictionaries(
                st.integers(0, 20), st.tuples(st.sampled_from(LIVELY), st.booleans())
            )
        ),
        "aside": draw(st.sets(st.integers(0, 20), max_size=3)),
        "doubled": draw(st.sets(st.integers(0, 20), max_size=2)),
        "lost_tags": draw(st.sets(st.integers(0, 20), max_size=2)),
        "strangers": draw(st.sets(st.integers(100, 120), max_size=3)),
        "sizes": draw(st.dictionaries(st.sampled_from(POOLS), st.integers(0, 15))),
    }


def befall(world, farm, what):
    mine = sorted(world.view.farm(farm).vms, key=lambda vm: vm.id)
    for index, (state, ready) in what["states"].items():
        if index < len(mine):
            world.edit_vm(mine[index].id, state=state, reported_ready=ready)
    for index in what["aside"]:
        if index < len(mine):
            world.edit_vm(mine[index].id, mark=Mark(aside=True, reason="sick"))
    network = world.view.farm(farm).network
    for number, index in enumerate(sorted(what["doubled"])):
        if index < len(mine):
            nic = Nic(
                network_id=network.id,
                network=network.name,
                address=network.ranges[0].first.rpartition(".")[0] + f".{200 + number}",
            )
            double = replace(mine[index], id=world.next_id(), nics=(nic,))
            world.view = replace(world.view, vms=(*world.view.vms, double))
    for index in what["lost_tags"]:
        if index < len(mine):
            world.edit_vm(mine[index].id, tag=Tag(farm=farm, role=Role.WORKER))
    for last in sorted(what["strangers"]):
        nic = Nic(
            network_id=network.id,
            network=network.name,
            address=network.ranges[0].first.rpartition(".")[0] + f".{last}",
        )
        guest = Vm(
            id=world.next_id(),
            name=f"guest-{last}",
            owner_id=7,
            state=VmState.RUNNING,
            nics=(nic,),
        )
        world.view = replace(world.view, vms=(*world.view.vms, guest))


def settle(world):
    """Let everything that is on its way arrive."""
    for vm in world.view.vms:
        if vm.state is VmState.ENDING:
            world.edit_vm(vm.id, state=VmState.GONE)


@settings(max_examples=120, deadline=None)
@given(before=farms(), after=farms(), what=mishaps())
def test_an_applied_plan_leaves_an_empty_plan(kit, before, after, what):
    world = kit.Simulated(kit.view())
    site, first, second = kit.site(), kit.farm_of(before), kit.farm_of(after)
    world.after(kit.draw(site, first, world.view, configuration="one"))
    befall(world, "alice", what)
    strangers = [vm for vm in world.view.vms if vm.tag is None]

    plan = kit.draw(site, second, world.view, what["sizes"], configuration="two")
    again = kit.draw(site, second, world.view, what["sizes"], configuration="two")
    assert plan == again, "the same facts give the same plan"
    assert moved(plan, world.view) == []
    check_steps(plan, world.view, second, what["sizes"])

    world.after(plan)
    settle(world)
    assert [vm for vm in world.view.vms if vm.tag is None] == strangers
    left = kit.draw(site, second, world.view, what["sizes"], configuration="two")
    assert [step.because for step in left.steps] == []

    check_cloud(world.view, second, what["sizes"])


def check_steps(plan, view, farm, sizes):
    made = [
        step.node for step in plan.steps if isinstance(step, CreateNode | ReplaceNode)
    ]
    addresses = [node.address for node in made]
    assert len(set(addresses)) == len(addresses)
    names = [node.name for node in made]
    assert len(set(names)) == len(names)
    ended = [
        step.vm_id for step in plan.steps if isinstance(step, ReplaceNode | RemoveNode)
    ]
    assert len(set(ended)) == len(ended)
    ours = {vm.id for vm in view.farm(farm.name).vms}
    assert set(ended) <= ours


def check_cloud(view, farm, sizes):
    living = [vm for vm in view.vms if vm.state is not VmState.GONE]
    addresses = [nic.address for vm in living for nic in vm.nics]
    assert len(set(addresses)) == len(addresses)
    mine = [vm for vm in living if vm.tag and vm.tag.farm == farm.name]
    for name, pool in farm.pools.items():
        members = [vm for vm in mine if vm.tag.pool == name]
        assert pool.count.min <= len(members) <= pool.count.max
        assert len(members) == pool.count.within(sizes.get(name, pool.count.min))
        ordinals = [vm.tag.ordinal for vm in members]
        assert len(set(ordinals)) == len(ordinals)
        assert all(ordinal >= 1 for ordinal in ordinals)
    workers = sum(1 for vm in mine if vm.tag.role is Role.WORKER)
    heads = 0 if farm.head is None else 1
    assert len(mine) == workers + heads + 1


@settings(max_examples=60, deadline=None)
@given(before=farms(), what=mishaps())
def test_a_destroyed_farm_leaves_nothing_but_strangers(kit, before, what):
    world = kit.Simulated(kit.view())
    world.after(kit.draw(kit.site(), kit.farm_of(before), world.view))
    befall(world, "alice", what)
    strangers = [vm for vm in world.view.vms if vm.tag is None]

    plan = kit.destroy("alice", world.view)
    world.after(plan)

    assert [vm for vm in world.view.vms if vm.tag is None] == strangers
    assert kit.destroy("alice", world.view).steps == ()
    left = world.view.farm("alice")
    assert [vm for vm in left.vms if vm.state is not VmState.GONE] == []
    assert bool(plan.notes) == bool(strangers)
    if not strangers:
        assert left.groups == left.templates == left.networks == left.documents == ()


@settings(max_examples=60, deadline=None)
@given(before=farms(), after=farms(), what=mishaps(), cut=st.integers(0, 40))
def test_a_plan_cut_off_anywhere_is_completed_by_the_next(
    kit, before, after, what, cut
):
    world = kit.Simulated(kit.view())
    site, first, second = kit.site(), kit.farm_of(before), kit.farm_of(after)
    world.after(kit.draw(site, first, world.view, configuration="one"))
    befall(world, "alice", what)

    for step in kit.draw(
        site, second, world.view, what["sizes"], configuration="two"
    ).steps[:cut]:
        world.take(step, "alice")
    world.after(kit.draw(site, second, world.view, what["sizes"], configuration="two"))
    settle(world)

    left = kit.draw(site, second, world.view, what["sizes"], configuration="two")
    assert [step.because for step in left.steps] == []
    check_cloud(world.view, second, what["sizes"])


texts = st.text(max_size=20)
names = st.text("ABCDEFGHIJ_", min_size=1, max_size=8)
scalars = texts | st.builds(Ref, kind=st.sampled_from(Kind), name=texts)
vectors = st.dictionaries(names, scalars, max_size=4)
attributes = st.dictionaries(
    names,
    scalars | vectors | st.lists(vectors, max_size=3).map(tuple),
    max_size=4,
)
numbers = st.integers(0, 10**6)
tags = st.builds(
    Tag,
    farm=texts,
    role=st.none() | st.sampled_from(Role),
    pool=texts,
    digest=texts,
    ordinal=numbers,
)
nodes = st.builds(
    NodeSpec,
    name=texts,
    role=st.sampled_from(Role),
    pool=texts,
    ordinal=numbers,
    address=texts,
    public_address=texts,
    template=texts,
    tag=tags,
    attributes=attributes,
    cpus=st.floats(0, 100),
    memory_mib=numbers,
    disk_mib=numbers,
    image=texts,
    placement=st.builds(
        Placement, hypervisor_class=texts, requires=texts, datastore=texts
    ),
    readiness=st.sampled_from(Readiness),
    attempts=numbers,
)
steps = (
    st.builds(
        CreateObject,
        kind=st.sampled_from(Kind),
        name=texts,
        tag=tags,
        attributes=attributes,
        because=texts,
        cause=st.sampled_from(Cause),
    )
    | st.builds(CreateNode, node=nodes, because=texts, cause=st.sampled_from(Cause))
    | st.builds(
        ReplaceNode,
        vm_id=numbers,
        node=nodes,
        may_work=st.booleans(),
        because=texts,
        cause=st.sampled_from(Cause),
    )
)
plans = st.builds(
    Plan,
    farm=texts,
    kind=texts,
    site=texts,
    endpoint=texts,
    version=texts,
    seen_at=st.floats(0, 1e10),
    origin=texts,
    cidr=texts,
    waves=st.lists(st.lists(steps, max_size=3).map(tuple), max_size=3).map(tuple),
    notes=st.lists(st.builds(Note, subject=texts, message=texts), max_size=2).map(
        tuple
    ),
    keeps=st.dictionaries(texts, numbers, max_size=3),
    fingerprint=st.dictionaries(texts, texts, max_size=3),
    destroys=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(plan=plans)
def test_a_saved_plan_is_read_back_unchanged(plan):
    assert saved.load(saved.dump(plan)) == plan
