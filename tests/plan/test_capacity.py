"""What is short is said before the first step, in numbers."""

from dataclasses import replace

from farmctl.model.view import Quota
from farmctl.plan import capacity


def plan_of(kit, **pool):
    farm = kit.farm({"pools": {"wn": pool}})
    return kit.draw(kit.site(), farm, kit.view())


def test_enough_is_no_shortfall_and_a_forecast(kit):
    plan = plan_of(kit, count=4)
    room = kit.capacity()
    assert capacity.shortfalls(plan, room, ()) == []
    assert capacity.forecast(plan, room) == (
        "Needs 5 of 48 free cores on service hypervisors. "
        "Needs 24 of 96 free cores on worker hypervisors."
    )


def test_nothing_is_said_of_what_nobody_may_see(kit):
    plan = plan_of(kit, count=200)
    assert capacity.shortfalls(plan, None, ()) == []
    assert capacity.forecast(plan, None) == ""


def test_too_few_cores_and_too_little_memory_are_both_told(kit):
    plan = plan_of(kit, count=40)
    hint = "Lower the counts, end other VMs there, or enable more hypervisors."
    assert capacity.shortfalls(plan, kit.capacity(memory_mib=131_072), ()) == [
        f"Needs 240 cores on worker hypervisors, 96 are free. {hint}",
        f"Needs 600 GiB of memory on worker hypervisors, 512 GiB are free. {hint}",
    ]


def test_enough_in_sum_but_in_pieces_too_small_is_told(kit):
    plan = plan_of(kit, count=4, cpus=5, memory="1GiB")
    room = kit.capacity(workers=6, cpus=4.0)
    room = replace(
        room, hosts=tuple(replace(host, total_cpus=8.0) for host in room.hosts)
    )
    assert capacity.shortfalls(plan, room, ()) == [
        (
            "No place for alice-wn-001 and 3 more: no worker hypervisor has 5 cores "
            "and 1024 MiB free together; the most on any one are 4 cores, 131072 MiB. "
            "Lower the counts, make the nodes smaller, or end other VMs there."
        )
    ]


def test_a_node_that_is_larger_than_every_hypervisor_is_told_so(kit):
    plan = plan_of(kit, count=4, cpus=5, memory="1GiB")
    room = kit.capacity(workers=6, cpus=4.0)
    said = (
        "A node of wn has 5 cores and 1 GiB of memory, and no worker hypervisor is as "
        "large: worker-02 has 4 cores and 128 GiB. Make the nodes smaller."
    )
    assert capacity.shortfalls(plan, room, ()) == [said]
    assert capacity.too_large(plan, room) == {"wn": said}


def test_a_pool_that_is_new_and_empty_is_told_so_as_well(kit):
    plan = plan_of(kit, count={"min": 0, "max": 4}, cpus=5, memory="1GiB")
    room = kit.capacity(workers=6, cpus=4.0)
    assert capacity.shortfalls(plan, room, ()) == []
    assert capacity.pools_too_large(plan, room) == {
        "wn": "A node of wn has 5 cores and 1 GiB of memory, and no hypervisor of its "
        "class is as large: worker-02 has 4 cores and 128 GiB. Make the nodes smaller."
    }
    assert capacity.pools_too_large(plan, kit.capacity()) == {}
    assert capacity.pools_too_large(plan, None) == {}


def test_a_class_that_is_all_disabled_is_told(kit):
    room = kit.capacity()
    hosts = tuple(
        replace(host, usable=host.name.startswith("service")) for host in room.hosts
    )
    assert capacity.shortfalls(
        plan_of(kit, count=4), replace(room, hosts=hosts), ()
    ) == [
        (
            "None of the worker hypervisors takes VMs; nodes that need one: 4. Enable "
            "one in OpenNebula, or see why they are away."
        )
    ]


def test_each_quota_that_is_too_small_is_told(kit):
    plan = plan_of(kit, count=4)
    quotas = [
        Quota(whose="user tina", vms=5, cpus=100.0),
        Quota(whose="group spot", cpus=20.0, memory_mib=1024),
    ]
    hint = "Lower the counts, or ask for a larger quota."
    assert capacity.shortfalls(plan, None, quotas) == [
        f"Needs 6 VMs, the quota of user tina leaves 5. {hint}",
        f"Needs 29 cores, the quota of group spot leaves 20. {hint}",
        f"Needs 68.2 GiB of memory, the quota of group spot leaves 1 GiB. {hint}",
    ]


def test_a_node_made_anew_needs_no_more_than_it_had(kit, applied):
    same = kit.draw(
        kit.site(), kit.farm({"pools": {"wn": {"image": "wn-old"}}}), applied.view
    )
    quota = Quota(whose="user tina", vms=0, cpus=0.0, memory_mib=0)
    vms = applied.view.vms
    assert capacity.shortfalls(same, kit.capacity(), [quota], vms=vms) == []
    larger = kit.draw(
        kit.site(), kit.farm({"pools": {"wn": {"cpus": 8}}}), applied.view
    )
    assert capacity.shortfalls(larger, kit.capacity(), [quota], vms=vms) == [
        (
            "Needs 6 cores, the quota of user tina leaves 0. Lower the counts, or ask "
            "for a larger quota."
        )
    ]
