import pytest

from farmctl.errors import InputError
from farmctl.model.nodes import Readiness
from farmctl.spec import Count, Farm, Head, parse_farm, parse_site, starter


def test_a_farm_comes_out_in_mebibytes_and_seconds(farm_text):
    farm = parse_farm(farm_text)
    assert farm.kind == "batch"
    assert farm.batch == "slurm"
    assert farm.network == "auto"
    assert farm.head == Head(image="head-el9", cpus=4, memory="8GiB", disk="40GiB")
    assert farm.head.memory == 8192
    wn = farm.pools["wn"]
    assert (wn.cpus, wn.memory, wn.disk) == (6, 15360, 122880)
    assert wn.count == Count(min=0, max=40)
    assert farm.lease.expires_in == 604800
    assert farm.most_nodes == 42


def test_what_is_left_out_of_a_router_has_a_default(farm_text):
    router = parse_farm(farm_text).router
    assert (router.cpus, router.memory) == (1, 192)
    assert router.public_address == "auto"
    assert router.dhcp_open is False


def test_a_forward_leads_to_its_own_port_from_everywhere_unless_it_says_more():
    farm = parse_farm(
        """
farm: a
kind: plain
router:
  image: openwrt
  flavour: openwrt
  forwards:
    - {name: web, port: 443, to: wn-002, protocol: both}
    - {name: one, port: 80, to: wn-001, to_port: 8080, from: [192.0.2.7]}
pools: {wn: {image: x, cpus: 1, memory: 1GiB, count: 2}}
"""
    )
    web, one = farm.router.forwards
    assert (web.target_port, web.sources) == (443, ("0.0.0.0/0",))
    assert web.protocols == ("tcp", "udp")
    assert (one.target_port, one.sources) == (8080, ("192.0.2.7/32",))


def test_a_bare_count_is_both_limits():
    assert Count.model_validate(4) == Count(min=4, max=4)


def test_a_pool_starts_with_its_least_and_keeps_its_limits():
    count = Count(min=2, max=14)
    assert count.start == 2
    assert [count.within(size) for size in (0, 7, 99)] == [2, 7, 14]


def test_a_site_has_the_defaults_of_the_field(site_text):
    site = parse_site(site_text)
    assert site.cloud is None
    assert site.readiness is Readiness.ONEGATE
    assert (site.deadlines.running, site.deadlines.ready) == (300, 600)
    assert site.deadlines.joined == 900
    assert site.concurrency == 16
    assert site.placement == "auto"
    assert site.networks.reserved == ("172.16.9.0/24",)
    assert site.hypervisors.worker.requires == 'FARM_CLASS="worker"'


def test_readiness_may_differ_in_a_pool(farm_text):
    text = farm_text.replace("    cpus: 6\n", "    cpus: 6\n    readiness: running\n")
    farm = parse_farm(text)
    assert farm.pools["wn"].readiness is Readiness.RUNNING
    assert farm.head.readiness is None


@pytest.mark.parametrize("word", ["no", "on", "yes", "off", "y", "n"])
def test_words_that_yaml_1_1_took_for_truth_are_names(word):
    farm = parse_farm(
        f"farm: {word}\nkind: plain\nrouter: {{image: {word}, flavour: openwrt}}\n"
    )
    assert farm.name == word
    assert farm.router.image == word


def test_variables_keep_every_character():
    value = "a\n\tb \"quotes\" 'and' $HOME `id` ]]> \\ 🐄 \u202e end\n"
    farm = Farm.model_validate(
        {
            "farm": "a",
            "kind": "plain",
            "router": {"image": "openwrt", "flavour": "openwrt"},
            "variables": {"TEXT": value},
        }
    )
    assert farm.variables == {"TEXT": value}


def test_anchors_save_writing():
    farm = parse_farm(
        """
farm: a
kind: plain
router: {image: openwrt, flavour: openwrt}
pools:
  one: &shape {image: x, cpus: 1, memory: 1GiB, count: 1}
  two: *shape
"""
    )
    assert farm.pools["one"] == farm.pools["two"]


def test_the_variables_of_a_farm_have_a_limit(farm_text):
    text = farm_text + "variables: {A: " + "x" * 65535 + "}\n"
    assert parse_farm(text).variables["A"] == "x" * 65535
    with pytest.raises(InputError) as caught:
        parse_farm(farm_text + "variables: {A: " + "x" * 65536 + "}\n")
    [mistake] = caught.value.mistakes
    assert mistake.path == "variables"
    assert mistake.message == "the variables hold 65537 bytes; 65536 fit."


def test_a_network_is_read_as_a_class_c(farm_text):
    assert parse_farm(farm_text + "network: 172.16.40.0/24\n").network == (
        "172.16.40.0/24"
    )


@pytest.mark.parametrize("network", ["172.16.0.0/23", "172.16.40.7", "all", "::/0"])
def test_anything_else_is_no_class_c(farm_text, network):
    with pytest.raises(InputError) as caught:
        parse_farm(farm_text + f"network: '{network}'\n")
    assert [mistake.path for mistake in caught.value.mistakes] == ["network"]


def test_a_farm_of_two_hundred_and_fifty_two_workers_fits():
    text = starter.FARM.replace("count: 2 ", "count: 252 ")
    assert parse_farm(text).most_nodes == 253


def test_what_init_writes_is_right():
    assert parse_farm(starter.FARM).name == "example"
    assert parse_site(starter.SITE).name == "example"


def test_equal_files_are_equal_wherever_they_stand(farm_text):
    one = parse_farm(farm_text, "one.yaml")
    two = parse_farm("\n\n" + farm_text, "two.yaml")
    assert one == two
    assert one.origin.file != two.origin.file


def test_a_farm_cannot_be_changed(farm_text):
    farm = parse_farm(farm_text)
    with pytest.raises(ValueError, match="frozen"):
        farm.farm = "other"
