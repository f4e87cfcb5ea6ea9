"""What each method of the port asks of OpenNebula, word for word."""

import re
from pathlib import Path

import pytest

from farmctl.errors import BadAnswerError, BusyError, LockedError, NotAuthorisedError
from farmctl.model.attributes import Kind, Ref
from farmctl.model.nodes import Mark, Role, Tag
from farmctl.model.view import Holder

TAG = Tag(farm="taf", role=Role.WORKER, pool="wn", digest="abc", ordinal=3)
WRITTEN_TAG = 'FARMCTL=[FARM="taf",ROLE="worker",POOL="wn",DIGEST="abc",ORDINAL="3"]'
BUSY = (False, "[one.x] wrong state PROLOG", 2048)
GONE = (False, "[one.x] Error getting object [7].", 1024)


def recorded(name: str) -> str:
    return (Path(__file__).parent / "answers" / f"{name}.xml").read_text()


@pytest.fixture
def asked(wayward, shapes):
    """Answer 7 to everything; tells the calls without their session."""
    wayward.always = shapes.rpc(True, 7, 0)

    def asked():
        sessions = {params[0] for _, params in wayward.calls}
        assert sessions == {shapes.secret}
        return [(method, *params[1:]) for method, params in wayward.calls]

    return asked


def test_create_a_document(cloud, asked):
    assert cloud.create(Kind.DOCUMENT, "taf", Tag(farm="taf"), {}) == 7
    assert asked() == [
        ("one.document.allocate", 'NAME="taf"\nFARMCTL=[FARM="taf"]', 4270)
    ]


def test_create_a_security_group(cloud, asked):
    rules = {"RULE": [{"PROTOCOL": "ALL"}, {"PROTOCOL": "TCP", "RANGE": "22"}]}
    cloud.create(Kind.SECURITY_GROUP, "taf", TAG, rules)
    assert asked() == [
        (
            "one.secgroup.allocate",
            'NAME="taf"\nRULE=[PROTOCOL="ALL"]\nRULE=[PROTOCOL="TCP",RANGE="22"]\n'
            + WRITTEN_TAG,
        )
    ]


def test_create_a_template(cloud, asked):
    cloud.create(Kind.TEMPLATE, "taf-wn", TAG, {"CPU": "2", "NAME": "other"})
    assert asked() == [
        ("one.template.allocate", f'NAME="taf-wn"\nCPU="2"\n{WRITTEN_TAG}')
    ]


def test_create_a_network_and_take_the_open_group_off_it(cloud, asked):
    attributes = {
        "VN_MAD": "dummy",
        "SECURITY_GROUPS": "104",
        "AR": [{"TYPE": "IP4", "IP": "172.16.1.1", "SIZE": "254"}],
    }
    ranges = f'AR=[TYPE="IP4",IP="172.16.1.1",SIZE="254"]\n{WRITTEN_TAG}'
    assert cloud.create(Kind.NETWORK, "taf", TAG, attributes) == 7
    assert asked() == [
        (
            "one.vn.allocate",
            'NAME="taf"\nVN_MAD="dummy"\nSECURITY_GROUPS="104"\n' + ranges,
            -1,
        ),
        ("one.vn.update", 7, 'SECURITY_GROUPS="104"', 1),
    ]


def test_nothing_is_sent_that_cannot_be_written(cloud, wayward):
    group = Ref(kind=Kind.SECURITY_GROUP, name="taf")
    for name, attributes in (("a\nb", {}), ("a", {"A": "\0"}), ("a", {"G": group})):
        with pytest.raises(Exception, match="cannot be given to OpenNebula"):
            cloud.create(Kind.NETWORK, name, TAG, attributes)
    assert wayward.calls == []


def test_change_a_template_or_security_group_whole(cloud, asked):
    cloud.change(Kind.TEMPLATE, 5, "taf-wn", TAG, {"CPU": "4"})
    cloud.change(Kind.SECURITY_GROUP, 6, "taf", TAG, {"RULE": [{"PROTOCOL": "ALL"}]})
    assert asked() == [
        ("one.template.update", 5, f'CPU="4"\n{WRITTEN_TAG}', 0),
        ("one.template.rename", 5, "taf-wn"),
        ("one.secgroup.update", 6, f'RULE=[PROTOCOL="ALL"]\n{WRITTEN_TAG}', 0),
        ("one.secgroup.rename", 6, "taf"),
    ]


def test_change_of_a_network_what_can_be_changed(cloud, asked):
    attributes = {
        "VN_MAD": "802.1Q",
        "PHYDEV": "eth1",
        "BRIDGE": "b",
        "VLAN_ID": "7",
        "AR": [{"IP": "172.16.1.1", "SIZE": "254"}],
        "GATEWAY": "172.16.1.254",
        "SECURITY_GROUPS": "104",
    }
    cloud.change(Kind.NETWORK, 5, "taf", TAG, attributes)
    assert asked() == [
        (
            "one.vn.update",
            5,
            f'GATEWAY="172.16.1.254"\nSECURITY_GROUPS="104"\n{WRITTEN_TAG}',
            1,
        ),
        ("one.vn.rename", 5, "taf"),
    ]


def test_change_of_a_document_keeps_its_body(cloud, asked):
    cloud.change(Kind.DOCUMENT, 5, "taf", Tag(farm="taf"), {})
    assert asked() == [("one.document.update", 5, 'FARMCTL=[FARM="taf"]', 1)]


def test_write_a_document(cloud, asked):
    holder = Holder(host="h", boot="b", pid=1, started="s", nonce="n", beat=2)
    cloud.write_document(5, {"b": 1, "a": "é"}, None)
    cloud.write_document(5, {}, holder)
    first, second = asked()
    assert first == (
        "one.document.update",
        5,
        'BODY_BASE64="eyJhIjoiXHUwMGU5IiwiYiI6MX0="\nHOLDER_BASE64=""',
        1,
    )
    assert second[2].startswith('BODY_BASE64="e30="\nHOLDER_BASE64="eyJob3N0')


def test_delete_each_kind(cloud, asked):
    for kind in Kind:
        cloud.delete(kind, 5)
    assert asked() == [
        ("one.document.delete", 5),
        ("one.secgroup.delete", 5),
        ("one.vn.delete", 5),
        ("one.template.delete", 5, False),
    ]


def test_what_is_gone_is_deleted_ended_and_unlocked(cloud, wayward, shapes):
    wayward.always = shapes.rpc(*GONE)
    cloud.delete(Kind.NETWORK, 7)
    cloud.end(7)
    cloud.unlock(7)
    assert len(wayward.calls) == 3


def test_what_is_in_use_is_busy(cloud, wayward, shapes):
    wayward.always = shapes.rpc(*BUSY)
    for call in (
        lambda: cloud.delete(Kind.NETWORK, 7),
        lambda: cloud.end(7),
        lambda: cloud.start(7),
        lambda: cloud.deploy(7, host_id=1, datastore_id=1),
    ):
        with pytest.raises(BusyError):
            call()


def test_lock_so_that_the_document_can_still_be_written(cloud, asked, wayward, shapes):
    assert cloud.lock(5) is True
    assert asked() == [("one.document.lock", 5, 3, True)]
    wayward.always = shapes.rpc(False, "[one.document.lock] 1795333013", 2048)
    assert cloud.lock(5) is False


def test_unlock_what_is_not_locked(cloud, wayward, shapes):
    owned = "[one.document.unlock] Cannot unlock: Lock is owned by another user"
    wayward.script = [
        shapes.rpc(False, owned, 2048),
        shapes.rpc(True, "<DOCUMENT><ID>5</ID></DOCUMENT>", 0),
    ]
    cloud.unlock(5)
    assert wayward.methods == ["one.document.unlock", "one.document.info"]


def test_unlock_what_somebody_else_has_locked(cloud, wayward, shapes):
    owned = "[one.document.unlock] Cannot unlock: Lock is owned by another user"
    locked = "<DOCUMENT><ID>5</ID><LOCK><LOCKED>3</LOCKED></LOCK></DOCUMENT>"
    wayward.script = [shapes.rpc(False, owned, 2048), shapes.rpc(True, locked, 0)]
    with pytest.raises(LockedError):
        cloud.unlock(5)


def test_instantiate(cloud, asked):
    nic = {"NIC": [{"NETWORK_ID": "4", "IP": "172.16.1.3"}]}
    assert cloud.instantiate(9, "taf-wn-003", TAG, nic, hold=True) == 7
    assert asked() == [
        (
            "one.template.instantiate",
            9,
            "taf-wn-003",
            True,
            (
                f'NIC=[NETWORK_ID="4",IP="172.16.1.3"]\n'
                f'{WRITTEN_TAG.removesuffix("]")},NODE="taf-wn-003"]'
            ),
            False,
        )
    ]


def test_deploy_with_capacity_enforced(cloud, asked):
    cloud.deploy(5, host_id=2, datastore_id=100)
    assert asked() == [("one.vm.deploy", 5, 2, True, 100, "")]


def test_release_start_and_end(cloud, asked):
    cloud.release(5)
    cloud.start(5)
    cloud.end(5)
    assert asked() == [
        ("one.vm.action", "release", 5),
        ("one.vm.action", "resume", 5),
        ("one.vm.action", "terminate-hard", 5),
    ]


def test_release_what_is_not_held(cloud, wayward, shapes):
    wayward.always = shapes.rpc(*BUSY)
    cloud.release(5)
    assert wayward.methods == ["one.vm.action"]


def test_end_by_force_what_hangs(cloud, wayward, shapes):
    wayward.script = [shapes.rpc(*BUSY), shapes.rpc(True, 5, 0)]
    cloud.end(5, force=True)
    assert [params[1:] for _, params in wayward.calls] == [
        ("terminate-hard", 5),
        (5, 3),
    ]
    assert wayward.methods == ["one.vm.action", "one.vm.recover"]


def test_force_needs_a_right(cloud, wayward, shapes):
    no = "[one.vm.recover] User [2] : Not authorized to perform ADMIN VM [76]."
    wayward.script = [shapes.rpc(*BUSY), shapes.rpc(False, no, 512)]
    with pytest.raises(NotAuthorisedError):
        cloud.end(5, force=True)


def test_force_asks_for_no_more_where_plain_ending_works(cloud, asked):
    cloud.end(5, force=True)
    assert asked() == [("one.vm.action", "terminate-hard", 5)]


def test_mark_writes_all_of_the_mark(cloud, asked):
    reason = 'REASON_BASE64="bm8gImJvb3QiCg=="'
    cloud.mark(5, Mark(aside=True, reason='no "boot"\n', attempts=2))
    assert asked() == [
        (
            "one.vm.update",
            5,
            f'FARMCTL_MARK=[DRAINING="NO",ASIDE="YES",{reason},ATTEMPTS="2"]',
            1,
        )
    ]


def test_reconfigure_merges_into_the_context(cloud, asked):
    cloud.reconfigure(5, {"FARMCTL_ROUTER_BASE64": "QUJD"})
    assert asked() == [
        ("one.vm.updateconf", 5, 'CONTEXT=[FARMCTL_ROUTER_BASE64="QUJD"]', 1)
    ]


def test_a_configured_node_is_marked_with_what_it_was_given(cloud, asked):
    cloud.mark(5, Mark(configured="0a1b", sent="2c3d"))
    ((_, _, written, _),) = asked()
    assert 'CONFIGURED="0a1b",SENT="2c3d"' in written


def look_like_7_4(wayward, **more):
    empty = "<{0}_POOL></{0}_POOL>".format
    answers = {
        "system_version": "7.4.0",
        "user_info": recorded("user"),
        "group_info": recorded("group"),
        "vmpool_infoextended": recorded("vms"),
        "vnpool_info": recorded("networks"),
        "secgrouppool_info": recorded("groups"),
        "templatepool_info": recorded("templates"),
        "documentpool_info": empty("DOCUMENT"),
        "imagepool_info": recorded("images"),
        "hostpool_info": recorded("hosts"),
        "datastorepool_info": recorded("datastores"),
    }
    wayward.answers(**answers | more)


def test_one_look_is_eight_calls_and_the_group_of_one_with_quotas(
    cloud, wayward, clock
):
    look_like_7_4(wayward)
    view = cloud.look()
    assert sorted(wayward.methods) == [
        "one.documentpool.info",
        "one.group.info",
        "one.imagepool.info",
        "one.secgrouppool.info",
        "one.system.version",
        "one.templatepool.info",
        "one.user.info",
        "one.vmpool.infoextended",
        "one.vnpool.info",
    ]
    assert (view.at, view.version, view.endpoint) == (
        1_000_000.0,
        "7.4.0",
        wayward.endpoint,
    )
    assert view.user.name == "tina"
    assert [quota.whose for quota in view.quotas] == ["user tina"]
    assert [len(pool) for pool in (view.vms, view.networks, view.groups)] == [3, 2, 1]
    assert list(view.farms) == ["cms"]


def test_one_look_of_an_admin_is_eight_calls(cloud, wayward):
    oneadmin = "<USER><ID>0</ID><GID>0</GID><NAME>oneadmin</NAME></USER>"
    look_like_7_4(wayward, user_info=oneadmin)
    assert cloud.look().quotas == ()
    assert len(wayward.calls) == 8


def test_capacity_is_two_calls(cloud, wayward):
    look_like_7_4(wayward)
    assert len(cloud.capacity().hosts) == 2
    assert sorted(wayward.methods) == ["one.datastorepool.info", "one.hostpool.info"]


def test_some_vms_are_one_call_for_a_thousand(cloud, wayward):
    wayward.answers(vmpool_infoset="<VM_POOL></VM_POOL>")
    assert cloud.vms([]) == []
    cloud.vms([5, 3, 5])
    assert wayward.calls[-1][1][1:] == ("3,5", True)
    wayward.calls.clear()
    cloud.vms(range(1001))
    assert [params[1].count(",") for _, params in wayward.calls] == [999, 0]


@pytest.mark.parametrize("version", ["6.10.0", "6.10.5", "7.0.0", "7.4.0", "7.9.1"])
def test_versions_that_are_known(cloud, wayward, version):
    look_like_7_4(wayward, system_version=version)
    assert cloud.look().version == version


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("6.8.3", "This is OpenNebula 6.8.3; farmctl needs 6.10 or later."),
        ("5.12.0.4", "This is OpenNebula 5.12.0.4; farmctl needs 6.10 or later."),
        ("9.0.0", "This is OpenNebula 9.0.0; this farmctl knows 6.10 to 7.x."),
        ("latest", "calls its version 'latest', which is none."),
        ("", "calls its version '', which is none."),
    ],
)
def test_versions_that_are_not(cloud, wayward, version, said):
    look_like_7_4(wayward, system_version=version)
    with pytest.raises(BadAnswerError, match=re.escape(said)):
        cloud.look()


def pool_of(ids) -> str:
    rows = "".join(f"<VM><ID>{each}</ID></VM>" for each in ids)
    return f"<VM_POOL>{rows}</VM_POOL>"


def test_a_large_pool_is_read_by_pages_that_overlap(connect, wayward):
    everything = list(range(100, 0, -1))

    def page(_filter, offset, size, _state, _pair):
        return pool_of(everything[offset : offset - size])

    look_like_7_4(wayward, vmpool_infoextended=page)
    view = connect(wayward.endpoint, page=40).look()
    assert [vm.id for vm in view.vms] == everything
    pages = [p[1:] for m, p in wayward.calls if m == "one.vmpool.infoextended"]
    assert pages == [
        (-2, 0, -40, -1, ""),
        (-2, 20, -40, -1, ""),
        (-2, 40, -40, -1, ""),
        (-2, 60, -40, -1, ""),
        (-2, 80, -40, -1, ""),
    ]


@pytest.mark.parametrize("ending", [1, 19, 30, 81])
def test_vms_that_end_while_pages_are_read_hide_no_other(connect, wayward, ending):
    everything = list(range(100, 0, -1))
    lasting = set(everything[ending:])

    def page(_filter, offset, size, _state, _pair):
        found = pool_of(everything[offset : offset - size])
        if len(everything) == 100:
            del everything[:ending]
        return found

    look_like_7_4(wayward, vmpool_infoextended=page)
    view = connect(wayward.endpoint, page=40).look()
    assert {vm.id for vm in view.vms} >= lasting


def test_a_pool_that_never_holds_still_is_said_to_be_one(connect, wayward):
    ids = iter(range(10_000_000))

    def page(*_):
        return pool_of([next(ids) for _ in range(40)])

    look_like_7_4(wayward, vmpool_infoextended=page)
    with pytest.raises(BadAnswerError, match="change faster"):
        connect(wayward.endpoint, page=40).look()


def test_one_call_that_fails_fails_the_look(cloud, wayward, shapes):
    no = shapes.rpc(False, "[one.vnpool.info] Not authorized", 512)
    look_like_7_4(wayward, vnpool_info=no)
    with pytest.raises(NotAuthorisedError):
        cloud.look()
