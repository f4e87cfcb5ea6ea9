"""Limits of users and groups, and what counts against them."""


def test_a_user_starts_no_more_vms_than_the_quota_allows(one):
    ann, session = one.user("ann")
    quota = 'VM=[CPU="-2",MEMORY="-2",SYSTEM_DISK_SIZE="-2",VMS="2"]'
    one("user.quota", ann, quota)
    one.vm("a", by=session)
    one.vm("b", by=session)
    code, message = one.refusal(
        "vm.allocate", 'NAME="c"\nCPU="1"\nMEMORY="1"', by=session
    )
    assert code == 512
    assert message == (
        f"[one.vm.allocate] User [{ann}] : user [{ann}] limit of 2 reached "
        "for VMS quota in VM."
    )


def test_what_a_vm_used_is_given_back_with_its_end(one):
    ann, session = one.user("ann")
    one("user.quota", ann, 'VM=[CPU="1",MEMORY="1024",VMS="1",SYSTEM_DISK_SIZE="-2"]')
    first = one.vm("a", by=session)
    assert one.refusal("vm.allocate", 'NAME="b"\nCPU="0.5"\nMEMORY="1"', by=session)
    one("vm.action", "terminate", first, by=session)
    one.vm("b", by=session)
    used = one.xml("user.info", ann, False).find("VM_QUOTA/VM")
    assert used.findtext("VMS_USED") == "1"
    assert used.findtext("CPU_USED") == "1"
    assert used.findtext("MEMORY_USED") == "1024"


def test_a_group_s_quota_holds_for_all_its_users(one):
    group = one("group.allocate", "lab")
    one("group.quota", group, 'VM=[VMS="1",CPU="-2",MEMORY="-2",SYSTEM_DISK_SIZE="-2"]')
    _, ann = one.user("ann", group)
    _, bob = one.user("bob", group)
    one("acl.addrule", hex(0x200000000 | group), hex(0x1400000000), "8", "0x100000000")
    one.vm("a", by=ann)
    code, message = one.refusal("vm.allocate", 'NAME="b"\nCPU="1"\nMEMORY="1"', by=bob)
    assert code == 512
    assert f"group [{group}] limit of 1 reached for VMS quota in VM" in message


def test_running_quotas_count_vms_that_are_not_powered_off(one):
    ann, session = one.user("ann")
    one("user.quota", ann, 'VM=[RUNNING_VMS="1",VMS="-2",CPU="-2",MEMORY="-2"]')
    first = one.vm("a", by=session)
    one("vm.deploy", first, 0, False, -1, "")
    one.turn()
    assert one.refusal("vm.allocate", 'NAME="b"\nCPU="1"\nMEMORY="1"', by=session)
    one("vm.action", "poweroff", first, by=session)
    one.turn()
    second = one.vm("b", by=session)
    code, message = one.refusal("vm.action", "resume", first, by=session)
    assert code == 2048
    assert "limit of 1 reached for RUNNING_VMS quota in VM" in message
    one("vm.action", "terminate", second, by=session)
    one("vm.action", "resume", first, by=session)


def test_leases_count_against_a_network_s_quota(one):
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    ann, session = one.user("ann")
    one("user.quota", ann, f'NETWORK=[ID="{network}",LEASES="1"]')
    nic = f'NIC=[NETWORK_ID="{network}"]'
    first = one.vm("a", nic, by=session)
    code, message = one.refusal(
        "vm.allocate", f'NAME="b"\nCPU="1"\nMEMORY="1"\n{nic}', by=session
    )
    assert code == 512
    assert (
        f"limit of 1 reached for LEASES quota in NETWORK with ID: {network}" in message
    )
    one("vm.action", "terminate", first, by=session)
    one.vm("b", nic, by=session)


def test_a_refused_vm_leaves_no_usage_and_no_lease_behind(one):
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    ann, session = one.user("ann")
    one("user.quota", ann, 'VM=[MEMORY="10",VMS="-2",CPU="-2"]')
    nic = f'NIC=[NETWORK_ID="{network}"]'
    one.refusal("vm.allocate", f'NAME="b"\nCPU="1"\nMEMORY="11"\n{nic}', by=session)
    assert one.xml("vn.info", network, False).findtext("USED_LEASES") == "0"
    info = one.xml("user.info", ann, False)
    assert info.findtext("VM_QUOTA/VM/VMS_USED") == "0"
    assert info.find("NETWORK_QUOTA/NETWORK") is None
    assert one.vm() == 0  # even the number is not spent


def test_resizing_is_charged(one):
    ann, session = one.user("ann")
    vm = one.vm("a", by=session)
    one("user.quota", ann, 'VM=[CPU="2",VMS="-2",MEMORY="-2"]')
    assert one.refusal("vm.resize", vm, 'CPU="3"', False, by=session)[0] == 512
    one("vm.resize", vm, 'CPU="2"\nVCPU="4"', False, by=session)
    used = one.xml("user.info", ann, False).find("VM_QUOTA/VM")
    assert used.findtext("CPU_USED") == "2"


def test_the_default_quota_holds_where_a_user_has_none(one):
    one("userquota.update", 'VM=[VMS="1",CPU="-2",MEMORY="-2",SYSTEM_DISK_SIZE="-2"]')
    _, session = one.user("ann")
    one.vm("a", by=session)
    assert one.refusal("vm.allocate", 'NAME="b"\nCPU="1"\nMEMORY="1"', by=session)
    for number in range(3):
        one.vm(f"admin-{number}")  # oneadmin has no limits
