"""The router's files: with its context when it is made, in place ever after."""

from dataclasses import replace

import pytest

from farmctl.context import bundle
from farmctl.errors import NotPossibleError
from farmctl.model.nodes import VmState
from farmctl.model.steps import (
    Cause,
    ChangeRouter,
    CreateNode,
    RemoveNode,
    ReplaceNode,
    StartNode,
)
from farmctl.plan import lines
from farmctl.plan.router import mac_of

VARIABLE = "FARMCTL_ROUTER_BASE64"
WEB = {"name": "web", "port": 8443, "to": "head", "to_port": 443}


def hosts_in(files):
    """Return the names with a lease in an OpenWrt router's files."""
    lines = bundle.unpack(files)["dhcp"].splitlines()
    return [
        line.split("'")[1].removeprefix("alice-")
        for at, line in enumerate(lines)
        if "option name" in line
        and any("option mac" in x or "list mac" in x for x in lines[at : at + 3])
    ]


def changes_of(plan):
    return [step for step in plan.steps if isinstance(step, ChangeRouter)]


def router_of(plan):
    return next(
        step.node
        for step in plan.steps
        if isinstance(step, CreateNode | ReplaceNode | StartNode)
        and step.node.name == "alice-router"
    )


def test_a_new_router_gets_its_files_with_its_whole_context(kit):
    contexts = {"router": {"SET_HOSTNAME": "$NAME", "FARMCTL_FARM": "alice"}}
    plan = kit.draw(kit.site(), kit.farm(), kit.view(), contexts=contexts)
    context = router_of(plan).attributes["CONTEXT"]
    assert {key: value for key, value in context.items() if key != VARIABLE} == {
        "NETWORK": "YES",
        "TOKEN": "YES",
        "REPORT_READY": "YES",
        "SET_HOSTNAME": "$NAME",
        "FARMCTL_FARM": "alice",
    }
    assert hosts_in(context[VARIABLE]) == ["wn-001", "wn-002", "wn-003", "head"]
    assert changes_of(plan) == []
    workers = [s.node for s in plan.steps if isinstance(s, CreateNode)]
    assert sum("CONTEXT" in node.attributes for node in workers) == 1


def test_neither_template_nor_digest_knows_the_files(kit, applied):
    template = next(
        each for each in applied.view.templates if each.name == "alice-router"
    )
    assert VARIABLE not in template.attributes["CONTEXT"]
    router = applied.vm("alice-router")
    more = kit.farm({"pools": {"wn": {"count": 5}}})
    plan = kit.draw(kit.site(), more, applied.view)
    assert not [step for step in plan.steps if isinstance(step, ReplaceNode)]
    assert [step.vm_id for step in changes_of(plan)] == [router.id]


def test_an_applied_farm_keeps_its_router_as_it_is(kit, applied):
    assert kit.draw(kit.site(), kit.farm(), applied.view).steps == ()


def test_a_forward_changes_the_router_that_runs_and_tells_the_lines(kit, applied):
    forwards = [*kit.FARM["router"]["forwards"], {**WEB, "from": ["192.0.2.0/24"]}]
    plan = kit.draw(
        kit.site(), kit.farm({"router": {"forwards": forwards}}), applied.view
    )
    (step,) = changes_of(plan)
    assert (step.name, step.cause, step.leavers) == ("alice-router", Cause.CHANGE, ())
    assert step.variable == VARIABLE
    assert "firewall: + option src_dport '8443'" in step.changes
    assert all(line.startswith("firewall: +") for line in step.changes)
    applied.after(plan)
    assert applied.vm("alice-router").router_files == step.files


@pytest.mark.parametrize(
    ("live", "flavour", "effect"),
    [
        (False, "openwrt", "at its next boot: onevm reboot {}"),
        (False, "debian", "in place, no interruption"),
        (True, "openwrt", "in place, no interruption"),
    ],
)
def test_where_nobody_logs_in_an_openwrt_takes_its_files_at_its_next_boot(
    kit, live, flavour, effect
):
    world = kit.Simulated(kit.view())
    farm = {"router": {"flavour": flavour}, "pools": {"wn": {"count": 1}}}
    world.after(kit.draw(kit.site(), kit.farm(farm), world.view))
    more = {**farm, "pools": {"wn": {"count": 2}}}
    plan = kit.draw(kit.site(), kit.farm(more), world.view, live=live)
    (line,) = [each for each in lines.lines(plan) if each.subject == "router"]
    assert line.effect == effect.format(world.vm("alice-router").id)


def test_new_nodes_are_known_before_they_are_made(kit, applied):
    plan = kit.draw(kit.site(), kit.farm({"pools": {"wn": {"count": 5}}}), applied.view)
    (step,) = changes_of(plan)
    order = [type(each).__name__ for each in plan.steps]
    assert order.index("ChangeRouter") < order.index("CreateNode")
    assert hosts_in(step.files) == [
        *("wn-001", "wn-002", "wn-003", "wn-004", "wn-005"),
        "head",
    ]


def test_nodes_are_forgotten_only_after_they_have_gone(kit, applied):
    plan = kit.draw(kit.site(), kit.farm({"pools": {"wn": {"count": 1}}}), applied.view)
    (step,) = changes_of(plan)
    assert step.leavers == ("alice-wn-002", "alice-wn-003")
    assert hosts_in(step.files) == ["wn-001", "head"]
    order = [type(each).__name__ for each in plan.steps]
    assert order.index("RemoveNode") < order.index("ChangeRouter")
    # Refused, they are still there: nothing is to be put back in force first.
    again = kit.draw(
        kit.site(), kit.farm({"pools": {"wn": {"count": 1}}}), applied.view
    )
    assert again == plan


def test_who_comes_is_known_before_and_who_goes_until_after(kit, applied):
    other = {**kit.FARM["pools"]["wn"], "count": 2}
    farm = kit.farm({"pools": {"wn": {"count": 2}, "big": other}})
    plan = kit.draw(kit.site(), farm, applied.view)
    first, last = changes_of(plan)
    assert hosts_in(first.files) == [
        *("wn-001", "wn-002", "wn-003", "big-001", "big-002"),
        "head",
    ]
    assert first.leavers == ()
    assert hosts_in(last.files) == ["wn-001", "wn-002", "big-001", "big-002", "head"]
    assert last.leavers == ("alice-wn-003",)
    # After the first of them alone, as after a kill, the last is what is left of it.
    applied.edit_vm(applied.vm("alice-router").id, router_files=first.files)
    assert changes_of(kit.draw(kit.site(), farm, applied.view)) == [last]


def test_a_node_has_the_mac_that_opennebula_shows(kit, applied):
    worker = applied.vm("alice-wn-002")
    moved = tuple(replace(nic, mac="02:AA:00:00:00:07") for nic in worker.nics)
    applied.edit_vm(worker.id, nics=moved)
    (step,) = changes_of(kit.draw(kit.site(), kit.farm(), applied.view))
    assert step.changes == (
        "dhcp: - list mac '02:00:ac:10:00:02'",
        "dhcp: + list mac '02:aa:00:00:00:07'",
    )


def test_macs_begin_as_the_clouds_own_do(kit):
    view = kit.view()
    (public,) = view.networks
    ranges = (replace(public.ranges[0], mac="0A:FE:c0:00:02:0a"),)
    view = replace(view, networks=(replace(public, ranges=ranges),))
    plan = kit.draw(kit.site(), kit.farm(), view)
    files = bundle.unpack(router_of(plan).attributes["CONTEXT"][VARIABLE])
    assert "list mac '0a:fe:ac:10:00:01'" in files["dhcp"]


def test_a_farms_own_network_says_best_how_macs_begin(kit, applied):
    (mine,) = (each for each in applied.view.networks if each.name == "alice")
    others = [each for each in applied.view.networks if each.name != "alice"]
    strange = [
        replace(each, ranges=(replace(each.ranges[0], mac="0a:fe:c0:00:02:0a"),))
        for each in others
    ]
    first = mine.ranges[0].first
    mac = mac_of(first, prefix="06:01")
    own = replace(mine, ranges=(replace(mine.ranges[0], mac=mac),))
    applied.view = replace(applied.view, networks=(*strange, own))
    more = kit.farm({"pools": {"wn": {"count": 4}}})
    (step,) = changes_of(kit.draw(kit.site(), more, applied.view))
    assert "dhcp: + list mac '06:01:ac:10:00:04'" in step.changes


@pytest.mark.parametrize("files", ["", "bm8gdGFy", "$(id)"])
def test_files_that_cannot_be_read_are_drift(kit, applied, files):
    applied.edit_vm(applied.vm("alice-router").id, router_files=files)
    (step,) = changes_of(kit.draw(kit.site(), kit.farm(), applied.view))
    assert step.because == "its context has no files that can be read"
    assert step.cause is Cause.DRIFT
    assert step.changes[0].startswith("dhcp: + ")


def test_a_router_that_is_off_is_changed_before_it_is_started(kit, applied):
    router = applied.vm("alice-router")
    applied.edit_vm(router.id, state=VmState.OFF, state_name="POWEROFF")
    more = kit.farm({"pools": {"wn": {"count": 4}}})
    plan = kit.draw(kit.site(), more, applied.view)
    order = [type(each).__name__ for each in plan.steps]
    assert order.index("ChangeRouter") < order.index("StartNode")
    # Should it fail and be made anew, it has the same files.
    assert router_of(plan).attributes["CONTEXT"][VARIABLE] == changes_of(plan)[0].files


def test_a_suspended_router_is_started_before_it_is_changed(kit, applied):
    router = applied.vm("alice-router")
    applied.edit_vm(router.id, state=VmState.OFF, state_name="SUSPENDED")
    more = kit.farm({"pools": {"wn": {"count": 4}}})
    order = [
        type(each).__name__ for each in kit.draw(kit.site(), more, applied.view).steps
    ]
    assert order.index("StartNode") < order.index("ChangeRouter")


def test_a_router_that_is_made_anew_is_not_changed_as_well(kit, applied):
    applied.edit_vm(applied.vm("alice-router").id, state=VmState.FAILED)
    more = kit.farm({"pools": {"wn": {"count": 4}}})
    plan = kit.draw(kit.site(), more, applied.view)
    assert changes_of(plan) == []
    files = router_of(plan).attributes["CONTEXT"][VARIABLE]
    assert hosts_in(files)[3] == "wn-004"


def test_the_address_that_opennebula_chose_is_not_among_the_files(kit, applied):
    chosen = [nic.address for nic in applied.vm("alice-router").nics]
    files = bundle.unpack(applied.vm("alice-router").router_files)
    assert "192.0.2.10" in chosen
    assert "192.0.2.10" not in "".join(files.values())
    named = kit.farm({"router": {"public_address": "192.0.2.20"}})
    plan = kit.draw(kit.site(), named, kit.view())
    files = bundle.unpack(router_of(plan).attributes["CONTEXT"][VARIABLE])
    assert "option ipaddr '192.0.2.20'" in files["network"]


def test_a_farm_that_is_too_large_for_its_context_is_refused(kit):
    many = [f"198.51.{n // 128}.{n % 128 * 2}/32" for n in range(250)]
    forwards = [
        {"name": f"f{n}", "port": 20000 + n, "to": "head", "from": many}
        for n in range(12)
    ]
    farm = kit.farm({"router": {"forwards": forwards}})
    with pytest.raises(NotPossibleError, match=r"would fill .* bytes of its context"):
        kit.draw(kit.site(), farm, kit.view())


def test_what_a_plan_rests_on_has_the_files_in_it(kit, applied):
    before = kit.draw(kit.site(), kit.farm(), applied.view).fingerprint
    router = applied.vm("alice-router")
    applied.edit_vm(router.id, router_files="other")
    after = kit.draw(kit.site(), kit.farm(), applied.view).fingerprint
    differ = {key for key in before if before[key] != after[key]}
    assert differ == {f"VM alice-router ({router.id})"}


def test_removing_and_refusing_never_ends_in_a_loop_of_changes(kit, applied):
    plan = kit.draw(kit.site(), kit.farm({"pools": {"wn": {"count": 1}}}), applied.view)
    gone = [s.vm_id for s in plan.steps if isinstance(s, RemoveNode)]
    applied.edit_vm(gone[0], state=VmState.GONE)
    rest = kit.draw(kit.site(), kit.farm({"pools": {"wn": {"count": 1}}}), applied.view)
    changes = changes_of(rest)
    assert [len(step.leavers) for step in changes] == [0, 1]
