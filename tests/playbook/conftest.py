"""A site, a farm and its guests, for what Ansible is told of them."""

import pytest

from farmctl.model.guests import Guest
from farmctl.model.nodes import Role
from farmctl.spec import parse_farm, parse_site

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker: {requires: 'FARM_CLASS="worker"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: dummy}
  public: {name: public}
images: {debian: debian-12}
admin:
  addresses: [192.0.2.0/24]
  ssh_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7YHVNcuEWxfSDEAO+1AoN8y8GuI522vSzNXX3u5Taz
login: {user: root}
playbook: site.yml
"""

FARM = """\
farm: alice-wn
kind: batch
batch: slurm
router: {image: debian, flavour: debian}
head: {image: debian, cpus: 2, memory: 2GiB}
pools:
  wn: {image: debian, cpus: 6, memory: 15GiB, count: {min: 0, max: 40}}
  fat-wn: {image: debian, cpus: 1, memory: 1GiB, count: 1}
variables: {VO: alice, MOTTO: "{{ lookup('pipe', 'touch /tmp/never') }}"}
"""


@pytest.fixture
def make_site(tmp_path):
    def make(text=SITE):
        return parse_site(text, str(tmp_path / "site.yaml"))

    return make


@pytest.fixture
def make_farm():
    def make(more="", text=FARM):
        return parse_farm(text + more, "alice.yaml")

    return make


@pytest.fixture
def guests():
    return (
        Guest(
            vm_id=1,
            name="alice-wn-router",
            role=Role.ROUTER,
            address="172.16.4.254",
            public_address="203.0.113.7",
            cpus=1,
            memory_mib=192,
        ),
        Guest(
            vm_id=2,
            name="alice-wn-head",
            role=Role.HEAD,
            address="172.16.4.253",
            cpus=2,
            memory_mib=2048,
        ),
        Guest(
            vm_id=3,
            name="alice-wn-wn-001",
            role=Role.WORKER,
            pool="wn",
            address="172.16.4.1",
            cpus=6,
            memory_mib=15360,
        ),
        Guest(
            vm_id=4,
            name="alice-wn-fat-wn-001",
            role=Role.WORKER,
            pool="fat-wn",
            address="172.16.4.2",
            cpus=1,
            memory_mib=1024,
        ),
    )
