"""Each farm on a segment of its own, by every driver, beside what others have."""

import pytest

from farmctl.errors import ExhaustedError, NotPossibleError
from farmctl.model.nodes import Tag
from farmctl.model.view import AddressRange, Network
from farmctl.plan import addresses, segments

VLANS = {
    "supernet": "172.16.0.0/22",
    "driver": "802.1Q",
    "physical_device": "eth1",
    "vlan_ids": {"first": 100, "last": 102},
}


def networks(kit, **farms):
    return kit.site({"networks": {"farms": {**VLANS, **farms}}}).networks


def network(number, *, vlan="", farm="", first="", **attributes):
    return Network(
        id=number,
        name=farm or f"net-{number}",
        owner_id=0,
        tag=Tag(farm=farm) if farm else None,
        vlan_id=vlan,
        ranges=(AddressRange(first=first, size=254),) if first else (),
        attributes={"VN_MAD": "802.1Q", **attributes},
    )


def said(kit, farms, *others):
    site = kit.site({"networks": {"farms": farms}})
    wanted = segments.attributes(site.networks.farms, "172.16.0.0/24")
    view = kit.view(networks=others)
    return [
        f"{note.subject} {note.message}"
        for note in segments.crossings(wanted, view, farm="alice")
    ]


def test_no_two_farms_of_a_site_have_one_vlan_or_one_bridge(kit):
    farms = kit.site(
        {"networks": {"farms": {**VLANS, "vlan_ids": {"first": 2, "last": 4094}}}}
    ).networks.farms
    drawn = [segments.attributes(farms, f"172.16.{block}.0/24") for block in range(4)]
    assert [each["VLAN_ID"] for each in drawn] == ["2", "3", "4", "5"]
    assert len({each["BRIDGE"] for each in drawn}) == 4


def test_a_port_on_open_vswitch_carries_the_farms_vlan_alone(kit):
    farms = networks(kit, driver="ovswitch", bridge="ovs0").farms
    drawn = segments.attributes(farms, "172.16.1.0/24")
    assert (drawn["VLAN_ID"], drawn["VLAN_TAGGED_ID"]) == ("101", "101")
    older = segments.attributes(farms, "172.16.1.0/24", held="17")
    assert older["VLAN_TAGGED_ID"] == "17"


def test_the_longest_bridge_is_a_name_that_the_kernel_takes():
    assert segments.bridge_name("192.168.255.0/24") == "br-192.168.255"


def test_ids_that_others_have_are_left_out(kit):
    view = kit.view(networks=[network(7, vlan="100"), network(8, vlan="101")])
    assert addresses.class_c(networks(kit), view, farm="alice") == "172.16.2.0/24"


def test_an_id_of_another_kind_is_not_taken(kit):
    view = kit.view(networks=[network(7, vlan="100", VN_MAD="vxlan")])
    assert addresses.class_c(networks(kit), view, farm="alice") == "172.16.0.0/24"
    over = {"driver": "vxlan"}
    assert addresses.class_c(networks(kit, **over), view, farm="alice") == (
        "172.16.1.0/24"
    )


def test_an_id_on_open_vswitch_is_a_vlan_like_any_other(kit):
    view = kit.view(networks=[network(7, vlan="100", VN_MAD="ovswitch")])
    assert addresses.class_c(networks(kit), view, farm="alice") == "172.16.1.0/24"


def test_where_no_id_is_left_no_farm_gets_one_from_outside_the_range(kit):
    view = kit.view(
        networks=[
            network(n, vlan=str(100 + n), first=f"172.16.{n}.1") for n in range(3)
        ]
    )
    with pytest.raises(ExhaustedError) as caught:
        addresses.class_c(networks(kit), view, farm="alice")
    assert caught.value.message == (
        "None of the 1 class C networks that are left has a VLAN id to go with it: "
        "172.16.3.0/24 has no VLAN id: vlan_ids ends at 102."
    )


def test_a_wish_whose_id_is_taken_is_refused(kit):
    view = kit.view(networks=[network(7, vlan="101")])
    with pytest.raises(NotPossibleError) as caught:
        addresses.class_c(networks(kit), view, farm="alice", wish="172.16.1.0/24")
    assert caught.value.message == (
        "172.16.1.0/24 goes with the VLAN id 101, which the network net-7 (7) has."
    )


def test_a_farm_keeps_its_class_c_whatever_the_range_says_now(kit):
    mine = network(9, vlan="103", farm="alice", first="172.16.3.1")
    view = kit.view(networks=[mine, network(7, vlan="103")])
    assert addresses.class_c(networks(kit), view, farm="alice") == "172.16.3.0/24"


def test_a_farm_of_an_older_supernet_is_left_alone(kit):
    mine = network(9, farm="alice", first="10.0.0.1")
    view = kit.view(networks=[mine])
    assert addresses.class_c(networks(kit), view, farm="alice") == "10.0.0.0/24"
    farms = networks(kit).farms
    assert "VLAN_ID" not in segments.attributes(farms, "10.0.0.0/24")


def test_a_vlan_that_somebody_else_uses_too_is_told(kit):
    mine = network(9, vlan="100", farm="alice", BRIDGE="br-172.16.0")
    assert said(kit, VLANS, mine, network(7, vlan="100"), network(8, vlan="101")) == [
        "network alice has the VLAN id 100, as have net-7 (7)"
    ]


def test_a_bridge_that_somebody_else_uses_too_is_told(kit):
    farms = {**VLANS, "driver": "bridge", "physical_device": None, "vlan_ids": None}
    assert said(
        kit,
        farms,
        network(7, VN_MAD="bridge", BRIDGE="br-172.16.0"),
        network(8, VN_MAD="bridge", BRIDGE="br-172.16.1"),
        network(9, VN_MAD="ovswitch", BRIDGE="br-172.16.0"),
    ) == ["network alice has the bridge br-172.16.0, as have net-7 (7)"]


def test_ports_of_an_open_vswitch_that_carry_every_vlan_are_told(kit):
    farms = {**VLANS, "driver": "ovswitch", "bridge": "ovs0"}
    assert said(
        kit,
        farms,
        network(0, VN_MAD="ovswitch", BRIDGE="ovs0"),
        network(7, VN_MAD="ovswitch", BRIDGE="ovs1"),
        network(8, VN_MAD="ovswitch", BRIDGE="ovs0", VLAN_TAGGED_ID="1, 101-200"),
        network(9, VN_MAD="ovswitch", BRIDGE="ovs0", VLAN_TAGGED_ID="7,200-50"),
    ) == [
        (
            "network alice is VLAN 100 of ovs0, which ports of these carry as well, "
            "having no VLAN_TAGGED_ID or one with it in it: net-0 (0), net-9 (9)"
        )
    ]


def test_a_plan_tells_of_them(kit):
    shared = network(7, VN_MAD="dummy", BRIDGE="br-172.16.0")
    view = kit.view(networks=[*kit.view().networks, shared])
    made = kit.draw(kit.site(), kit.farm(), view)
    assert "has the bridge br-172.16.0, as have net-7 (7)" in [
        note.message for note in made.notes
    ]
