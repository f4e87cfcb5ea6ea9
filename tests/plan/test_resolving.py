"""From the files to the cloud's terms."""

from dataclasses import replace

import pytest

from farmctl.errors import ExhaustedError, InputError
from farmctl.model.attributes import Kind, Ref
from farmctl.model.nodes import Readiness, VmState
from farmctl.model.view import AddressRange, Nic, Vm
from farmctl.plan.resolve import resolve


def target_of(kit, farm=None, *, site=None, view=None, contexts=None, sizes=None):
    return resolve(
        kit.site(site or {}),
        kit.farm(farm or {}),
        view or kit.view(),
        contexts or {},
        sizes or {},
    )


def shape_of(target, key):
    return next(
        shape for shape in target.shapes if key in (shape.pool, shape.role.value)
    )


def test_the_network_is_the_farms_class_c_behind_its_router(kit):
    assert target_of(kit).network.attributes == {
        "VN_MAD": "dummy",
        "BRIDGE": "br-172.16.0",
        "DESCRIPTION": "The farm alice at torino, kept by farmctl",
        "NETWORK_ADDRESS": "172.16.0.0",
        "NETWORK_MASK": "255.255.255.0",
        "GATEWAY": "172.16.0.254",
        "DNS": "172.16.0.254",
        "SEARCH_DOMAIN": "alice.farm.example.org farm.example.org",
        "FILTER_MAC_SPOOFING": "YES",
        "FILTER_IP_SPOOFING": "YES",
        "SECURITY_GROUPS": Ref(kind=Kind.SECURITY_GROUP, name="alice-lan"),
        "AR": {"TYPE": "IP4", "IP": "172.16.0.1", "SIZE": "254"},
    }


@pytest.mark.parametrize(
    ("farms", "expected"),
    [
        (
            {"driver": "802.1Q", "physical_device": "eth1"},
            {"VN_MAD": "802.1Q", "PHYDEV": "eth1", "AUTOMATIC_VLAN_ID": "YES"},
        ),
        (
            {"driver": "vxlan", "physical_device": "eth1"},
            {
                "VN_MAD": "vxlan",
                "PHYDEV": "eth1",
                "AUTOMATIC_VLAN_ID": "YES",
                "MTU": "1450",
            },
        ),
        (
            {
                "driver": "ovswitch",
                "bridge": "ovs0",
                "vlan_ids": {"first": 100, "last": 200},
            },
            {
                "VN_MAD": "ovswitch",
                "BRIDGE": "ovs0",
                "VLAN_ID": "103",
                "VLAN_TAGGED_ID": "103",
            },
        ),
        ({"driver": "bridge"}, {"VN_MAD": "fw", "BRIDGE": "br-172.16.3"}),
        (
            {
                "driver": "802.1Q",
                "physical_device": "eth1",
                "vlan_ids": {"first": 100, "last": 200},
            },
            {
                "VN_MAD": "802.1Q",
                "BRIDGE": "br-172.16.3",
                "PHYDEV": "eth1",
                "VLAN_ID": "103",
            },
        ),
        (
            {
                "driver": "vxlan",
                "physical_device": "eth1",
                "mtu": 9000,
                "vlan_ids": {"first": 70_000, "last": 80_000},
            },
            {
                "VN_MAD": "vxlan",
                "BRIDGE": "br-172.16.3",
                "PHYDEV": "eth1",
                "VLAN_ID": "70003",
                "MTU": "9000",
            },
        ),
    ],
    ids=["802.1Q", "vxlan", "ovswitch", "bridge", "own VLAN ids", "own VXLAN ids"],
)
def test_each_driver_has_what_it_needs(kit, farms, expected):
    site = {"networks": {"farms": {"supernet": "172.16.0.0/16", **farms}}}
    target = target_of(kit, {"network": "172.16.3.0/24"}, site=site)
    drawn = {
        key: value
        for key, value in target.network.attributes.items()
        if key in ("VN_MAD", "BRIDGE", "PHYDEV", "MTU") or "VLAN" in key
    }
    assert drawn == expected


def test_the_inner_group_lets_the_farm_and_its_forwards_in(kit):
    lan, wan = target_of(kit).groups
    assert lan.name == "alice-lan"
    assert lan.attributes["RULE"] == (
        {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"},
        {
            "PROTOCOL": "ALL",
            "RULE_TYPE": "inbound",
            "IP": "172.16.0.0",
            "SIZE": "256",
        },
        {
            "PROTOCOL": "UDP",
            "RULE_TYPE": "inbound",
            "RANGE": "67",
            "IP": "0.0.0.0",
            "SIZE": "1",
        },
        {
            "PROTOCOL": "TCP",
            "RULE_TYPE": "inbound",
            "RANGE": "22",
            "IP": "192.0.2.0",
            "SIZE": "256",
        },
    )
    assert wan.name == "alice-wan"
    assert wan.attributes["RULE"] == (
        {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"},
        {"PROTOCOL": "ICMP", "RULE_TYPE": "inbound", "ICMP_TYPE": "8"},
        {
            "PROTOCOL": "TCP",
            "RULE_TYPE": "inbound",
            "RANGE": "2222",
            "IP": "192.0.2.0",
            "SIZE": "256",
        },
        {
            "PROTOCOL": "TCP",
            "RULE_TYPE": "inbound",
            "RANGE": "60022,60443",
            "IP": "198.51.100.0",
            "SIZE": "16",
        },
    )


def test_the_router_has_its_public_interface_first(kit):
    router = shape_of(target_of(kit), "router")
    assert router.attributes["NIC"] == (
        {
            "NETWORK": "public",
            "NETWORK_UNAME": "oneadmin",
            "FILTER_MAC_SPOOFING": "YES",
            "FILTER_IP_SPOOFING": "YES",
            "SECURITY_GROUPS": Ref(kind=Kind.SECURITY_GROUP, name="alice-wan"),
        },
        {
            "NETWORK_ID": Ref(kind=Kind.NETWORK, name="alice"),
            "FILTER_IP_SPOOFING": "NO",
        },
    )


def test_a_router_without_a_public_address_has_one_interface_and_one_group(kit):
    target = target_of(kit, {"router": {"public_address": "none", "forwards": []}})
    assert [group.name for group in target.groups] == ["alice-lan"]
    assert shape_of(target, "router").attributes["NIC"] == {
        "NETWORK_ID": Ref(kind=Kind.NETWORK, name="alice"),
        "FILTER_IP_SPOOFING": "NO",
    }


def test_a_workers_template_says_image_shape_place_and_context(kit):
    worker = shape_of(target_of(kit, contexts={"wn": {"SET_HOSTNAME": "$NAME"}}), "wn")
    assert worker.attributes == {
        "DESCRIPTION": "Workers wn of the farm alice at torino, kept by farmctl",
        "CPU": "6",
        "VCPU": "6",
        "MEMORY": "15360",
        "DISK": {"IMAGE_ID": "2", "SIZE": "122880"},
        "NIC": {"NETWORK_ID": Ref(kind=Kind.NETWORK, name="alice")},
        "NIC_DEFAULT": {"MODEL": "virtio"},
        "GRAPHICS": {"TYPE": "VNC", "LISTEN": "0.0.0.0", "RANDOM_PASSWD": "YES"},
        "OS": {"ARCH": "x86_64", "BOOT": "disk0"},
        "CONTEXT": {
            "NETWORK": "YES",
            "TOKEN": "YES",
            "REPORT_READY": "YES",
            "SET_HOSTNAME": "$NAME",
        },
        "SCHED_REQUIREMENTS": 'FARM_CLASS="worker"',
        "SCHED_DS_REQUIREMENTS": 'NAME="lvm"',
    }


def test_forwards_are_in_no_nodes_digest(kit):
    before = target_of(kit)
    after = target_of(kit, {"router": {"forwards": []}})
    assert [shape.digest for shape in before.shapes] == [
        shape.digest for shape in after.shapes
    ]
    assert before.groups != after.groups


@pytest.mark.parametrize(
    ("farm", "contexts"),
    [
        ({"pools": {"wn": {"cpus": 7}}}, {}),
        ({"pools": {"wn": {"image": "wn-old"}}}, {}),
        ({"pools": {"wn": {"disk": "121GiB"}}}, {}),
        ({"pools": {"wn": {"readiness": "running"}}}, {}),
        ({}, {"wn": {"FARM": "x"}}),
    ],
    ids=["shape", "image", "disk", "readiness", "context"],
)
def test_all_that_makes_a_node_is_in_its_digest(kit, farm, contexts):
    before = target_of(kit)
    after = target_of(kit, farm, contexts=contexts)
    assert shape_of(before, "wn").digest != shape_of(after, "wn").digest
    assert shape_of(before, "head").digest == shape_of(after, "head").digest


def test_a_decided_size_is_clamped_and_kept_in_the_document(kit):
    farm = {"pools": {"wn": {"count": {"min": 2, "max": 5}}}}
    assert shape_of(target_of(kit, farm), "wn").wanted == 2
    assert shape_of(target_of(kit, farm, sizes={"wn": 9}), "wn").wanted == 5
    target = target_of(kit, farm, sizes={"wn": 4})
    assert shape_of(target, "wn").wanted == 4
    assert target.document["sizes"] == {"wn": 4}
    fixed = target_of(kit, sizes={"wn": 9})
    assert shape_of(fixed, "wn").wanted == 3
    assert fixed.document["sizes"] == {}


def test_a_pool_may_count_as_up_differently(kit):
    target = target_of(kit, {"pools": {"wn": {"readiness": "running"}}})
    assert shape_of(target, "wn").readiness is Readiness.RUNNING
    assert shape_of(target, "head").readiness is Readiness.ONEGATE


def test_every_mistake_that_the_cloud_shows_is_told_at_once(kit):
    view = kit.view(capacity=kit.capacity(workers=0))
    images = [
        replace(image, usable=False, state_name="ERROR")
        if image.name == "head-el9-2026-11"
        else image
        for image in view.images
        if image.name != "wn-el9-2026-11"
    ]
    view = replace(view, images=tuple(images), networks=())
    farm = {
        "pools": {
            "extra": {
                "image": "wn-old",
                "cpus": 1,
                "memory": "1GiB",
                "disk": "512MiB",
                "count": 1,
            }
        }
    }
    with pytest.raises(InputError) as caught:
        target_of(kit, farm, view=view)
    told = [(each.path, each.message) for each in caught.value.mistakes]
    assert told == [
        (
            "head.image",
            "the image 'head-el9-2026-11' (1) is ERROR, so no node can be made of it.",
        ),
        (
            "pools.wn.image",
            (
                "OpenNebula shows no image 'wn-el9-2026-11', which the site calls "
                "'wn-el9'."
            ),
        ),
        (
            "pools.extra.disk",
            "512 MiB is smaller than the image 'wn-el9-2026-10', which has 1024 MiB.",
        ),
        (
            "router.public_address",
            "OpenNebula shows no network 'public', the site's public network.",
        ),
        (
            "pools.wn",
            'no hypervisor is of the class worker: none fulfils FARM_CLASS="worker".',
        ),
    ]
    assert caught.value.mistakes[1].hint == "Did you mean 'wn-el9-2026-10'?"


def test_a_public_address_that_cannot_be_had_says_why(kit):
    view = kit.view()
    nic = Nic(network_id=kit.PUBLIC_ID, network="public", address="192.0.2.20")
    other = Vm(id=5, name="web", owner_id=3, state=VmState.RUNNING, nics=(nic,))
    view = replace(view, vms=(other,))

    def message(address):
        with pytest.raises(InputError) as caught:
            target_of(kit, {"router": {"public_address": address}}, view=view)
        (mistake,) = caught.value.mistakes
        assert mistake.path == "router.public_address"
        return mistake.message

    assert message("192.0.2.200") == "192.0.2.200 is in no range of the network public."
    assert message("192.0.2.20") == "192.0.2.20 is used by the VM web (5)."


def test_a_used_up_public_network_is_an_error_for_a_new_farm_only(kit, applied):
    def full(view):
        networks = tuple(
            replace(
                each,
                ranges=(AddressRange(first="192.0.2.10", size=3),),
                used_leases=3,
            )
            if each.name == "public"
            else each
            for each in view.networks
        )
        return replace(view, networks=networks)

    with pytest.raises(ExhaustedError) as caught:
        target_of(kit, view=full(kit.view()))
    assert caught.value.message == (
        "The public network public is used up: all of its 3 addresses are taken."
    )
    target_of(kit, view=full(applied.view))
