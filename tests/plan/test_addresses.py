"""Class C networks and addresses: the lowest free one, kept for life, never twice."""

import pytest

from farmctl.errors import ExhaustedError, NotPossibleError
from farmctl.model.nodes import Tag
from farmctl.model.view import AddressRange, CloudView, Document, Network, User
from farmctl.plan import addresses


def network(number, first, size=254, *, farm="", name="", **attributes):
    return Network(
        id=number,
        name=name or farm or f"net-{number}",
        owner_id=0,
        tag=Tag(farm=farm) if farm else None,
        ranges=(AddressRange(first=first, size=size),) if first else (),
        attributes=attributes,
    )


def document(number, farm, cidr):
    return Document(
        id=number,
        name=farm,
        owner_id=0,
        tag=Tag(farm=farm),
        body={"cidr": cidr},
    )


def view(*networks, documents=()):
    return CloudView(
        at=0.0,
        version="7.4.0",
        endpoint="x",
        user=User(id=0, name="oneadmin"),
        networks=networks,
        documents=documents,
    )


def networks_of(kit, **over):
    return kit.site({"networks": over}).networks if over else kit.site().networks


def test_the_first_farm_gets_the_lowest_class_c(kit):
    assert addresses.class_c(kit.site().networks, view(), farm="a") == "172.16.0.0/24"


def test_reserved_parts_are_left_out(kit):
    networks = networks_of(kit, reserved=["172.16.0.0/23", "172.16.3.7/32"])
    assert addresses.class_c(networks, view(), farm="a") == "172.16.2.0/24"
    seen = view(network(1, "172.16.2.1", farm="b"))
    assert addresses.class_c(networks, seen, farm="a") == "172.16.4.0/24"


@pytest.mark.parametrize(
    "other",
    [
        network(5, "172.16.0.200", 1),
        network(5, "172.15.255.250", 20),
        network(5, "", NETWORK_ADDRESS="172.16.0.0", NETWORK_MASK="255.255.255.128"),
        network(5, "", NETWORK_ADDRESS="172.16.0.64"),
    ],
    ids=["one address", "a range across the edge", "smaller mask", "no mask"],
)
def test_any_network_that_overlaps_takes_a_class_c(kit, other):
    networks = kit.site().networks
    assert addresses.class_c(networks, view(other), farm="a") == "172.16.1.0/24"


def test_a_network_address_that_is_none_claims_nothing(kit):
    odd = network(5, "", NETWORK_ADDRESS="see the wiki", NETWORK_MASK="x")
    networks = kit.site().networks
    assert addresses.class_c(networks, view(odd), farm="a") == "172.16.0.0/24"


def test_a_farm_keeps_the_class_c_of_its_network(kit):
    seen = view(network(9, "172.16.7.1", farm="a", NETWORK_ADDRESS="172.16.7.0"))
    assert addresses.class_c(kit.site().networks, seen, farm="a") == "172.16.7.0/24"


def test_a_farm_keeps_the_class_c_that_its_document_names(kit):
    seen = view(documents=(document(3, "a", "172.16.9.0/24"),))
    networks = kit.site().networks
    assert addresses.class_c(networks, seen, farm="a") == "172.16.9.0/24"
    lost = view(
        network(4, "172.16.9.1", farm="b"),
        documents=(document(3, "a", "172.16.9.0/24"),),
    )
    assert addresses.class_c(networks, lost, farm="a") == "172.16.0.0/24"


def test_a_farm_that_has_no_network_yet_counts_by_its_document(kit):
    seen = view(documents=(document(3, "b", "172.16.0.0/24"),))
    assert addresses.class_c(kit.site().networks, seen, farm="a") == "172.16.1.0/24"


def test_a_wish_is_fulfilled_or_refused_by_name(kit):
    networks = networks_of(kit, reserved=["172.16.50.0/24"])
    seen = view(network(5, "172.16.40.1", name="office"))

    def wish(cidr):
        return addresses.class_c(networks, seen, farm="a", wish=cidr)

    assert wish("172.16.41.0/24") == "172.16.41.0/24"
    with pytest.raises(NotPossibleError) as caught:
        wish("172.16.40.0/24")
    assert caught.value.message == "172.16.40.0/24 overlaps the network office (5)."
    with pytest.raises(NotPossibleError) as caught:
        wish("172.16.50.0/24")
    assert caught.value.message == (
        "172.16.50.0/24 overlaps 172.16.50.0/24, which the site has reserved."
    )
    with pytest.raises(NotPossibleError) as caught:
        wish("172.17.1.0/24")
    assert caught.value.message == (
        "172.17.1.0/24 is outside the site's supernet 172.16.0.0/16."
    )


def test_a_farm_does_not_change_its_class_c(kit):
    seen = view(network(9, "172.16.7.1", farm="a"))
    networks = kit.site().networks
    kept = addresses.class_c(networks, seen, farm="a", wish="172.16.7.0/24")
    assert kept == "172.16.7.0/24"
    with pytest.raises(NotPossibleError) as caught:
        addresses.class_c(networks, seen, farm="a", wish="172.16.8.0/24")
    assert caught.value.message == (
        "a has the class C 172.16.7.0/24; its file asks for 172.16.8.0/24."
    )


def test_used_up_says_how_many_there_are_and_who_has_them(kit):
    networks = networks_of(kit, farms={"supernet": "172.16.0.0/23", "driver": "dummy"})
    seen = view(
        network(4, "172.16.0.1", farm="b"), network(5, "172.16.1.1", name="office")
    )
    with pytest.raises(ExhaustedError) as caught:
        addresses.class_c(networks, seen, farm="a")
    assert caught.value.message == (
        "None of the 2 class C networks of 172.16.0.0/23 is free: they are held by "
        "farm b, network office (5)."
    )


def test_a_seed_spreads_farms_that_lost_a_race(kit):
    networks = kit.site().networks
    chosen = {
        addresses.class_c(networks, view(), farm=f"f{number}", seed="1")
        for number in range(50)
    }
    assert len(chosen) > 35
    once = addresses.class_c(networks, view(), farm="f1", seed="1")
    assert once == addresses.class_c(networks, view(), farm="f1", seed="1")
    other = addresses.class_c(networks, view(), farm="f1", seed="1", avoid=[once])
    assert other != once


def test_of_farms_that_chose_alike_exactly_one_keeps_it():
    cidr = "172.16.0.0/24"
    seen = view(
        *(network(number, "172.16.0.1", farm=f"f{number}") for number in (3, 1, 2))
    )
    winners = [
        farm
        for farm in ("f1", "f2", "f3")
        if addresses.earlier_claim(seen, farm=farm, cidr=cidr) is None
    ]
    assert winners == ["f1"]


def test_a_network_goes_before_a_document_and_a_foreign_one_before_all():
    cidr = "172.16.0.0/24"
    seen = view(
        network(8, "172.16.0.1", farm="a"),
        documents=(document(1, "b", cidr), document(2, "a", cidr)),
    )
    assert addresses.earlier_claim(seen, farm="a", cidr=cidr) is None
    assert addresses.earlier_claim(seen, farm="b", cidr=cidr).who == "network a (8)"
    seen = view(network(8, "172.16.0.1", farm="a"), network(9, "172.16.0.77", 1))
    assert addresses.earlier_claim(seen, farm="a", cidr=cidr).who == "network net-9 (9)"


def test_worker_addresses_are_the_lowest_free_ones():
    taken = {"172.16.4.2", "172.16.4.3", "10.0.0.1"}
    found = addresses.worker_addresses("172.16.4.0/24", 3, in_use=taken)
    assert found == ["172.16.4.1", "172.16.4.4", "172.16.4.5"]


def test_a_full_class_c_is_an_error_with_numbers():
    with pytest.raises(ExhaustedError) as caught:
        addresses.worker_addresses("172.16.4.0/24", 252, in_use={"172.16.4.9"})
    assert caught.value.message == (
        "172.16.4.0/24 is full: 252 worker addresses are needed, 251 of 252 are free."
    )


def test_head_and_router_have_torinos_addresses():
    assert addresses.head_address("172.16.4.0/24") == "172.16.4.253"
    assert addresses.router_address("172.16.4.0/24") == "172.16.4.254"
