"""Networks, their ranges, leases and holds."""

import pytest

LEASE_REFUSED = "Cannot get IP/MAC lease from virtual network {}."


def leases(one, network):
    info = one.xml("vn.info", network, False)
    return [
        (lease.findtext("IP"), lease.findtext("VM")) for lease in info.iter("LEASE")
    ]


def test_a_network_shows_what_it_was_given_and_what_opennebula_adds(one):
    network = one.network(extra='GATEWAY="10.77.1.254"\nFARMCTL=[FARM="x"]')
    template = one.xml("vn.info", network, False).find("TEMPLATE")
    assert {e.tag: e.text or "" for e in template if len(e) == 0} == {
        "BRIDGE": "br",
        "BRIDGE_TYPE": "linux",
        "GATEWAY": "10.77.1.254",
        "OUTER_VLAN_ID": "",
        "PHYDEV": "",
        "SECURITY_GROUPS": "0",
        "VLAN_ID": "",
        "VN_MAD": "dummy",
    }
    assert template.findtext("FARMCTL/FARM") == "x"


def test_a_fresh_network_gives_no_lease_before_it_is_ready(one):
    text = f'NAME="{one.name("fresh")}"\nVN_MAD="dummy"\nBRIDGE="br"\n'
    network = one("vn.allocate", text + 'AR=[TYPE="IP4",IP="10.77.1.1",SIZE="4"]', -1)
    states = set()
    while "1" not in states:
        states.add(one.xml("vn.info", network, False).findtext("STATE"))
    assert states <= {"0", "1", "2"}
    one.vm(f'NIC=[NETWORK_ID="{network}"]')


def test_the_range_is_worked_out(one):
    network = one.network(size=20)
    address_range = one.xml("vn.info", network, False).find("AR_POOL/AR")
    shown = {tag: address_range.findtext(tag) for tag in ("IP", "IP_END", "SIZE")}
    assert shown == {"IP": "10.77.1.1", "IP_END": "10.77.1.20", "SIZE": "20"}
    assert address_range.findtext("MAC") == "02:00:0a:4d:01:01"


def test_a_lease_is_taken_by_the_vm_and_given_back_at_its_end(one):
    network = one.network()
    vm = one.vm(f'NIC=[NETWORK_ID="{network}",IP="10.77.1.7"]')
    assert leases(one, network) == [("10.77.1.7", str(vm))]
    assert one.info(vm).findtext("TEMPLATE/NIC/MAC") == "02:00:0a:4d:01:07"
    one("vm.recover", vm, 3)
    one.until(lambda: leases(one, network), [])


def test_automatic_addresses_go_round_the_range(one):
    network = one.network(size=3)
    nic = f'NIC=[NETWORK_ID="{network}"]'
    first = one.vm(nic)
    assert one.info(first).findtext("TEMPLATE/NIC/IP") == "10.77.1.1"
    one("vm.recover", first, 3)
    one.until(lambda: leases(one, network), [])
    given = [one.info(one.vm(nic)).findtext("TEMPLATE/NIC/IP") for _ in range(3)]
    assert given == ["10.77.1.2", "10.77.1.3", "10.77.1.1"]


@pytest.mark.parametrize("address", ["10.77.1.7", "10.99.1.1", "nonsense"])
def test_an_address_taken_outside_or_wrong_is_refused_in_the_same_words(one, address):
    network = one.network()
    one.vm(f'NIC=[NETWORK_ID="{network}",IP="10.77.1.7"]')
    template = one.template(f'NIC=[NETWORK_ID="{network}",IP="{address}"]')
    name = one.name("x")
    assert one.refusal("template.instantiate", template, name, True, "", False) == (
        16384,
        "[one.template.instantiate] Error allocating a new virtual machine template. "
        + LEASE_REFUSED.format(network),
    )


def test_an_exhausted_network_is_refused(one):
    network = one.network(size=1)
    nic = f'NIC=[NETWORK_ID="{network}"]'
    one.vm(nic)
    name = one.name("x")
    text = f'NAME="{name}"\nCPU="1"\nMEMORY="64"\n{nic}'
    assert one.refusal("vm.allocate", text, True) == (
        8192,
        "[one.vm.allocate] " + LEASE_REFUSED.format(network),
    )


def test_a_failed_allocation_leaves_no_lease_behind(one):
    full, free = one.network("full", size=1), one.network("free")
    one.vm(f'NIC=[NETWORK_ID="{full}"]')
    text = f'NAME="{one.name("x")}"\nCPU="1"\nMEMORY="64"\n'
    nics = f'NIC=[NETWORK_ID="{free}"]\nNIC=[NETWORK_ID="{full}"]'
    one.refusal("vm.allocate", text + nics, True)
    assert leases(one, free) == []


def test_a_held_address_goes_to_nobody(one):
    network = one.network(size=2)
    one("vn.hold", network, 'LEASES=[IP="10.77.1.1"]')
    assert leases(one, network) == [("10.77.1.1", "-1")]
    vm = one.vm(f'NIC=[NETWORK_ID="{network}"]')
    assert one.info(vm).findtext("TEMPLATE/NIC/IP") == "10.77.1.2"
    one("vn.release", network, 'LEASES=[IP="10.77.1.1"]')
    assert leases(one, network) == [("10.77.1.2", str(vm))]


@pytest.mark.parametrize("address", ["10.77.1.1", "10.77.9.9"])
def test_holding_twice_or_outside_the_range_is_refused(one, address):
    network = one.network()
    one("vn.hold", network, 'LEASES=[IP="10.77.1.1"]')
    assert one.refusal("vn.hold", network, f'LEASES=[IP="{address}"]') == (
        8192,
        "[one.vn.hold] Address is not part of the address range or in use.",
    )


def test_a_range_that_overlaps_is_accepted(one):
    network = one.network()
    one("vn.add_ar", network, 'AR=[TYPE="IP4",IP="10.77.1.10",SIZE="10"]')
    ranges = one.xml("vn.info", network, False).findall("AR_POOL/AR")
    assert [r.findtext("IP") for r in ranges] == ["10.77.1.1", "10.77.1.10"]
    one("vn.rm_ar", network, 1, False)


def test_networks_may_overlap_each_other(one):
    assert one.network("a") != one.network("b")


def test_a_second_network_of_the_name_and_owner_is_refused(one):
    network = one.network("twice")
    text = f'NAME="{one.name("twice")}"\nVN_MAD="dummy"\nBRIDGE="br"'
    assert one.refusal("vn.allocate", text, -1) == (
        8192,
        f"[one.vn.allocate] NAME is already taken by NET {network}.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('VN_MAD="dummy"', "BRIDGE is mandatory for driver dummy"),
        ('VN_MAD="802.1Q"\nVLAN_ID="7"', "PHYDEV is mandatory for driver 802.1Q"),
        (
            'VN_MAD="802.1Q"\nPHYDEV="eth1"',
            "VLAN_ID (or AUTOMATIC_VLAN_ID) is mandatory for driver 802.1Q",
        ),
    ],
)
def test_a_network_that_its_driver_cannot_make_is_refused(one, text, message):
    name = one.name("bad")
    assert one.refusal("vn.allocate", f'NAME="{name}"\n{text}', -1) == (
        8192,
        f"[one.vn.allocate] {message}",
    )


@pytest.mark.parametrize("driver", ["802.1Q", "vxlan"])
def test_an_automatic_vlan_is_given_and_names_the_bridge(one, driver):
    text = f'NAME="{one.name("vlan")}"\nVN_MAD="{driver}"\nPHYDEV="eth1"\n'
    network = one("vn.allocate", text + 'AUTOMATIC_VLAN_ID="YES"', -1)
    info = one.xml("vn.info", network, False)
    assert int(info.findtext("VLAN_ID")) > 1
    assert info.findtext("VLAN_ID_AUTOMATIC") == "1"
    assert info.findtext("BRIDGE") == f"onebr{network}"
    assert info.find("TEMPLATE/AUTOMATIC_VLAN_ID") is None


def test_a_network_with_leases_cannot_be_deleted(one):
    network = one.network()
    one.vm(f'NIC=[NETWORK_ID="{network}"]')
    assert one.refusal("vn.delete", network, False) == (
        2048,
        (
            "[one.vn.delete] Cannot delete virtual network. "
            "Can not remove a virtual network with leases in use"
        ),
    )


def test_a_deleted_network_is_gone_after_a_moment(one):
    network = one.network()
    one("vn.delete", network, False)
    one.until(lambda: one.admin.works("vn.info", network, False), False)
    code, message = one.refusal("vn.info", network, False)
    assert (code, message) == (
        1024,
        f"[one.vn.info] Error getting virtual network [{network}].",
    )


def test_update_merges_with_one_and_needs_the_driver_with_zero(one):
    network = one.network(extra='KEPT="1"')
    one("vn.update", network, 'DNS="10.77.1.254"', 1)
    template = one.xml("vn.info", network, False).find("TEMPLATE")
    assert template.findtext("KEPT") == "1"
    assert template.findtext("DNS") == "10.77.1.254"
    assert one.refusal("vn.update", network, 'DNS="1.1.1.1"', 0) == (
        8192,
        (
            "[one.vn.update] Cannot update template. "
            "No VN_MAD in template for Virtual Network."
        ),
    )


def test_a_locked_network_cannot_be_deleted(one):
    network = one.network()
    one("vn.lock", network, 4, True)
    assert one.refusal("vn.delete", network, False) == (
        512,
        f"[one.vn.delete] User [0] : NET is locked. [{network}].",
    )
    one("vn.unlock", network)


def test_the_nic_wins_over_the_networks_spoofing_filters(one):
    network = one.network(extra='FILTER_IP_SPOOFING="YES"\nFILTER_MAC_SPOOFING="YES"')
    vm = one.vm(f'NIC=[NETWORK_ID="{network}",FILTER_IP_SPOOFING="NO"]')
    nic = one.info(vm).find("TEMPLATE/NIC")
    assert nic.findtext("FILTER_IP_SPOOFING") == "NO"
    assert nic.findtext("FILTER_MAC_SPOOFING") == "YES"


def test_nics_come_and_go_while_a_vm_runs(one):
    network, other = one.network("a"), one.network("b")
    vm = one.running(f'NIC=[NETWORK_ID="{network}"]')
    one("vm.attachnic", vm, f'NIC=[NETWORK_ID="{other}"]')
    one.wait(vm, "RUNNING")
    nics = one.info(vm).findall("TEMPLATE/NIC")
    assert [nic.findtext("NIC_ID") for nic in nics] == ["0", "1"]
    one("vm.detachnic", vm, 1)
    one.wait(vm, "RUNNING")
    one.until(lambda: leases(one, other), [])
    assert len(one.info(vm).findall("TEMPLATE/NIC")) == 1


@pytest.mark.alone
def test_a_transient_state_refuses_other_actions(one):
    network = one.network()
    vm = one.running()
    with one.fault("attach_nic", slow=True):
        one("vm.attachnic", vm, f'NIC=[NETWORK_ID="{network}"]')
        one.wait(vm, "HOTPLUG_NIC")
        assert one.refusal("vm.action", "poweroff", vm) == (
            2048,
            (
                '[one.vm.action] Error performing action "poweroff": '
                "This action is not available for state HOTPLUG_NIC"
            ),
        )
        one.wait(vm, "RUNNING")
