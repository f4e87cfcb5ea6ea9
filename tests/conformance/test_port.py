"""The cloud port: every method of farmctl's adapter against the target.

The other modules hold the target to OpenNebula's raw answers; this one holds the
adapter to what `farmctl.cloud.port` promises to everything above it.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farmctl.cloud.opennebula import OpenNebula, Session, UnwritableError
from farmctl.errors import (
    BusyError,
    GoneError,
    NameTakenError,
    NotAuthenticatedError,
    NotAuthorisedError,
    QuotaError,
    RefusedError,
)
from farmctl.model.attributes import Kind
from farmctl.model.nodes import Mark, Role, Tag, VmState
from farmctl.model.view import AddressRange, Holder, Vm

HOLDER = Holder(
    host="ui", boot="b", pid=7, started="5", nonce="n", beat=3, command="farmctl apply"
)
RULES = {
    "RULE": [
        {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"},
        {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "22,8000:8010"},
    ]
}


@pytest.fixture
def adapters(one) -> Iterator[Callable[[Any], OpenNebula]]:
    """Make the adapter of a session of the target."""
    made: list[OpenNebula] = []

    def adapter(session: Any) -> OpenNebula:
        made.append(OpenNebula(session.endpoint, Session(session.auth), patience=5))
        return made[-1]

    yield adapter
    for each in made:
        each.close()


@pytest.fixture
def cloud(one, adapters) -> OpenNebula:
    return adapters(one.admin)


@pytest.fixture
def tag(one) -> Tag:
    return Tag(farm=one.name("farm"), digest="0123456789abcdef")


@pytest.fixture
def worker(tag) -> Tag:
    return replace(tag, role=Role.WORKER, pool="wn", ordinal=3)


def until(look: Callable[[], Any], wanted: Any) -> None:
    end = time.monotonic() + 30
    while (seen := look()) != wanted:
        if time.monotonic() > end:
            pytest.fail(f"waited 30 s for {wanted!r}, still {seen!r}")
        time.sleep(0.03)


def network(cloud, one, tag, **more) -> int:
    made = cloud.create(
        Kind.NETWORK,
        one.name("lan"),
        tag,
        {
            "VN_MAD": "dummy",
            "BRIDGE": "br",
            "AR": [{"TYPE": "IP4", "IP": "10.77.3.1", "SIZE": "30"}],
            **more,
        },
    )
    until(lambda: seen(cloud.networks(), made).usable, True)
    return made


def template(cloud, one, worker, **more) -> int:
    content = {"CPU": "0.1", "MEMORY": "64", **more}
    return cloud.create(
        Kind.TEMPLATE, one.name("wn"), replace(worker, ordinal=0), content
    )


def node(cloud, one, worker, **attributes) -> int:
    made = template(cloud, one, worker)
    return cloud.instantiate(made, one.name("node"), worker, attributes, hold=True)


def seen(pool, object_id):
    found = [each for each in pool if each.id == object_id]
    assert len(found) == 1, found
    return found[0]


def vm(cloud, vm_id) -> Vm:
    return seen(cloud.vms([vm_id]), vm_id)


def wait(cloud, vm_id, state: VmState) -> None:
    until(lambda: vm(cloud, vm_id).state, state)


def deploy(cloud, one, vm_id) -> None:
    cloud.deploy(vm_id, host_id=one.hosts()[0], datastore_id=one.datastore())


def test_a_look_shows_who_asks_and_of_what_version(cloud, one):
    view = cloud.look()
    assert view.endpoint == one.admin.endpoint
    assert view.version.split(".")[0] in {"6", "7"}
    assert (view.user.admin, view.quotas) == (True, ())
    assert abs(view.at - time.time()) < 60


def test_a_document_is_made_written_and_deleted(cloud, one, tag):
    made = cloud.create(Kind.DOCUMENT, one.name("farm"), tag, {})
    assert seen(cloud.documents(), made).body is None
    body = {"farm": 'x "y" ]]> $NAME\n', "sizes": {"wn": 4}, "fox": "\N{FOX FACE}"}
    cloud.write_document(made, body, HOLDER)
    document = seen(cloud.documents(), made)
    assert (document.body, document.holder, document.tag) == (body, HOLDER, tag)
    cloud.write_document(made, {"n": 1}, None)
    cloud.change(Kind.DOCUMENT, made, one.name("farm"), replace(tag, digest="new"), {})
    document = seen(cloud.documents(), made)
    assert (document.body, document.holder) == ({"n": 1}, None)
    assert document.tag == replace(tag, digest="new")
    cloud.delete(Kind.DOCUMENT, made)
    cloud.delete(Kind.DOCUMENT, made)
    assert made not in [each.id for each in cloud.documents()]


def test_a_document_takes_a_body_of_64_kib(cloud, one, tag):
    made = cloud.create(Kind.DOCUMENT, one.name("farm"), tag, {})
    body = {"long": "x\u202e" * 32 * 1024}
    cloud.write_document(made, body, HOLDER)
    assert seen(cloud.documents(), made).body == body


def test_the_lock_is_taken_once_and_lets_the_document_be_written(cloud, one, tag):
    made = cloud.create(Kind.DOCUMENT, one.name("farm"), tag, {})
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: cloud.lock(made), range(8)))
    assert sorted(taken) == [False] * 7 + [True]
    lock = seen(cloud.documents(), made).lock
    assert lock is not None
    assert (lock.owner_id, lock.level) == (cloud.look().user.id, 3)
    cloud.write_document(made, {"n": 1}, HOLDER)
    assert seen(cloud.documents(), made).holder == HOLDER
    cloud.unlock(made)
    cloud.unlock(made)
    assert seen(cloud.documents(), made).lock is None
    assert cloud.lock(made) is True
    cloud.delete(Kind.DOCUMENT, made)
    cloud.unlock(made)


def test_a_security_group_is_made_and_changed(cloud, one, tag):
    name = one.name("group")
    made = cloud.create(Kind.SECURITY_GROUP, name, tag, RULES)
    group = seen(cloud.look().groups, made)
    assert (group.name, group.tag, dict(group.attributes)) == (name, tag, RULES)
    with pytest.raises(NameTakenError) as caught:
        cloud.create(Kind.SECURITY_GROUP, name, tag, RULES)
    assert caught.value.object_id == made
    changed = replace(tag, digest="new")
    rule = {"PROTOCOL": "ICMP", "RULE_TYPE": "inbound"}
    cloud.change(Kind.SECURITY_GROUP, made, one.name("new"), changed, {"RULE": [rule]})
    group = seen(cloud.look().groups, made)
    assert (group.name, group.tag) == (one.name("new"), changed)
    assert dict(group.attributes) == {"RULE": rule}
    cloud.delete(Kind.SECURITY_GROUP, made)
    cloud.delete(Kind.SECURITY_GROUP, made)
    assert made not in [each.id for each in cloud.look().groups]


def test_a_network_has_its_ranges_and_its_own_security_groups_alone(cloud, one, tag):
    group = cloud.create(Kind.SECURITY_GROUP, one.name("group"), tag, RULES)
    made = network(cloud, one, tag, SECURITY_GROUPS=str(group), GATEWAY="10.77.3.30")
    found = seen(cloud.networks(), made)
    assert found.tag == tag
    assert found.ranges == (AddressRange(first="10.77.3.1", size=30),)
    assert found.attributes["SECURITY_GROUPS"] == str(group)
    assert found.attributes["GATEWAY"] == "10.77.3.30"
    assert not {"AR", "FARMCTL", "NAME"} & set(found.attributes)
    with pytest.raises(NameTakenError) as caught:
        network(cloud, one, tag)
    assert caught.value.object_id == made


def test_of_a_network_is_changed_what_can_be(cloud, one, tag):
    made = network(cloud, one, tag, GATEWAY="10.77.3.30")
    cloud.change(
        Kind.NETWORK,
        made,
        one.name("renamed"),
        replace(tag, digest="new"),
        {"VN_MAD": "dummy", "BRIDGE": "other", "GATEWAY": "10.77.3.29"},
    )
    found = seen(cloud.networks(), made)
    assert (found.name, found.tag) == (
        one.name("renamed"),
        replace(tag, digest="new"),
    )
    assert found.attributes["GATEWAY"] == "10.77.3.29"
    assert found.attributes["BRIDGE"] == "br"
    assert found.ranges == (AddressRange(first="10.77.3.1", size=30),)


def test_a_network_goes_when_its_last_node_has_gone(cloud, one, tag, worker):
    made = network(cloud, one, tag)
    nic = {"NIC": [{"NETWORK_ID": str(made), "IP": "10.77.3.3"}]}
    vm_id = node(cloud, one, worker, **nic)
    assert seen(cloud.networks(), made).used_leases == 1
    with pytest.raises(BusyError):
        cloud.delete(Kind.NETWORK, made)
    cloud.end(vm_id)
    wait(cloud, vm_id, VmState.GONE)

    def gone() -> bool:
        try:
            cloud.delete(Kind.NETWORK, made)
        except BusyError:
            return False
        return made not in [each.id for each in cloud.networks()]

    until(gone, True)
    cloud.delete(Kind.NETWORK, made)


def test_a_template_is_made_and_changed_whole(cloud, one, worker):
    context = {"NETWORK": "YES", "SET_HOSTNAME": "$NAME"}
    made = template(cloud, one, worker, CONTEXT=context)
    found = seen(cloud.look().templates, made)
    assert found.tag == replace(worker, ordinal=0)
    assert found.attributes == {"CPU": "0.1", "MEMORY": "64", "CONTEXT": context}
    cloud.change(Kind.TEMPLATE, made, one.name("wn"), worker, {"CPU": "2"})
    found = seen(cloud.look().templates, made)
    assert (found.tag, found.attributes) == (worker, {"CPU": "2"})
    cloud.delete(Kind.TEMPLATE, made)
    cloud.delete(Kind.TEMPLATE, made)


def test_a_node_from_hold_to_its_end(cloud, one, tag, worker):
    lan = network(cloud, one, tag)
    vm_id = node(cloud, one, worker, NIC=[{"NETWORK_ID": str(lan), "IP": "10.77.3.3"}])
    held = vm(cloud, vm_id)
    assert (held.name, held.tag, held.state) == (
        one.name("node"),
        worker,
        VmState.HELD,
    )
    assert [(nic.network_id, nic.address) for nic in held.nics] == [(lan, "10.77.3.3")]
    assert (held.host_id, held.cpus, held.memory_mib) == (None, 0.1, 64)
    assert not held.reported_ready
    deploy(cloud, one, vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    running = vm(cloud, vm_id)
    assert running.host_id == one.hosts()[0]
    assert running.state_name == "RUNNING"
    assert seen(cloud.look().vms, vm_id) == running
    for refused in (
        lambda: deploy(cloud, one, vm_id),
        lambda: cloud.start(vm_id),
    ):
        with pytest.raises(BusyError):
            refused()
    cloud.release(vm_id)
    one("vm.action", "poweroff-hard", vm_id)
    wait(cloud, vm_id, VmState.OFF)
    cloud.start(vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    cloud.end(vm_id)
    wait(cloud, vm_id, VmState.GONE)
    cloud.end(vm_id)
    assert vm_id not in [each.id for each in cloud.look().vms]
    assert vm(cloud, vm_id).state_name == "DONE"


def test_a_released_node_is_left_to_the_scheduler(cloud, one, worker):
    vm_id = node(cloud, one, worker, SCHED_REQUIREMENTS='NAME="nowhere"')
    cloud.release(vm_id)
    assert vm(cloud, vm_id).state is VmState.PENDING
    cloud.release(vm_id)


def test_a_node_that_reported_ready_is_seen_to_have(cloud, one, worker):
    vm_id = node(cloud, one, worker)
    one("vm.update", vm_id, 'READY="YES"', 1)
    assert vm(cloud, vm_id).reported_ready


def test_a_mark_is_kept_beside_the_tag_and_replaced_whole(cloud, one, worker):
    vm_id = node(cloud, one, worker)
    mark = Mark(
        draining=True,
        aside=True,
        reason='"boot"\n\N{FOX FACE}',
        attempts=2,
        configured="0123456789abcdef",
    )
    cloud.mark(vm_id, mark)
    assert (vm(cloud, vm_id).mark, vm(cloud, vm_id).tag) == (mark, worker)
    cloud.mark(vm_id, Mark())
    assert vm(cloud, vm_id).mark == Mark()


ROUTER_FILES = "FARMCTL_ROUTER_BASE64"


def router(cloud, one, tag, files) -> int:
    """Make a router on hold with its whole context, the files among it."""
    of = replace(tag, role=Role.ROUTER)
    lan = network(cloud, one, tag)
    context = {"NETWORK": "YES", "TOKEN": "YES", "SET_HOSTNAME": "$NAME"}
    made = template(
        cloud, one, of, CONTEXT={**context, "LEFT_OUT": "as it is replaced"}
    )
    attributes = {
        "NIC": [{"NETWORK_ID": str(lan), "IP": "10.77.3.3"}],
        "CONTEXT": {
            **context,
            "FARMCTL_FARM": tag.farm,
            "FARMCTL_ROLE": "router",
            ROUTER_FILES: files,
        },
    }
    return cloud.instantiate(made, one.name("router"), of, attributes, hold=True)


def context_of(one, vm_id) -> dict[str, str]:
    shown = one.xml("vm.info", vm_id, False).find("TEMPLATE/CONTEXT")
    return {each.tag: each.text or "" for each in shown}


def test_a_router_has_its_files_in_its_context_and_gets_others_while_it_runs(
    cloud, one, tag
):
    large = "QUJD" * 30_000
    vm_id = router(cloud, one, tag, large)
    deploy(cloud, one, vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    before = context_of(one, vm_id)
    assert before[ROUTER_FILES] == vm(cloud, vm_id).router_files == large
    assert before["SET_HOSTNAME"] == one.name("router")
    assert before["ETH0_IP"] == "10.77.3.3"
    assert "LEFT_OUT" not in before
    cloud.reconfigure(vm_id, {ROUTER_FILES: "b3RoZXI="})
    wait(cloud, vm_id, VmState.RUNNING)
    assert context_of(one, vm_id) == {**before, ROUTER_FILES: "b3RoZXI="}
    cloud.reconfigure(vm_id, {ROUTER_FILES: "b3RoZXI="})
    assert vm(cloud, vm_id).state is VmState.RUNNING, "nothing to be done for it"
    assert vm(cloud, vm_id).router_files == "b3RoZXI="


def test_a_context_changes_unless_the_node_is_suspended(cloud, one, tag):
    vm_id = router(cloud, one, tag, "aGVsZA==")
    cloud.reconfigure(vm_id, {ROUTER_FILES: "b24gaG9sZA=="})
    assert vm(cloud, vm_id).router_files == "b24gaG9sZA=="
    deploy(cloud, one, vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    one("vm.action", "poweroff-hard", vm_id)
    wait(cloud, vm_id, VmState.OFF)
    cloud.reconfigure(vm_id, {ROUTER_FILES: "b2Zm"})
    assert vm(cloud, vm_id).state is VmState.OFF
    assert vm(cloud, vm_id).router_files == "b2Zm"
    cloud.start(vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    one("vm.action", "suspend", vm_id)
    wait(cloud, vm_id, VmState.OFF)
    with pytest.raises(BusyError, match="cannot be updated in state SUSPENDED"):
        cloud.reconfigure(vm_id, {ROUTER_FILES: "c3VzcGVuZGVk"})
    assert vm(cloud, vm_id).router_files == "b2Zm"


def test_what_does_not_fit_is_refused(cloud, one, worker):
    vm_id = node(cloud, one, worker, CPU="9000")
    with pytest.raises(RefusedError, match="Not enough CPU"):
        deploy(cloud, one, vm_id)
    assert vm(cloud, vm_id).state is VmState.HELD


def test_an_address_that_is_taken_is_refused(cloud, one, tag, worker):
    lan = network(cloud, one, tag)
    made = template(cloud, one, worker)
    nic = {"NIC": [{"NETWORK_ID": str(lan), "IP": "10.77.3.3"}]}
    cloud.instantiate(made, one.name("a"), worker, nic, hold=True)
    with pytest.raises(RefusedError, match="Cannot get IP/MAC lease"):
        cloud.instantiate(made, one.name("b"), worker, nic, hold=True)


@pytest.mark.alone
def test_a_node_whose_boot_failed_is_ended(cloud, one, worker):
    vm_id = node(cloud, one, worker)
    with one.fault("deploy"):
        deploy(cloud, one, vm_id)
        wait(cloud, vm_id, VmState.FAILED)
    assert vm(cloud, vm_id).state_name == "BOOT_FAILURE"
    assert "deploy" in vm(cloud, vm_id).error.lower()
    cloud.end(vm_id)
    wait(cloud, vm_id, VmState.GONE)


def test_what_was_never_there_is_gone(cloud, one, worker):
    cloud.delete(Kind.TEMPLATE, 4_242_424)
    cloud.end(4_242_424)
    cloud.unlock(4_242_424)
    assert cloud.vms([4_242_424]) == []
    for gone in (
        lambda: cloud.deploy(4_242_424, host_id=0, datastore_id=0),
        lambda: cloud.mark(4_242_424, Mark()),
        lambda: cloud.lock(4_242_424),
        lambda: cloud.instantiate(4_242_424, one.name("n"), worker, {}, hold=True),
        lambda: cloud.change(Kind.TEMPLATE, 4_242_424, "n", worker, {"A": "1"}),
    ):
        with pytest.raises(GoneError):
            gone()


def test_the_pages_of_the_pool_hold_every_vm_once(one, cloud, worker):
    made = template(cloud, one, worker)
    ids = {
        cloud.instantiate(made, one.name("n"), worker, {}, hold=True) for _ in range(9)
    }
    paged = OpenNebula(one.admin.endpoint, Session(one.admin.auth), page=4)
    try:
        found = [each.id for each in paged.look().vms]
    finally:
        paged.close()
    assert ids <= set(found)
    assert len(found) == len(set(found))


def test_capacity_shows_what_a_node_takes(cloud, one, worker):
    def free() -> tuple[float, int]:
        host = seen(cloud.capacity().hosts, one.hosts()[0])
        assert host.usable
        assert host.attributes["ID"] == str(host.id)
        return host.free_cpus, host.free_memory_mib

    seen(cloud.capacity().datastores, one.datastore())
    vm_id = node(cloud, one, worker, MEMORY="96")
    deploy(cloud, one, vm_id)
    wait(cloud, vm_id, VmState.RUNNING)
    _, memory = free()
    cloud.end(vm_id)
    wait(cloud, vm_id, VmState.GONE)
    until(lambda: free()[1] >= memory + 96, True)


def test_an_ordinary_user_sees_what_the_quota_leaves(cloud, one, adapters, worker):
    tenant = one.tenant()
    limits = 'VM=[VMS="2",CPU="1.5",MEMORY="1024"]'
    one("user.quota", tenant.user_id, limits)
    theirs = adapters(tenant)
    made = template(theirs, one, worker)
    theirs.instantiate(made, one.name("a"), worker, {}, hold=True)
    view = theirs.look()
    assert not view.user.admin
    (quota,) = view.quotas
    assert quota.whose == f"user {one.name('tenant')}"
    assert (quota.vms, quota.cpus, quota.memory_mib) == (1, 1.4, 960)
    theirs.instantiate(made, one.name("b"), worker, {}, hold=True)
    with pytest.raises(QuotaError, match="is used up: 2 virtual machines"):
        theirs.instantiate(made, one.name("c"), worker, {}, hold=True)


def test_an_ordinary_user_may_not_deploy_or_force(cloud, one, adapters, worker):
    theirs = adapters(one.tenant())
    vm_id = node(theirs, one, worker)
    with pytest.raises(NotAuthorisedError, match="ADMIN"):
        deploy(theirs, one, vm_id)
    theirs.end(vm_id, force=True)
    wait(theirs, vm_id, VmState.GONE)


def test_a_wrong_password_is_told(one):
    name = one.admin.auth.partition(":")[0]
    wrong = OpenNebula(one.admin.endpoint, Session(f"{name}:wr0ng"), patience=0)
    try:
        with pytest.raises(NotAuthenticatedError) as caught:
            wrong.look()
    finally:
        wrong.close()
    assert "wr0ng" not in str(caught.value)


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: name not in {"FARMCTL", "AR", "NAME", "TEMPLATE"}
)
TEXTS = st.text(max_size=20) | st.text(
    alphabet='\\"[]=,#>$<& \n\tab\r\N{FOX FACE}', max_size=10
)
VECTORS = st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3)
TREES = st.dictionaries(
    NAMES, TEXTS | VECTORS | st.lists(VECTORS, min_size=2, max_size=2), max_size=4
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tree=TREES)
def test_any_attributes_come_back_as_they_were_or_are_refused(cloud, one, tag, tree):
    try:
        made = cloud.create(Kind.TEMPLATE, one.name("any"), tag, tree)
    except UnwritableError:
        return
    try:
        assert seen(cloud.look().templates, made).attributes == tree
    finally:
        cloud.delete(Kind.TEMPLATE, made)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=st.recursive(st.text() | st.integers(), lambda x: st.lists(x, max_size=3)))
def test_any_body_comes_back_as_it_was_or_is_refused(cloud, one, tag, value):
    made = cloud.create(Kind.DOCUMENT, one.name("any"), tag, {})
    try:
        body = {"value": value}
        cloud.write_document(made, body, None)
        assert seen(cloud.documents(), made).body == json.loads(json.dumps(body))
    finally:
        cloud.delete(Kind.DOCUMENT, made)
