import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farmctl import assets
from farmctl.playbook import Way, inventory
from farmctl.playbook.hosts import facts

pytest.importorskip("ansible", reason="the extra `ansible` is not installed")

BIN = Path(sys.executable).parent


def ways(guests):
    return {
        each.name: Way(host=f"vm-{each.vm_id}", ssh_args="-F /run/x/config")
        for each in guests
    }


def asked(source, *arguments, **environment):
    """Return what ansible-inventory makes of an inventory."""
    ran = subprocess.run(
        [BIN / "ansible-inventory", "-i", source, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(assets.path("playbooks", "ansible.cfg")),
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
            **environment,
        },
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout, object_hook=_plain)


def _plain(value):
    """Take off Ansible's mark on text that is no template."""
    return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value


@pytest.fixture
def script(tmp_path, make_farm, make_site, guests):
    told = inventory(make_farm(), make_site(), guests, ways(guests)).as_json()
    (tmp_path / "told.json").write_text(json.dumps(told))
    path = tmp_path / "farmctl"
    path.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\ncat {tmp_path}/told.json')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("form", ["file", "script", "plugin"])
def test_ansible_reads_the_same_groups_and_variables_in_every_form(
    form, script, tmp_path, make_farm, make_site, guests
):
    environment = {}
    match form:
        case "file":
            source = tmp_path / "hosts.yml"
            told = inventory(make_farm(), make_site(), guests, ways(guests))
            source.write_text(told.as_yaml())
        case "script":
            source = script
        case _:
            source = tmp_path / "farmctl.yml"
            source.write_text(
                f"plugin: farmctl_inventory\ncommand: {script}\nsite: site.yaml\n"
                "farms: [alice-wn]\n"
            )
            environment["ANSIBLE_INVENTORY_PLUGINS"] = str(assets.path("inventories"))
    found = asked(source, "--list", **environment)
    assert {
        name: sorted(group["hosts"])
        for name, group in found.items()
        if name != "_meta" and group.get("hosts")
    } == {
        "router": ["alice-wn-router"],
        "head": ["alice-wn-head"],
        "workers": ["alice-wn-fat-wn-001", "alice-wn-wn-001"],
        "farm_alice_wn": [
            "alice-wn-fat-wn-001",
            "alice-wn-head",
            "alice-wn-router",
            "alice-wn-wn-001",
        ],
        "pool_wn": ["alice-wn-wn-001"],
        "pool_fat_wn": ["alice-wn-fat-wn-001"],
    }
    worker = found["_meta"]["hostvars"]["alice-wn-wn-001"]
    assert worker["ansible_host"] == "vm-3"
    assert worker["ansible_ssh_common_args"] == "-F /run/x/config"
    assert worker["farmctl_role"] == "worker"
    assert worker["farmctl_pool"] == "wn"
    assert worker["farmctl_cpus"] == 6
    assert worker["farmctl_memory_mib"] == 15360
    assert worker["farmctl_head"] == "alice-wn-head"
    assert worker["farmctl_head_address"] == "172.16.4.253"
    assert worker["farmctl_domain"] == "alice-wn.farm.example.org"
    assert worker["farmctl_batch"] == "slurm"


def test_the_plugin_asks_for_the_farms_and_the_site_beside_its_file(script, tmp_path):
    source = tmp_path / "farmctl.yml"
    source.write_text(
        f"plugin: farmctl_inventory\ncommand: {script}\nsite: site.yaml\n"
        "farms: [alice-wn, bob]\nkeyed_groups: [{key: farmctl_kind, prefix: kind}]\n"
    )
    found = asked(
        source, "--list", ANSIBLE_INVENTORY_PLUGINS=str(assets.path("inventories"))
    )
    assert (tmp_path / "asked").read_text().strip() == (
        f"--site {tmp_path}/site.yaml inventory --list -- alice-wn bob"
    )
    assert len(found["kind_batch"]["hosts"]) == 4


@pytest.mark.parametrize("form", ["file", "script", "plugin"])
def test_a_variable_that_looks_like_a_template_stays_text(
    form, script, tmp_path, make_farm, make_site, guests
):
    environment = {"ANSIBLE_INVENTORY_PLUGINS": str(assets.path("inventories"))}
    text = "{{ lookup('pipe', 'touch TRAP') }}"
    trap = tmp_path / "trap"
    told = (
        inventory(make_farm(), make_site(), guests, {}).as_json()
        if form != "file"
        else inventory(make_farm(), make_site(), guests, {}).as_yaml()
    )
    spoilt = (told if form == "file" else json.dumps(told)).replace(
        "touch /tmp/never", f"touch {trap}"
    )
    assert str(trap) in spoilt, text
    if form == "file":
        source = tmp_path / "hosts.yml"
        source.write_text(spoilt)
    else:
        (tmp_path / "told.json").write_text(spoilt)
        source = script
    if form == "plugin":
        source = tmp_path / "farmctl.yml"
        source.write_text(f"plugin: farmctl_inventory\ncommand: {script}\n")
    ran = subprocess.run(
        [
            *[BIN / "ansible", "-i", source, "alice-wn-head", "-c", "local"],
            *["-m", "ansible.builtin.debug"],
            *["-a", "msg={{ farmctl_variables.MOTTO }}"],
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(assets.path("playbooks", "ansible.cfg")),
        }
        | environment,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "lookup('pipe'" in ran.stdout
    assert not trap.exists()


def test_an_openwrt_router_is_in_a_group_of_its_own(make_farm, make_site, guests):
    farm = make_farm().model_copy(
        update={"router": make_farm().router.model_copy(update={"flavour": "openwrt"})}
    )
    assert inventory(farm, make_site(), guests, {}).groups["openwrt"] == [
        "alice-wn-router"
    ]


def test_a_farm_without_a_head_has_no_batch_system_to_configure(make_site, make_farm):
    farm = make_farm(
        text="farm: bob\nkind: plain\nbatch: slurm\n"
        "router: {image: debian, flavour: debian}\n"
    )
    assert facts(farm, make_site())["farmctl_batch"] == ""
    assert facts(farm, make_site())["farmctl_head"] == ""


def test_a_pool_with_a_name_of_slurms_own_gets_another_partition(make_site, make_farm):
    farm = make_farm(
        text="farm: bob\nkind: plain\nrouter: {image: debian}\n"
        "pools: {default: {image: debian, cpus: 1, memory: 1GiB, count: 1}}\n"
    )
    assert facts(farm, make_site())["farmctl_pools"] == [
        {"name": "default", "partition": "default-pool", "cpus": 1, "memory_mib": 1024}
    ]
