"""Case files: a farm, what the cloud shows, and the lines that people read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from farmctl.errors import FarmctlError
from farmctl.model.nodes import Mark, Tag, VmState
from farmctl.model.view import Nic, SecurityGroup, Vm
from farmctl.plan import lines, saved, telling

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def happen(world, event, farm):
    """Let one thing happen to the cloud."""
    event = dict(event)
    match event:
        case {"vm": name, "address": address}:
            vm = world.vm(name)
            nics = tuple(replace(nic, address=address) for nic in vm.nics)
            world.edit_vm(vm.id, nics=nics)
        case {"vm": name, **values}:
            vm = world.vm(name)
            if "state" in values:
                values["state"] = VmState(values["state"])
            if "mark" in values:
                values["mark"] = Mark(**values["mark"])
            if "digest" in values:
                values["tag"] = replace(vm.tag, digest=values.pop("digest"))
            world.edit_vm(vm.id, **values)
        case {"surplus_group": name, "carried_by": user}:
            group = SecurityGroup(
                id=world.next_id(), name=name, owner_id=0, tag=Tag(farm=farm)
            )
            world.view = replace(world.view, groups=(*world.view.groups, group))
            vm = world.vm(user)
            nics = tuple(
                replace(nic, security_group_ids=(*nic.security_group_ids, group.id))
                for nic in vm.nics
            )
            world.edit_vm(vm.id, nics=nics)
        case {"doubled": name, "address": address}:
            vm = world.vm(name)
            nics = tuple(replace(nic, address=address) for nic in vm.nics)
            double = replace(vm, id=world.next_id(), nics=nics)
            world.view = replace(world.view, vms=(*world.view.vms, double))
        case (
            {"template": name, **values}
            | {"network": name, **values}
            | {
                "group": name,
                **values,
            }
        ):
            field = next(iter(event)) + "s"
            things = tuple(
                replace(each, attributes={**each.attributes, **values})
                if each.name == name
                else each
                for each in getattr(world.view, field)
            )
            world.view = replace(world.view, **{field: things})
        case {"renamed": old, "to": new, "among": field}:
            things = tuple(
                replace(each, name=new) if each.name == old else each
                for each in getattr(world.view, field)
            )
            world.view = replace(world.view, **{field: things})
        case {"lost": name, "among": field}:
            left = tuple(
                each for each in getattr(world.view, field) if each.name != name
            )
            world.view = replace(world.view, **{field: left})
        case {"stranger": name, "address": address}:
            network = world.view.farm(farm).network
            nic = Nic(network_id=network.id, network=network.name, address=address)
            vm = Vm(
                id=world.next_id(),
                name=name,
                owner_id=7,
                state=VmState.RUNNING,
                nics=(nic,),
            )
            world.view = replace(world.view, vms=(*world.view.vms, vm))
        case {"foreign_group": name}:
            group = SecurityGroup(id=world.next_id(), name=name, owner_id=0)
            world.view = replace(world.view, groups=(*world.view.groups, group))
        case {"unreadable_document": _}:
            documents = tuple(replace(each, body=None) for each in world.view.documents)
            world.view = replace(world.view, documents=documents)
        case _:
            raise AssertionError(event)


def drawn(plan):
    return [
        " | ".join(
            part
            for part in (f"{line.glyph.value} {line.subject}", line.what, line.effect)
            if part
        )
        for line in lines.lines(plan)
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_file_gives_its_lines(path, kit):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = kit.farm(case.get("farm", {}))
    world = kit.Simulated(kit.view())
    if case.get("given", "applied") == "applied":
        sizes = case.get("sizes", {})
        world.after(kit.draw(kit.site(), before, world.view, sizes))
    for event in case.get("then", []):
        happen(world, event, before.name)
    farm = kit.farm(kit.merge(case.get("farm", {}), case.get("file", {})))
    sizes = case.get("new_sizes", case.get("sizes", {}))
    site = kit.site(case.get("site", {}))
    if "error" in case:
        with pytest.raises(FarmctlError) as caught:
            kit.draw(site, farm, world.view, sizes)
        assert str(caught.value) == case["error"].strip()
        return
    if case.get("destroy"):
        plan = kit.destroy(farm.name, world.view, site="torino")
    else:
        plan = kit.draw(site, farm, world.view, sizes)

    assert drawn(plan) == case.get("lines", [])
    notes = [f"{note.subject}: {note.message}" for note in plan.notes]
    assert notes == case.get("notes", [])
    assert lines.interrupted(plan) == case.get("interrupted", [])
    if "summary" in case:
        assert lines.summary(plan).sentence == case["summary"]
    if "waves" in case:
        shown = [
            [telling.subject(step, plan.farm) for step in wave] for wave in plan.waves
        ]
        assert shown == case["waves"]
    assert saved.load(saved.dump(plan)) == plan
    json.dumps(saved.as_json(plan))

    world.after(plan)
    if case.get("destroy"):
        again = kit.destroy(farm.name, world.view, site="torino")
    else:
        again = kit.draw(site, farm, world.view, sizes)
    assert drawn(again) == []
    assert again.changes_nothing
