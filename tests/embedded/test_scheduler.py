"""Where the scheduler puts VMs, and what it says when it cannot."""

WORKER = 'SCHED_REQUIREMENTS="FARM_CLASS=\\"worker\\""\n'


def pending(one, name, more="", cpu="1"):
    return one("vm.allocate", f'NAME="{name}"\nCPU="{cpu}"\nMEMORY="64"\n{more}', False)


def host_of(one, vm):
    return one.xml("vm.info", vm, False).findtext("HISTORY_RECORDS/HISTORY/HOSTNAME")


def test_a_vm_goes_to_a_host_that_fits_its_requirements(one):
    vm = pending(one, "a", WORKER)
    one.turn()
    assert one.state(vm) == "RUNNING"
    assert host_of(one, vm).startswith("wrk-")


def test_requirements_know_names_ids_and_negation(one):
    wanted = r'"NAME=\"svc-0*\" & !(ID=0 | ID=1) & FARM_CLASS != \"worker\""'
    vm = pending(one, "a", f"SCHED_REQUIREMENTS={wanted}\n")
    one.turn()
    assert host_of(one, vm) in {"svc-02", "svc-03", "svc-04", "svc-05"}


def test_a_vm_that_fits_nowhere_waits_with_a_message(one):
    vm = pending(one, "a", 'SCHED_REQUIREMENTS="FARM_CLASS=\\"gpu\\""\n')
    one.turn()
    assert one.state(vm) == "PENDING"
    message = one.xml("vm.info", vm, False).findtext("USER_TEMPLATE/SCHED_MESSAGE")
    assert (
        message.endswith("Cannot dispatch VM: No hosts meet the SCHED_REQUIREMENTS")
        or "SCHED_REQUIREMENTS" in message
    )
    one("host.update", 0, 'FARM_CLASS="gpu"', 1)
    one.turn()
    assert one.state(vm) == "RUNNING"
    info = one.xml("vm.info", vm, False)
    assert host_of(one, vm) == "svc-00"
    assert info.find("USER_TEMPLATE/SCHED_MESSAGE") is None


def test_a_vm_that_is_too_large_waits_until_there_is_room(one):
    for number in range(6):
        one("host.status", number, 1)  # disabled
    more = 'SCHED_REQUIREMENTS="NAME=\\"wrk-00\\""\n'
    large = pending(one, "large", more, cpu="32")
    one.turn()
    small = pending(one, "small", more)
    one.turn()
    assert (one.state(large), one.state(small)) == ("RUNNING", "PENDING")
    one("vm.action", "terminate-hard", large)
    one.turn()
    assert one.state(small) == "RUNNING"


def test_disabled_hosts_get_nothing(one):
    one("host.update", 6, 'ONLY="this"', 1)
    one("host.status", 6, 1)
    vm = pending(one, "a", 'SCHED_REQUIREMENTS="ONLY=\\"this\\""\n')
    one.turn()
    assert one.state(vm) == "PENDING"
    one("host.status", 6, 0)
    one.turn(30)
    assert one.state(vm) == "RUNNING"


def test_datastore_requirements_choose_the_system_datastore(one):
    for name, number in (("gluster", "100"), ("lvm", "101")):
        more = f'SCHED_DS_REQUIREMENTS="NAME=\\"{name}\\""\n'
        vm = pending(one, name, more)
        one.turn()
        info = one.xml("vm.info", vm, False)
        assert info.findtext("HISTORY_RECORDS/HISTORY/DS_ID") == number


def test_one_cycle_fills_no_host_and_no_cycle_is_without_end(opennebula_with):
    cloud = opennebula_with(scheduler_max_dispatch=2, scheduler_max_host=1)
    cloud.set_scale(0)
    cloud.set_scheduler_interval(1.0)
    text = 'CPU="1"\nMEMORY="64"'
    for number in range(5):
        cloud.call("one.vm.allocate", f'NAME="v{number}"\n{text}', False)
    placed = []
    for _ in range(4):
        cloud.turn(1.0)
        hosts = [
            vm["history"][0]["hid"] for vm in cloud.dump("VM")["VM"] if vm["history"]
        ]
        placed.append(len(hosts))
        assert len(set(hosts)) == len(hosts)
    cloud.stop()
    assert placed == [2, 4, 5, 5]


def test_a_rank_decides_between_hosts(one):
    one("host.update", 9, 'SPEED="10"', 1)
    one("host.update", 12, 'SPEED="20"', 1)
    vm = pending(one, "a", 'SCHED_RANK="SPEED"\n')
    one.turn()
    assert host_of(one, vm) == "wrk-06"


def test_vms_that_are_to_be_rescheduled_move(one):
    vm = pending(one, "a", WORKER)
    one.turn()
    before = host_of(one, vm)
    one(
        "host.status",
        int(one.xml("vm.info", vm, False).findtext("HISTORY_RECORDS/HISTORY/HID")),
        1,
    )
    one("vm.action", "resched", vm)
    one.turn()
    assert one.state(vm) == "RUNNING"
    last = one.xml("vm.info", vm, False).findall("HISTORY_RECORDS/HISTORY")[-1]
    assert last.findtext("HOSTNAME") != before
