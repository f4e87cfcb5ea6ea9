"""Who may do what: owners, groups, ACL rules, administrators."""

GROUP, ALL, VM, NET = 0x200000000, 0x400000000, 0x1000000000, 0x4000000000
ZONES = hex(ALL)


def test_a_stranger_s_vm_is_not_to_be_seen(one):
    _, ann = one.user("ann")
    bob, other = one.user("bob")
    vm = one.vm("a", by=ann)
    code, message = one.refusal("vm.info", vm, False, by=other)
    assert code == 512
    assert message == (
        f"[one.vm.info] User [{bob}] : Not authorized to perform USE VM [{vm}]."
    )
    assert len(one.xml("vmpool.info", -2, -1, -1, -1, by=other)) == 0
    assert len(one.xml("vmpool.info", -2, -1, -1, -1, by=ann)) == 1


def test_permissions_of_the_group_open_a_vm_to_it(one):
    _, ann = one.user("ann")
    _, bob = one.user("bob")
    vm = one.vm("a", by=ann)
    one("vm.chmod", vm, -1, -1, -1, 1, -1, -1, -1, -1, -1, by=ann)
    one("vm.info", vm, False, by=bob)
    assert one.refusal("vm.rename", vm, "b", by=bob)[0] == 512
    one("vm.chmod", vm, -1, -1, -1, -1, 1, -1, -1, -1, -1, by=ann)
    one("vm.rename", vm, "b", by=bob)


def test_an_acl_rule_grants_what_permissions_do_not(one):
    _, ann = one.user("ann")
    bob, other = one.user("bob")
    vm = one.vm("a", by=ann)
    assert one.refusal("vm.info", vm, False, by=other)[0] == 512
    who, what = hex(0x100000000 | bob), hex(VM | 0x100000000 | vm)
    rule = one("acl.addrule", who, what, "1", ZONES)
    one("vm.info", vm, False, by=other)
    assert one.refusal("vm.rename", vm, "b", by=other)[0] == 512
    one("acl.delrule", rule)
    assert one.refusal("vm.info", vm, False, by=other)[0] == 512


def test_rules_about_a_group_s_objects_cover_new_ones(one):
    group = one("group.allocate", "lab")
    _, ann = one.user("ann", group)
    watcher, session = one.user("eve")
    one("acl.addrule", hex(GROUP | group), hex(VM | ALL), "8", ZONES)
    one("acl.addrule", hex(0x100000000 | watcher), hex(VM | GROUP | group), "1", ZONES)
    vm = one.vm("a", by=ann)
    one("vm.info", vm, False, by=session)
    assert [
        v.findtext("ID") for v in one.xml("vmpool.info", -2, -1, -1, -1, by=session)
    ] == [str(vm)]


def test_only_administrators_place_and_move_vms(one):
    _, ann = one.user("ann")
    vm = one.vm("a", by=ann)
    for method, args in (
        ("vm.deploy", (vm, 0, False, -1, "")),
        ("vm.migrate", (vm, 1, True, False, -1, 0)),
        ("vm.recover", (vm, 3)),
    ):
        code, message = one.refusal(method, *args, by=ann)
        assert code == 512
        assert f"Not authorized to perform ADMIN VM [{vm}]" in message
    one("vm.action", "terminate", vm, by=ann)
    assert one.state(vm) == "DONE"


def test_ordinary_users_may_not_set_restricted_attributes(one):
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    ann, session = one.user("ann")
    nic = f'NIC=[NETWORK_ID="{network}",MAC="02:00:0a:00:00:01"]'
    text = f'NAME="a"\nCPU="1"\nMEMORY="1"\n{nic}'
    code, message = one.refusal("vm.allocate", text, True, by=session)
    assert code == 512
    assert message == (
        f"[one.vm.allocate] User [{ann}] : VM Template includes a restricted "
        "attribute MAC."
    )
    one("vm.allocate", text, True)


def test_a_network_without_use_cannot_be_attached(one):
    group = one("group.allocate", "lab")
    one("vdc.delgroup", 0, group)
    one("acl.addrule", hex(GROUP | group), hex(VM | ALL), "8", ZONES)
    network = one.network()
    ann, session = one.user("ann", group)
    text = f'NAME="a"\nCPU="1"\nMEMORY="1"\nNIC=[NETWORK_ID="{network}"]'
    code, message = one.refusal("vm.allocate", text, True, by=session)
    assert code == 512
    assert f"User [{ann}] : Not authorized to perform USE NET [{network}]" in message


def test_a_wrong_password_is_refused_and_a_changed_one_counts(one):
    ann, session = one.user("ann")
    assert one.refusal("user.info", ann, False, by="ann:wrong")[0] == 256
    one("user.passwd", ann, "new", by=session)
    assert one.refusal("user.info", ann, False, by=session)[0] == 256
    one("user.info", ann, False, by="ann:new")


def test_a_login_token_stands_for_the_password_until_it_expires(one):
    ann, session = one.user("ann")
    token = one("user.login", "ann", "", 60, -1, by=session)
    one("user.info", ann, False, by=f"ann:{token}")
    one.turn(61)
    assert one.refusal("user.info", ann, False, by=f"ann:{token}")[0] == 256


def test_a_vdc_shows_a_group_what_it_holds(one):
    group = one("group.allocate", "lab")
    one("vdc.delgroup", 0, group)
    network = one.network()
    one("vn.chmod", network, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    _, ann = one.user("ann", group)
    assert one.refusal("vn.info", network, False, by=ann)[0] == 512
    vdc = one("vdc.allocate", 'NAME="lab"')
    one("vdc.addvnet", vdc, 0, network)
    one("vdc.addgroup", vdc, group)
    one("vn.info", network, False, by=ann)
    one("vdc.delvnet", vdc, 0, network)
    assert one.refusal("vn.info", network, False, by=ann)[0] == 512
    one("vdc.addvnet", vdc, 0, -10)
    one("vn.info", network, False, by=ann)
    one("vdc.delete", vdc)
    assert one.refusal("vn.info", network, False, by=ann)[0] == 512


def test_the_database_is_nobody_else_s_business(one):
    _, ann = one.user("ann")
    assert one.xml("system.config").findtext("DB/BACKEND") == "sqlite"
    assert one.xml("system.config", by=ann).findtext("DB/BACKEND") == "***"
