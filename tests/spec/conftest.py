"""Small right files that the tests spoil, and keys that are keys."""

import base64

import pytest

FARM = """\
farm: alice-wn
kind: batch
batch: slurm
router:
  image: openwrt
  flavour: openwrt
  forwards:
    - {name: ssh, port: 2222, to: head, to_port: 22, from: [192.0.2.0/24]}
head: {image: head-el9, cpus: 4, memory: 8GiB, disk: 40GiB}
pools:
  wn:
    image: wn-el9
    cpus: 6
    memory: 15GiB
    disk: 120GiB
    count: {min: 0, max: 40}
lease: {expires_in: 7d}
"""

SITE = """\
site: torino
domain: farm.example.org
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker: {requires: 'FARM_CLASS="worker"', system_datastore: lvm}
networks:
  farms: {supernet: 172.16.0.0/16, driver: 802.1Q, physical_device: eth1}
  public: {name: public}
  reserved: [172.16.9.0/24]
images: {openwrt: openwrt-24.10, head-el9: head-el9-2026-11, wn-el9: wn-el9-2026-11}
"""


@pytest.fixture
def farm_text():
    return FARM


@pytest.fixture
def site_text():
    return SITE


def _key(kind, *fields):
    parts = [kind.encode(), *fields]
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind} {base64.b64encode(blob).decode()}"


@pytest.fixture
def make_key():
    return _key


@pytest.fixture
def ed25519():
    return _key("ssh-ed25519", bytes(range(32)))
