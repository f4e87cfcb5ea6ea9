"""Templates, and what becomes of their text and an extra text in a VM."""

import pytest

FAILED = "[one.template.instantiate] Error allocating a new virtual machine template. "


def body(one, template):
    return one.xml("template.info", template, False, False).find("TEMPLATE")


def context(one, vm):
    return {e.tag: e.text for e in one.info(vm).find("TEMPLATE/CONTEXT")}


def refused(one, template, extra):
    name = one.name("x")
    return one.refusal("template.instantiate", template, name, True, extra, False)


def test_values_come_back_as_they_were_sent_ordered_by_name(one):
    template = one.template('B="2.50"\nA="01"\nV=[X="1",Y="two"]\nV=[X="2"]\nE=""')
    shown = body(one, template)
    assert [(e.tag, e.text or "") for e in shown if len(e) == 0] == [
        ("A", "01"),
        ("B", "2.50"),
        ("CPU", "0.1"),
        ("E", ""),
        ("MEMORY", "64"),
    ]
    vectors = [{v.tag: v.text for v in e} for e in shown.findall("V")]
    assert vectors == [{"X": "1", "Y": "two"}, {"X": "2"}]


def test_update_zero_replaces_the_whole_body_but_not_the_name(one):
    template = one.template('A="1"')
    one("template.update", template, 'NAME="other"\nB="2"', 0)
    assert [e.tag for e in body(one, template)] == ["B", "NAME"]
    info = one.xml("template.info", template, False, False)
    assert info.findtext("NAME") == one.name("template")


def test_update_one_replaces_what_it_names_and_keeps_the_rest(one):
    template = one.template('A="1"\nV=[X="1",Y="2"]\nV=[X="3"]')
    one("template.update", template, 'V=[X="9"]', 1)
    shown = body(one, template)
    assert shown.findtext("A") == "1"
    assert [{v.tag: v.text for v in e} for e in shown.findall("V")] == [{"X": "9"}]


def test_a_wrong_update_changes_nothing(one):
    template = one.template('A="1"')
    code, message = one.refusal("template.update", template, 'A="2"\nX=[', 0)
    assert code == 8192
    assert message.startswith(
        "[one.template.update] Cannot update template. Parse error: syntax error"
    )
    assert body(one, template).findtext("A") == "1"
    assert one.refusal("template.update", template, 'A="2"', 2) == (
        4096,
        "[one.template.update] Wrong update type",
    )


def test_a_second_template_of_the_name_and_owner_is_refused(one):
    template = one.template(stem="twice")
    assert one.refusal("template.allocate", f'NAME="{one.name("twice")}"') == (
        8192,
        f"[one.template.allocate] NAME is already taken by TEMPLATE {template}.",
    )


def test_a_vector_of_the_extra_replaces_the_templates_whole(one):
    template = one.template('TAG=[FARM="a",ROLE="w"]\nKEPT="1"')
    vm = one.instantiate(template, 'TAG=[FARM="b"]')
    tags = one.info(vm).find("USER_TEMPLATE")
    assert [{v.tag: v.text for v in e} for e in tags.findall("TAG")] == [{"FARM": "b"}]
    assert tags.findtext("KEPT") == "1"


def test_a_nic_of_the_extra_replaces_the_templates_with_its_groups(one):
    group, network = one.security_group(), one.network()
    template = one.template(f'NIC=[NETWORK_ID="{network}",SECURITY_GROUPS="{group}"]')
    extra = f'NIC=[NETWORK="{one.name("net")}",NETWORK_UNAME="oneadmin",IP="10.77.1.9"]'
    nics = one.info(one.instantiate(template, extra)).findall("TEMPLATE/NIC")
    shown = [(n.findtext("IP"), n.findtext("SECURITY_GROUPS")) for n in nics]
    assert shown == [("10.77.1.9", "0")]


def test_a_context_of_the_extra_replaces_the_templates_whole(one):
    template = one.template('CONTEXT=[A="1",B="2",TOKEN="YES"]')
    shown = context(one, one.instantiate(template, 'CONTEXT=[B="3"]'))
    assert {k: v for k, v in shown.items() if k not in {"DISK_ID", "TARGET"}} == {
        "B": "3"
    }


def test_a_context_with_network_names_each_nic(one):
    network = one.network(extra='GATEWAY="10.77.1.254"\nNETWORK_MASK="255.255.255.0"')
    vm = one.vm(f'NIC=[NETWORK_ID="{network}"]\nCONTEXT=[NETWORK="YES"]')
    shown = context(one, vm)
    assert shown["ETH0_IP"] == "10.77.1.1"
    assert shown["ETH0_MAC"] == "02:00:0a:4d:01:01"
    assert shown["ETH0_GATEWAY"] == "10.77.1.254"
    assert shown["ETH0_MASK"] == "255.255.255.0"


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("a $NAME b", "a {name} b"),
        ("$VMID", "{vm}"),
        ("$MINE", "m"),
        ("$NIC[IP]", "10.77.1.1"),
        ('$NIC[IP, NETWORK=\\"{network}\\"]', "10.77.1.1"),
        ("$UNKNOWN", ""),
        ("\\$NAME", "\\$NAME"),
        ("`id`", "`id`"),
        ("a&b <c> %s 'x'", "a&b <c> %s 'x'"),
        ('x\\"y', 'x"y'),
        ("one\ntwo", "one\ntwo"),
        ("a\\\\b", "a\\\\b"),
    ],
)
def test_a_context_value_has_its_variables_filled_in(one, value, given):
    network = one.network()
    value = value.replace("{network}", one.name("net"))
    text = (
        f'NIC=[NETWORK_ID="{network}"]\nMINE="m"\nCONTEXT=[K="{value}"]\nUT="{value}"'
    )
    vm = one.vm(text)
    wanted = given.format(name=one.name("vm"), vm=vm)
    assert (context(one, vm)["K"] or "") == wanted
    assert one.info(vm).findtext("USER_TEMPLATE/UT") == value.replace('\\"', '"')


@pytest.mark.parametrize("value", ["$(id)", "$$", "${NAME}", "x$", "$NAME,$VMID"])
def test_a_dollar_that_begins_no_variable_is_refused_in_a_context(one, value):
    code, message = refused(one, one.template(), f'CONTEXT=[K="{value}"]')
    assert code == 16384
    assert message.startswith(FAILED + "Error parsing: ")
    assert "syntax error, unexpected" in message


def test_the_context_is_fixed_when_the_vm_is_made(one):
    vm = one.vm('CONTEXT=[SET_HOSTNAME="$NAME"]')
    one("vm.rename", vm, one.name("other"))
    assert context(one, vm)["SET_HOSTNAME"] == one.name("vm")


def test_a_disk_may_be_larger_than_its_image(one):
    image = one.image()
    disk = one.info(one.vm(f'DISK=[IMAGE_ID="{image}",SIZE="4096"]')).find(
        "TEMPLATE/DISK"
    )
    assert disk.findtext("SIZE") == "4096"
    original = disk.findtext("ORIGINAL_SIZE")
    code, message = refused(one, one.template(), f'DISK=[IMAGE_ID="{image}",SIZE="1"]')
    assert (code, message) == (
        16384,
        FAILED + f"DISK 0: SIZE of 1MB is less than the image [{image}] "
        f"size of {original}MB.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('DISK=[IMAGE_ID="99999"]', "DISK 0: Image with ID: 99999 does not exist"),
        (
            'DISK=[IMAGE="nope"]',
            (
                "DISK 0: User 0 does not own an image with name: nope . "
                "Set IMAGE_UNAME or IMAGE_UID of owner in DISK."
            ),
        ),
        (
            'NIC=[NETWORK_ID="99999"]',
            "Virtual network with ID: 99999 does not exist",
        ),
        (
            'NIC=[NETWORK="nope"]',
            (
                "User 0 does not own a network with name: nope . "
                "Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
            ),
        ),
        ('CPU="0"', "CPU attribute must be a positive float or integer value."),
        ('CPU="x"', "CPU attribute must be a positive float or integer value."),
        ('MEMORY="0"', "MEMORY attribute must be a positive integer value."),
    ],
)
def test_a_vm_that_cannot_be_is_refused(one, text, message):
    assert refused(one, one.template(), text) == (16384, FAILED + message)
    assert one.mine("vmpool.info", -2, -1, -1, -1) == []


def test_the_extra_changes_the_shape(one):
    vm = one.instantiate(one.template(), 'CPU="2"\nMEMORY="2048"\nVCPU="3"')
    template = one.info(vm).find("TEMPLATE")
    shown = [template.findtext(tag) for tag in ("CPU", "MEMORY", "VCPU")]
    assert shown == ["2", "2048", "3"]


def test_a_vms_tags_are_merged_with_one_and_wiped_with_zero(one):
    vm = one.vm('TAG=[FARM="a",ROLE="w"]\nKEPT="1"')
    one("vm.update", vm, 'TAG=[FARM="b"]', 1)
    tags = one.info(vm).find("USER_TEMPLATE")
    assert {v.tag: v.text for v in tags.find("TAG")} == {"FARM": "b"}
    assert tags.findtext("KEPT") == "1"
    one("vm.update", vm, 'ONLY="this"', 0)
    assert [e.tag for e in one.info(vm).find("USER_TEMPLATE")] == ["ONLY"]


def test_a_cloned_template_is_its_own(one):
    template = one.template('A="1"')
    clone = one("template.clone", template, one.name("clone"), False)
    one("template.update", clone, 'A="2"', 1)
    assert body(one, template).findtext("A") == "1"
