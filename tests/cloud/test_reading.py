"""Answers recorded from OpenNebula 7.4.0, and shorter ones of 6.10, as values."""

from pathlib import Path

import pytest

from farmctl.cloud.opennebula import accounts, reader
from farmctl.errors import BadAnswerError
from farmctl.model.nodes import Mark, Role, Tag, VmState
from farmctl.model.requirements import parse
from farmctl.model.view import (
    AddressRange,
    Datastore,
    Document,
    Holder,
    Image,
    Lock,
    Network,
    Nic,
    Quota,
    SecurityGroup,
    Template,
    User,
    Vm,
)


def recorded(name: str) -> str:
    return (Path(__file__).parent / "answers" / f"{name}.xml").read_text()


def vm(inner: str) -> Vm:
    (found,) = reader.vms("m", f"<VM_POOL><VM><ID>1</ID>{inner}</VM></VM_POOL>")
    return found


def test_a_running_worker_of_ours():
    first = reader.vms("m", recorded("vms"))[0]
    assert first == Vm(
        id=163,
        name="cms-worker-01",
        owner_id=0,
        state=VmState.RUNNING,
        tag=Tag(
            farm="cms",
            role=Role.WORKER,
            pool="wn",
            digest="0123456789abcdef",
            ordinal=1,
        ),
        mark=Mark(draining=True, reason="drained by tina", attempts=1),
        nics=(
            Nic(
                network_id=4,
                network="cms-net",
                address="10.20.1.11",
                mac="02:00:0a:14:01:0b",
                security_group_ids=(0,),
            ),
        ),
        host_id=1,
        host="svc-01",
        cpus=0.1,
        memory_mib=128,
        reported_ready=True,
        worked=True,
        since=1795332952,
        changed=1795332952,
        state_name="RUNNING",
    )


def test_vms_of_strangers_show_their_addresses():
    _, held, running = reader.vms("m", recorded("vms"))
    assert (held.tag, held.state, held.host_id) == (None, VmState.HELD, None)
    assert (running.id, running.owner_id, running.host) == (217, 7, "wrk-03")
    assert [nic.address for nic in (*held.nics, *running.nics)] == [
        "10.30.0.2",
        "10.30.0.1",
    ]


def test_a_network_and_one_that_is_still_being_made():
    made, ready = reader.networks("m", recorded("networks"))
    assert ready == Network(
        id=4,
        name="cms-net",
        owner_id=0,
        owner="oneadmin",
        tag=Tag(farm="cms", digest="abc"),
        ranges=(AddressRange(first="10.20.1.1", size=254),),
        attributes={
            "BRIDGE": "br-cms",
            "BRIDGE_TYPE": "linux",
            "DNS": "10.20.1.1",
            "FILTER_IP_SPOOFING": "YES",
            "FILTER_MAC_SPOOFING": "YES",
            "GATEWAY": "10.20.1.1",
            "NETWORK_ADDRESS": "10.20.1.0",
            "NETWORK_MASK": "255.255.255.0",
            "OUTER_VLAN_ID": "",
            "PHYDEV": "",
            "SECURITY_GROUPS": "0",
            "VLAN_ID": "",
            "VN_MAD": "dummy",
        },
    )
    assert not made.usable
    assert made.ranges == (AddressRange(first="10.20.9.1", size=254),)
    assert made.tag is None


def test_a_security_group_keeps_the_order_of_its_rules():
    assert reader.security_groups("m", recorded("groups")) == [
        SecurityGroup(
            id=102,
            name="cms-lan",
            owner_id=0,
            attributes={
                "RULE": [
                    {"PROTOCOL": "ALL", "RULE_TYPE": "outbound"},
                    {
                        "IP": "10.20.1.0",
                        "PROTOCOL": "TCP",
                        "RANGE": "22,80:90",
                        "RULE_TYPE": "inbound",
                        "SIZE": "256",
                    },
                ]
            },
        )
    ]


def test_a_template():
    (found,) = reader.templates("m", recorded("templates"))
    assert found == Template(
        id=4,
        name="cms-worker",
        owner_id=0,
        tag=Tag(farm="cms", role=Role.WORKER, pool="wn", digest="0123456789abcdef"),
        attributes={
            "CONTEXT": {
                "NETWORK": "YES",
                "REPORT_READY": "YES",
                "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA x",
                "TOKEN": "YES",
            },
            "CPU": "0.1",
            "DISK": {"IMAGE": "wn", "IMAGE_UNAME": "oneadmin"},
            "MEMORY": "128",
            "NIC": {
                "NETWORK": "cms-net",
                "NETWORK_UNAME": "oneadmin",
                "SECURITY_GROUPS": "102",
            },
            "SCHED_REQUIREMENTS": 'FARM_CLASS = "worker"',
            "VCPU": "1",
        },
    )


def test_an_image():
    assert reader.images("m", recorded("images")) == [
        Image(id=0, name="wn", owner_id=0, owner="oneadmin", size_mib=1024)
    ]


def test_capacity():
    found = reader.capacity("h", recorded("hosts"), "d", recorded("datastores"))
    host = found.hosts[0]
    assert (host.id, host.name, host.usable) == (3, "wrk-03", True)
    assert (host.free_cpus, host.total_cpus) == (8.0, 8.0)
    assert (host.free_memory_mib, host.total_memory_mib) == (16384, 16384)
    assert found.datastores[1] == Datastore(
        id=100,
        name="sysdummy",
        system=True,
        usable=True,
        free_mib=3333260,
        cluster_ids=frozenset({0}),
    )
    assert not found.datastores[0].system


@pytest.mark.parametrize(
    "requirement",
    [
        'FARM_CLASS="worker"',
        'NAME = "wrk-*"',
        "ID = 3",
        "CLUSTER_ID = 0",
        'CLUSTER = "default"',
        'HYPERVISOR = "dummy"',
        "CPUSPEED > 3000",
    ],
)
def test_a_host_can_be_held_against_a_requirement(requirement):
    found = reader.capacity("h", recorded("hosts"), "d", recorded("datastores"))
    assert parse(requirement).matches(found.hosts[0].attributes)


def test_what_hosts_have_given_away_is_not_free():
    hosts = recorded("hosts").replace("<CPU_USAGE>0<", "<CPU_USAGE>650<")
    hosts = hosts.replace("<MEM_USAGE>0<", "<MEM_USAGE>2097152<")
    found = reader.capacity("h", hosts, "d", "<DATASTORE_POOL/>")
    assert found.hosts[0].free_cpus == 1.5
    assert found.hosts[0].free_memory_mib == 14336


def test_a_datastore_on_the_disks_of_its_hosts_has_what_they_have():
    found = reader.capacity("h", recorded("hosts"), "d", recorded("datastores"))
    local = next(each for each in found.datastores if each.name == "system")
    assert local.free_mib == 2 * 20480


def test_an_ordinary_user_and_what_the_quota_leaves():
    assert accounts.user("m", recorded("user")) == (
        User(id=7, name="tina", group_ids=frozenset({102}), admin=False),
        102,
        Quota(whose="user tina", vms=3, cpus=0.8, memory_mib=1792),
    )


def test_a_group_without_limits_has_no_quota():
    assert accounts.group_quota("m", recorded("group")) is None


def test_a_default_limit_counts_where_the_group_has_none_of_its_own():
    text = recorded("group")
    quotas = "<VM_QUOTA><VM><VMS>{}</VMS><VMS_USED>4</VMS_USED>{}</VM></VM_QUOTA>"
    own, _, default = text.partition("<DEFAULT_GROUP_QUOTAS>")
    own = own.replace(
        "<VM_QUOTA/>", quotas.format("-1", "<CPU>-2</CPU><RUNNING_VMS>5</RUNNING_VMS>")
    )
    default = default.replace("<VM_QUOTA/>", quotas.format("20", "<CPU>9</CPU>"))
    found = accounts.group_quota("m", f"{own}<DEFAULT_GROUP_QUOTAS>{default}")
    assert found == Quota(whose="group spot", vms=5, cpus=None, memory_mib=None)


def test_a_quota_for_some_clusters_alone_limits_no_farm():
    text = recorded("user").replace("<VM>", "<VM><CLUSTER_IDS>1,2</CLUSTER_IDS>")
    assert accounts.user("m", text)[2] is None


@pytest.mark.parametrize(
    ("ids", "admin", "quota"),
    [("<ID>7</ID><GID>0</GID>", True, 7), ("<ID>0</ID><GID>0</GID>", True, 0)],
)
def test_who_is_in_the_group_oneadmin_is_an_admin(ids, admin, quota):
    user, _, found = accounts.user("m", f"<USER>{ids}<NAME>a</NAME></USER>")
    assert user.admin is admin
    assert found is None


def test_a_second_group_makes_an_admin_too():
    text = recorded("user").replace("<ID>102</ID>", "<ID>102</ID><ID>0</ID>")
    assert accounts.user("m", text)[0].admin


DOCUMENT = """\
<DOCUMENT_POOL><DOCUMENT><ID>2</ID><UID>4</UID><NAME>cms</NAME>
<LOCK><LOCKED>3</LOCKED><OWNER>4</OWNER><TIME>1795333013</TIME><REQ_ID>8</REQ_ID></LOCK>
<TEMPLATE><FARMCTL><FARM>cms</FARM></FARMCTL>
<BODY_BASE64>eyJmYXJtIjogImNtcyJ9</BODY_BASE64>
<HOLDER_BASE64>{holder}</HOLDER_BASE64></TEMPLATE></DOCUMENT></DOCUMENT_POOL>
"""
HOLDER = (
    "eyJob3N0IjogInVpIiwgImJvb3QiOiAiYiIsICJwaWQiOiA3LCAic3RhcnRlZCI6ICI1IiwgIm5vbmNl"
    "IjogIm4iLCAiYmVhdCI6IDN9"
)


def test_a_document_with_its_lock_and_its_holder():
    assert reader.documents("m", DOCUMENT.format(holder=HOLDER)) == [
        Document(
            id=2,
            name="cms",
            owner_id=4,
            tag=Tag(farm="cms"),
            body={"farm": "cms"},
            lock=Lock(owner_id=4, since=1795333013, level=3),
            holder=Holder(
                host="ui", boot="b", pid=7, started="5", nonce="n", beat=3, command=""
            ),
        )
    ]


@pytest.mark.parametrize(
    "holder", ["", "e30=", "W10=", "bm8=", "!!", "eyJwaWQiOiAieCJ9"]
)
def test_a_holder_that_makes_no_sense_is_none(holder):
    (found,) = reader.documents("m", DOCUMENT.format(holder=holder))
    assert found.holder is None


@pytest.mark.parametrize("body", ["", "é", "W10=", "bm8=", "MTIz", "eyJ"])
def test_a_body_that_cannot_be_read_is_none(body):
    text = DOCUMENT.replace("eyJmYXJtIjogImNtcyJ9", body).format(holder="")
    (found,) = reader.documents("m", text)
    assert found.body is None
    assert found.tag == Tag(farm="cms")


@pytest.mark.parametrize(
    ("vector", "tag"),
    [
        ("<FARMCTL>cms</FARMCTL>", None),
        ("<FARMCTL/>", None),
        ("<FARMCTL><ROLE>worker</ROLE></FARMCTL>", None),
        ("<FARMCTL><FARM/></FARMCTL>", None),
        (
            "<FARMCTL><FARM>a</FARM><NODE>n</NODE><ROLE>boss</ROLE></FARMCTL>",
            Tag(farm="a"),
        ),
        (
            (
                "<FARMCTL><FARM>a</FARM><NODE>n</NODE><ORDINAL>x</ORDINAL>"
                "<OTHER>1</OTHER></FARMCTL>"
            ),
            Tag(farm="a"),
        ),
        (
            "<FARMCTL><FARM>a</FARM><NODE>n</NODE><ORDINAL>-7</ORDINAL></FARMCTL>",
            Tag(farm="a"),
        ),
        (
            (
                "<FARMCTL><FARM>a</FARM><NODE>n</NODE></FARMCTL>"
                "<FARMCTL><FARM>b</FARM></FARMCTL>"
            ),
            Tag(farm="a"),
        ),
    ],
)
def test_a_tag_that_was_edited_by_hand_does_no_harm(vector, tag):
    assert vm(f"<USER_TEMPLATE>{vector}</USER_TEMPLATE>").tag == tag


def test_a_vm_that_was_made_of_a_farms_template_by_hand_is_a_stranger():
    by_hand = "<FARMCTL><FARM>a</FARM><ROLE>worker</ROLE><POOL>wn</POOL></FARMCTL>"
    assert vm(f"<USER_TEMPLATE>{by_hand}</USER_TEMPLATE>").tag is None


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ("<FARMCTL_FARM>a</FARMCTL_FARM><FARMCTL_ROLE>head</FARMCTL_ROLE>", True),
        ("<FARMCTL_FARM>b</FARMCTL_FARM><FARMCTL_ROLE>head</FARMCTL_ROLE>", False),
        ("<FARMCTL_FARM>a</FARMCTL_FARM><FARMCTL_ROLE>router</FARMCTL_ROLE>", False),
        (
            (
                "<FARMCTL_FARM>a</FARMCTL_FARM><FARMCTL_ROLE>head</FARMCTL_ROLE>"
                "<FARMCTL_POOL>wn</FARMCTL_POOL>"
            ),
            False,
        ),
    ],
)
def test_a_tag_that_the_guest_forged_is_not_believed(told, believed):
    tag = "<FARMCTL><FARM>a</FARM><ROLE>head</ROLE><NODE>a-head</NODE></FARMCTL>"
    found = vm(
        f"<TEMPLATE><CONTEXT>{told}</CONTEXT></TEMPLATE>"
        f"<USER_TEMPLATE>{tag}</USER_TEMPLATE>"
    )
    assert (found.tag is not None) is believed


@pytest.mark.parametrize(
    "mark", ["<FARMCTL_MARK>x</FARMCTL_MARK>", "<FARMCTL_MARK/>", ""]
)
def test_a_mark_that_was_edited_by_hand_does_no_harm(mark):
    tag = "<FARMCTL><FARM>a</FARM></FARMCTL>"
    assert vm(f"<USER_TEMPLATE>{tag}{mark}</USER_TEMPLATE>").mark == Mark()


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (f"ssh-ed25519 {KEY}", f"ssh-ed25519 {KEY}"),
        (f" ssh-ed25519   {KEY} root@alice-head\n", f"ssh-ed25519 {KEY}"),
        (f"ssh-rsa {KEY}", ""),
        (f"ssh-ed25519 {KEY[:30]}", ""),
        (f"ssh-dss {KEY}", ""),
        (f"@cert-authority * ssh-ed25519 {KEY}", ""),
        (f"ssh-ed25519 {KEY[:-1]}\u0661", ""),
        ("ssh-ed25519 $(id)", ""),
        ("ssh-ed25519 " + "A" * 4096, ""),
        ("", ""),
    ],
)
def test_a_host_key_is_taken_only_if_it_is_one(told, believed):
    tag = "<FARMCTL><FARM>a</FARM><NODE>a-head</NODE></FARMCTL>"
    key = f"<FARMCTL_HOST_KEY><![CDATA[{told}]]></FARMCTL_HOST_KEY>"
    assert vm(f"<USER_TEMPLATE>{tag}{key}</USER_TEMPLATE>").host_key == believed
    assert vm(f"<USER_TEMPLATE>{key}</USER_TEMPLATE>").host_key == "", "a stranger's"


@pytest.mark.parametrize(
    ("role", "files"), [("router", "QUJD"), ("head", ""), ("worker", "")]
)
def test_a_router_alone_has_router_files(role, files):
    given = f"<FARMCTL_FARM>a</FARMCTL_FARM><FARMCTL_ROLE>{role}</FARMCTL_ROLE>"
    found = vm(
        f"<TEMPLATE><CONTEXT>{given}<FARMCTL_ROUTER_BASE64>QUJD</FARMCTL_ROUTER_BASE64>"
        "</CONTEXT></TEMPLATE><USER_TEMPLATE><FARMCTL><FARM>a</FARM>"
        f"<ROLE>{role}</ROLE><NODE>n</NODE></FARMCTL></USER_TEMPLATE>"
    )
    assert found.router_files == files


def test_a_digest_in_a_mark_is_nothing_but_a_digest():
    tag = "<FARMCTL><FARM>a</FARM><NODE>n</NODE></FARMCTL>"
    mark = "<FARMCTL_MARK><CONFIGURED>{}</CONFIGURED></FARMCTL_MARK>".format

    def configured(text):
        found = vm(f"<USER_TEMPLATE>{tag}{mark(text)}</USER_TEMPLATE>")
        return found.mark.configured

    assert configured("0a1b-2.c_D") == "0a1b-2.c_D"
    assert configured("two words") == ""
    assert configured("a" * 65) == ""


def test_a_range_shows_the_mac_that_it_begins_with():
    found = reader.networks("m", recorded("networks"))
    assert [each.ranges[0].mac for each in found] == ["", "02:00:0a:14:01:01"]


def test_a_vm_of_6_10_lacks_much_and_is_read():
    found = vm(
        "<UID>3</UID><NAME>old</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE>"
        "<TEMPLATE><CPU>2</CPU><MEMORY>512</MEMORY>"
        "<NIC><NETWORK_ID>9</NETWORK_ID><IP>192.0.2.7</IP></NIC>"
        "<PCI><TYPE>NIC</TYPE><NETWORK_ID>8</NETWORK_ID><IP>192.0.2.8</IP></PCI>"
        "<PCI><VENDOR>10de</VENDOR></PCI>"
        "<NIC_ALIAS><NETWORK_ID>9</NETWORK_ID><IP>192.0.2.9</IP></NIC_ALIAS>"
        "</TEMPLATE>"
        "<HISTORY_RECORDS><HISTORY><HID>4</HID><HOSTNAME>a</HOSTNAME></HISTORY>"
        "<HISTORY><HID>5</HID><HOSTNAME>b</HOSTNAME></HISTORY></HISTORY_RECORDS>"
    )
    assert [(nic.network_id, nic.address) for nic in found.nics] == [
        (9, "192.0.2.7"),
        (8, "192.0.2.8"),
        (9, "192.0.2.9"),
    ]
    assert (found.host_id, found.host, found.cpus, found.memory_mib) == (5, "b", 2, 512)


def test_the_barest_elements_are_read():
    assert vm("").state is VmState.UNKNOWN
    (network,) = reader.networks(
        "m", "<VNET_POOL><VNET><ID>3</ID><NAME>n</NAME></VNET></VNET_POOL>"
    )
    assert network.usable
    found = reader.capacity(
        "h",
        "<HOST_POOL><HOST><ID>1</ID><STATE>2</STATE></HOST></HOST_POOL>",
        "d",
        "<DATASTORE_POOL><DATASTORE><ID>1</ID></DATASTORE></DATASTORE_POOL>",
    )
    assert (found.hosts[0].free_cpus, found.datastores[0].usable) == (0.0, False)


def test_why_a_node_waits_or_failed_is_kept():
    found = vm(
        "<USER_TEMPLATE><FARMCTL><FARM>a</FARM><NODE>n</NODE></FARMCTL>"
        "<ERROR>DEPLOY: no</ERROR>"
        "<SCHED_MESSAGE>no host fits</SCHED_MESSAGE></USER_TEMPLATE>"
    )
    assert (found.error, found.sched_message) == ("DEPLOY: no", "no host fits")


@pytest.mark.parametrize(
    "text",
    [
        "<VM_POOL><VM><ID>1</ID></VM>",
        "<VM_POOL><VM><NAME>no id</NAME></VM></VM_POOL>",
        "<VM_POOL><VM><ID>x</ID></VM></VM_POOL>",
        "<HOST_POOL></HOST_POOL>",
        "<X><VM_POOL/></X>",
        "",
        "VM_POOL",
    ],
)
def test_broken_or_strange_pools_are_bad_answers(text):
    with pytest.raises(BadAnswerError):
        reader.vms("one.vmpool.infoextended", text)


def test_only_the_objects_of_the_pool_itself_are_read():
    text = "<VM_POOL><VM><ID>1</ID><X><VM><ID>2</ID></VM></X></VM></VM_POOL>"
    assert [each.id for each in reader.vms("m", text)] == [1]
