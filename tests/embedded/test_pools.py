"""Pools: filters, pages, and that ten thousand VMs are no burden."""

import pytest
from lxml import etree


def ids(one, method, *args, by=None):
    return [int(e.findtext("ID")) for e in one.xml(method, *args, by=by)]


def test_filters_choose_mine_my_groups_and_all(one):
    group = one("group.allocate", "lab")
    one("acl.addrule", hex(0x200000000 | group), hex(0x1400000000), "8", hex(1 << 34))
    ann_id, ann = one.user("ann", group)
    _, bob = one.user("bob", group)
    mine, theirs, admins = one.vm("a", by=ann), one.vm("b", by=bob), one.vm("c")
    one("vm.chmod", theirs, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    assert ids(one, "vmpool.info", -3, -1, -1, -1, by=ann) == [mine]
    assert ids(one, "vmpool.info", -1, -1, -1, -1, by=ann) == [theirs, mine]
    assert ids(one, "vmpool.info", -2, -1, -1, -1, by=ann) == [theirs, mine]
    assert ids(one, "vmpool.info", -2, -1, -1, -1) == [admins, theirs, mine]
    assert ids(one, "vmpool.info", ann_id, -1, -1, -1) == [mine]


def test_states_choose_too(one):
    held, running, over = one.vm("a"), one.running("b"), one.vm("c")
    one("vm.action", "terminate", over)
    assert ids(one, "vmpool.info", -2, -1, -1, -1) == [running, held]
    assert ids(one, "vmpool.info", -2, -1, -1, -2) == [over, running, held]
    assert ids(one, "vmpool.info", -2, -1, -1, 2) == [held]
    assert ids(one, "vmpool.info", -2, -1, -1, 6) == [over]


def test_pages_are_offset_and_negative_size(one):
    made = [one.vm(f"v{number}") for number in range(7)]
    newest_first = made[::-1]
    assert ids(one, "vmpool.infoextended", -2, 0, -3, -1) == newest_first[:3]
    assert ids(one, "vmpool.infoextended", -2, 3, -3, -1) == newest_first[3:6]
    assert ids(one, "vmpool.infoextended", -2, 6, -3, -1) == newest_first[6:]
    assert ids(one, "vmpool.infoextended", -2, 2, 4, -1) == [4, 3, 2]


def test_a_page_shows_what_has_changed_since_the_last(one):
    vm = one.vm("a")
    one("vmpool.infoextended", -2, 0, -10, -1)
    one("vm.rename", vm, "b")
    assert one.xml("vmpool.infoextended", -2, 0, -10, -1).findtext("VM/NAME") == "b"
    one("vm.update", vm, 'MARK="1"', 1)
    page = one.xml("vmpool.infoextended", -2, 0, -10, -1)
    assert page.findtext("VM/USER_TEMPLATE/MARK") == "1"


@pytest.mark.slow
def test_ten_thousand_vms_are_read_in_pages_of_two_thousand(opennebula_with):
    cloud = opennebula_with(worker_hosts=320, worker_cores=64)
    cloud.set_scale(0)
    text = 'NAME="wn"\nCPU="1"\nMEMORY="512"\nNIC=[NETWORK="{}"]'
    count, per_network = 10_000, 250
    for number in range(count // per_network):
        network = f'NAME="n{number}"\nVN_MAD="dummy"\nBRIDGE="b"\n'
        ar = f'AR=[TYPE="IP4",IP="10.{number}.0.1",SIZE="{per_network}"]'
        cloud.call("one.vn.allocate", network + ar, -1)
        cloud.turn(1)
        for _ in range(per_network):
            vm = cloud.call("one.vm.allocate", text.format(f"n{number}"), True)
            cloud.call("one.vm.deploy", vm, 6 + vm % 320, False, 100, "")
        cloud.turn(5)
    seen: set[str] = set()
    for offset in range(0, count, 2000):
        page = cloud.call("one.vmpool.infoextended", -2, offset, -2000, -1)
        found = etree.fromstring(page, etree.XMLParser(huge_tree=True))
        seen.update(
            vm.findtext("ID") for vm in found if vm.findtext("LCM_STATE") == "3"
        )
    cloud.kill()
    cloud.start()
    left = len(cloud.dump("VM")["VM"])
    cloud.stop()
    assert len(seen) == count
    assert left == count
