"""`farmctl inventory`: what Ansible is told of the farms that the cloud shows."""

import tempfile
from pathlib import Path

LOGIN = """\
admin:
  addresses: [192.0.2.0/24]
  ssh_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7YHVNcuEWxfSDEAO+1AoN8y8GuI522vSzNXX3u5Taz
login: {user: root}
"""


def test_every_node_that_runs_is_told_with_its_groups(farmctl, cloud, folder):
    assert farmctl("apply", "sandbox.yaml", "--yes").status == 0
    told = farmctl("inventory", "--list").json
    assert told["farm_sandbox"]["hosts"] == [
        "sandbox-router",
        "sandbox-wn-001",
        "sandbox-wn-002",
    ]
    assert told["openwrt"]["hosts"] == ["sandbox-router"]
    assert told["pool_wn"]["hosts"] == ["sandbox-wn-001", "sandbox-wn-002"]
    worker = told["_meta"]["hostvars"]["sandbox-wn-001"]
    assert worker["farmctl_address"] == "172.16.0.1"
    assert "ansible_host" not in worker  # the site has no login


def test_with_a_login_the_way_through_the_router_is_told(
    farmctl, cloud, folder, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert farmctl("apply", "sandbox.yaml", "--yes").status == 0
    site = folder / "site.yaml"
    site.write_text(site.read_text() + LOGIN)
    ran = farmctl("inventory", "--list", "sandbox")
    assert ran.status == 0, ran.err
    found = ran.json["_meta"]["hostvars"]
    for variables in found.values():
        config = variables["ansible_ssh_common_args"].removeprefix("-F ")
        assert f"Host {variables['ansible_host']}\n" in Path(config).read_text()


def test_one_host_is_told_alone(farmctl, cloud, folder):
    assert farmctl("apply", "sandbox.yaml", "--yes").status == 0
    assert farmctl("inventory", "--host", "sandbox-wn-002").json["farmctl_pool"] == "wn"
    ran = farmctl("inventory", "--host", "sandbox-wn-009")
    assert ran.status == 1
    assert "No node 'sandbox-wn-009' runs." in ran.err


def test_a_farm_that_is_not_there_is_named(farmctl, cloud, folder):
    ran = farmctl("inventory", "--list", "nobody")
    assert ran.status == 1
    assert "The cloud shows no farm nobody." in ran.err


def test_list_and_host_are_one_or_the_other(farmctl, cloud, folder):
    assert farmctl("inventory").status == 2
    assert farmctl("inventory", "--list", "--host", "x").status == 2
