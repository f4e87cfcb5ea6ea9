"""What a group lets in is widened before the router changes, and narrowed after it."""

import pytest
from insides import Insides
from rig import Record, farm_of, problems

from farmctl.model.steps import ChangeObject, ChangeRouter
from farmctl.plan import compare
from farmctl.reconcile import Result, apply, make_plan
from farmctl.spec import canonical, from_canonical


@pytest.fixture
def insides(tmp_path):
    return Insides(tmp_path, digest="")


@pytest.fixture
def inside(make_world, own, insides):
    """A world that may log in, on a cloud of the test's own."""
    return make_world(own, record=Record(), guests=insides)


def with_forward(port):
    body = canonical(farm_of("alice"))
    body["farm"]["router"]["forwards"] = [
        {"name": "web", "port": port, "to": "head", "to_port": 443}
    ]
    return from_canonical(body)


def let_in(world):
    """What the router's public interface lets in."""
    groups = world.cloud.look().farm("alice").groups
    wan = next(each for each in groups if each.name == "alice-wan")
    return {rule.get("RANGE", "") for rule in compare.rules_of(wan.attributes)}


def order(plan):
    """The steps for the public group and the router, in the order of their waves."""
    return [
        "router" if isinstance(step, ChangeRouter) else "group"
        for step in plan.steps
        if isinstance(step, ChangeRouter)
        or (isinstance(step, ChangeObject) and step.name == "alice-wan")
    ]


def test_what_is_added_comes_first_and_what_goes_goes_last(inside):
    apply(inside, with_forward(8443))
    farm = with_forward(9443)
    plan = make_plan(inside, farm)
    assert order(plan) == ["group", "router", "group"]
    wide, final = [
        step for step in plan.steps if getattr(step, "name", "") == "alice-wan"
    ]
    assert {r.get("RANGE") for r in compare.rules_of(wide.attributes)} >= {
        "8443",
        "9443",
    }
    assert "8443" not in {r.get("RANGE") for r in compare.rules_of(final.attributes)}
    outcome = apply(inside, farm)
    assert problems(outcome) == []
    assert outcome.complete
    assert "9443" in let_in(inside)
    assert "8443" not in let_in(inside)
    assert apply(inside, farm).steps == ()


def test_a_group_that_only_loses_a_rule_changes_after_the_router(inside):
    apply(inside, with_forward(8443))
    assert order(make_plan(inside, farm_of("alice"))) == ["router", "group"]


def test_a_group_stays_wide_where_the_router_kept_its_files(inside, insides):
    apply(inside, with_forward(8443))
    insides.break_("router", "locked")
    farm = with_forward(9443)
    outcome = apply(inside, farm)
    assert outcome.failed
    skipped = [each for each in outcome.steps if each.result is Result.SKIPPED]
    assert skipped[0].reason == (
        "alice-router has not changed, so what reaches it stays."
    )
    assert {"8443", "9443"} <= let_in(inside)
    insides.mend()
    assert problems(apply(inside, farm)) == []
    assert "8443" not in let_in(inside)
