"""What an ordinary user may do and see."""

import pytest


@pytest.fixture
def tenant(one):
    return one.tenant()


def open_to_all(one, kind, number):
    flag = (False,) if kind == "template" else ()
    one(f"{kind}.chmod", number, 1, 1, 0, 1, 0, 0, 1, 0, 0, *flag)


def who(user):
    return f"User [{user.user_id}] : "


def test_a_user_sees_whether_he_is_an_admin_in_his_groups(one, tenant):
    assert one.xml("user.info", -1, False).findtext("GROUPS/ID") == "0"
    second = one.tenant("second", one.group_of(tenant))
    one("user.addgroup", second.user_id, 0)
    vm = second("vm.allocate", f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"', True)
    second("vm.deploy", vm, one.hosts()[0], False, one.datastore(), "")
    groups = second.xml("user.info", -1, False).findall("GROUPS/ID")
    assert "0" in [group.text for group in groups]


def test_a_user_may_not_deploy_migrate_or_recover_his_own_vm(one, tenant):
    vm = tenant("vm.allocate", f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"', True)
    wanted = f"{who(tenant)}Not authorized to perform ADMIN VM [{vm}]."
    host = one.hosts()[0]
    assert tenant.refusal("vm.deploy", vm, host, False, one.datastore(), "") == (
        512,
        f"[one.vm.deploy] {wanted}",
    )
    assert tenant.refusal("vm.migrate", vm, host, True, False, -1, 0) == (
        512,
        f"[one.vm.migrate] {wanted}",
    )
    assert tenant.refusal("vm.recover", vm, 3) == (512, f"[one.vm.recover] {wanted}")
    assert tenant.refusal("vm.chmod", vm, 1, 1, 1, 0, 0, 0, 0, 0, 0) == (
        512,
        f"[one.vm.chmod] {wanted}",
    )


def test_a_user_ends_his_own_vm(one, tenant):
    vm = tenant("vm.allocate", f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"', True)
    one.deploy(vm)
    one.wait(vm, "RUNNING")
    tenant("vm.action", "terminate-hard", vm)
    one.wait(vm, "DONE")


def test_a_users_vm_is_placed_by_the_scheduler(one, tenant):
    text = f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"'
    vm = tenant("vm.allocate", text, False)
    one.wait(vm, "RUNNING")


def test_vm_admin_by_rule_is_enough_to_deploy(one, tenant):
    vm = tenant("vm.allocate", f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"', True)
    rule = one("acl.addrule", f"{0x100000000 + tenant.user_id:x}", "1400000000", "4")
    tenant("vm.deploy", vm, one.hosts()[0], False, one.datastore(), "")
    one.wait(vm, "RUNNING")
    one("acl.delrule", rule)


def test_a_user_may_not_use_what_is_not_open_to_him(one, tenant):
    template = one.template()
    assert tenant.refusal("template.instantiate", template, "x", True, "", False) == (
        512,
        (
            f"[one.template.instantiate] {who(tenant)}"
            f"Not authorized to perform USE TEMPLATE [{template}]."
        ),
    )
    vm = one.vm()
    assert tenant.refusal("vm.info", vm, False) == (
        512,
        f"[one.vm.info] {who(tenant)}Not authorized to perform USE VM [{vm}].",
    )
    assert one.mine("vmpool.info", -2, -1, -1, -1, session=tenant) == []


def test_a_user_chooses_his_address_in_a_network_that_he_may_use(one, tenant):
    template = one.template(f'NIC=[NETWORK_ID="{one.network()}"]')
    open_to_all(one, "template", template)
    name = one.name("net")
    extra = f'NIC=[NETWORK="{name}",NETWORK_UNAME="oneadmin",IP="10.77.1.9"]'
    vm = one.instantiate(template, extra, by=tenant)
    assert one.info(vm).findtext("TEMPLATE/NIC/IP") == "10.77.1.9"
    assert one.info(vm).findtext("UID") == str(tenant.user_id)


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("MAC", 'NIC=[NETWORK="x",MAC="02:00:00:00:00:01"]'),
        ("FILTER_IP_SPOOFING", 'NIC=[NETWORK="x",FILTER_IP_SPOOFING="NO"]'),
        ("FILES", 'CONTEXT=[FILES="/etc/passwd"]'),
    ],
)
def test_restricted_attributes_are_refused_to_a_user(one, tenant, attribute, text):
    text = f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"\n{text}'
    assert tenant.refusal("vm.allocate", text, True) == (
        512,
        (
            f"[one.vm.allocate] {who(tenant)}"
            f"VM Template includes a restricted attribute {attribute}."
        ),
    )


def test_an_admins_template_may_hold_restricted_attributes_for_a_user(one, tenant):
    network = one.network(extra='FILTER_IP_SPOOFING="YES"')
    nic = f'NIC=[NETWORK_ID="{network}",FILTER_IP_SPOOFING="NO"]'
    template = one.template(nic)
    open_to_all(one, "template", template)
    vm = one.instantiate(template, by=tenant)
    assert one.info(vm).findtext("TEMPLATE/NIC/FILTER_IP_SPOOFING") == "NO"
    one.instantiate(template, nic, by=tenant)
    other = f'NIC=[NETWORK_ID="{network}",IP="10.77.1.9"]'
    assert tenant.refusal(
        "template.instantiate", template, "x", True, other, False
    ) == (
        512,
        (
            f"[one.template.instantiate] {who(tenant)}"
            "User Template includes a restricted attribute NIC."
        ),
    )


def test_a_new_group_uses_all_networks_through_the_default_vdc(one, tenant):
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    assert len(one.mine("vnpool.info", session=tenant)) == 1
    group = one.group_of(tenant)
    rules = [
        rule.findtext("STRING")
        for rule in one.xml("acl.info")
        if rule.findtext("STRING").startswith(f"@{group} ")
    ]
    assert [f"@{group} HOST/* MANAGE #0", f"@{group} NET/* USE #0"] == rules[:2]
    one("vdc.delgroup", 0, group)
    assert one.mine("vnpool.info", session=tenant) == []
    assert tenant.refusal("vn.info", network, False) == (
        512,
        f"[one.vn.info] {who(tenant)}Not authorized to perform USE NET [{network}].",
    )


def test_a_user_sees_no_hosts_and_no_rules(one, tenant):
    assert len(tenant.xml("hostpool.info")) == 0
    assert len(tenant.xml("clusterpool.info")) == 0
    assert tenant.refusal("acl.info")[0] == 512


def test_a_new_group_may_create_nothing_before_it_has_a_rule(one):
    group = one("group.allocate", one.name("bare"))
    user = one.tenant("bare", group)
    code, message = user.refusal("vm.allocate", 'NAME="x"\nCPU="1"\nMEMORY="64"', True)
    assert (code, message) == (
        512,
        f"[one.vm.allocate] {who(user)}Not authorized to perform CREATE VM.",
    )


def test_a_quota_refuses_what_exceeds_it(one, tenant):
    quota = 'VM=[VMS="1",CPU="-1",MEMORY="-1",RUNNING_VMS="-1",RUNNING_CPU="-1",'
    quota += 'RUNNING_MEMORY="-1",SYSTEM_DISK_SIZE="-1"]'
    one("user.quota", tenant.user_id, quota)
    text = f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"'
    vm = tenant("vm.allocate", text, True)
    code, message = tenant.refusal("vm.allocate", text, True)
    assert (code, message) == (
        512,
        (
            f"[one.vm.allocate] {who(tenant)}user [{tenant.user_id}] limit of 1 "
            "reached for VMS quota in VM."
        ),
    )
    used = tenant.xml("user.info", -1, False).find("VM_QUOTA/VM")
    assert (used.findtext("VMS"), used.findtext("VMS_USED")) == ("1", "1")
    tenant("vm.action", "terminate-hard", vm)
    one.wait(vm, "DONE")
    tenant("vm.allocate", text, True)


def test_a_group_has_a_quota_too(one, tenant):
    group = one.group_of(tenant)
    quota = 'VM=[VMS="-1",CPU="0.1",MEMORY="-1",RUNNING_VMS="-1",RUNNING_CPU="-1",'
    quota += 'RUNNING_MEMORY="-1",SYSTEM_DISK_SIZE="-1"]'
    one("group.quota", group, quota)
    text = f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"'
    tenant("vm.allocate", text, True)
    code, message = tenant.refusal("vm.allocate", text, True)
    assert code == 512
    assert message == (
        f"[one.vm.allocate] {who(tenant)}group [{group}] limit of 0.1 reached "
        "for CPU quota in VM."
    )


def test_a_user_may_go_while_his_vms_stay(one, tenant):
    vm = tenant("vm.allocate", f'NAME="{one.name("v")}"\nCPU="0.1"\nMEMORY="64"', True)
    one("user.delete", tenant.user_id)
    assert one.info(vm).findtext("UID") == str(tenant.user_id)
    assert tenant.refusal("vmpool.info", -2, -1, -1, -1)[0] == 256


def test_a_wrong_password_is_refused_and_a_new_one_is_taken(one, tenant):
    name = tenant.auth.partition(":")[0]
    wrong = one.session(f"{name}:wrong")
    assert wrong.refusal("vmpool.info", -2, -1, -1, -1) == (
        256,
        "[one.vmpool.info] User couldn't be authenticated, aborting call.",
    )
    one("user.passwd", tenant.user_id, "second")
    renewed = one.session(f"{name}:second")
    assert renewed.xml("user.info", -1, False).findtext("NAME") == name


def test_a_login_token_stands_for_the_password(one, tenant):
    name = tenant.auth.partition(":")[0]
    token = tenant("user.login", name, "", 3600, -1)
    session = one.session(f"{name}:{token}")
    assert session.xml("user.info", -1, False).findtext("NAME") == name


def test_a_reservation_is_the_users_own_network(one, tenant):
    network = one.network(size=20)
    open_to_all(one, "vn", network)
    reserved = tenant("vn.reserve", network, f'SIZE="4"\nNAME="{one.name("mine")}"')
    info = tenant.xml("vn.info", reserved, False)
    assert info.findtext("UID") == str(tenant.user_id)
    assert info.findtext("PARENT_NETWORK_ID") == str(network)
    assert one.xml("vn.info", network, False).findtext("USED_LEASES") == "4"
