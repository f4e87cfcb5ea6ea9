"""Security groups: which a NIC gets, and how a change reaches running VMs."""

import pytest


def groups_of(one, vm):
    return one.info(vm).findtext("TEMPLATE/NIC/SECURITY_GROUPS")


def ranges_of(one, vm):
    rules = one.info(vm).findall("TEMPLATE/SECURITY_GROUP_RULE")
    return [rule.findtext("RANGE") for rule in rules]


def vms(one, group, kind):
    info = one.xml("secgroup.info", group, False)
    return [int(e.text) for e in info.findall(f"{kind}_VMS/ID")]


def own_network(one, group):
    network = one.network(extra=f'SECURITY_GROUPS="{group}"')
    one("vn.update", network, f'SECURITY_GROUPS="{group}"', 1)
    return network


def test_the_default_group_is_always_added_to_a_new_network(one):
    group = one.security_group()
    network = one.network(extra=f'SECURITY_GROUPS="{group}"')
    shown = one.xml("vn.info", network, False).findtext("TEMPLATE/SECURITY_GROUPS")
    assert shown == f"0,{group}"
    assert groups_of(one, one.vm(f'NIC=[NETWORK_ID="{network}"]')) == f"0,{group}"


def test_an_update_takes_the_default_group_away_again(one):
    group = one.security_group()
    network = own_network(one, group)
    shown = one.xml("vn.info", network, False).findtext("TEMPLATE/SECURITY_GROUPS")
    assert shown == str(group)
    assert groups_of(one, one.vm(f'NIC=[NETWORK_ID="{network}"]')) == str(group)


def test_a_nic_only_adds_groups_to_those_of_its_network(one):
    group, other = one.security_group(), one.security_group(stem="other")
    network = own_network(one, group)
    vm = one.vm(f'NIC=[NETWORK_ID="{network}",SECURITY_GROUPS="{other}"]')
    assert groups_of(one, vm) == f"{group},{other}"


def test_an_unknown_group_is_taken_silently(one):
    network = one.network()
    vm = one.vm(f'NIC=[NETWORK_ID="{network}",SECURITY_GROUPS="999999"]')
    assert groups_of(one, vm) == "0,999999"


def test_a_group_shows_what_was_sent(one):
    group = one.security_group(
        'RULE=[PROTOCOL="TCP",RULE_TYPE="inbound",RANGE="22,80:90",'
        'IP="10.0.0.0",SIZE="256"]\nFARMCTL=[FARM="x"]'
    )
    template = one.xml("secgroup.info", group, False).find("TEMPLATE")
    assert [e.tag for e in template] == ["FARMCTL", "RULE"]
    assert {e.tag: e.text for e in template.find("RULE")} == {
        "IP": "10.0.0.0",
        "PROTOCOL": "TCP",
        "RANGE": "22,80:90",
        "RULE_TYPE": "inbound",
        "SIZE": "256",
    }


def test_the_vm_carries_the_rules_with_their_group(one):
    group = one.security_group(stem="rules")
    vm = one.vm(f'NIC=[NETWORK_ID="{own_network(one, group)}"]')
    rule = one.info(vm).find("TEMPLATE/SECURITY_GROUP_RULE")
    assert {e.tag: e.text for e in rule} == {
        "PROTOCOL": "TCP",
        "RANGE": "22",
        "RULE_TYPE": "inbound",
        "SECURITY_GROUP_ID": str(group),
        "SECURITY_GROUP_NAME": one.name("rules"),
    }


def test_a_changed_group_reaches_vms_without_a_commit(one):
    group = one.security_group()
    nic = f'NIC=[NETWORK_ID="{own_network(one, group)}"]'
    running, held = one.running(nic), one.vm(nic)
    assert vms(one, group, "UPDATED") == [running, held]
    rule = 'RULE=[PROTOCOL="TCP",RULE_TYPE="inbound",RANGE="22,443"]'
    one("secgroup.update", group, rule, 0)
    one.until(lambda: vms(one, group, "UPDATED"), [running, held])
    assert ranges_of(one, running) == ranges_of(one, held) == ["22,443"]


@pytest.mark.alone
def test_a_vm_that_misses_a_change_is_shown_and_brought_up_by_a_commit(one):
    group = one.security_group()
    vm = one.running(f'NIC=[NETWORK_ID="{own_network(one, group)}"]')
    rule = 'RULE=[PROTOCOL="TCP",RULE_TYPE="inbound",RANGE="80"]'
    with one.fault("update_sg"):
        one("secgroup.update", group, rule, 0)
        one.until(lambda: vms(one, group, "ERROR"), [vm])
    one("secgroup.commit", group, True)
    one.until(lambda: vms(one, group, "UPDATED"), [vm])


def test_an_update_does_not_rename(one):
    group = one.security_group(stem="named")
    one(
        "secgroup.update",
        group,
        'NAME="x"\nRULE=[PROTOCOL="ICMP",RULE_TYPE="inbound"]',
        0,
    )
    info = one.xml("secgroup.info", group, False)
    assert info.findtext("NAME") == one.name("named")
    assert info.findtext("TEMPLATE/NAME") == "x"


def test_a_wrong_rule_is_refused(one):
    group = one.security_group()
    assert one.refusal("secgroup.update", group, "RULE=[PROTOCOL=XYZ]", 0) == (
        8192,
        (
            "[one.secgroup.update] Cannot update template. Wrong PROTOCOL in rule. "
            "Valid options: TCP, UDP, ICMP, ICMPV6, IPSEC, ALL."
        ),
    )


def test_a_group_in_use_cannot_be_deleted(one):
    group = one.security_group()
    one.vm(f'NIC=[NETWORK_ID="{own_network(one, group)}"]')
    assert one.refusal("secgroup.delete", group) == (
        2048,
        (
            "[one.secgroup.delete] Cannot delete security group. "
            "The security group has VMs using it"
        ),
    )


def test_a_second_group_of_the_name_and_owner_is_refused(one):
    group = one.security_group(stem="twice")
    text = f'NAME="{one.name("twice")}"'
    assert one.refusal("secgroup.allocate", text) == (
        8192,
        f"[one.secgroup.allocate] NAME is already taken by SecurityGroup {group}.",
    )
