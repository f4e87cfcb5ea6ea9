"""Networks: their short transient states, leases, holds, reservations, VLANs."""


def lease(one, vm):
    return one.xml("vm.info", vm, False).findtext("TEMPLATE/NIC/IP")


def state(one, network):
    return one.xml("vn.info", network, False).findtext("STATE")


def test_a_network_is_locked_while_it_comes_and_goes(one):
    text = (
        'NAME="n"\nVN_MAD="dummy"\nBRIDGE="b"\nAR=[TYPE="IP4",IP="10.0.0.1",SIZE="2"]'
    )
    network = one("vn.allocate", text, -1)
    lock_create, ready, lock_delete = "2", "1", "3"
    code, message = one.refusal("vn.hold", network, 'LEASES=[IP="10.0.0.1"]')
    assert code == 2048
    assert "LOCK_CREATE" in message
    seen = [state(one, network)]
    one.turn(1)
    seen.append(state(one, network))
    one("vn.delete", network)
    seen.append(state(one, network))
    one.turn(1)
    assert one.refusal("vn.info", network, False)[0] == 1024
    assert seen == [lock_create, ready, lock_delete]


def test_addresses_are_given_in_order_and_freed_ones_last(one):
    network = one.network(size=3)
    nic = f'NIC=[NETWORK_ID="{network}"]'
    first, second = one.vm("a", nic), one.vm("b", nic)
    assert [lease(one, first), lease(one, second)] == ["10.0.0.1", "10.0.0.2"]
    one("vm.action", "terminate", first)
    assert lease(one, one.vm("c", nic)) == "10.0.0.3"
    assert lease(one, one.vm("d", nic)) == "10.0.0.1"


def test_a_wanted_address_is_had_once(one):
    network = one.network()
    nic = f'NIC=[NETWORK_ID="{network}",IP="10.0.0.7"]'
    assert lease(one, one.vm("a", nic)) == "10.0.0.7"
    code, message = one.refusal("vm.allocate", f'CPU="1"\nMEMORY="1"\n{nic}', True)
    assert code == 8192
    assert message == (
        "[one.vm.allocate] Cannot get IP/MAC lease from virtual network 1."
    )


def test_a_held_address_is_given_to_nobody(one):
    network = one.network(size=2)
    one("vn.hold", network, 'LEASES=[IP="10.0.0.1"]')
    nic = f'NIC=[NETWORK_ID="{network}"]'
    assert lease(one, one.vm("a", nic)) == "10.0.0.2"
    assert one.refusal("vm.allocate", f'CPU="1"\nMEMORY="1"\n{nic}', True)[0] == 8192
    one("vn.release", network, 'LEASES=[IP="10.0.0.1"]')
    assert lease(one, one.vm("c", nic)) == "10.0.0.1"


def test_a_network_in_use_is_not_deleted(one):
    network = one.network()
    vm = one.vm("a", f'NIC=[NETWORK_ID="{network}"]')
    assert one.refusal("vn.delete", network)[0] == 2048
    one("vm.action", "terminate", vm)
    one("vn.delete", network)


def test_a_reservation_is_a_network_of_one_s_own(one):
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    ann, session = one.user("ann")
    mine = one("vn.reserve", network, 'NAME="mine"\nSIZE="3"', by=session)
    one.turn(1)
    info = one.xml("vn.info", mine, False)
    assert info.findtext("UID") == str(ann)
    assert info.findtext("PARENT_NETWORK_ID") == str(network)
    assert info.findtext("AR_POOL/AR/SIZE") == "3"
    assert one.xml("vn.info", network, False).findtext("USED_LEASES") == "3"
    other = one.vm("a", f'NIC=[NETWORK_ID="{network}"]')
    assert lease(one, other) == "10.0.0.4"
    one("vn.delete", mine, by=session)
    one.turn(1)
    assert one.xml("vn.info", network, False).findtext("USED_LEASES") == "1"


def test_vlans_are_drawn_from_the_numbers_that_are_free(one):
    one("vn.allocate", 'NAME="given"\nVN_MAD="802.1Q"\nPHYDEV="eth1"\nVLAN_ID="7"', -1)
    drawn = []
    for number in range(3):
        text = (
            f'NAME="n{number}"\nVN_MAD="802.1Q"\nPHYDEV="eth1"\nAUTOMATIC_VLAN_ID="YES"'
        )
        network = one("vn.allocate", text, -1)
        info = one.xml("vn.info", network, False)
        assert info.findtext("VLAN_ID_AUTOMATIC") == "1"
        drawn.append(int(info.findtext("VLAN_ID")))
        assert drawn[-1] == 2 + network
    assert len(set(drawn)) == 3


def test_overlapping_networks_are_nobody_s_concern(one):
    assert one.network(name="a") != one.network(name="b")


def test_the_public_network_has_what_the_settings_say(one):
    [public] = one.xml("vnpool.info", -2, -1, -1)
    ar = one.xml("vn.info", int(public.findtext("ID")), False).find("AR_POOL/AR")
    assert (ar.findtext("IP"), ar.findtext("SIZE")) == ("203.0.113.10", "60")


def test_a_template_lends_the_right_to_make_a_network(one):
    text = 'NAME="farm-net"\nVN_MAD="dummy"\nBRIDGE="b"'
    template = one("vntemplate.allocate", text)
    one("vntemplate.chmod", template, 1, 1, 0, 1, 0, 0, 1, 0, 0, False)
    _, ann = one.user("ann")
    assert one.refusal("vn.allocate", text, -1, by=ann)[0] == 512
    network = one("vntemplate.instantiate", template, "ann-1", "", by=ann)
    one.turn(1)
    assert state(one, network) == "1"
    ar = 'AR=[TYPE="IP4",IP="10.9.0.1",SIZE="5"]'
    one("vn.add_ar", network, ar, by=ann)


def test_changed_rules_reach_the_vms_that_use_them(one):
    group = one(
        "secgroup.allocate", 'NAME="g"\nRULE=[PROTOCOL="TCP",RULE_TYPE="INBOUND"]'
    )
    network = one.network(f'SECURITY_GROUPS="{group}"')
    vm = one.running("a", f'NIC=[NETWORK_ID="{network}"]')
    one.turn()

    def members(name):
        return [e.text for e in one.xml("secgroup.info", group, False).find(name)]

    assert members("UPDATED_VMS") == [str(vm)]
    one("secgroup.update", group, 'RULE=[PROTOCOL="UDP",RULE_TYPE="INBOUND"]', 0)
    # As in OpenNebula, a VM that is being brought up to date is in no list.
    assert members("UPDATED_VMS") + members("OUTDATED_VMS") == []
    one.turn(2)
    assert members("UPDATED_VMS") == [str(vm)]
    rules = one.xml("vm.info", vm, False).findall("TEMPLATE/SECURITY_GROUP_RULE")
    assert "UDP" in {rule.findtext("PROTOCOL") for rule in rules}
