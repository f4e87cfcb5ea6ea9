"""What the pools show, in which order, and by which pages."""

import pytest


@pytest.fixture
def row(one):
    """Six VMs: the second is done, the last one runs; ids from old to new."""
    network = one.network()
    text = f'NIC=[NETWORK_ID="{network}"]\nTAG=[FARM="f"]\nCONTEXT=[A="1"]'
    vms = [one.vm(text) for _ in range(6)]
    one("vm.recover", vms[1], 3)
    one.deploy(vms[5])
    one.wait(vms[5], "RUNNING")
    one.wait(vms[1], "DONE")
    return vms


def ids(one, *args, pool="vmpool.infoextended"):
    return [int(vm.findtext("ID")) for vm in one.mine(pool, *args)]


def test_pools_are_ordered_from_the_newest_to_the_oldest(one, row):
    wanted = [row[5], row[4], row[3], row[2], row[0]]
    assert ids(one, -2, -1, -1, -1, "") == wanted
    assert ids(one, -2, -1, -1, -1, "", pool="vmpool.info") == wanted


def test_the_state_picks_done_all_or_one(one, row):
    assert ids(one, -2, -1, -1, 6, "") == [row[1]]
    assert ids(one, -2, -1, -1, -2, "") == row[::-1]
    assert ids(one, -2, -1, -1, 2, "") == [row[4], row[3], row[2], row[0]]


def test_a_range_of_ids_includes_both_ends(one, row):
    assert ids(one, -2, row[2], row[4], -1, "") == [row[4], row[3], row[2]]
    assert ids(one, -2, row[2], -1, -1, "") == row[:1:-1]


@pytest.mark.alone
def test_a_page_is_an_offset_from_the_newest_and_a_negative_size(one, row):
    assert ids(one, -2, 0, -3, -1, "") == [row[5], row[4], row[3]]
    assert ids(one, -2, 3, -2, -1, "") == [row[2], row[0]]
    assert ids(one, -2, 99999, -3, -1, "") == []


def test_an_unknown_filter_is_refused(one):
    assert one.refusal("vmpool.infoextended", -5, -1, -1, -1, "") == (
        4096,
        "[one.vmpool.infoextended] Incorrect filter_flag",
    )


def test_infoextended_holds_the_tags_and_the_last_history_record(one, row):
    one("vm.action", "undeploy-hard", row[5])
    one.wait(row[5], "UNDEPLOYED")
    one.deploy(row[5], host=1)
    one.wait(row[5], "RUNNING")
    vm = one.xml("vmpool.infoextended", -2, row[5], row[5], -1, "")[0]
    assert vm.findtext("USER_TEMPLATE/TAG/FARM") == "f"
    assert vm.findtext("TEMPLATE/CONTEXT/A") == "1"
    assert vm.findtext("TEMPLATE/NIC/IP") == "10.77.1.6"
    assert [h.findtext("SEQ") for h in vm.iter("HISTORY")] == ["1"]
    assert [h.findtext("SEQ") for h in one.info(row[5]).iter("HISTORY")] == ["0", "1"]


def test_info_leaves_tags_and_context_out(one, row):
    vm = one.xml("vmpool.info", -2, row[5], row[5], -1, "")[0]
    assert vm.find("USER_TEMPLATE/TAG") is None
    assert vm.find("TEMPLATE/CONTEXT") is None
    assert vm.findtext("TEMPLATE/NIC/IP") == "10.77.1.6"
    assert vm.find("PERMISSIONS") is None


def test_infoset_leaves_unknown_ids_out_and_shows_what_is_done(one, row):
    wanted = f"{row[0]},{row[1]},{row[5]},99999999"
    shown = one.xml("vmpool.infoset", wanted, True)
    assert [int(vm.findtext("ID")) for vm in shown] == [row[5], row[1], row[0]]
    assert shown[0].findtext("USER_TEMPLATE/TAG/FARM") == "f"


def test_the_network_pool_packs_its_leases(one, row):
    network = one.mine("vnpool.info")[0]
    assert network.findtext("USED_LEASES") == "5"
    address_range = network.find("AR_POOL/AR")
    assert address_range.find("LEASES") is None
    packed = [int(part) for part in address_range.findtext("ALLOCATED").split()]
    offsets, holders = packed[::2], packed[1::2]
    assert offsets == [0, 2, 3, 4, 5]
    wanted = [row[0], *row[2:]]
    assert [holder - 0x1000000000 for holder in holders] == wanted


def test_other_pools_hold_whole_bodies(one):
    long = "x" * 100_000
    one.template(f'LONG="{long}"')
    one.document(f'LONG="{long}"')
    one.security_group(f'LONG="{long}"')
    for pool in ("templatepool.info", "secgrouppool.info"):
        assert one.mine(pool)[0].findtext("TEMPLATE/LONG") == long
    document = one.mine("documentpool.info", -2, -1, -1, 4270)[0]
    assert document.findtext("TEMPLATE/LONG") == long
