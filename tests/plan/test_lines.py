"""How a plan reads: ranges, counts, and what is told of the site's own networks."""

from dataclasses import replace

import pytest

from farmctl.plan import lines, telling


@pytest.mark.parametrize(
    ("ordinals", "expected"),
    [
        ([], []),
        ([7], ["007"]),
        ([41, 42, 43, 44], ["041…044"]),
        ([3, 1, 2, 9, 1], ["001…003", "009"]),
    ],
)
def test_ordinals_are_drawn_as_ranges(ordinals, expected):
    assert telling.ranges(ordinals) == expected


def test_scattered_nodes_are_cut_short(kit):
    world = kit.Simulated(kit.view())
    farm = kit.farm({"pools": {"wn": {"count": 10}}})
    world.after(kit.draw(kit.site(), farm, world.view))
    ends = {1, 3, 5, 7, 9}
    world.view = replace(
        world.view,
        vms=tuple(vm for vm in world.view.vms if vm.tag.ordinal not in ends),
    )
    (line,) = lines.lines(kit.draw(kit.site(), farm, world.view))
    assert line.subject == "wn-001, wn-003, wn-005 and 2 more ranges"
    assert line.count == 5


def test_an_open_public_network_is_named(kit):
    view = kit.view()
    networks = tuple(
        replace(each, attributes={"SECURITY_GROUPS": "0"}) for each in view.networks
    )
    plan = kit.draw(kit.site(), kit.farm(), replace(view, networks=networks))
    assert [note.subject for note in plan.notes] == ["network public"]
    assert "lets everything in" in plan.notes[0].message
