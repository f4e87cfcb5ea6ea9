"""Who is configured: what is new, and what others configured last."""

from dataclasses import replace

import pytest

from farmctl.model.nodes import VmState
from farmctl.model.steps import ConfigureNodes
from farmctl.plan import lines

ALL = ("alice-router", "alice-head", "alice-wn-001", "alice-wn-002", "alice-wn-003")


@pytest.fixture
def configured(kit):
    """The usual farm, applied and configured with `one`."""
    world = kit.Simulated(kit.view())
    world.after(kit.draw(kit.site(), kit.farm(), world.view, configuration="one"))
    return world


def steps_of(plan):
    return [step for step in plan.steps if isinstance(step, ConfigureNodes)]


def drawn(plan):
    return [
        " | ".join(filter(None, (f"{each.glyph.value} {each.subject}", each.what)))
        for each in lines.lines(plan)
        if each.subject == "configuration"
    ]


def test_all_nodes_of_a_new_farm_are_configured_last(kit):
    plan = kit.draw(kit.site(), kit.farm(), kit.view(), configuration="one")
    assert [step.names for step in steps_of(plan)] == [ALL]
    assert plan.waves[-1] == tuple(steps_of(plan))
    assert drawn(plan) == [
        "~ configuration | not configured yet: router, head, wn-001…003"
    ]
    assert lines.summary(plan).changes == 0


def test_nothing_is_configured_where_nothing_configures(kit, applied, configured):
    assert steps_of(kit.draw(kit.site(), kit.farm(), kit.view())) == []
    assert kit.draw(kit.site(), kit.farm(), applied.view).steps == ()
    # Nor is anything undone there.
    assert kit.draw(kit.site(), kit.farm(), configured.view).steps == ()


def test_a_configured_farm_stays_as_it_is(kit, configured):
    plan = kit.draw(kit.site(), kit.farm(), configured.view, configuration="one")
    assert plan.steps == ()


def test_another_configuration_is_given_to_all(kit, configured):
    plan = kit.draw(kit.site(), kit.farm(), configured.view, configuration="two")
    (step,) = steps_of(plan)
    assert step.names == ALL
    assert step.because == "what configures them has changed"
    assert lines.summary(plan).changes == 5


def test_only_who_came_is_configured(kit, configured):
    more = kit.farm({"pools": {"wn": {"count": 5}}})
    plan = kit.draw(kit.site(), more, configured.view, configuration="one")
    assert [step.names for step in steps_of(plan)] == [("alice-wn-004", "alice-wn-005")]


def test_a_node_whose_configuring_did_not_come_to_its_end_is_configured(
    kit, configured
):
    worker = configured.vm("alice-wn-002")
    configured.edit_vm(worker.id, mark=replace(worker.mark, configured=""))
    plan = kit.draw(kit.site(), kit.farm(), configured.view, configuration="one")
    assert [type(step).__name__ for step in plan.steps] == ["ConfigureNodes"]
    assert steps_of(plan)[0].names == ("alice-wn-002",)


def test_a_node_that_is_only_started_again_keeps_what_it_was_given(kit, configured):
    worker = configured.vm("alice-wn-002")
    configured.edit_vm(worker.id, state=VmState.OFF, state_name="POWEROFF")
    plan = kit.draw(kit.site(), kit.farm(), configured.view, configuration="one")
    assert steps_of(plan) == []


def test_a_plan_is_refused_when_somebody_else_has_configured_since(kit, configured):
    plan = kit.draw(kit.site(), kit.farm(), configured.view, configuration="two")
    configured.after(plan)
    again = kit.draw(kit.site(), kit.farm(), configured.view, configuration="two")
    assert again.steps == ()
    assert plan.fingerprint != again.fingerprint
