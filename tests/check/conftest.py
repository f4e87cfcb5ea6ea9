import copy
from dataclasses import replace

import pytest

from farmctl.check import expect
from farmctl.model.nodes import Role, Tag, VmState
from farmctl.model.view import CloudView, Document, Network, Nic, User, Vm
from farmctl.spec import Farm, Site, canonical

SITE = {
    "site": "torino",
    "domain": "example.org",
    "hypervisors": {
        "service": {"requires": 'C="service"', "system_datastore": "gluster"},
        "worker": {"requires": 'C="worker"', "system_datastore": "lvm"},
    },
    "networks": {
        "farms": {"supernet": "172.16.0.0/16", "driver": "dummy"},
        "public": {"name": "public"},
    },
    "images": {"router": "router", "el9": "el9"},
    "admin": {"addresses": ["198.51.100.0/28"]},
}
FARM = {
    "farm": "alice",
    "kind": "batch",
    "batch": "slurm",
    "network": "172.16.1.0/24",
    "router": {
        "image": "router",
        "flavour": "debian",
        "forwards": [
            {"name": "ssh", "port": 2222, "to": "head", "to_port": 22},
            {
                "name": "web",
                "port": 8443,
                "to": "wn-001",
                "to_port": 443,
                "from": ["192.0.2.0/24"],
            },
            {"name": "late", "port": 9000, "to": "wn-009"},
        ],
    },
    "head": {"image": "el9", "cpus": 4, "memory": "8GiB"},
    "pools": {
        "wn": {
            "image": "el9",
            "cpus": 2,
            "memory": "4GiB",
            "count": {"min": 0, "max": 9},
        }
    },
}
PUBLIC, INNER = 0, 1
NODES = {
    "alice-router": (Role.ROUTER, "", 0, "172.16.1.254"),
    "alice-head": (Role.HEAD, "", 0, "172.16.1.253"),
    "alice-wn-001": (Role.WORKER, "wn", 1, "172.16.1.1"),
    "alice-wn-002": (Role.WORKER, "wn", 2, "172.16.1.2"),
}


def mac(address):
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def vm(number, name, *, farm="alice", **more):
    role, pool, ordinal, address = NODES[name.replace(farm, "alice")]
    address = more.pop("address", address)
    nics = [
        Nic(network_id=INNER, network=farm, address=address, mac=mac(address)),
    ]
    if role is Role.ROUTER:
        nics.insert(0, Nic(network_id=PUBLIC, network="public", address="203.0.113.10"))
    return Vm(
        **{
            "id": number,
            "name": name,
            "owner_id": 0,
            "state": VmState.RUNNING,
            "tag": Tag(farm=farm, role=role, pool=pool, ordinal=ordinal),
            "nics": tuple(nics),
            "reported_ready": True,
            "host_key": "ssh-ed25519 AAAA",
            **more,
        }
    )


@pytest.fixture
def site():
    return Site.model_validate(SITE)


@pytest.fixture
def farm():
    return Farm.model_validate(FARM)


@pytest.fixture
def view(farm):
    body = {
        **canonical(farm),
        "cidr": "172.16.1.0/24",
        "readiness": dict.fromkeys(("router", "head", "wn"), "onegate"),
    }
    return CloudView(
        at=0.0,
        version="7.4.0",
        endpoint="http://localhost",
        user=User(id=0, name="oneadmin"),
        vms=tuple(vm(number, name) for number, name in enumerate(NODES)),
        networks=(
            Network(
                id=PUBLIC,
                name="public",
                owner_id=0,
                attributes={"DNS": "203.0.113.1", "GATEWAY": "203.0.113.1"},
            ),
            Network(
                id=INNER,
                name="alice",
                owner_id=0,
                tag=Tag(farm="alice"),
                attributes={"NETWORK_ADDRESS": "172.16.1.0"},
            ),
        ),
        documents=(
            Document(id=5, name="alice", owner_id=0, tag=Tag(farm="alice"), body=body),
        ),
    )


@pytest.fixture
def draw(site, farm, view):
    """Draw what to expect, with some VMs changed and from some address."""

    def made(*, here="198.51.100.5", vms=None, **changes):
        vms = view.vms if vms is None else vms
        vms = tuple(replace(each, **changes.get(each.name, {})) for each in vms)
        return expect(site, farm, replace(view, vms=vms), here=here)

    return made


@pytest.fixture
def expected(draw):
    return draw()


DHCP = {
    "address": "172.16.1.1",
    "acknowledged": True,
    "server": "172.16.1.254",
    "routers": ["172.16.1.254"],
    "dns": ["172.16.1.254"],
    "ntp": ["172.16.1.254"],
    "search": ["alice.example.org", "example.org"],
    "seconds": 43200,
}
SEEN = {
    "devices": {
        "eth0": {"mac": "02:00:ac:10:01:01", "addresses": ["172.16.1.1"]},
        "lo": {"mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1"]},
    },
    "gateway": "172.16.1.254",
    "ping": {"172.16.1.254": 0.3},
    "dhcp": DHCP,
    "resolver": {
        "nameservers": ["172.16.1.254"],
        "search": ["alice.example.org", "example.org"],
    },
    "names": {
        "alice-wn-001.alice.example.org": {"code": 0, "answers": ["172.16.1.1"]},
        "alice-head.alice.example.org": {"code": 0, "answers": ["172.16.1.253"]},
        "172.16.1.1": {"code": 0, "answers": ["alice-wn-001.alice.example.org"]},
        "outside.example.net": {"code": 0, "answers": ["203.0.113.1"]},
    },
    "looked_up": {
        "alice-wn-001": ["172.16.1.1"],
        "alice-router": ["172.16.1.254"],
    },
    "ntp": {"offset": 0.01, "stratum": 3, "leap": 0},
    "machine": {"cpus": 2, "memory": 3900, "container": "", "name": "alice-wn-001"},
    "knock": {
        "172.16.1.254:53": "open",
        "172.16.1.254:22": "refused",
        "172.16.1.254:60022": "refused",
        "203.0.113.1:53": "open",
    },
    "arp": {},
    "strangers": {"frame": None, "client": None},
    "metrics": "HTTP/1.0 200 OK",
}


@pytest.fixture
def seen():
    """Give what a worker of a farm in order sees, with some of it changed."""

    def made(**changes):
        found = {**copy.deepcopy(SEEN), **changes}
        return {
            part: value if "trouble" in (value or {}) else {"found": value}
            for part, value in found.items()
        }

    return made
