"""A saved plan is read back whole or refused, and knows whether the cloud moved on."""

import hashlib
import json
from dataclasses import replace

import pytest

from farmctl.errors import InputError
from farmctl.model.nodes import Mark, VmState
from farmctl.model.steps import ChangeRouter
from farmctl.model.view import AddressRange, Image, Network
from farmctl.plan import saved
from farmctl.plan.saved import moved


@pytest.fixture
def plan(kit, applied):
    farm = kit.farm({"pools": {"wn": {"image": "wn-old", "count": 4}}})
    return kit.draw(kit.site(), farm, applied.view)


def told(text):
    with pytest.raises(InputError) as caught:
        saved.load(text, file="change.plan")
    (mistake,) = caught.value.mistakes
    assert mistake.file == "change.plan"
    assert mistake.hint == "Make the plan again with farmctl plan --out."
    return f"{mistake.path} {mistake.message}".strip()


def sealed(plan, edit):
    """Return the text of a plan whose body was changed by somebody who can hash."""
    read = json.loads(saved.dump(plan))
    edit(read["plan"])
    body = json.dumps(read["plan"], sort_keys=True, separators=(",", ":"))
    read["checksum"] = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps(read)


def test_a_plan_is_read_back_unchanged(plan):
    assert saved.load(saved.dump(plan)) == plan


def test_what_is_no_plan_is_refused(plan):
    text = saved.dump(plan)
    assert told("farm: alice") == "is no plan, or was cut short: it is not JSON."
    assert told(text[:-40]) == "is no plan, or was cut short: it is not JSON."
    assert told("[1]") == "is not a plan of farmctl."
    assert told('{"format": "terraform"}') == "is not a plan of farmctl."
    assert told("[" * 100_000) == "is no plan, or was cut short: it is not JSON."


def test_a_plan_of_another_version_is_refused(plan):
    text = saved.dump(plan).replace('"version": 1', '"version": 2')
    assert told(text) == "has version 2; this farmctl reads version 1."


def test_a_changed_plan_is_refused(plan):
    text = saved.dump(plan).replace("wn-el9-2026-10", "wn-el9-2026-09", 1)
    assert told(text) == "was changed or damaged since it was made."


def test_each_wrong_field_is_named(plan):
    def at(path, value):
        def edit(body):
            *way, last = path
            for key in way:
                body = body[key]
            if value is None:
                del body[last]
            else:
                body[last] = value

        return told(sealed(plan, edit))

    assert at(["farm"], 7) == "plan.farm is not a text."
    assert at(["seen_at"], True) == "plan.seen_at is not a number."
    assert at(["surprise"], 1) == "plan.surprise is not known."
    assert at(["waves", 0, 0, "name"], None) == "plan.waves[0][0].name is missing."
    assert at(["waves", 0, 0, "kind"], "vm") == (
        "plan.waves[0][0].kind 'vm' is none of 'document', 'security group', "
        "'network', 'template'."
    )
    assert at(["waves", 0, 0, "is"], "Reboot") == (
        "plan.waves[0][0] 'Reboot' is none of AwaitNode, ChangeObject, ChangeRouter, "
        "ConfigureNodes, CreateNode, CreateObject, DeleteObject, RemoveNode, "
        "ReplaceNode, StartNode."
    )
    assert at(["waves", 0, 0, "attributes", "BODY"], 4) == (
        "plan.waves[0][0].attributes.BODY is neither a text nor a reference."
    )


def test_the_machine_form_leaves_attributes_out(plan):
    shown = saved.as_json(plan)
    assert shown["summary"] == {
        "changes": 1,
        "replacements": 3,
        "additions": 1,
        "removals": 0,
        "drifts": 0,
        "awaited": 0,
        "interrupted": 3,
    }
    actions = [(step["wave"], step["action"]) for step in shown["steps"]]
    assert actions == [
        (1, "change"),
        (2, "change"),
        (3, "change-router"),
        (4, "replace-node"),
        (4, "replace-node"),
        (4, "replace-node"),
        (4, "create-node"),
    ]
    written = json.dumps(shown)
    assert "CONTEXT" not in written
    (router,) = (step for step in plan.steps if isinstance(step, ChangeRouter))
    assert router.files not in written
    assert saved.load(saved.dump(plan)) == plan


def test_a_cloud_that_stands_still_has_not_moved(plan, applied):
    assert moved(plan, applied.view) == []
    assert moved(plan, plan) == []
    assert moved(plan, replace(applied.view, at=2.0)) == []


def test_what_moved_is_told(kit, plan, applied):
    worker = applied.vm("alice-wn-002")
    applied.edit_vm(worker.id, state=VmState.OFF)
    applied.edit_vm(applied.vm("alice-wn-001").id, mark=Mark(draining=True))
    applied.edit_vm(applied.vm("alice-head").id, state=VmState.GONE)
    view = applied.view
    intruder = Network(
        id=99,
        name="office",
        owner_id=3,
        ranges=(AddressRange(first="172.16.0.1", size=4),),
    )
    images = tuple(
        Image(id=77, name=image.name, owner_id=0)
        if image.name == "wn-el9-2026-10"
        else image
        for image in view.images
    )
    groups = tuple(
        replace(each, attributes={}) if each.name == "alice-wan" else each
        for each in view.groups
    )
    view = replace(
        view, networks=(*view.networks, intruder), images=images, groups=groups
    )
    digest = worker.tag.digest
    assert moved(plan, view) == [
        "VM alice-head (11) is gone",
        f"VM alice-wn-001 (10): ready, of {digest} -> ready, draining, of {digest}",
        f"VM alice-wn-002 (9): ready, of {digest} -> off, of {digest}",
        "class C 172.16.0.0/24: free -> network office (99)",
        "image wn-el9-2026-10: 3 -> 77",
        "security group alice-wan (2) was changed",
    ]


def test_a_node_that_boots_on_has_not_moved_and_one_that_got_ready_has(kit, applied):
    worker = applied.vm("alice-wn-002")
    applied.edit_vm(worker.id, state=VmState.PLACING, reported_ready=False)
    plan = kit.draw(kit.site(), kit.farm(), applied.view)
    applied.edit_vm(worker.id, state=VmState.STARTING)
    assert moved(plan, applied.view) == []
    applied.edit_vm(worker.id, state=VmState.RUNNING, reported_ready=True)
    assert len(moved(plan, applied.view)) == 1
